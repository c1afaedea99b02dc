"""Messages between `lab` and a keeper: JSON and file descriptors over a Unix socket that keeps message boundaries."""

from __future__ import annotations

import array
import json
import os
import socket
from collections.abc import Sequence
from typing import Any

Message = dict[str, Any]

_INLINE = 32_000  # bytes; what is longer travels in a memory file, for a socket's buffer bounds a message
_MAX_FDS = 16


def pair() -> tuple[Channel, Channel]:
    """Two connected ends."""
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return Channel(one), Channel(other)


class Channel:
    """One end of a connection."""

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected

    def fileno(self) -> int:
        """For select()."""
        return self.socket.fileno()

    def close(self) -> None:
        """End the connection."""
        self.socket.close()

    def send(self, message: Message, fds: Sequence[int] = ()) -> None:
        """Send a message; the descriptors stay open here."""
        data = json.dumps(message).encode()
        extra: list[int] = []
        if len(data) > _INLINE:
            extra = [os.memfd_create("message", os.MFD_CLOEXEC)]
            with open(extra[0], "wb", closefd=False) as file:
                file.write(data)
            data = b"long"
        try:
            socket.send_fds(self.socket, [data], [*extra, *fds])
        finally:
            for fd in extra:
                os.close(fd)

    def receive(self) -> tuple[Message, list[int]] | None:
        """The next message and its descriptors, which no program inherits; None when the other end is gone."""
        try:
            data, fds = self._receive()
        except ConnectionResetError:
            return None
        if not data:
            return None
        if data == b"long":
            memory = fds.pop(0)
            with open(memory, "rb") as file:
                file.seek(0)
                data = file.read()
        message: Message = json.loads(data)
        return message, fds

    def _receive(self) -> tuple[bytes, list[int]]:
        space = socket.CMSG_SPACE(_MAX_FDS * array.array("i").itemsize)
        data, ancillary, _, _ = self.socket.recvmsg(_INLINE + 1024, space, socket.MSG_CMSG_CLOEXEC)
        fds = array.array("i")
        for level, kind, content in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
        return data, list(fds)
