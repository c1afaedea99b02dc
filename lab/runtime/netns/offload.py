"""Checksum and segmentation offloads off, so that frames on a veth are as on a wire.

Otherwise a capture shows partial checksums and segments larger than the MTU. Layouts are from <linux/ethtool.h>.
"""

from __future__ import annotations

import ctypes
import fcntl
import struct
from functools import cache

_SIOCETHTOOL = 0x8946
_GSTRINGS, _GSSET_INFO, _SFEATURES = 0x1B, 0x37, 0x3B
_FEATURE_NAMES = 4  # ETH_SS_FEATURES
_NAME_LENGTH = 32
_UNWANTED = ("checksum", "segmentation", "scatter-gather", "rx-gro")


def _ethtool(fd: int, interface: str, request: bytes) -> bytes:
    buffer = ctypes.create_string_buffer(request, len(request))
    fcntl.ioctl(fd, _SIOCETHTOOL, struct.pack("16sQ16x", interface.encode(), ctypes.addressof(buffer)))
    return buffer.raw


@cache
def _request(fd: int) -> bytes:
    """The request that clears every unwanted feature this kernel knows; the list is the same for all devices."""
    answer = _ethtool(fd, "lo", struct.pack("=IIQI", _GSSET_INFO, 0, 1 << _FEATURE_NAMES, 0))
    count = struct.unpack_from("=I", answer, 16)[0]
    empty = struct.pack("=III", _GSTRINGS, _FEATURE_NAMES, count) + bytes(count * _NAME_LENGTH)
    raw = _ethtool(fd, "lo", empty)[12:]
    names = [raw[i * _NAME_LENGTH : (i + 1) * _NAME_LENGTH].split(b"\0")[0].decode() for i in range(count)]
    blocks = [0] * ((count + 31) // 32)
    for bit, name in enumerate(names):
        if any(word in name for word in _UNWANTED) and "rx-checksum" not in name:
            blocks[bit // 32] |= 1 << (bit % 32)
    return struct.pack("=II", _SFEATURES, len(blocks)) + b"".join(struct.pack("=II", block, 0) for block in blocks)


def switch_off(fd: int, interface: str) -> None:
    """Clear the offloads of `interface`; `fd` is any socket made in its network namespace."""
    _ethtool(fd, interface, _request(fd))
