"""Would speak under addresses, and with MACs, that are another's."""

import fcntl

from prelude import attempt, report_and_serve, socket

CLIENT, FREEBIND = "10.0.1.10", 15


def message(kind, body, flags=0x505):
    return (16 + len(body)).to_bytes(4, "little") + kind.to_bytes(2, "little") + flags.to_bytes(2, "little") + bytes(
        8
    ) + body


def ask(kind, body):
    """A request to the kernel's routing tables, with its answer."""

    def act():
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as netlink:
            netlink.send(message(kind, body))
            code = int.from_bytes(netlink.recv(4096)[16:20], "little", signed=True)
            if code:
                raise OSError(-code, "refused by the kernel")
            return "done"

    return act


def own(family, address, far):
    """Bind to another's address and send from it."""

    def act():
        with socket.socket(family, socket.SOCK_DGRAM) as each:
            each.bind((address, 5353))
            each.sendto(b"x", (far, 9))
            return "sent"

    return act


def freely(family, level, number, address, far):
    def act():
        with socket.socket(family, socket.SOCK_DGRAM) as each:
            each.setsockopt(level, number, 1)
            each.bind((address, 5354))
            each.sendto(b"x", (far, 9))
            return "sent"

    return act


def control(number, text=b""):
    def act():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as each:
            fcntl.ioctl(each, number, b"eth0".ljust(16, b"\0") + text.ljust(24, b"\0"))
            return "done"

    return act


link = bytes(4) + (2).to_bytes(4, "little") + bytes(8)
attempt("bind", own(socket.AF_INET, CLIENT, "10.0.2.1"))
attempt("IP_FREEBIND", freely(socket.AF_INET, socket.SOL_IP, FREEBIND, CLIENT, "10.0.2.1"))
attempt("IPV6_FREEBIND", freely(socket.AF_INET6, 41, 78, "fd00:9::1", "::1"))
attempt("set the MAC", control(0x8924, b"\x01\x00\x02\0\0\0\0\x01"))
attempt("set the address", control(0x8916, b"\x02\x00\0\0\x0a\0\x01\x0a"))
attempt("promiscuous", control(0x8914, b"\x43\x11"))
attempt("add an ARP entry", control(0x8955, b""))
attempt("RTM_NEWLINK", ask(16, link + bytes.fromhex("0a000100020000000001") + b"\0\0"))
attempt("RTM_NEWADDR", ask(20, bytes.fromhex("0218000002000000") + bytes.fromhex("080002000a00010a")))
attempt("RTM_NEWROUTE", ask(24, bytes.fromhex("02180000fe02fd010000000008000100c00002000800040002000000")))
attempt("RTM_NEWNEIGH", ask(28, bytes.fromhex("020000000200000080000000080001000a000201") + bytes.fromhex(
    "0a000200020000000001") + b"\0\0"))  # fmt: skip
report_and_serve()
