"""Fills shared memory and unmaps all of it but a page: the rest stays, and shows in no process."""

from prelude import call, ctypes, libc, os

libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)
libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
libc.memset.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t)
size = 512 << 20
while True:
    block = libc.mmap(None, size, 3, 0x21, -1, 0)
    if block in (None, ctypes.c_void_p(-1).value):
        os.write(1, b"refused %d MiB\n" % (size >> 20))
        if size <= 1 << 20:
            break
        size //= 2
        continue
    libc.memset(block, 1, size)
    call("munmap", block + 4096, size - 4096)
    os.write(1, b"hidden %d MiB\n" % (size >> 20))
