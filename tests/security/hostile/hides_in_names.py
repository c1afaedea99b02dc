"""Calls itself as the sandbox's own processes are called, and prints what breaks readers of text."""

from prelude import libc, os, serve, signal

for name in (b"bwrap", b"tcpdump", b"lab-keeper", b"a) R 1 1 1"):
    if os.fork() == 0:
        libc.prctl(15, name, 0, 0, 0)
        os.setsid()
        while True:
            signal.pause()
libc.prctl(15, b"bwrap", 0, 0, 0)
os.write(1, b"\xff\xfe\x00\x80\xed\xa0\x80" * 1000 + b"\r\n\x0b\x0c\x1c\x85" + "\u202e\u2028\ufeff".encode())
serve()
