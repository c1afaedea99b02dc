import pytest
from trace_forge import (
    ACK,
    CLIENT,
    FIN,
    MSS_AND_SCALE,
    PSH,
    RST,
    SERVER,
    SYN,
    Talk,
    ethernet,
    ip,
    ipv4,
    ipv6,
    one,
    tcp,
    udp,
)

from lab.trace.datagrams import udp_conversations
from lab.trace.flows import Conversation, Tracker
from lab.trace.flows import tcp_conversations as conversations

DATA = PSH | ACK


def only(talk: Talk) -> Conversation:
    found = conversations(talk.packets)
    assert len(found) == 1
    return found[0]


def numbers(*packets):
    return [packet and packet.number for packet in packets]


ISNS = [(1000, 5000), (0, 0), (2**32 - 1, 2**32 - 1), (2**32 - 4, 2**31 - 3), (2**31 - 2, 2**32 - 8)]


@pytest.mark.parametrize(("client_isn", "server_isn"), ISNS)
def test_a_whole_connection_wherever_its_numbers_wrap(client_isn, server_isn):
    talk = Talk(client_isn, server_isn).open().send("c", DATA, b"hello ").send("s", ACK).send("c", DATA, b"world\n")
    found = only(talk.send("s", DATA, b"hello world\n").close())
    assert numbers(found.syn, found.syn_ack, found.handshake_ack) == [1, 2, 3]
    assert (found.client.isn, found.server.isn) == (client_isn, server_isn)
    assert found.key == (ip(CLIENT), 40000, ip(SERVER), 7000)
    assert (found.opened, found.closed, found.start_missing) == ("complete", "fin", False)
    assert (found.client.stream, found.server.stream) == (b"hello world\n", b"hello world\n")
    assert (found.client.sent, found.server.sent) == (12, 12)
    assert (found.client.highest_ack, found.server.highest_ack) == (13, 13)
    assert numbers(found.client.fin, found.client.fin_ack, found.server.fin, found.server.fin_ack) == [8, 9, 9, 10]
    assert found.closes_first is found.client
    assert (found.client.missing, found.server.missing, found.client.inconsistent) == ([], [], None)
    assert not any(segment.kinds for segment in found.segments)
    assert [packet.number for packet in found.packets] == list(range(1, 11))
    assert [(s.start, s.end) for s in found.segments[:6]] == [(0, 0), (0, 0), (0, 0), (0, 6), (0, 0), (6, 12)]
    assert found.peer(found.client) is found.server
    assert (found.started, found.ended, found.rtt) == (1_000_000, 10_000_000, 2_000_000)


def test_the_server_closes_first_and_the_client_goes_on_sending():
    talk = Talk().open().send("s", FIN | ACK).send("c", ACK).send("c", DATA, b"more").send("s", ACK)
    found = only(talk)
    assert (found.closed, found.closes_first, found.client.stream) == ("half", found.server, b"more")
    assert numbers(found.server.fin, found.server.fin_ack, found.client.fin) == [4, 5, None]
    found = only(talk.send("c", FIN | ACK).send("s", ACK))
    assert (found.closed, found.closes_first) == ("fin", found.server)
    assert numbers(found.client.fin, found.client.fin_ack) == [8, 9]


def test_data_and_fin_in_one_segment():
    found = only(Talk().open().send("c", DATA | FIN, b"bye").send("s", ACK).send("s", FIN | ACK).send("c", ACK))
    assert (found.client.stream, found.client.fin_offset) == (b"bye", 3)
    assert numbers(found.client.fin_ack, found.server.fin_ack) == [5, 7]


def test_an_acknowledgement_of_the_data_is_none_of_the_fin():
    found = only(Talk().open().send("c", DATA | FIN, b"bye").send("s", ACK, ack=1004))
    assert found.client.fin_ack is None


def test_a_simultaneous_close():
    talk = Talk().open().send("c", FIN | ACK, ack=5001).send("s", FIN | ACK, ack=1001).send("c", ACK).send("s", ACK)
    found = only(talk)
    assert (found.closed, found.closes_first) == ("fin", found.client)
    assert numbers(found.client.fin, found.client.fin_ack, found.server.fin, found.server.fin_ack) == [4, 7, 5, 6]


def test_a_repeated_fin_is_the_same_fin():
    found = only(Talk().open().send("c", FIN | ACK).send("c", FIN | ACK, seq=1001, after=10**9).send("s", ACK))
    assert numbers(found.client.fin, found.client.fin_ack) == [4, 6]
    assert found.segments[4].kinds == {"retransmission"}


def test_a_refused_connection():
    found = only(Talk().send("c", SYN).send("s", RST | ACK, seq=0))
    assert (found.opened, found.closed) == ("refused", "reset")
    assert numbers(found.refused, found.reset, found.server.reset, found.client.reset) == [2, 2, 2, None]


def test_a_reset_in_the_middle():
    found = only(Talk().open().send("c", DATA, b"x").send("s", RST | ACK))
    assert (found.opened, found.closed, found.refused) == ("complete", "reset", None)
    assert found.server.reset is found.reset


def test_a_reset_out_of_sequence_is_none():
    talk = Talk().open().send("s", DATA, b"hello").send("c", ACK).send("s", RST | ACK, seq=5003).send("s", DATA, b"!")
    found = only(talk)
    assert (found.closed, found.reset, found.server.reset, found.server.stream) == ("open", None, None, b"hello!")


def test_an_unanswered_connection():
    found = only(Talk().send("c", SYN).send("c", SYN, seq=1000, after=10**9).send("c", SYN, seq=1000, after=2 * 10**9))
    assert (found.opened, found.closed) == ("unanswered", "open")
    assert [segment.kinds for segment in found.segments] == [set(), {"retransmission"}, {"retransmission"}]
    assert found.syn.number == 1


def test_a_third_packet_that_never_came():
    found = only(Talk().send("c", SYN).send("s", SYN | ACK).send("s", SYN | ACK, seq=5000, after=10**9))
    assert (found.opened, numbers(found.syn_ack, found.handshake_ack)) == ("unconfirmed", [2, None])


WRONG = {
    "SYN-ACK acknowledges something else": (lambda t: t.send("s", SYN | ACK, ack=1000).send("c", ACK), None, None),
    "ACK acknowledges something else": (lambda t: t.send("s", SYN | ACK).send("c", ACK, ack=5000), 2, None),
    "ACK has another sequence number": (lambda t: t.send("s", SYN | ACK).send("c", ACK, seq=1000), 2, None),
    "the second ACK is right": (lambda t: t.send("s", SYN | ACK).send("c", ACK, ack=5000).send("c", ACK), 2, 4),
    "the third packet is a reset": (lambda t: t.send("s", SYN | ACK).send("c", RST | ACK), 2, None),
    "ACK before SYN-ACK": (lambda t: t.send("c", ACK, ack=5001).send("s", SYN | ACK), 3, None),
}


@pytest.mark.parametrize(("rest", "syn_ack", "ack"), WRONG.values(), ids=WRONG)
def test_only_packets_whose_numbers_fit_make_the_handshake(rest, syn_ack, ack):
    assert numbers(*(lambda c: (c.syn_ack, c.handshake_ack))(only(rest(Talk().send("c", SYN))))) == [syn_ack, ack]


def test_the_first_data_may_confirm_the_handshake():
    found = only(Talk().send("c", SYN).send("s", SYN | ACK).send("c", DATA, b"x"))
    assert (found.opened, found.handshake_ack.number) == ("complete", 3)


def test_data_in_the_syn_that_the_server_takes():
    found = only(Talk().send("c", SYN, b"hi").send("s", SYN | ACK).send("c", ACK).send("s", DATA, b"yes").close())
    assert (found.opened, found.client.stream, found.server.stream) == ("complete", b"hi", b"yes")
    assert numbers(found.syn, found.syn_ack, found.handshake_ack) == [1, 2, 3]


def test_data_in_the_syn_that_the_server_leaves():
    talk = Talk().send("c", SYN, b"hi").send("s", SYN | ACK, ack=1001).send("c", DATA, b"hi", seq=1001).send("s", ACK)
    found = only(talk.close())
    assert (found.opened, found.closed, found.client.stream) == ("complete", "fin", b"hi")
    assert numbers(found.syn, found.syn_ack, found.handshake_ack) == [1, 2, 3]


def test_half_of_the_data_in_the_syn_cannot_be_acknowledged():
    found = only(Talk().send("c", SYN, b"hi").send("s", SYN | ACK, ack=1002).send("c", ACK))
    assert (found.opened, found.syn_ack) == ("unanswered", None)


def test_a_simultaneous_open():
    talk = Talk().send("c", SYN).send("s", SYN, ack=0).send("c", SYN | ACK, seq=1000).send("s", SYN | ACK, seq=5000)
    found = only(talk.send("c", DATA, b"x"))
    assert (found.opened, found.simultaneous, found.client.stream) == ("complete", True, b"x")
    assert (found.client.isn, found.server.isn) == (1000, 5000)
    assert numbers(found.syn, found.syn_ack, found.handshake_ack) == [1, 4, 3]


def test_a_capture_that_began_too_late():
    talk = Talk().open().send("c", DATA, b"seen").send("s", DATA, b"too").close()
    del talk.frames[:3]
    found = only(talk)
    assert (found.start_missing, found.opened, found.closed) == (True, "midstream", "fin")
    assert (found.client.isn, found.client.stream, found.server.stream) == (None, b"seen", b"too")
    assert found.client.address == ip(CLIENT)


def test_without_the_syn_the_syn_ack_tells_who_the_client_is():
    talk = Talk().open()
    del talk.frames[0]
    found = only(talk)
    assert (found.client.address, found.start_missing, found.opened) == (ip(CLIENT), True, "midstream")


def test_a_syn_that_was_captured_late_still_counts():
    talk = Talk().open()
    talk.frames[:2] = talk.frames[1::-1]
    found = only(talk)
    assert (found.start_missing, found.syn.number, found.client.isn) == (False, 2, 1000)


def test_the_same_ports_used_again():
    first = Talk().open().send("c", DATA, b"one").close()
    second = Talk(client_isn=90_000, server_isn=80_000).open().send("c", DATA, b"two")
    first.frames += [(time + 10**9, frame) for time, frame in second.frames]
    one_, two = conversations(first.packets)
    assert (one_.client.stream, two.client.stream) == (b"one", b"two")
    assert (one_.index, two.index, two.syn.number) == (0, 1, 8)
    assert two.segments[0].kinds == {"port-reused"}


def test_a_syn_that_is_sent_again_after_a_refusal_opens_no_other_conversation():
    talk = Talk().send("c", SYN).send("s", RST | ACK, seq=0).send("c", SYN, seq=1000, after=10**9)
    assert [found.opened for found in conversations(talk.packets)] == ["refused"]


def test_two_connections_at_once_are_kept_apart():
    one_, two = Talk(sport=40000).open(), Talk(sport=40001).open()
    one_.send("c", DATA, b"one")
    two.send("c", DATA, b"two")
    one_.frames = [frame for pair in zip(one_.frames, two.frames, strict=True) for frame in pair]
    assert [found.client.stream for found in conversations(one_.packets)] == [b"one", b"two"]


def test_lost_reordered_and_doubled_segments_still_make_the_stream():
    talk = Talk().open()
    for part in (b"aa", b"bb", b"cc", b"dd"):
        talk.send("c", DATA, part)
    three, four, five = talk.frames[4:7]
    talk.frames[4:7] = [five, three, three, four]
    found = only(talk)
    assert (found.client.stream, found.client.missing) == (b"aabbccdd", [])
    assert [segment.kinds for segment in found.segments[4:7]] == [{"lost-before"}, {"out-of-order"}, {"out-of-order"}]


def test_what_is_sent_again_is_counted():
    found = only(Talk().open().send("c", DATA, b"ab", lost=True).send("c", DATA, b"ab", seq=1001, after=10**9))
    assert found.client.retransmissions == 0  # the first was not captured, so this is new
    found = only(Talk().open().send("c", DATA, b"ab").send("c", DATA, b"ab", seq=1001, after=10**9))
    assert found.client.retransmissions == 1


def test_a_gap_ends_the_stream_and_is_told():
    found = only(Talk().open().send("c", DATA, b"ab").send("c", DATA, b"cd", lost=True).send("c", DATA, b"ef"))
    assert (found.client.stream, found.client.missing, found.client.sent) == (b"ab", [(2, 4)], 6)
    assert found.segments[-1].kinds == {"lost-before"}


def test_bytes_missing_before_the_fin_are_a_gap():
    found = only(Talk().open().send("c", DATA, b"ab").send("c", DATA, b"cd", lost=True).send("c", FIN | ACK))
    assert found.client.missing == [(2, 4)]


def test_a_repeated_segment_with_other_bytes_is_inconsistent():
    found = only(Talk().open().send("c", DATA, b"abc").send("c", DATA, b"aXc", seq=1001))
    assert (found.client.stream, found.client.inconsistent) == (b"abc", 1)


def test_the_byte_of_a_keep_alive_is_not_part_of_the_stream():
    found = only(Talk().open().send("c", DATA, b"abc").send("c", ACK, b"\0", seq=1003).send("s", ACK))
    assert found.segments[4].kinds == {"keep-alive"}
    assert (found.client.stream, found.client.inconsistent) == (b"abc", None)


def test_a_single_byte_sent_again_fills_its_gap_though_it_looks_like_a_keep_alive():
    talk = Talk().open().send("c", DATA, b"ab").send("c", DATA, b"c", lost=True).send("c", ACK)
    found = only(talk.send("c", DATA, b"c", seq=1003, after=10**9))
    assert (found.segments[-1].kinds, found.client.stream) == ({"keep-alive"}, b"abc")


def test_data_on_the_syn_is_the_first_of_the_stream():
    found = only(Talk().send("c", SYN, b"fast").send("s", SYN | ACK).send("c", DATA, b"er"))
    assert found.client.stream == b"faster"


def test_what_is_no_whole_tcp_segment_is_left_out():
    tracker = Tracker()
    assert tracker.feed(one(ethernet(ipv4(udp(1, 2), 17)))) is None
    assert tracker.feed(one(ethernet(ipv4(tcp(1, 2, 3, 4, SYN)[:15])))) is None
    assert tracker.conversations == []


def test_fragments_of_a_segment_count_once_they_are_whole():
    segment = tcp(40000, 7000, 1000, 0, SYN, options=MSS_AND_SCALE)
    tracker = Tracker()
    assert tracker.feed(one(ethernet(ipv4(segment[24:], fragment=3)))) is None
    first = one(ethernet(ipv4(segment[:24], fragment=0x2000)))
    assert first.refusal is None  # although it ends inside the TCP header
    found = tracker.feed(first)
    assert found is not None
    assert (found.packet.checksum_ok, tracker.conversations[0].client.isn) == (True, 1000)


def test_nothing_is_kept_where_that_is_asked():
    tracker = Tracker(keep=False)
    for packet in Talk().open().send("c", DATA, b"hello").send("c", DATA, b"hello", seq=1001).close().packets:
        tracker.feed(packet)
    found = tracker.conversations[0]
    assert (found.segments, found.client.segments, found.client.stream) == ([], [], b"")
    assert (found.opened, found.closed) == ("complete", "fin")
    assert (found.client.sent, found.client.payload_bytes, found.client.retransmissions) == (5, 10, 1)


def test_both_families_are_kept_apart():
    four = ethernet(ipv4(tcp(1, 2, 3, 0, SYN)))
    six = ethernet(ipv6(tcp(1, 2, 3, 0, SYN, src="fd00:1::10", dst="fd00:2::80")), 0x86DD)
    assert [len(found.client.address) for found in conversations([one(four), one(six)])] == [4, 16]


def test_udp_exchanges():
    ask, answer = udp(40000, 53, b"?"), udp(53, 40000, b"!", SERVER, CLIENT)
    other = udp(40001, 53, b"other")
    frames = [ipv4(ask, 17), ipv4(answer, 17, SERVER, CLIENT), ipv4(other, 17), ipv4(ask, 17)]
    frames.append(ipv4(tcp(1, 2, 3, 4, SYN)))
    first, second = udp_conversations([one(ethernet(frame)) for frame in frames])
    assert (first.client, first.server) == ((ip(CLIENT), 40000), (ip(SERVER), 53))
    assert [packet.payload for packet in first.packets if packet.sport == 40000] == [b"?", b"?"]
    assert [packet.payload for packet in first.packets if packet.sport == 53] == [b"!"]
    assert (first.sent, first.received, first.bytes_sent, first.bytes_received) == (2, 1, 2, 1)
    assert [packet.payload for packet in second.packets] == [b"other"]


def test_a_fragmented_datagram_is_one_datagram():
    whole = udp(40000, 7000, bytes(range(200)))
    frames = [ipv4(whole[:104], 17, fragment=0x2000), ipv4(whole[104:], 17, fragment=13)]
    (exchange,) = udp_conversations([one(ethernet(frame)) for frame in frames])
    assert [(p.payload, p.checksum_ok) for p in exchange.packets] == [(bytes(range(200)), True)]
