"""Behaves well only where it sees a grader at work; it looks for one in all that it can see."""

import time

from prelude import glob, os, read, report, serve, socket, sys

SIGNS = (b"tcpdump", b"strace", b"lab-keeper", b"lab-agent", b"packetlab", b"pytest")
seen = []
for path in glob.glob("/proc/[0-9]*/cmdline"):
    if path != "/proc/self/cmdline" and any(sign in read(path) for sign in SIGNS):
        seen.append(path)
if int(read("/proc/self/status", 9000).decode().split("TracerPid:")[1].split()[0]):
    seen.append("a tracer")
seen += [name for name in os.environ if name.startswith(("LAB", "PYTEST", "CI"))]
# That its frames are captured can be seen in /proc/net/packet, and is the same whoever runs it: no sign of a grader.
for flags in glob.glob("/sys/class/net/*/flags"):
    if int(open(flags).read(), 16) & 0x100:
        seen.append(flags)
if b"lab" in read("/proc/self/cgroup"):
    seen.append("cgroup")
seen += [name for _, name in socket.if_nameindex() if name not in ("lo", "eth0")]
print("SEEN", seen, flush=True)
report()
if seen:
    serve()
listener = socket.create_server(("", int(sys.argv[1])))
while True:
    connection, _ = listener.accept()
    connection.close()
    time.sleep(0)
