"""Makes files of a tebibyte that take no room, where somebody would copy or pack them."""

from prelude import attempt, os, report_and_serve


def giant(path):
    with open(path, "wb") as file:
        try:
            file.truncate(1 << 40)
            return os.stat(path).st_size
        finally:
            os.unlink(path)


for folder in ("/work", "/tmp", "/dev/shm"):
    attempt(f"giant in {folder}", giant, f"{folder}/giant")
    attempt(f"fallocate in {folder}", lambda f=folder: os.posix_fallocate(os.open(f"{f}/a", 0o102), 0, 1 << 33))
report_and_serve()
