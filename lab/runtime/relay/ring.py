"""The frames that come to an interface, in a ring that the kernel fills and the relay empties: packet(7), TPACKET_V2.

A socket's own buffer is bounded by net.core.rmem_max, some 200 KB by default, for whoever is not root of the machine
itself: less than one burst. A ring is not, and to read a frame from it takes no system call.
"""

from __future__ import annotations

import errno
import mmap
import socket
import struct
from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")

_ROOM = 64 << 20  # bytes of the kernel's memory that a relay's rings share …
_MOST = 8 << 20  # … of which one takes no more …
_LEAST = 1 << 18  # … and asks for no less
_EVERY_PROTOCOL = 3  # ETH_P_ALL
# <linux/if_packet.h>
_PACKET, _RX_RING, _STATISTICS, _VERSION, _IGNORE_OUTGOING = 263, 5, 6, 10, 23
_TPACKET_V2, _KERNEL, _USER = 1, 0, 1
_HEADER = struct.Struct("=IIIH")  # of a frame: status, length on the wire, bytes kept, where they begin
_STATUS = struct.Struct("=I")
_BEFORE = 66 + 14 + 4  # bytes before a frame's payload: the kernel's header, Ethernet's, and a VLAN tag
_BLOCK = 1 << 16  # bytes that lie together in memory; a multiple of every slot's size


def share(rings: int, used: int, ports: int) -> int:
    """The room of each of so many new rings, where earlier ones have `used` some, and the lab has so many ports.

    They share what is left, and have no less than if every port of the lab had the same: in all twice the room at most,
    but for a lab that is very large.
    """
    return min(max((_ROOM - used) // rings, _ROOM // ports, _LEAST), _MOST)


def allocate(take: Callable[[int], T], room: int) -> T:
    """What `take` gives for about `room` bytes, or for half of them and so on, as long as there is no memory."""
    size = max(room // _BLOCK, 1) * _BLOCK
    while True:
        try:
            return take(size)
        except OSError as error:
            if error.errno != errno.ENOMEM or size == _BLOCK:
                raise
            size = max(size // 2 // _BLOCK, 1) * _BLOCK


class Ring:
    """A ring of about `room` bytes, or less where memory is short, and its socket, which is also the way out."""

    def __init__(self, mtu: int, room: int) -> None:
        # Of no protocol: nothing comes before it is bound.
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 0)
        self._slot = 1 << (_BEFORE + mtu - 1).bit_length()
        self._at = self._cut = 0
        self.socket.setsockopt(_PACKET, _IGNORE_OUTGOING, 1)
        self.socket.setsockopt(_PACKET, _VERSION, _TPACKET_V2)
        try:
            self._memory = allocate(self._map, room)
        except OSError:
            self.socket.close()
            raise
        self.size = len(self._memory)
        self._view = memoryview(self._memory)

    def _map(self, size: int) -> mmap.mmap:
        self.socket.setsockopt(_PACKET, _RX_RING, bytes(16))  # of a larger one that could not be mapped
        asked = struct.pack("=4I", _BLOCK, size // _BLOCK, self._slot, size // self._slot)
        self.socket.setsockopt(_PACKET, _RX_RING, asked)
        return mmap.mmap(self.socket.fileno(), size)

    def bind(self, interface: str) -> None:
        """Take what comes to an interface from now on."""
        self.socket.bind((interface, _EVERY_PROTOCOL))

    def close(self) -> None:
        """Give its memory back."""
        self._view.release()
        self._memory.close()
        self.socket.close()

    def frames(self, most: int) -> Iterator[memoryview]:
        """The frames that have come, `most` of them at the most; each is gone when the next is asked for."""
        for _ in range(most):
            at = self._at
            status, length, kept, start = _HEADER.unpack_from(self._memory, at)
            if not status & _USER:
                # That the node took its interface down is told as an error, until it is read; it may come up again.
                self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                return
            if kept == length:
                yield self._view[at + start : at + start + kept]
            else:  # longer than the MTU: the node left its cutting to a network card that is not there
                self._cut += 1
            _STATUS.pack_into(self._memory, at, _KERNEL)
            self._at = (at + self._slot) % self.size

    def dropped(self) -> int:
        """How many frames found no room, or not enough of it, since this was last asked."""
        _, dropped = struct.unpack("=II", self.socket.getsockopt(_PACKET, _STATISTICS, 8))
        cut, self._cut = self._cut, 0
        return int(dropped) + cut
