"""Would send frames and packets of its own making, to fake a handshake or to speak as another."""

from prelude import attempt, report_and_serve, socket

KINDS = {
    "packet": (socket.AF_PACKET, socket.SOCK_RAW, 0x0300),
    "packet, cooked": (socket.AF_PACKET, socket.SOCK_DGRAM, 0x0300),
    "packet, old": (socket.AF_INET, 10, 0x0300),
    "raw TCP": (socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP),
    "raw IP": (socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW),
    "raw ICMP": (socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP),
    "raw TCP over IPv6": (socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_TCP),
    "raw IPv6": (socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW),
}
for name, arguments in KINDS.items():
    attempt(name, lambda arguments=arguments: socket.socket(*arguments))


def option(level, number, value, family=socket.AF_INET):
    def act():
        socket.socket(family).setsockopt(level, number, value)
        return "set"

    return act


attempt("TCP_REPAIR", option(socket.IPPROTO_TCP, 19, 1))
attempt("IP_TRANSPARENT", option(socket.SOL_IP, 19, 1))
attempt("IPV6_TRANSPARENT", option(41, 75, 1, socket.AF_INET6))
attempt("SO_MARK", option(socket.SOL_SOCKET, 36, 1))
attempt("SO_ATTACH_REUSEPORT_EBPF", option(socket.SOL_SOCKET, 52, 3))
attempt("TCP_ULP", option(socket.IPPROTO_TCP, 31, b"tls"))
attempt("/dev/net/tun", lambda: open("/dev/net/tun", "r+b", buffering=0))
report_and_serve()
