"""Filters: Wireshark's answers on real and made-up frames, and what is said of a wrong one."""

import struct
import subprocess
from pathlib import Path

import pytest
from doctored import Frame, Story
from oracle_tshark import TSHARK, needs_tshark

from lab.trace.fields import FIELDS, PROTOCOLS, sights
from lab.trace.filter import FilterError, parse_filter
from lab.trace.packets import ICMP, UDP, Packet, decode
from lab.trace.pcap import open_trace

RECORDED = Path(__file__).parents[3] / "topologies" / "two-lans" / "tcp-echo" / "recorded"
FILTERS = (
    *PROTOCOLS, "!tcp", "not arp and not tcp",
    "tcp.flags.syn == 1", "tcp.flags.syn == 1 && tcp.flags.ack == 0", "tcp.flags.syn==True&&tcp.flags.ack==1",
    "tcp.flags.fin eq 1", "tcp.flags.push == 1 and tcp.len > 0", "tcp.flags.reset == 1", "tcp.flags.reset == 0",
    "ip.ttl == 63", "ip.ttl < 64", "ip.ttl >= 64", "ip.ttl != 64", "!(ip.ttl == 64)", "! ip.ttl == 64",
    "ip.src == 10.0.1.10", "ip.dst == 10.0.2.0/24", "ip.addr == 10.0.2.80", "ip.addr != 10.0.2.80",
    "!(ip.addr == 10.0.2.80)", "ip.src == 10.0.1.99/24", "ip.dst != 10.0.1.0/24", "ip.src == 0.0.0.0/0",
    "eth.dst == ff:ff:ff:ff:ff:ff", "eth.dst == ff-ff-ff-ff-ff-ff", "eth.addr != ff:ff:ff:ff:ff:ff",
    "eth.type == 0x0806", "eth.type == 2048", "arp.opcode == 1", "arp.opcode == 2 or tcp.flags.fin == 1",
    "tcp.port == 7000", "tcp.port != 7000", "tcp.dstport == 7000", "tcp.srcport le 7000", "tcp.port > 30000",
    "frame.len > 66", "frame.len <= 60", "ip.len == 60", "ip.len gt 52", "ip.proto == 6", "ip.flags.df == 1",
    "tcp.window_size_value > 64000", "tcp.seq_raw >= 1", "tcp.ack_raw == 0", "tcp.ack_raw != 0", "tcp.len ne 0",
    "arp || tcp.flags.syn == 1 && ip.ttl == 63", "(arp || tcp.flags.syn == 1) && ip.ttl == 63",
    "!arp && !(tcp.len == 0)", "udp.port == 7", "udp.srcport == 5000", "udp.dstport != 7", "udp.length == 10",
    "udp.length < 100", "icmp.type == 3 && icmp.code == 3", "icmp.type == 11", "icmp.type != 8", "icmp && udp",
    "icmp && ip.src == 10.0.2.80", "tcp.len > 0 && ip.src == 10.0.1.10", "icmp && tcp.port == 7000",
    "ipv6.src == fd00::1", "ipv6.dst == fd00::/16", "ipv6.addr == fd00::2",
    "ipv6.hlim == 9", "ipv6 && udp.port == 53", "icmpv6.type == 135", "icmpv6.code == 0", "ip.flags.df == False",
    "eth.src == 02:00:00:00:01:00",
)  # fmt: skip


def made_up() -> list[bytes]:
    """UDP, a fragmented datagram, ICMP errors that quote, and IPv6: what the recorded run does not have."""
    story = Story()
    ends = {"src": "10.0.1.10", "dst": "10.0.2.80"}
    way = ("client:eth0", "r1:eth0")
    story.send("ask", way, protocol=UDP, sport=5000, dport=7, payload=b"hi", **ends)
    ask = story.frames[0].raw()
    back = {"src": "10.0.2.80", "dst": "10.0.1.10", "protocol": ICMP, "payload": ask[14:]}
    story.send("unreachable", way[::-1], sport=3, dport=3, **back)
    story.send("ran out", way[::-1], sport=11, dport=0, **back)
    story.send("syn", way, sport=5001, dport=7000, seq=5, flags=2, **ends)
    story.send("rst", way, sport=5002, dport=7001, seq=5, flags=4, **ends | {"dst": "10.0.1.1"})
    story.send("data", way, sport=5003, dport=7000, seq=6, ack=7, flags=24, payload=b"hello\n", **ends)
    about = {**back, "payload": story.frames[-2].raw()[14:]}
    story.send("data ran out", way[::-1], sport=11, dport=0, **about)
    frames = [frame.raw() for frame in story.frames if frame.point == "client:eth0"]
    return [*frames, *fragments(ask), ipv6(17, struct.pack("!HHHH", 53, 53, 8, 1)), ipv6(58, b"\x87" + b"\0" * 23)]


def fragments(frame: bytes) -> list[bytes]:
    """A datagram of 24 bytes from port 5000 to 7, in two."""
    body = struct.pack("!HHHH", 5000, 7, 24, 0) + b"x" * 16
    head = bytearray(frame[:34])
    found = []
    for flags, part in ((0x2000, body[:16]), (2, body[16:])):
        head[16:18] = (20 + len(part)).to_bytes(2, "big")
        head[18:20] = b"\0\7"
        head[20:22] = flags.to_bytes(2, "big")
        found.append(bytes(head) + part)
    return found


def ipv6(protocol: int, body: bytes) -> bytes:
    addresses = b"\xfd" + b"\0" * 14 + b"\1" + b"\xfd" + b"\0" * 14 + b"\2"
    return b"\2" * 12 + b"\x86\xdd" + struct.pack("!IHBB", 6 << 28, len(body), protocol, 9) + addresses + body


def pcap(frames: list[bytes]) -> bytes:
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    return head + b"".join(struct.pack("<IIII", n, 0, len(f), len(f)) + f for n, f in enumerate(frames))


def matching(text: str, packets: list[Packet]) -> list[int]:
    test = parse_filter(text)
    return [sight.frame.number for sight in sights(packets) if test(sight)]


def recorded() -> list[bytes]:
    """The frames of all four captures of the recorded run."""
    found = []
    for path in sorted(RECORDED.glob("*.pcap")):
        with path.open("rb") as stream:
            found += [frame[3] for frame in open_trace(stream, str(path))]
    return found


@needs_tshark
@pytest.mark.tool("tshark")
def test_wireshark_finds_the_same_frames(tmp_path: Path) -> None:
    """A frame a second, counted by Wireshark a second and a filter."""
    assert TSHARK is not None
    frames = recorded() + made_up()
    path = tmp_path / "frames.pcap"
    path.write_bytes(pcap([*frames, frames[-1]]))  # Wireshark's last row holds what is left
    command = [TSHARK, "-n", "-r", str(path), "-q", "-z", ",".join(["io,stat,1", "ip", *FILTERS])]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    rows = [line.split("|")[2:-1:2] for line in done.stdout.splitlines() if "<>" in line and "|" in line]
    assert len(rows) == len(frames)
    packets = [decode(number, 0, len(frame), frame) for number, frame in enumerate(frames, 1)]
    for column, text in enumerate(FILTERS, 1):
        wanted = [number for number, row in enumerate(rows, 1) if int(row[column])]
        assert matching(text, packets) == wanted, text
        assert wanted, f"{text} finds nothing and so shows nothing"


def test_every_field_is_compared_with_wireshark() -> None:
    assert not [name for name in (*FIELDS, *PROTOCOLS) if not any(name in text for text in FILTERS)]


@pytest.mark.parametrize(
    ("text", "column", "what"),
    [
        ("", 1, "a test is missing before the end"),
        ("tcp.port = 7000", 10, "= is no operator"),
        ("tcp.port == ", 12, "a value is missing before the end"),
        ("tcp.port", 1, "has to be compared"),
        ("tcp.flags.syn && arp", 1, "tcp.flags.syn has to be compared with a value"),
        ("arp tcp", 5, "tcp cannot stand here"),
        ("arp &&", 7, "a test is missing before the end"),
        ("(arp", 1, "not closed"),
        ("arp)", 4, ") cannot stand here"),
        ("arp & tcp", 5, "& is no operator"),
        ("tcp == 1", 5, "is a protocol"),
        ("tcp.prt == 1", 1, "there is no field tcp.prt"),
        ("arp or ip.ttl == 256", 18, "is never 256"),
        ("ip.ttl == -1", 11, "is no value of ip.ttl"),
        ("ip.src == 10.0.1", 11, "is no value of ip.src"),
        ("ip.src == fd00::1", 11, "is no value of ip.src"),
        ("ipv6.src == 10.0.1.1", 13, "is no value of ipv6.src"),
        ("ip.src > 10.0.1.1", 10, "only == and !="),
        ("eth.src == 02:00:00:00:01", 12, "is no value of eth.src"),
        ("1 < tcp.len", 1, "there is no field 1"),
        ("1 < tcp.len < 3", 1, "there is no field 1"),
        ("tcp.len > 1 < 3", 13, "< cannot stand here"),
        ("tcp.len > 1; arp", 12, "; has no meaning"),
        ('ip.src == "a"', 11, '" has no meaning'),
        ("!" * 200 + "arp", 51, "too many"),
        ("(" * 200 + "arp", 51, "too many"),
        ("arp || " * 200 + "arp", 1001, "characters"),
    ],
)
def test_a_wrong_filter_is_told_its_column(text: str, column: int, what: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse_filter(text)
    assert caught.value.column == column
    assert what in caught.value.what


def test_a_frame_of_random_bytes_is_no_error() -> None:
    tests = [parse_filter(text) for text in FILTERS]
    raw = Frame("x", "client:eth0", "02:00:00:00:01:01", "02:00:00:00:01:02", "10.0.0.1", "10.0.0.2").raw()
    packets = [decode(n, 0, len(raw), bytes(raw[:n])) for n in range(len(raw) + 1)]
    assert [[test(sight) for test in tests] for sight in sights(packets)]
