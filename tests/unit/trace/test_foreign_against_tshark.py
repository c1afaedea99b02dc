"""What other people's captures hold and ours do not, judged by us and by Wireshark: where both agree, and where not."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from oracle_tshark import fields, needs_tshark
from test_against_tshark import DATA, decoded
from trace_forge import ACK, FIN, RST, SYN, Talk, capture, checksum, ethernet, ipv4

from lab.trace.flows import Conversation
from lab.trace.flows import tcp_conversations as conversations
from lab.trace.packets import decode, options_cut, tcp_options

pytestmark = needs_tshark

GRE, MPLS = 47, 0x8847


def both(frames: list[tuple[int, bytes]], folder: Path) -> tuple[list[Conversation], dict[str, list[int]], list[int]]:
    """Our conversations; Wireshark's, each with its frames; and each one's completeness."""
    rows = fields(capture(frames), folder, "frame.number", "tcp.stream", "tcp.completeness", options=("-2",))
    streams: dict[str, list[int]] = {}
    completeness: dict[str, int] = {}
    for row in rows:
        if row["tcp.stream"]:
            streams.setdefault(row["tcp.stream"], []).append(int(row["frame.number"]))
            completeness[row["tcp.stream"]] = int(row["tcp.completeness"])
    return conversations(decoded(frames)), streams, list(completeness.values())


def numbers(found: list[Conversation]) -> list[list[int]]:
    return [[packet.number for packet in each.packets] for each in found]


@pytest.mark.parametrize("accepted", [False, True], ids=["to the end", "but for the last time"])
def test_a_syn_that_is_refused_and_sent_again_is_one_conversation(accepted: bool, tmp_path: Path) -> None:
    """So do systems that try three times before connect() fails."""
    talk = Talk()
    for _ in range(2):
        talk.send("c", SYN, seq=1000, after=10**9).send("s", RST | ACK, seq=0, ack=1001)
    talk = talk.open().close() if accepted else talk
    found, streams, completeness = both(talk.frames, tmp_path)
    assert numbers(found) == list(streams.values()) == [list(range(1, len(talk.frames) + 1))]
    assert completeness == [each.completeness for each in found]
    assert found[0].opened == ("complete" if accepted else "refused")
    assert found[0].closed == ("fin" if accepted else "reset")


def test_a_snap_length_that_cuts_options_keeps_the_conversation(tmp_path: Path) -> None:
    """68 bytes were tcpdump's default once: of a SYN's options 14 are there."""
    options = bytes([2, 4, 5, 0xB4, 4, 2, 8, 10]) + bytes(8) + bytes([1, 3, 3, 7])
    talk = Talk().open(options).send("c", DATA, b"x" * 100).close()
    cut = [decode(n, time, len(data), data[:68]) for n, (time, data) in enumerate(talk.frames, 1)]
    (found,) = conversations(cut)
    whole, streams, _ = both(talk.frames, tmp_path)
    assert numbers([found]) == numbers(whole) == list(streams.values())
    assert (found.opened, found.closed, found.client.sent) == ("complete", "fin", 100)
    assert [name for _, name, _ in tcp_options(cut[0])] == ["MSS", "SACK permitted", "not captured"]
    assert [options_cut(packet) for packet in cut[:3]] == [True, True, False]
    assert (found.client.direction.shift, whole[0].client.direction.shift) == (None, 7)


ODD = {
    "alone": lambda t: t.send("c", ACK),
    "data alone": lambda t: t.send("c", DATA, b"x"),
    "a reset alone": lambda t: t.send("s", RST),
    "two": lambda t: t.send("c", ACK).send("s", FIN | ACK),
    "the SYN late": lambda t: t.send("s", SYN | ACK).send("c", SYN).send("c", ACK),
    "data in the SYN": lambda t: t.send("c", SYN, b"x").send("s", SYN | ACK),
    "data in the SYN-ACK": lambda t: t.send("c", SYN).send("s", SYN | ACK, b"x").send("c", ACK),
    "a FIN without ACK": lambda t: t.send("c", SYN).send("s", ACK).send("c", FIN).send("c", RST),
    "data without ACK": lambda t: t.send("c", SYN).send("c", 0, b"x"),
    "a reset with data": lambda t: t.send("c", SYN).send("s", RST | ACK, b"no"),
}


@pytest.mark.parametrize("script", ODD.values(), ids=ODD)
def test_what_counts_for_completeness(script, tmp_path: Path) -> None:
    """A SYN that comes first; payload and FIN with an ACK; and nothing of a segment that stays alone without a SYN."""
    found, streams, completeness = both(script(Talk()).frames, tmp_path)
    assert numbers(found) == list(streams.values())
    assert [each.completeness for each in found] == completeness


def test_wireshark_does_not_count_the_syn_of_a_connection_that_ftp_announces(tmp_path: Path) -> None:
    """Its dissector of FTP makes the data connection before that is there; for us they are two connections alike."""
    control = Talk(sport=40000, dport=21).open().send("c", DATA, b"PASV\r\n").send("s", ACK)
    control.send("s", DATA, b"227 Entering Passive Mode (10,0,2,80,117,48)\r\n").send("c", ACK)
    data = Talk(sport=40001, dport=117 * 256 + 48).open().send("s", DATA, b"x").send("c", ACK).close("s")
    frames = control.frames + [(time + control.now, frame) for time, frame in data.frames]
    found, streams, completeness = both(frames, tmp_path)
    assert numbers(found) == list(streams.values())
    assert [each.completeness for each in found] == [15, 31]
    assert completeness == [15, 30]


def quoting(frame: bytes) -> bytes:
    """A router's word that the packet was too big, with so much of it as Wireshark takes for a segment."""
    body = bytearray(struct.pack("!BBHI", 3, 4, 0, 1400) + frame[14:])
    body[2:4] = checksum(bytes(body)).to_bytes(2, "big")
    return ethernet(ipv4(bytes(body), 1, "10.0.1.1", "10.0.1.10"))


def in_gre(frame: bytes) -> bytes:
    return ethernet(ipv4(struct.pack("!HH", 0, 0x0800) + frame[14:], GRE))


def in_mpls(frame: bytes) -> bytes:
    return ethernet((16 << 12 | 1 << 8 | 64).to_bytes(4, "big") + frame[14:], MPLS)


@pytest.mark.parametrize("wrap", [in_gre, in_mpls], ids=["GRE", "MPLS"])
def test_what_goes_through_a_tunnel_is_not_looked_into(wrap, tmp_path: Path) -> None:
    """No lab has one: for us its frames are of another protocol, and nothing is said of what is in them."""
    talk = Talk().open().close()
    frames = [(time, wrap(data)) for time, data in talk.frames]
    found, streams, _ = both(frames, tmp_path)
    assert found == []
    assert list(streams.values()) == [list(range(1, 7))]


def test_a_quoted_segment_is_no_segment(tmp_path: Path) -> None:
    """Wireshark counts what an ICMP error quotes as one more segment of the connection."""
    talk = Talk().open().send("c", DATA, b"x" * 64)
    talk.frames.append((talk.now + 1, quoting(talk.frames[-1][1])))
    found, streams, _ = both(talk.frames, tmp_path)
    assert numbers(found) == [[1, 2, 3, 4]]
    assert list(streams.values()) == [[1, 2, 3, 4, 5]]


def test_a_packet_that_says_it_is_longer_than_its_frame_is_refused(tmp_path: Path) -> None:
    """Every kernel drops it; Wireshark warns, and takes what is there."""
    talk = Talk().open().send("c", DATA, b"x" * 64)
    time, data = talk.frames[-1]
    talk.frames[-1] = time, data[:-8]
    found, streams, _ = both(talk.frames, tmp_path)
    assert numbers(found) == [[1, 2, 3]]
    assert list(streams.values()) == [[1, 2, 3, 4]]
    refusal = decoded(talk.frames)[-1].refusal
    assert refusal == "the IPv4 total length of 104 is more than the 96 bytes that the frame carries"
