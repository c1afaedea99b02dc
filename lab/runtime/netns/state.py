"""Where lasting labs are remembered: one folder a lab, believed only while its keeper is provably the same process."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from lab.errors import LabError, NotMeasuredError

_LOCK_LIMIT = 60.0  # seconds to wait for another `lab` that works on the same lab


def base() -> Path:
    """This user's folder for live state, made if missing; raises LabError if somebody else's lies there.

    Root's must be one that others can pass through, since the programs of root's labs run under another uid.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and os.access(runtime, os.W_OK) and (os.getuid() != 0 or _passable(Path(runtime))):
        path = Path(runtime) / "lab"
    else:
        path = Path(tempfile.gettempdir()) / f"lab-{os.getuid()}"
    _make(path, 0o711)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise LabError(f"{path} belongs to another user", hint="set XDG_RUNTIME_DIR to a private folder of yours")
    return path


def _make(path: Path, mode: int) -> None:
    """Make a folder that has this mode whatever the caller's umask is: a lab of root's runs under another uid."""
    with contextlib.suppress(FileExistsError):
        path.mkdir()
        path.chmod(mode)


def _passable(path: Path) -> bool:
    """Whether everybody can pass through a folder, as root's /run/user/0 does not let them."""
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in (path, *path.resolve().parents))


def mount_point() -> Path:
    """An empty folder on which each lab mounts its own files, in its own mount namespace only."""
    path = base() / "mnt"
    _make(path, 0o755)
    return path


def boot_id() -> str:
    """Differs from boot to boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def start_time(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None where there is none (or only its remains)."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if after_name[0] in "ZX" else int(after_name[19])


@dataclass(frozen=True)
class Record:
    """What is written down of a lasting lab."""

    name: str
    source: str
    nodes: int
    pid: int
    start_time: int
    boot_id: str
    started: float

    def keeper(self) -> int | None:
        """A pidfd of the keeper, or None when it is gone; opened before its identity is checked, so never another's."""
        if self.boot_id != boot_id():
            return None
        try:
            fd = os.pidfd_open(self.pid)
        except OSError:
            return None
        if start_time(self.pid) != self.start_time:
            os.close(fd)
            return None
        return fd


class Folder:
    """A lab's folder, locked: nobody else brings it up or takes it down meanwhile."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock

    @property
    def socket(self) -> Path:
        """Where the keeper listens."""
        return self.path / "socket"

    @property
    def written(self) -> Path:
        """Where the record is."""
        return self.path / "lab.json"

    @property
    def plan(self) -> Path:
        """The plan as data."""
        return self.path / "plan.json"

    def record(self) -> Record | None:
        """The lab's record; None where there is none, or an unreadable one of a `lab` that was killed."""
        return _read(self.path)

    def write(self, record: Record) -> None:
        """Remember the lab."""
        scratch = self.path / "lab.json.new"
        scratch.write_text(json.dumps(asdict(record)))
        scratch.rename(self.written)

    def clear(self) -> None:
        """Forget the lab."""
        shutil.rmtree(self.path, ignore_errors=True)

    def unlock(self) -> None:
        """Let others work on it."""
        os.close(self._lock)


def read(name: str) -> Record | None:
    """A lab's record as it stands, without waiting for whoever works on the lab."""
    return _read(base() / "labs" / name)


def _read(path: Path) -> Record | None:
    try:
        return Record(**json.loads((path / "lab.json").read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


@contextlib.contextmanager
def folder(name: str, *, wait: bool = True) -> Iterator[Folder]:
    """Lock a lab's folder, made if missing and removed again if it is left without a record.

    Raises NotMeasuredError when another `lab` holds it for longer than a minute, or at all where `wait` is false.
    """
    path = base() / "labs" / name
    deadline = time.monotonic() + (_LOCK_LIMIT if wait else 0)
    while True:
        _make(path.parent, 0o711)
        _make(path, 0o711)
        with contextlib.suppress(FileNotFoundError):
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            if _locked(lock, path):
                break
            os.close(lock)
        if time.monotonic() >= deadline:
            raise NotMeasuredError(
                f"another lab command is still working on lab {name}", hint="try again when it is done"
            )
        time.sleep(0.01)
    locked = Folder(path, lock)
    try:
        yield locked
    finally:
        if locked.record() is None:
            locked.clear()
        locked.unlock()


def _locked(lock: int, path: Path) -> bool:
    """Whether we hold the lock, and on the folder that has the name now."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.fstat(lock).st_ino == path.stat().st_ino
    except (BlockingIOError, FileNotFoundError):
        return False


def names() -> list[str]:
    """Of all labs written down, dead ones included."""
    labs = base() / "labs"
    return sorted(entry.name for entry in labs.iterdir() if entry.is_dir()) if labs.is_dir() else []
