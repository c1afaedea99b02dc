"""The folders that steps write to, and the users that they run under."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from pathlib import Path

from lab.runtime.netns.syscalls import MS_NODEV, MS_NOSUID, mount

_FOLDERS = Path("/run/lab-folders")
_FOLDER_OPTIONS = "size=67108864,nr_inodes=16384,mode=755"


class Folders:
    """The folders of one agent's steps, each with a user of its own."""

    def __init__(self) -> None:
        _FOLDERS.mkdir(parents=True, exist_ok=True)
        self._numbers: dict[tuple[str, str], int] = {}
        self._uids = _user_ids()

    def uid(self, node: str, folder: str | None) -> int:
        """A user of its own for each folder of each node: the kernel counts a user's processes all together."""
        return self._numbers.setdefault((node, folder or ""), self._uids + len(self._numbers))

    def path(self, node: str, name: str) -> Path:
        """A step's writable folder: a file system of its own, of bounded size, made at its first use."""
        uid = self.uid(node, name)
        path = _FOLDERS / str(uid)
        if not path.is_dir():
            path.mkdir(parents=True)
            mount("tmpfs", str(path), "tmpfs", MS_NOSUID | MS_NODEV, f"{_FOLDER_OPTIONS},uid={uid},gid={uid}")
        return path

    def put(self, node: str, name: str, files: Mapping[str, str]) -> None:
        """Lay files (relative path → content in base 64) into a folder; nothing that exists is touched."""
        folder, uid = self.path(node, name), self.uid(node, name)
        for relative, content in files.items():
            path = folder / relative
            path.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o755)
            with open(fd, "wb") as file:
                file.write(base64.b64decode(content))
        for place, folders, names in os.walk(folder):
            for each in (*folders, *names):
                os.chown(Path(place, each), uid, uid, follow_symlinks=False)


def _user_ids() -> int:
    """The first of the user ids that this agent's steps run under: far from everybody's, and from other agents'."""
    last = 0
    for line in Path("/proc/self/uid_map").read_text().splitlines():
        start, _, count = map(int, line.split())
        last = max(last, min(start + count, 1 << 31))
    return last // 2 + os.getpid() % 1000 * (last // 4000)
