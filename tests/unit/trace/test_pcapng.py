"""pcapng files made by hand, by Wireshark's own tools, and damaged ones."""

import io
import random
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from trace_forge import Talk, capture

from lab.trace import pcapng
from lab.trace.pcap import TraceError, open_trace
from lab.trace.pcapng import Interface, Pcapng

MAGIC = 0x1A2B3C4D
EDITCAP, MERGECAP = shutil.which("editcap"), shutil.which("mergecap")
ORDERS = pytest.mark.parametrize("order", ["<", ">"])


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


class Made:
    """A pcapng file that grows block by block, in one byte order."""

    def __init__(self, order: str = "<", *, major: int = 1) -> None:
        self.order, self.data = order, b""
        self.block(0x0A0D0D0A, self.pack("IHHq", MAGIC, major, 0, -1))

    def pack(self, form: str, *values: int) -> bytes:
        return struct.pack(self.order + form, *values)

    def block(self, kind: int, body: bytes, size: int | None = None) -> "Made":
        size = len(body) + 12 if size is None else size
        self.data += self.pack("II", kind, size) + body + self.pack("I", size)
        return self

    def option(self, code: int, value: bytes) -> bytes:
        return self.pack("HH", code, len(value)) + padded(value)

    def interface(self, link: int = 1, snap: int = 65535, **options: bytes) -> "Made":
        codes = {"name": 2, "resolution": 9, "offset": 14}
        told = b"".join(self.option(codes[name], value) for name, value in options.items())
        return self.block(1, self.pack("HHI", link, 0, snap) + told + (self.option(0, b"") if told else b""))

    def enhanced(self, index: int, stamp: int, data: bytes, length: int | None = None, after: bytes = b"") -> "Made":
        sizes = len(data), len(data) if length is None else length
        return self.block(6, self.pack("IIIII", index, stamp >> 32, stamp & 0xFFFFFFFF, *sizes) + padded(data) + after)

    def obsolete(self, index: int, stamp: int, data: bytes) -> "Made":
        return self.block(2, self.pack("HHIIII", index, 0, stamp >> 32, stamp & 0xFFFFFFFF, *[len(data)] * 2)
                          + padded(data))

    def simple(self, length: int, data: bytes) -> "Made":
        return self.block(3, self.pack("I", length) + padded(data))

    @property
    def read(self) -> Pcapng:
        opened = open_trace(io.BytesIO(self.data), "file.pcapng")
        assert isinstance(opened, Pcapng)
        return opened


@ORDERS
def test_each_kind_of_packet_block_gives_its_frame(order):
    made = Made(order).interface(1, 4).interface(101, 0, name=b"tun0").block(0xBAD, b"skip").block(5, b"")
    made.enhanced(1, 5_000_007, b"abcde", 90, made.option(1, b"a comment")).obsolete(0, 6_000_000, b"xyz")
    trace = made.simple(7, b"1234").simple(2, b"12").read
    seen = [(frame, trace.interface) for frame in trace]
    assert trace.problem is None
    assert seen == [
        ((1, 5_000_007_000, 90, b"abcde", 101), 1),
        ((2, 6_000_000_000, 3, b"xyz", 1), 0),
        ((3, 6_000_000_000, 7, b"1234", 1), 0),
        ((4, 6_000_000_000, 2, b"12", 1), 0),
    ]
    assert trace.interfaces == [Interface("", 1, 4, 10**6, 0), Interface("tun0", 101, 0, 10**6, 0)]


@ORDERS
@pytest.mark.parametrize(
    ("options", "stamp", "time"),
    [
        ({}, 1_700_000_000_123_456, 1_700_000_000_123_456_000),
        ({"resolution": b"\x09"}, 1_700_000_000_123_456_789, 1_700_000_000_123_456_789),
        ({"resolution": b"\x00"}, 1_700_000_000, 1_700_000_000 * 10**9),
        ({"resolution": b"\x0c"}, 1_500_000_000_001, 1_500_000_000),  # picoseconds are cut
        ({"resolution": b"\x8a"}, 3 << 9, 1_500_000_000),  # 2 to the power of -10
        ({"resolution": b"\xa0"}, (7 << 32) + (1 << 31), 7_500_000_000),
    ],
)
def test_the_resolution_of_time(order, options, stamp, time):
    ((_, seen, *_),) = Made(order).interface(**options).enhanced(0, stamp, b"x").read
    assert seen == time


@ORDERS
def test_the_offset_of_time(order):
    made = Made(order)
    ((_, seen, *_),) = made.interface(offset=made.pack("q", -3)).enhanced(0, 5_000_000, b"x").read
    assert seen == 2_000_000_000


def test_a_new_section_has_its_own_interfaces_and_byte_order():
    one = Made("<").interface(1, name=b"a").enhanced(0, 1, b"x")
    two = Made(">").interface(113, name=b"b").enhanced(0, 2, b"y")
    one.data += two.data
    trace = one.read
    assert [(frame, trace.interface) for frame in trace] == [((1, 1000, 1, b"x", 1), 0), ((2, 2000, 1, b"y", 113), 1)]
    assert [each.name for each in trace.interfaces] == ["a", "b"]


def test_blocks_across_chunks_are_whole(monkeypatch):
    made = Made(">").interface().block(0xBAD, bytes(200))
    for number in range(20):
        made.enhanced(0, number, bytes([number]) * number)
    made.data += Made("<").interface().enhanced(0, 20, b"end").data
    for size in (1, 3, 7, 64):
        monkeypatch.setattr(pcapng, "CHUNK", size)
        trace = made.read
        assert [data for *_, data, _ in trace] == [*(bytes([number]) * number for number in range(20)), b"end"]
        assert trace.problem is None


def test_reading_is_a_stream(monkeypatch):
    monkeypatch.setattr(pcapng, "CHUNK", 1000)
    stream = io.BytesIO(Made().interface().data + Made().interface().enhanced(0, 1, bytes(500)).data * 100)
    assert next(iter(Pcapng(stream)))[0] == 1
    assert stream.tell() < 3000


WHOLE = Made().interface().enhanced(0, 1, b"kept").enhanced(0, 2, b"x" * 30)


@pytest.mark.parametrize("cut", range(1, 64))
def test_a_cut_last_block_is_reported_and_the_frames_before_it_are_kept(cut):
    trace = open_trace(io.BytesIO(WHOLE.data[:-cut]))
    assert [data for *_, data, _ in trace] == [b"kept"]
    at = len(WHOLE.data) - 64
    assert trace.problem == (
        f"the block at byte {at}, after frame 1, is cut off: the file ends {64 - cut} bytes into it"
    )


def begun() -> Made:
    return Made().interface().enhanced(0, 1, b"kept")


LE = Made()
DAMAGED = {
    "a length that is no multiple of 4": (begun().block(9, b"", 13), "it says that it is 13 bytes long"),
    "no length": (begun().block(9, b"", 0), "it says that it is 0 bytes long"),
    "a length past all bounds": (
        begun().block(9, b"", 0xFFFF_FFFC), "it says that it is 4294967292 bytes long; 16777216 are the most"),
    "two lengths": (begun().block(9, bytes(8), 24), "its length is 24 at its beginning and 168627466 at its end"),
    "no such interface": (begun().enhanced(1, 1, b"x"), "its interface 1 is not described before it"),
    "a simple packet without interface": (Made().simple(1, b"x"), "its interface 0 is not described before it"),
    "more bytes than the block has": (
        begun().block(6, LE.pack("IIIII", 0, 0, 0, 9, 9) + b"1234"), "it claims 9 captured bytes and holds 4"),
    "more bytes than any frame has": (
        begun().block(6, LE.pack("IIIII", 0, 0, 0, 2**30, 9) + b"1234"), "it claims 1073741824 captured bytes, more"),
    "a packet block without its fields": (begun().block(6, b"1234"), "it holds 4 bytes, and 20 are needed"),
    "an old one without its fields": (begun().block(2, b"1234"), "it holds 4 bytes, and 20 are needed"),
    "a simple one without its length": (begun().block(3, b""), "it holds 0 bytes, and 4 are needed"),
    "an interface without its fields": (begun().block(1, b"1234"), "it holds 4 bytes, and 8 are needed"),
    "an option past the block": (
        begun().block(1, LE.pack("HHIHH", 1, 0, 0, 2, 99)), "its option 2 is longer than the block"),
    "a resolution of two bytes": (begun().interface(resolution=b"\6\6"), "the resolution or the offset of"),
    "a time past all calendars": (
        begun().interface(resolution=b"\0").enhanced(1, 2**60, b"x"), "its time is not between the years"),
    "a section of another version": (begun().block(0x0A0D0D0A, LE.pack("IHHq", MAGIC, 2, 0, -1)), "it is of version 2"),
    "a section of no byte order": (begun().block(0x0A0D0D0A, bytes(16)), "the byte order of the section is written"),
    "a short section": (begun().block(0x0A0D0D0A, LE.pack("IHH", MAGIC, 1, 0)), "it holds 8 bytes, and 16 are"),
}


@pytest.mark.parametrize(("made", "why"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_block_ends_the_reading_with_a_reason(made, why):
    damaged = made.data + Made().interface().enhanced(0, 9, b"never").data
    trace = open_trace(io.BytesIO(damaged))
    kept = [data for *_, data, _ in trace]
    assert kept == ([b"kept"] if b"kept" in made.data else [])
    assert trace.problem is not None
    assert f"after frame {len(kept)}, is damaged: {why}" in trace.problem


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (Made().data[:9], "the section header is cut off: 9 bytes, and 28 are needed"),
        (Made(major=9).data, "a damaged pcapng file: it is of version 9.0, and only versions 1.x are known"),
        (b"\x0a\x0d\x0d\x0a" + bytes(24), "a damaged pcapng file: the byte order of the section is written as 00 00"),
    ],
)
def test_what_is_no_section_is_refused_clearly(content, text):
    with pytest.raises(TraceError, match=text) as caught:
        open_trace(io.BytesIO(content), "file.pcapng")
    assert caught.value.problems[0].where == "file.pcapng"


@ORDERS
def test_no_damage_raises_anything_but_the_refusal(order):
    made = Made(order).interface(name=b"eth0", resolution=b"\x09").interface(113)
    for number in range(6):
        made.enhanced(number % 2, number, bytes(40)).obsolete(0, 1, b"x" * 9).simple(9, b"y" * 9).block(11, b"1234")
    chance, opened, whole = random.Random(order), 0, 0
    for _ in range(4000):
        damaged = bytearray(made.data)
        for _ in range(chance.randrange(1, 5)):
            place = chance.randrange(16 if chance.random() < 0.9 else 0, len(damaged))
            damaged[place] = chance.choice((0, 1, 4, 10, 13, 255, chance.randrange(256)))
        try:
            trace = open_trace(io.BytesIO(bytes(damaged[: chance.randrange(len(damaged) + 1)])))
        except TraceError:
            continue
        frames = list(trace)
        assert [number for number, *_ in frames] == list(range(1, len(frames) + 1))
        opened += 1
        whole += trace.problem is None
    assert opened > 2000
    assert whole > 10


@pytest.mark.skipif(not (EDITCAP and MERGECAP), reason="editcap and mergecap are not installed (Debian: tshark)")
def test_what_wireshark_writes_has_the_frames_that_it_was_given(tmp_path: Path):
    frames = Talk().open().send("c", 24, b"hello\n").close().frames
    (tmp_path / "one.pcap").write_bytes(capture(frames))
    (tmp_path / "two.pcap").write_bytes(capture([(time + 1, data) for time, data in frames]))
    for name, command in {
        "converted": [EDITCAP, "-F", "pcapng", "one.pcap", "converted"],
        "merged": [MERGECAP, "-F", "pcapng", "-I", "none", "-w", "merged", "one.pcap", "two.pcap"],
    }.items():
        subprocess.run(command, cwd=tmp_path, check=True, timeout=60)
        with (tmp_path / name).open("rb") as stream:
            trace = open_trace(stream)
            assert isinstance(trace, Pcapng)
            seen: dict[int, list[tuple[int, bytes]]] = {}
            for _, time, _, data, _ in trace:
                seen.setdefault(trace.interface, []).append((time, data))
        assert trace.problem is None
        assert seen[0] == frames
        assert len(seen) == (2 if name == "merged" else 1)
        assert name == "converted" or seen[1] == [(time + 1, data) for time, data in frames]
