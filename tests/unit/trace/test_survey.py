"""Capture files of anyone: what `lab trace FILE…` finds, in memory that does not grow with the packets."""

import io
import json
import os
import tracemalloc
from pathlib import Path

import pytest
from test_fragments import WHOLE, four
from test_pcapng import Made
from trace_forge import ACK, CLIENT, PSH, SERVER, Talk, arp, capture, ethernet, icmp, ipv4, tcp, udp

from lab.commands.traces import frame, trace
from lab.errors import LabError
from lab.trace.datagrams import udp_conversations
from lab.trace.packets import decode
from lab.trace.pcap import open_trace, write
from lab.trace.survey import Survey, one_conversation
from lab.trace.table import exchange_row

DATA = PSH | ACK


def talks() -> list[tuple[int, bytes]]:
    """Two conversations that alternate, the second with a repeated segment."""
    one = Talk(sport=40001).open().send("c", DATA, b"one").close()
    two = Talk(sport=40002).open().send("c", DATA, b"second").send("c", DATA, b"second", seq=1001, after=10**9)
    return sorted(one.frames + two.close("s").frames)


def forwarded() -> bytes:
    """One conversation as two interfaces of a router saw it, in one pcapng."""
    made = Made().interface(name=b"eth0", resolution=b"\x09").interface(name=b"eth1", resolution=b"\x09")
    for time, data in Talk().open().send("c", DATA, b"hello").close().frames:
        made.enhanced(0, time, data).enhanced(1, time + 10, data)
    return made.data


def test_a_survey_counts_what_the_whole_packets_give():
    data = capture(talks())
    (found,) = Survey(open_trace(io.BytesIO(data)), frames=True).points.values()
    packets = [packet for talk in found for packet in talk.packets]
    assert packets == []
    assert [(t.key, t.opened, t.closed, t.client.sent, t.client.retransmissions) for t in found] == [
        (found[0].key, "complete", "fin", 3, 0), (found[1].key, "complete", "fin", 6, 1)]


def test_the_numbers_of_the_frames_are_those_of_the_file():
    survey = Survey(open_trace(io.BytesIO(forwarded())), frames=True)
    assert [survey.frames(talk) for talks in survey.points.values() for talk in talks] == [
        list(range(1, 15, 2)), list(range(2, 15, 2))]


def test_a_packet_that_two_interfaces_saw_was_not_sent_twice():
    survey = Survey(open_trace(io.BytesIO(forwarded())))
    assert sorted(survey.points) == [0, 1]
    for (talk,) in survey.points.values():
        assert (talk.closed, talk.client.sent, talk.client.retransmissions) == ("fin", 5, 0)


@pytest.mark.parametrize("index", [0, 1])
def test_one_conversation_keeps_its_own_packets(index):
    data = capture(talks())
    packets, talk = one_conversation(open_trace(io.BytesIO(data)), 0, index, 100)
    assert talk.client.port == 40001 + index
    assert talk.packets == packets
    (survey,) = Survey(open_trace(io.BytesIO(data)), frames=True).points.values()
    assert len(packets) == survey[index].client.packets + survey[index].server.packets


def test_one_conversation_has_the_errors_about_it_and_no_others():
    frames = Talk(sport=40001).open().frames
    about = [icmp(3, 1, payload=ipv4(tcp(port, 7000, 1, 1, ACK), dst=dst))
             for port, dst in ((40001, "10.0.2.80"), (40001, "10.9.9.9"))]
    frames += [(frames[-1][0] + 1, ethernet(ipv4(each, 1, src="10.0.1.1", dst="10.0.1.10"))) for each in about]
    packets, _ = one_conversation(open_trace(io.BytesIO(capture(frames))), 0, 0, 100)
    assert [packet.number for packet in packets] == [1, 2, 3, 4]


def test_no_more_packets_are_taken_than_asked_for():
    packets, talk = one_conversation(open_trace(io.BytesIO(capture(talks()))), 0, 0, 4)
    assert len(packets) == len(talk.packets) == 4


def test_ports_used_again_are_another_conversation():
    frames = Talk(1000).open().close().frames
    frames += [(time + 10**9, data) for time, data in Talk(9000).open().close().frames]
    packets, talk = one_conversation(open_trace(io.BytesIO(capture(frames))), 0, 1, 100)
    assert (talk.client.isn, [packet.number for packet in packets]) == (9000, [7, 8, 9, 10, 11, 12])


def test_memory_does_not_grow_with_the_packets():
    peaks = []
    for size in (3_000, 30_000):
        talk = Talk().open()
        for _ in range(size // 2):
            talk.send("c", DATA, b"x" * 10).send("s", ACK)
        stream = io.BytesIO(capture(talk.frames))
        del talk
        tracemalloc.start()
        Survey(open_trace(stream))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 4_000_000  # the chunks that are read, of which the small file fills not even one


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "two.pcap").write_bytes(capture(talks()))
    (tmp_path / "router.pcapng").write_bytes(forwarded())
    (tmp_path / "cut.pcap").write_bytes(capture(talks())[:-5])
    (tmp_path / "empty.pcap").write_bytes(capture([]))
    return tmp_path


def run(files: Path, *names: str, number: int | None = None, as_json: bool = False) -> None:
    trace([str(files / name) for name in names], number, None, "runs", as_json)


def test_conversations_are_numbered_through_all_files(files, capsys):
    run(files, "two.pcap", "empty.pcap", "router.pcapng")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line[:1].isdigit()] == ["1", "2", "3", "4"]
    titles = ["two.pcap", "empty.pcap", "router.pcapng, interface eth0", "router.pcapng, interface eth1"]
    assert [line for line in lines if line.startswith(str(files))] == [f"{files / title}" for title in titles]
    assert lines[lines.index(str(files / "empty.pcap")) + 1] == "no TCP conversation was captured"


def test_json_is_one_list(files, capsys):
    run(files, "two.pcap", "router.pcapng", as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert [(each["conversation"], Path(each["file"]).name, each["interface"]) for each in told] == [
        (1, "two.pcap", None), (2, "two.pcap", None), (3, "router.pcapng", "eth0"), (4, "router.pcapng", "eth1")]
    assert [each["retransmissions"] for each in told] == [0, 1, 0, 0]
    assert told[3]["frames"] == list(range(2, 15, 2))


def test_the_chosen_one_is_drawn(files, capsys):
    run(files, "two.pcap", "router.pcapng", number=4)
    drawn = [line for line in capsys.readouterr().out.splitlines() if line.startswith("router.pcapng#")]
    assert [line.split()[0] for line in drawn] == [f"router.pcapng#{number}" for number in range(2, 15, 2)]


def test_a_cut_file_is_told_and_shown_so_far(files, capsys):
    run(files, "cut.pcap")
    seen = capsys.readouterr()
    assert "cut.pcap: frame 15 is cut off" in seen.err
    assert "40002" in seen.out


@pytest.mark.parametrize(("names", "number", "why"), [
    (("two.pcap",), 3, "there is no conversation 3"),
    (("two.pcap", "absent"), None, "cannot read"),
])
def test_what_cannot_be_shown_is_refused(files, names, number, why):
    with pytest.raises(LabError, match=why):
        run(files, *names, number=number)


def datagrams() -> list[tuple[int, bytes]]:
    """Two questions and an answer, a datagram in two fragments from another port, and what is none."""
    ask = ethernet(ipv4(udp(5000, 53, b"who?"), 17))
    answer = ethernet(ipv4(udp(53, 5000, b"me", src=SERVER, dst=CLIENT), 17, src=SERVER, dst=CLIENT))
    frames = [ask, four(0, 16, True), arp(1, CLIENT, SERVER), ask, four(16, len(WHOLE), False), answer]
    return list(enumerate(frames))


def test_exchanges_of_datagrams_are_counted_as_their_packets_would_be():
    data = capture(datagrams())
    (found,) = Survey(open_trace(io.BytesIO(data))).datagrams.values()
    packets = [decode(*each) for each in open_trace(io.BytesIO(data))]
    assert [exchange_row(each) for each in found] == [exchange_row(each) for each in udp_conversations(packets)]
    assert (found[0].sent, found[0].received, found[0].bytes_sent, found[0].bytes_received) == (2, 1, 8, 2)
    assert not found[0].packets
    assert len(found) == 2


def test_datagrams_have_a_table_where_there_is_no_conversation(files, capsys):
    (files / "udp.pcap").write_bytes(capture(datagrams()))
    run(files, "udp.pcap")
    said = capsys.readouterr().out
    assert "no TCP conversation was captured" in said
    assert next(line.split() for line in said.splitlines() if line.startswith(CLIENT)) == [
        f"{CLIENT}:5000", f"{SERVER}:53", "2", "1", "8", "2"]


@pytest.mark.parametrize("as_json", [False, True])
def test_a_link_that_is_not_decoded_is_said(as_json, files, capsys):
    with (files / "wireless.pcap").open("wb") as stream:
        write(stream, talks(), link_type=127)
    made = Made().interface(1).interface(105)
    (files / "both.pcapng").write_bytes(made.enhanced(0, 1, talks()[0][1]).enhanced(1, 2, b"x" * 60).data)
    run(files, "wireless.pcap", "both.pcapng", as_json=as_json)
    seen = capsys.readouterr()
    said = [line for line in (seen.err if as_json else seen.out).splitlines() if "decoded" in line]
    assert [line.rpartition(": ")[2] for line in said] == [
        f"frames of link type {link_type} are not decoded" for link_type in (127, 105)]
    assert "no TCP conversation" not in seen.out
    assert "not decoded" not in (seen.out if as_json else seen.err)


def test_a_point_is_of_a_run(files):
    with pytest.raises(LabError, match="files were given"):
        trace([str(files / "two.pcap")], None, "client:eth0", "runs", False)


def test_a_pipe_gives_its_table_and_no_ladder(files):
    reading, writing = os.pipe()
    os.write(writing, capture(Talk().open().frames))
    os.close(writing)
    with pytest.raises(LabError, match="cannot be read twice"):
        trace([f"/dev/fd/{reading}"], 1, None, "runs", False)
    os.close(reading)


@pytest.mark.parametrize("name", ["3", "#3", "client:eth0", "client:eth0#", "client:eth0#x"])
def test_a_frame_of_a_run_is_named_by_its_capture_point_too(name, tmp_path):
    with pytest.raises(LabError, match=f'"{name}" names no frame\n  a frame is written POINT#NUMBER'):
        frame(".", name, str(tmp_path), as_json=False)


@pytest.mark.parametrize("name", ["3", "#3"])
def test_a_frame_of_a_file_is_named_by_its_number(name, tmp_path, capsys):
    (tmp_path / "x.pcap").write_bytes(capture(talks()))
    frame(str(tmp_path / "x.pcap"), name, str(tmp_path), as_json=False)
    assert "TCP" in capsys.readouterr().out


@pytest.mark.parametrize("number", ["0", "16", "9" * 5000])
def test_a_frame_that_is_not_there_is_refused_however_long_its_number(number, tmp_path):
    (tmp_path / "x.pcap").write_bytes(capture(talks()))
    with pytest.raises(LabError, match=f"there is no frame #{number[:50]}.*\n  there are 15 frames"):
        frame(str(tmp_path / "x.pcap"), f"#{number}", str(tmp_path), as_json=False)
