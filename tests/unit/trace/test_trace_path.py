from trace_forge import ACK, PSH, SYN, Talk, ethernet, ip, ipv4, ipv6, mac, one, tcp, udp
from trace_lab import MACS, Wire

from lab.trace.packets import decode
from lab.trace.path import Paths, hops, identity, rewritten

OWN = {point: mac(text) for point, text in MACS.items()}
FORTH = ["client:eth0", "r1:eth0", "r1:eth1", "server:eth0"]


def talk() -> Talk:
    return Talk().open().send("c", PSH | ACK, b"hello\n").send("s", PSH | ACK, b"hello\n").close()


def test_a_packet_is_found_on_every_hop_in_order():
    captures = Wire().carry(talk().frames).captures
    for point in FORTH:
        seen = hops(captures[point][0], point, captures)
        assert [sighting.point for sighting in seen] == FORTH
        assert [sighting.packet.ttl for sighting in seen] == [64, 64, 63, 63]
    back = hops(captures["client:eth0"][1], "client:eth0", captures)
    assert [sighting.point for sighting in back] == FORTH[::-1]


def test_the_order_does_not_depend_on_the_clock_nor_on_the_order_of_captures():
    captures = Wire().carry(talk().frames).captures
    for packets in captures.values():
        for packet in packets:
            packet.time = 10**9 - packet.time
    turned = dict(reversed(captures.items()))
    assert [s.point for s in hops(captures["r1:eth0"][0], "r1:eth0", turned)] == FORTH


def test_on_one_link_the_macs_tell_the_sender_from_the_receiver():
    wire = Wire().ask("lan")
    for order in (("client:eth0", "r1:eth0"), ("r1:eth0", "client:eth0")):
        captures = {point: wire.captures[point] for point in order}
        answer = captures["client:eth0"][1]
        assert [s.point for s in Paths(captures, OWN).hops(answer)] == ["r1:eth0", "client:eth0"]


def test_a_packet_that_was_lost_is_seen_up_to_there():
    captures = Wire().carry(talk().frames, lambda n, link, frame: None if (n, link) == (3, 1) else frame).captures
    packet = captures["client:eth0"][3]
    assert [s.point for s in hops(packet, "client:eth0", captures)] == FORTH[:3]


def test_equal_packets_are_matched_by_their_order():
    again = ethernet(ipv6(udp(1, 2, b"x", "fd00:1::10", "fd00:2::80"), 17), 0x86DD)
    captures = {
        point: [decode(number, 0, len(again), again) for number in range(1, count + 1)]
        for point, count in (("a:eth0", 3), ("b:eth0", 2))
    }
    for number in (1, 2):
        seen = hops(captures["a:eth0"][number - 1], "a:eth0", captures)
        assert [(s.point, s.packet.number) for s in seen] == [("a:eth0", number), ("b:eth0", number)]
    assert [s.point for s in hops(captures["a:eth0"][2], "a:eth0", captures)] == ["a:eth0"]


def test_a_retransmission_is_another_packet():
    sent = Talk().open().send("c", PSH | ACK, b"x").send("c", PSH | ACK, b"x", seq=1001)
    captures = Wire().carry(sent.frames).captures
    seen = hops(captures["client:eth0"][4], "client:eth0", captures)
    assert {s.packet.number for s in seen} == {5}


def test_a_packet_from_elsewhere_can_be_asked_about():
    captures = Wire().carry(talk().frames).captures
    first = captures.pop("client:eth0")[0]
    assert [s.point for s in hops(first, "client:eth0", captures)] == FORTH


def test_what_a_router_must_change_does_not_change_the_identity():
    segment = tcp(1, 2, 3, 4, ACK, b"x")
    here = one(ethernet(ipv4(segment, ttl=64, ident=7)))
    assert identity(here) == identity(one(ethernet(ipv4(segment, ttl=63, ident=7), src=MACS["r1:eth1"]) + bytes(6)))
    assert identity(here) != identity(one(ethernet(ipv4(segment, ttl=64, ident=8))))
    assert identity(here) != identity(one(ethernet(ipv4(tcp(1, 2, 3, 4, ACK, b"y"), ident=7))))


def test_translated_packets_look_the_same_but_for_addresses():
    inside = one(ethernet(ipv4(tcp(40000, 7000, 3, 4, PSH | ACK, b"hey"), ident=9)))
    segment = tcp(61000, 7000, 3, 4, PSH | ACK, b"hey", src="192.0.2.1")
    outside = one(ethernet(ipv4(segment, ident=9, ttl=63, src="192.0.2.1")))
    other = one(ethernet(ipv4(tcp(61000, 7000, 3, 4, PSH | ACK, b"hoy", src="192.0.2.1"), ident=9, src="192.0.2.1")))
    captures = {"r1:eth0": [inside], "r1:eth1": [other, outside]}
    assert [(s.point, s.packet) for s in rewritten(inside, captures)] == [("r1:eth1", outside)]
    assert rewritten(other, captures) == []
    assert outside.src == ip("192.0.2.1")


def test_all_frames_in_an_order_that_nothing_contradicts():
    wire = Wire().ask("lan")
    frames = talk().frames
    wire.carry(frames[:1]).ask("wan").carry(frames[1:])
    for packets in wire.captures.values():
        for packet in packets:
            packet.time = -packet.time  # so that only causality can put them right
    crossings = Paths(wire.captures, OWN).in_order()
    assert len(crossings) == 4 + 2 * len(frames)
    for point, packets in wire.captures.items():
        seen = [crossing.seen_at(point) for crossing in crossings]
        assert [packet for packet in seen if packet] == packets
    assert all(len(crossing.sightings) == 2 for crossing in crossings)
    place = {id(crossing.packet): index for index, crossing in enumerate(crossings)}
    paths = Paths(wire.captures, OWN)
    for packet in wire.captures["client:eth0"][2:]:
        way = [place[id(crossing.packet)] for crossing in paths.crossings(packet)]
        assert len(way) == 2
        assert way == sorted(way)


def test_contradicting_captures_are_still_ordered():
    frames = Talk().send("c", SYN).send("c", SYN, seq=1000).frames
    one_, two = (decode(n, n, len(frame), frame) for n, (_, frame) in enumerate(frames, 1))
    three, four = (decode(n, n, len(p.data), p.data) for n, p in ((1, two), (2, one_)))
    assert len(Paths({"a:eth0": [one_, two], "b:eth0": [three, four]}).in_order()) == 2
