"""A lab's name server: it answers over UDP and TCP (RFC 1035, section 4.2; RFC 7766) and says nothing of its own."""

from __future__ import annotations

import contextlib
import selectors
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NoReturn

from lab.dns.zone import Zone

PORT = 53
_MOST_CONNECTIONS = 100  # beyond that the one that has been idle longest gives way
_IDLE = 10.0  # seconds after which an idle connection is closed


@dataclass
class _Connection:
    used: float
    data: bytearray = field(default_factory=bytearray)


def listen(addresses: Iterable[str]) -> list[socket.socket]:
    """Sockets on port 53 of each address, in the calling network namespace; raises OSError.

    One each, so that an answer always comes from the address that was asked.
    """
    found = []
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            made = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
            made.bind((address, PORT))
            if kind == socket.SOCK_STREAM:
                made.listen(64)
            found.append(made)
    return found


def serve(sockets: Iterable[socket.socket], zone: Zone) -> NoReturn:
    """Answer for ever."""
    server = _Server(zone)
    for each in sockets:
        server.add(each)
    while True:
        server.turn()


class _Server:
    def __init__(self, zone: Zone) -> None:
        self._zone = zone
        self._selector = selectors.DefaultSelector()
        self._connections: dict[socket.socket, _Connection] = {}

    def add(self, listening: socket.socket) -> None:
        """Serve one more socket."""
        udp = listening.type & 0xF == socket.SOCK_DGRAM
        self._selector.register(listening, selectors.EVENT_READ, self._datagram if udp else self._accept)

    def turn(self) -> None:
        """Wait for something to come, and answer it."""
        for key, _ in self._selector.select(_IDLE if self._connections else None):
            if key.fileobj in self._selector.get_map():
                with contextlib.suppress(OSError):  # whoever asked has gone: the others still want answers
                    key.data(key.fileobj)
        for connection, state in list(self._connections.items()):
            if time.monotonic() - state.used > _IDLE:
                self._close(connection)

    def _datagram(self, listening: socket.socket) -> None:
        data, asker = listening.recvfrom(0xFFFF)
        response = self._zone.respond(data, udp=True)
        if response is not None:
            listening.sendto(response, asker)

    def _accept(self, listening: socket.socket) -> None:
        connection, _ = listening.accept()
        connection.setblocking(False)
        if len(self._connections) >= _MOST_CONNECTIONS:
            self._close(min(self._connections, key=lambda each: self._connections[each].used))
        self._connections[connection] = _Connection(time.monotonic())
        self._selector.register(connection, selectors.EVENT_READ, self._stream)

    def _stream(self, connection: socket.socket) -> None:
        """Messages in a stream, each behind its length in two bytes."""
        state = self._connections[connection]
        try:
            received = connection.recv(0xFFFF)
            state.data += received
            state.used = time.monotonic()
            while len(state.data) >= 2 and len(state.data) >= (size := 2 + int.from_bytes(state.data[:2], "big")):
                message = bytes(state.data[2:size])
                del state.data[:size]
                response = self._zone.respond(message, udp=False)
                if response is None or connection.send(out := len(response).to_bytes(2, "big") + response) < len(out):
                    received = b""
                    break
        except OSError:
            received = b""
        if not received:
            self._close(connection)

    def _close(self, connection: socket.socket) -> None:
        self._selector.unregister(connection)
        del self._connections[connection]
        connection.close()
