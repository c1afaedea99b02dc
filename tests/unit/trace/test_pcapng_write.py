"""pcapng files of our own making, read back by our own reader and by Wireshark's."""

import io
import subprocess
from pathlib import Path

import pytest
from oracle_tshark import TSHARK, needs_tshark
from trace_forge import Talk

from lab.trace.pcap import ETHERNET, open_trace
from lab.trace.pcapng import Pcapng
from lab.trace.pcapng_write import Record, write

POINTS = [("client:eth0", "network lan"), ("r1:eth1", "network wan")]
NAMES = {"10.0.1.10": "client", "10.0.2.80": "server", "fd00:2::80": "server"}
NOON = 1_750_000_000_123_456_789


def frames() -> list[bytes]:
    return [data for _, data in Talk().open().frames[:2]]


def made(*comments: str, comment: str = "") -> bytes:
    records = [
        Record(number % 2, NOON + number, len(data) + 5, data, told)
        for number, (data, told) in enumerate(zip(frames(), comments, strict=False))
    ]
    out = io.BytesIO()
    write(out, POINTS, records, link_type=ETHERNET, names=NAMES, application="lab 1.0", comment=comment)
    return out.getvalue()


def test_our_own_reader_gives_back_what_was_written() -> None:
    data = made("", "why: ✓", comment="a run")
    trace = open_trace(io.BytesIO(data), "x")
    assert isinstance(trace, Pcapng)
    found = [(frame, trace.interface) for frame in trace]
    assert trace.problem is None
    assert [each.name for each in trace.interfaces] == ["client:eth0", "r1:eth1"]
    assert found == [((n + 1, NOON + n, len(data) + 5, data, ETHERNET), n) for n, data in enumerate(frames())]


def test_an_empty_run_is_a_whole_file() -> None:
    trace = open_trace(io.BytesIO(made()), "x")
    assert (list(trace), trace.problem) == ([], None)


@pytest.mark.parametrize("letter", ["x", "é", "✓"])
def test_a_text_that_is_too_long_is_cut_between_its_letters(letter: str) -> None:
    data = made(letter * 70_000)
    trace = open_trace(io.BytesIO(data), "x")
    assert (len(list(trace)), trace.problem) == (1, None)
    assert letter.encode() * (65_535 // len(letter.encode())) in data
    assert letter.encode() * (65_535 // len(letter.encode()) + 1) not in data


@needs_tshark
@pytest.mark.tool("tshark")
def test_wireshark_reads_interfaces_times_names_and_comments(tmp_path: Path) -> None:
    path = tmp_path / "made.pcapng"
    path.write_bytes(made("✗ opened 0/2: nothing answered\nin the report: client:eth0#1", "", comment="a run"))
    wanted = ("frame.interface_name", "frame.interface_description", "frame.time_epoch", "frame.len", "ip.src_host",
              "ip.dst_host", "frame.comment")  # fmt: skip
    assert TSHARK is not None
    fields = [argument for name in wanted for argument in ("-e", name)]
    command = [TSHARK, "-r", str(path), "-N", "n", "-T", "fields", "-E", "occurrence=f", *fields]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    length = str(len(frames()[0]) + 5)
    comment = "✗ opened 0/2: nothing answered\\nin the report: client:eth0#1"
    assert [line.split("\t") for line in done.stdout.splitlines()] == [
        ["client:eth0", "network lan", "1750000000.123456789", length, "client", "server", comment],
        ["r1:eth1", "network wan", "1750000000.123456790", length, "server", "client", ""],
    ]
