"""Runs on the server's node after the student's program has begun: is there anything here that it has left?"""

import ctypes
import glob
import json
import os
import socket
import sys

PLACES = ("/work", "/tmp", "/dev/shm")
found = []
for place in PLACES:
    found += [f"{place}/{name}" for name in os.listdir(place) if name not in ("beside.py", "prlimit", "python3")]
for module in (ctypes, glob, json, os, socket):
    if not module.__file__.startswith((sys.base_prefix, "/usr/")):
        found.append(module.__file__)
found += open("/proc/sysvipc/shm").read().splitlines()[1:]
strangers = [path for path in glob.glob("/proc/[0-9]*/cmdline") if b"server.py" in open(path, "rb").read()]
sys.stdout.write("untouched\n" if not found + strangers else f"found {found + strangers}\n")
