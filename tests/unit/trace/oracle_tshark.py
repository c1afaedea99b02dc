"""Wireshark's own answers, as an oracle."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

TSHARK = shutil.which("tshark")
needs_tshark = pytest.mark.skipif(TSHARK is None, reason="tshark, the oracle, is not installed (Debian: tshark)")


def fields(capture: bytes, folder: Path, *names: str, options: tuple[str, ...] = ()) -> list[dict[str, str]]:
    """One dictionary a frame; a field that occurs several times has its first value."""
    assert TSHARK is not None
    path = folder / "oracle.pcap"
    path.write_bytes(capture)
    wanted = [argument for name in names for argument in ("-e", name)]
    how = ["-T", "fields", "-E", "separator=\t", "-E", "occurrence=f"]
    command = [TSHARK, "-n", "-r", str(path), *how, *options, *wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return [dict(zip(names, line.split("\t"), strict=True)) for line in done.stdout.splitlines()]


def stream(capture: bytes, folder: Path, index: int) -> tuple[bytes, bytes]:
    """What both sides of a conversation sent, as Wireshark follows it: the one seen first, then the other."""
    assert TSHARK is not None
    path = folder / "oracle.pcap"
    path.write_bytes(capture)
    command = [TSHARK, "-n", "-r", str(path), "-q", "-z", f"follow,tcp,raw,{index}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    lines = [line for line in done.stdout.splitlines() if line and not set(line.strip()) - set("0123456789abcdef")]
    first = b"".join(bytes.fromhex(line) for line in lines if line[0] != "\t")
    return first, b"".join(bytes.fromhex(line.strip()) for line in lines if line[0] == "\t")
