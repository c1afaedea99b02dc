import pytest
from trace_forge import ACK, CLIENT, PSH, RST, SERVER, SYN, Talk, ethernet, icmp, ip, ipv4, mac, udp
from trace_lab import LINKS, MACS, Wire, planned

from lab.trace.flows import tcp_conversations as conversations
from lab.trace.ladder import Line, ladder
from lab.trace.packets import decode
from lab.trace.table import HEADINGS, table


def echo() -> Talk:
    return Talk().open().send("c", PSH | ACK, b"hello\n").send("s", PSH | ACK, b"hello\n").close()


def with_arp() -> Wire:
    frames = echo().frames
    return Wire().ask("lan").carry(frames[:1]).ask("wan").carry(frames[1:])


def drawn(lines: list[Line]) -> str:
    return "\n".join(line.text for line in lines)


def test_an_echo_over_a_router():
    wire = with_arp()
    (talk,) = conversations(wire.captures["client:eth0"])
    assert drawn(ladder(wire.captures, planned(), talk, width=110)) == """\
                client                                       r1                                       server
client:eth0#1      │─ ARP who has 10.0.1.1? tell 10.0.1.10 ──▶│                                          │
r1:eth0#2          │◀ ARP 10.0.1.1 is at 02:00:00:00:01:01 ───│                                          │
client:eth0#3      │── SYN seq=0 ────────────────────────────▶│                                          │
r1:eth1#1          │                                          │── SYN seq=0 ────────────────────────────▶│
r1:eth1#2          │                                          │─ ARP who has 10.0.2.80? tell 10.0.2.1 ──▶│
server:eth0#3      │                                          │◀ ARP 10.0.2.80 is at 02:00:00:00:02:50 ──│
server:eth0#4      │                                          │◀─ SYN, ACK seq=0 ack=1 ──────────────────│
r1:eth0#4          │◀─ SYN, ACK seq=0 ack=1 ──────────────────│                                          │
client:eth0#5      │── ACK seq=1 ack=1 ──────────────────────▶│                                          │
r1:eth1#5          │                                          │── ACK seq=1 ack=1 ──────────────────────▶│
client:eth0#6      │── PSH, ACK seq=1 ack=1 len=6 ───────────▶│                                          │
r1:eth1#6          │                                          │── PSH, ACK seq=1 ack=1 len=6 ───────────▶│
server:eth0#7      │                                          │◀─ PSH, ACK seq=1 ack=7 len=6 ────────────│
r1:eth0#7          │◀─ PSH, ACK seq=1 ack=7 len=6 ────────────│                                          │
client:eth0#8      │── FIN, ACK seq=7 ack=7 ─────────────────▶│                                          │
r1:eth1#8          │                                          │── FIN, ACK seq=7 ack=7 ─────────────────▶│
server:eth0#9      │                                          │◀─ FIN, ACK seq=7 ack=8 ──────────────────│
r1:eth0#9          │◀─ FIN, ACK seq=7 ack=8 ──────────────────│                                          │
client:eth0#10     │── ACK seq=8 ack=8 ──────────────────────▶│                                          │
r1:eth1#10         │                                          │── ACK seq=8 ack=8 ──────────────────────▶│"""


def test_styles_say_what_a_line_shows():
    wire = with_arp()
    (talk,) = conversations(wire.captures["client:eth0"])
    lines = ladder(wire.captures, planned(), talk, width=110)
    assert [line.style for line in lines if "client:eth0" in line.text] == ["arp", "syn", "ack", "data", "fin", "ack"]
    assert lines[0].style == "header"


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_no_line_is_wider_than_asked(width):
    wire = with_arp()
    (talk,) = conversations(wire.captures["client:eth0"])
    assert max(len(line.text) for line in ladder(wire.captures, planned(), talk, width=width)) <= width


def test_a_narrow_ladder_writes_above_the_arrow_what_does_not_fit_in_it():
    wire = Wire().carry(Talk().send("c", SYN).send("s", SYN | ACK).frames)
    (talk,) = conversations(wire.captures["client:eth0"])
    assert drawn(ladder(wire.captures, planned(), talk, width=64)) == """\
               client                 r1                 server
client:eth0#1     │── SYN seq=0 ──────▶│                    │
r1:eth1#1         │                    │── SYN seq=0 ──────▶│
                  │                    │SYN, ACK seq=0 ack=1│
server:eth0#2     │                    │◀───────────────────│
                  │ SYN, ACK seq=0 ack=1                    │
r1:eth0#2         │◀───────────────────│                    │"""


def test_what_was_lost_on_a_link_and_sent_again():
    sent = Talk().open().send("c", PSH | ACK, b"xy", lost=True).send("c", PSH | ACK, b"xy", seq=1001, after=10**9)
    lost = Talk().open().send("c", PSH | ACK, b"xy").frames[3:]
    frames = [*sent.frames[:3], *lost, *sent.frames[3:]]
    wire = Wire().carry(frames, lambda n, link, frame: None if (n, link) == (3, 0) else frame)
    (talk,) = conversations(wire.captures["client:eth0"])
    sent_by_client = [x for x in ladder(wire.captures, planned(), talk, width=140) if x.text.startswith("client:eth0#")]
    assert [(line.style, line.text.split("│")[1]) for line in sent_by_client[2:]] == [
        ("problem", "── PSH, ACK seq=1 ack=1 len=2 (lost) ────────────────────✗"),
        ("problem", "── PSH, ACK seq=1 ack=1 len=2 [retransmission] ──────────▶"),
    ]


def test_one_capture_without_a_plan_has_two_columns_named_by_addresses():
    wire = with_arp()
    captures = {"a.pcap": wire.captures["r1:eth1"], "b.pcap": wire.captures["server:eth0"]}
    (talk,) = conversations(captures["b.pcap"])
    lines = ladder(captures, None, talk, width=80)
    assert lines[0].text.split() == [CLIENT, SERVER]
    assert [line.text.split()[0] for line in lines[1:]] == [f"b.pcap#{n}" for n in (1, 4, 5, 6, 7, 8, 9, 10)]


def test_everything_is_drawn_where_no_conversation_is_named():
    wire = Wire().ask("lan").carry([(0, ethernet(ipv4(udp(40000, 7000, b"hey"), 17)))])
    text = drawn(ladder(wire.captures, planned(), width=120))
    assert "UDP 40000 → 7000 len=3" in text
    assert "ARP who has 10.0.1.1? tell 10.0.1.10" in text


def test_icmp_about_the_conversation_belongs_to_it_and_other_icmp_does_not():
    talk = Talk().send("c", SYN)
    quoted = talk.frames[0][1][14:][:28]
    wire = Wire().carry(talk.frames, lambda n, link, frame: frame if not link else None)
    for payload in (quoted, ipv4(udp(1, 2), 17)[:28]):
        error = ipv4(icmp(3, 1, bytes(4), payload), 1, "10.0.1.1", CLIENT)
        wire.see(LINKS["lan"][::-1], ethernet(error, src=MACS["r1:eth0"], dst=MACS["client:eth0"]))
    (found,) = conversations(wire.captures["client:eth0"])
    lines = ladder(wire.captures, planned(), found, width=120)
    assert [line.style for line in lines] == ["header", "syn", "problem", "icmp"]
    assert "ICMP host unreachable" in lines[-1].text


def test_a_frame_to_a_mac_that_nobody_has_goes_to_a_column_of_its_own():
    nobody = "02:00:00:00:09:09"
    frame = mac(nobody) + ethernet(Talk().send("c", SYN).frames[0][1][14:])[6:]
    captures = {"client:eth0": [decode(1, 0, len(frame), frame)]}
    (talk,) = conversations(captures["client:eth0"])
    assert nobody in ladder(captures, planned(), talk)[0].text


def test_a_broadcast_reaches_both_neighbours():
    wire = with_arp()
    ask = ethernet(bytes(46), 0x9999, MACS["r1:eth0"], "ff:ff:ff:ff:ff:ff")
    wire.see(("r1:eth0", "client:eth0"), ask)
    last = ladder(wire.captures, planned(), width=100)[-1]
    assert last.text.startswith("r1:eth0#11         │◀─ ethertype 0x9999")


def test_a_long_conversation_is_cut_and_says_so():
    wire = Wire().carry(echo().frames)
    (talk,) = conversations(wire.captures["client:eth0"])
    lines = ladder(wire.captures, planned(), talk, limit=3)
    assert len(lines) == 5
    assert lines[-1] == Line("other", "… and 13 more frames")


def test_nothing_to_show():
    assert ladder({}, planned()) == [Line("other", "no frame to show")]


def test_the_table_of_conversations():
    talk = echo()
    talk.frames += Talk(sport=40001).open().send("s", RST | ACK).frames
    talk.frames += Talk(sport=40002).send("c", SYN).send("s", RST | ACK, seq=0).frames
    talk.frames += Talk(sport=40003).open().send("s", 0x11).frames
    talk.frames += Talk(sport=40004).open().frames
    rows = table(conversations(talk.packets), planned())
    assert all(len(row) == len(HEADINGS) for row in rows)
    assert rows[0] == ("1", "client:40000", "server:7000", "complete", "client first", "6", "6", "0", "0.007000")
    assert [row[3:5] for row in rows[1:]] == [
        ("complete", "reset by the server"),
        ("refused", "reset by the server"),
        ("complete", "half, by the server"),
        ("complete", "open"),
    ]
    assert table(conversations(talk.packets))[0][1:3] == ("10.0.1.10:40000", "10.0.2.80:7000")
    assert ip(CLIENT) == conversations(talk.packets)[0].client.address
