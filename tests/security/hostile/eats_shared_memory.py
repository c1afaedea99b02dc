"""Maps memory shared with its children, which no limit of a single process counts, and fills it."""

import mmap

from prelude import os

hoard = []
for number in range(4096):
    block = mmap.mmap(-1, 8 << 20)
    block.write(b"x" * (8 << 20))
    hoard.append(block)
    os.write(1, b"filled %d MiB\n" % (8 * number + 8))
