"""Every way around a tracer that the kernel has, and to trace or end one."""

from prelude import attempt, call, ctypes, os, report_and_serve

buffer = ctypes.create_string_buffer(256)
WAYS = {
    "clone untraced": ("syscall", 56, 0x0080_0000 | 17, 0, 0, 0, 0),
    "clone3": ("syscall", 435, buffer, 88),
    "io_uring_setup": ("syscall", 425, 8, buffer),
    "io_uring_register": ("syscall", 427, 0, 0, 0, 0),
    "seccomp filter": ("syscall", 317, 1, 0, buffer),
    "seccomp filter by prctl": ("prctl", 22, 2, buffer, 0, 0),
    "user dispatch": ("prctl", 59, 1, 0, 0, buffer),
    "traced by its parent": ("ptrace", 0, 0, 0, 0),
    "calls of the x32 ABI": ("syscall", 0x4000_0000 + 39),
    "personality": ("syscall", 135, 0x0008),
    "bpf": ("syscall", 321, 0, buffer, 72),
    "perf": ("syscall", 298, buffer, 0, -1, -1, 0),
    "userfaultfd": ("syscall", 323, 0),
    "modify_ldt": ("syscall", 154, 1, buffer, 16),
}
for name, arguments in WAYS.items():
    attempt(name, call, *arguments)


def old_abi():
    """A 32-bit call, int 0x80, whose numbers are other ones: 20 is getpid there."""
    memory = __import__("mmap").mmap(-1, 4096, prot=7, flags=0x22)
    memory.write(bytes.fromhex("53b814000000cd80485bc3".replace("48", "")))
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    result = ctypes.CFUNCTYPE(ctypes.c_int)(address)()
    if result < 0:
        raise OSError(-result, os.strerror(-result))
    return result


if os.fork() == 0:  # where the kernel has no such calls this ends the process
    try:
        value = old_abi()
        os._exit(1 if value > 0 else 0)
    except OSError:
        os._exit(0)
_, status = os.wait()
attempt("32-bit calls", lambda: os.WIFEXITED(status) and os.WEXITSTATUS(status))
report_and_serve()
