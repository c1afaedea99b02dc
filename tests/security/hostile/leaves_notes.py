"""Leaves notes for other submissions wherever one might be read, looks for theirs, and stays for a moment."""

import fcntl
import time

from prelude import attempt, call, ctypes, glob, os, outcomes, read, report_and_serve, socket

KEY, NAME, NOTE = 0x1AB1AB, "note-of-the-others", b"the answer is 42"
ALL = ("/usr/bin/env", "/usr/bin/python3", "/etc/services", "/dev/null", "/proc/version", "/usr")
own = os.urandom(8).hex()


def others(folder):
    """Notes that are not from here."""
    return [path for path in glob.glob(f"{folder}/{NAME}*") if own not in path]


def abstract():
    listening = socket.socket(socket.AF_UNIX)
    try:
        listening.bind(f"\0{NAME}")
    except OSError as error:
        return f"somebody else is there: {error}"
    globals()["kept"] = listening
    listening.listen()
    return None


def locked(path):
    """Whether somebody else's lock can be seen, or a lock be left for others to see."""
    file = globals().setdefault("held", []) or []
    fd = os.open(path, os.O_RDONLY)
    file.append(fd)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return "locked"


def record_lock(path):
    fd = os.open(path, os.O_RDONLY)
    fcntl.lockf(fd, fcntl.LOCK_SH | fcntl.LOCK_NB, 1)
    return "locked"


for folder in ("/dev/shm", "/tmp", "/work", "/var/tmp", "/run/lock", "/dev/mqueue"):
    attempt(f"others' notes in {folder}", others, folder)
    try:
        with open(f"{folder}/{NAME}-{own}", "wb") as file:
            file.write(NOTE)
        outcomes[f"note in {folder}"] = "nothing"  # its own place, which is looked at from the other side
    except OSError as error:
        outcomes[f"note in {folder}"] = f"refused: {error}"
attempt("abstract socket", abstract)
attempt("System V segment", call, "shmget", KEY, 4096, 0o1666)
attempt("System V queue", call, "msgget", KEY, 0o1666)
attempt("POSIX queue", call, "mq_open", f"/{NAME}".encode(), 0o102, 0o666, None)
for name, number in (("add_key", 248), ("request_key", 249), ("keyctl", 250)):
    attempt(name, call, "syscall", number, b"user", b"note", NOTE, len(NOTE), -4)
attempt("proc keys", lambda: [line for line in read("/proc/keys").splitlines() if b"note" in line])
for path in ALL:
    attempt(f"lock on {path}", locked, path)
    attempt(f"record lock on {path}", record_lock, path)
attempt("watch for others' accesses", call, "inotify_init1", 0)
attempt("fanotify", call, "fanotify_init", 0, 0)
attempt("unix sockets of others", lambda: [l for l in read("/proc/net/unix", 1 << 16).splitlines()
                                           if NAME.encode() in l and b"@" in l][1:])  # fmt: skip
time.sleep(0.3)
for folder in ("/dev/shm", "/tmp"):
    attempt(f"later notes in {folder}", others, folder)
report_and_serve()
_ = ctypes
