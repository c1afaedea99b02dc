"""Tries to get at what is none of its business, and prints as JSON what it got; then serves as it should."""

import contextlib
import ctypes
import glob
import json
import os
import socket
import sys

HOST = []  # the test's own folders stand here
LISTED = ("/root", "/home", "/var/log", "/run", "/sys", "/boot", "/mnt", "/opt", "/srv", *HOST)
READ = ("/etc/shadow", "/etc/machine-id", "/proc/kcore", "/dev/mem", "/dev/kmsg")
WRITTEN = ("/etc/hosts", "/etc/passwd", "/usr/bin/new", "/bin/sh", "/new", "/dev/new", "/proc/sys/net/ipv4/ip_forward",
           "/proc/sys/kernel/core_pattern", "/proc/1/oom_score_adj", "/proc/sysrq-trigger")  # fmt: skip
libc = ctypes.CDLL(None, use_errno=True)
got = {}


def attempt(name, act):
    try:
        got[name] = repr(act())
    except (OSError, ValueError) as error:
        got[name] = None
        print(name, error, file=sys.stderr)


def read(path):
    with open(path, "rb") as file:
        return file.read(2000)


def write(path):
    with open(path, "ab") as file:
        return file.write(b"x")


def call(name, *arguments):
    if getattr(libc, name)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return True


def descriptors(process):
    """What a process has open that is neither an output nor an event counter."""
    own = {os.readlink(f"/proc/self/fd/{fd}") for fd in range(3)}
    found = [os.readlink(path) for path in glob.glob(f"/proc/{process}/fd/*") if os.path.islink(path)]
    return sorted(where for where in found if where not in own and where != "anon_inode:[eventfd]")


def route():
    """Adds a route by netlink: RTM_NEWROUTE to 192.0.2.0/24 over interface 2."""
    message = bytes.fromhex("3400000018000506010000000000000002180000fe02fd010000000008000100c000020008000400020000")
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as netlink:
        netlink.send(message.ljust(0x34, b"\0"))
        answer = netlink.recv(4096)
        code = int.from_bytes(answer[16:20], "little", signed=True)
        if code:
            raise OSError(-code, os.strerror(-code))


for path in LISTED:
    attempt(f"list {path}", lambda path=path: os.listdir(path))
for path in READ:
    attempt(f"read {path}", lambda path=path: read(path))
for path in WRITTEN:
    attempt(f"write {path}", lambda path=path: write(path))
for name, flag in (("user", 0x10000000), ("net", 0x40000000), ("mount", 0x20000), ("pid", 0x20000000)):
    attempt(f"unshare {name}", lambda flag=flag: call("unshare", flag))
for name, arguments in (
    ("raw TCP", (socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)),
    ("raw ICMP", (socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)),
    ("packet", (socket.AF_PACKET, socket.SOCK_RAW, 0x0300)),
    ("packet datagram", (socket.AF_PACKET, socket.SOCK_DGRAM, 0x0300)),
):
    attempt(f"socket {name}", lambda arguments=arguments: socket.socket(*arguments).close())
attempt("setuid", lambda: os.setuid(0))
attempt("mount", lambda: call("mount", b"tmpfs", b"/tmp", b"tmpfs", 0, None))
attempt("chroot", lambda: os.chroot("/tmp"))
attempt("mknod", lambda: os.mknod("/tmp/disk", 0o060666, os.makedev(8, 0)))
attempt("sethostname", lambda: socket.sethostname("mine"))
attempt("SO_RCVBUFFORCE", lambda: socket.socket().setsockopt(socket.SOL_SOCKET, 33, 9))
attempt("SO_MARK", lambda: socket.socket().setsockopt(socket.SOL_SOCKET, 36, 1))
attempt("IP_TRANSPARENT", lambda: socket.socket().setsockopt(socket.SOL_IP, 19, 1))
attempt("route", route)
attempt("nice", lambda: os.nice(-5))
got["processes"] = sorted(int(path[6:]) for path in glob.glob("/proc/[0-9]*"))
got["names"] = sorted(read(path).decode().strip() for path in glob.glob("/proc/[0-9]*/comm"))
got["environment"] = dict(os.environ)
got["ids"] = [os.getuid(), os.getgid(), *os.getgroups()]
status = read("/proc/self/status").decode().splitlines()
got["capabilities of self"] = [line.split()[1] for line in status if line.startswith("Cap")]
attempt("descriptors of self", lambda: descriptors("self"))
attempt("what the first process is", lambda: os.listdir("/proc/1"))  # the sandbox's own
with contextlib.suppress(OSError):
    got["interfaces"] = sorted(name for _, name in socket.if_nameindex())
print(json.dumps(got))

listener = socket.create_server(("", int(sys.argv[1])))
while True:
    connection, _ = listener.accept()
    with connection:
        while data := connection.recv(4096):
            connection.sendall(data)
