"""Fills files that exist in memory alone, and System V's segments."""

from prelude import attempt, call, os, report_and_serve


def fill():
    files = []
    while sum(os.fstat(fd).st_size for fd in files) < 4 << 30:
        files.append(os.memfd_create(f"hoard{len(files)}"))
        for _ in range(32):
            os.write(files[-1], b"x" * (1 << 20))
    return len(files)


attempt("memfd", fill)
attempt("memfd_secret", call, "syscall", 447, 0)
attempt("shmget", call, "shmget", 0, 256 << 20, 0o1600)
attempt("msgget", call, "msgget", 0, 0o1600)
report_and_serve()
