import io
import struct

import pytest

from lab.trace import pcap
from lab.trace.pcap import TraceError, open_trace, read, write

FRAMES = [(1_700_000_000_123_456_789, b"a" * 60), (1_700_000_001_000_000_001, b""), (2**32 * 10**9 - 1, b"b" * 1514)]


def made(order: str, magic: int, records: list[tuple[int, int, int, bytes]], link: int = 1) -> bytes:
    out = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, link)
    for seconds, fraction, length, data in records:
        out += struct.pack(order + "IIII", seconds, fraction, len(data), length) + data
    return out


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("magic", "unit"), [(0xA1B2C3D4, 1000), (0xA1B23C4D, 1)])
def test_both_byte_orders_and_resolutions(order, magic, unit):
    trace = read(io.BytesIO(made(order, magic, [(10, 7, 100, b"xy"), (11, 999_999, 3, b"abc")])))
    assert list(trace) == [(1, 10**10 + 7 * unit, 100, b"xy", 1), (2, 11 * 10**9 + 999_999 * unit, 3, b"abc", 1)]
    assert (trace.link_type, trace.snap_length, trace.problem) == (1, 65535, None)


def test_what_is_written_is_read_back():
    stream = io.BytesIO()
    write(stream, FRAMES)
    stream.seek(0)
    assert [(time, data) for _, time, _, data, _ in open_trace(stream)] == FRAMES


def test_writing_cuts_at_the_snap_length_and_keeps_the_length_on_the_wire():
    stream = io.BytesIO()
    write(stream, [(0, b"0123456789")], snap_length=4)
    stream.seek(0)
    assert list(read(stream)) == [(1, 0, 10, b"0123", 1)]


@pytest.mark.parametrize("cut", range(1, 16 + 30))
def test_a_cut_last_record_is_reported_and_the_frames_before_it_are_kept(cut):
    whole = made("<", 0xA1B2C3D4, [(1, 0, 30, b"x" * 30), (2, 0, 30, b"y" * 30)])
    trace = read(io.BytesIO(whole[:-cut]))
    assert [data for _, _, _, data, _ in trace] == [b"x" * 30]
    assert trace.problem == f"frame 2 is cut off: the file ends {46 - cut} bytes into its record"


def test_an_impossible_record_ends_the_reading_with_a_reason():
    damaged = made("<", 0xA1B2C3D4, [(1, 0, 1, b"x")]) + struct.pack("<IIII", 1, 1, 2**31, 2**31) + b"?" * 50
    trace = read(io.BytesIO(damaged))
    assert len(list(trace)) == 1
    assert trace.problem == "frame 2 claims 2147483648 captured bytes, more than any frame has"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "the file is empty"),
        (b"#!/bin/sh\nexit 0\nexit 0 # padding", "not a capture file: it begins with 23 21 2f 62"),
        (b"\xd4\xc3\xb2\xa1\0\0", "the file header is cut off: 6 bytes, and 24 are needed"),
    ],
)
def test_what_is_not_a_capture_is_refused_clearly(content, text):
    with pytest.raises(TraceError, match=text) as caught:
        read(io.BytesIO(content), "file.pcap")
    assert caught.value.problems[0].where == "file.pcap"
    assert caught.value.exit_code == 2


def test_records_across_chunks_are_whole(monkeypatch):
    monkeypatch.setattr(pcap, "CHUNK", 7)
    stream = io.BytesIO()
    write(stream, FRAMES * 3)
    stream.seek(0)
    assert [(time, data) for _, time, _, data, _ in read(stream)] == FRAMES * 3


def test_reading_is_a_stream():
    class Endless(io.RawIOBase):
        """Gives frames for ever, and counts what was asked of it."""

        def __init__(self) -> None:
            self.rest, self.given = made("<", 0xA1B2C3D4, []), 0

        def read(self, size: int = -1) -> bytes:
            while len(self.rest) < size:
                self.rest += struct.pack("<IIII", 1, 0, 1000, 1000) + b"z" * 1000
            out, self.rest = self.rest[:size], self.rest[size:]
            self.given += len(out)
            return out

    stream = Endless()
    frames = iter(read(stream))
    assert [next(frames)[0] for _ in range(5)] == [1, 2, 3, 4, 5]
    assert stream.given < 2 * pcap.CHUNK


def test_bits_above_the_link_type_are_not_part_of_it():
    assert read(io.BytesIO(made("<", 0xA1B2C3D4, [], link=0x1400_0001))).link_type == 1
