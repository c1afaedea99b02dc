"""The frames that come to an interface, in a ring that the kernel fills and the relay empties: packet(7), TPACKET_V2.

A socket's own buffer is bounded by net.core.rmem_max, some 200 KB by default, for whoever is not root of the machine
itself: less than one burst. A ring is not, and to read a frame from it takes no system call.
"""

from __future__ import annotations

import fcntl
import mmap
import socket
import struct
from collections.abc import Iterator

_SIOCGIFMTU = 0x8921
_EVERY_PROTOCOL = 3  # ETH_P_ALL
# <linux/if_packet.h>
_PACKET, _RX_RING, _STATISTICS, _VERSION, _IGNORE_OUTGOING = 263, 5, 6, 10, 23
_TPACKET_V2, _KERNEL, _USER = 1, 0, 1
_HEADER = struct.Struct("=IIIH")  # of a frame: status, length on the wire, bytes kept, where they begin
_STATUS = struct.Struct("=I")
_BEFORE = 66 + 14 + 4  # bytes before a frame's payload: the kernel's header, Ethernet's, and a VLAN tag
_BLOCK = 1 << 16  # bytes that lie together in memory; a multiple of every slot's size


class Ring:
    """An interface's ring of about `room` bytes, and the socket that it belongs to, which is also the way to it."""

    def __init__(self, interface: str, room: int) -> None:
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 0)
        told = fcntl.ioctl(self.socket, _SIOCGIFMTU, struct.pack("=16si20x", interface.encode(), 0))
        (mtu,) = struct.unpack_from("=i", told, 16)
        self._slot = 1 << (_BEFORE + mtu - 1).bit_length()
        self._size = max(room // _BLOCK, 1) * _BLOCK
        self._at = self._cut = 0
        self.socket.setsockopt(_PACKET, _IGNORE_OUTGOING, 1)
        self.socket.setsockopt(_PACKET, _VERSION, _TPACKET_V2)
        asked = struct.pack("=4I", _BLOCK, self._size // _BLOCK, self._slot, self._size // self._slot)
        self.socket.setsockopt(_PACKET, _RX_RING, asked)
        self._memory = mmap.mmap(self.socket.fileno(), self._size)
        self._view = memoryview(self._memory)
        self.socket.bind((interface, _EVERY_PROTOCOL))

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
            self._at = (at + self._slot) % self._size

    def dropped(self) -> int:
        """How many frames found no room, or not enough of it, since this was last asked."""
        _, dropped = struct.unpack("=II", self.socket.getsockopt(_PACKET, _STATISTICS, 8))
        cut, self._cut = self._cut, 0
        return int(dropped) + cut
