"""Reads the environment, memory, descriptors and open files of every process that it can name."""

from prelude import attempt, call, ctypes, glob, os, read, report_and_serve

NAMES = ("environ", "mem", "maps", "smaps", "auxv", "pagemap", "stack", "syscall", "io", "personality")
processes = [int(path[6:]) for path in glob.glob("/proc/[0-9]*") if int(path[6:]) != os.getpid()]
for process in (*processes, *range(2, 400)):
    if process == os.getpid():
        continue
    for name in NAMES if process in processes else ("environ", "mem"):
        attempt(f"{name} of {process}", read, f"/proc/{process}/{name}")
    for name in ("fd", "map_files", "task"):
        if name != "task" or process not in processes:
            attempt(f"{name} of {process}", os.listdir, f"/proc/{process}/{name}")
    attempt(f"root of {process}", os.listdir, f"/proc/{process}/root/")
    attempt(f"ptrace {process}", call, "ptrace", 16, process, 0, 0)
for name, number in (("kcmp", 312), ("process_vm_readv", 310), ("pidfd_getfd", 438), ("process_madvise", 440)):
    attempt(name, call, "syscall", number, 1, 1, 0, 0, 0)
for path in ("/proc/kcore", "/proc/kallsyms", "/dev/mem", "/dev/kmem", "/dev/port", "/proc/kpagecount", "/proc/keys"):
    attempt(path, lambda path=path: read(path).strip(b"0 \nt") and b"ffff" in read(path) and "addresses")
attempt("dmesg", call, "klogctl", 3, ctypes.create_string_buffer(4096), 4096)
report_and_serve()
