"""Opens descriptors until there are no more, raises the limit if it can, and serves with the last ones."""

import resource

from prelude import attempt, os, report_and_serve


def open_many():
    hoard = []
    try:
        while True:
            hoard.append(os.open("/dev/null", os.O_RDONLY))
    finally:
        count = len(hoard)
        for fd in hoard:
            os.close(fd)
        if count > 4096:
            raise SystemExit(f"{count} descriptors")


attempt("descriptors", open_many)
for name in ("NOFILE", "NPROC", "DATA", "FSIZE", "CPU", "MEMLOCK", "CORE", "MSGQUEUE"):
    number = getattr(resource, f"RLIMIT_{name}")
    attempt(f"raise {name}", lambda n=number: resource.setrlimit(n, (1 << 40, 1 << 40)) or "raised")
report_and_serve()
