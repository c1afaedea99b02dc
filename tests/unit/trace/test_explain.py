import pytest
from trace_forge import ACK, FIN, MSS_AND_SCALE, RST, SYN, arp, ethernet, icmp, ipv4, ipv6, one, pseudo, tcp, udp
from trace_lab import MACS, planned

from lab.trace.explain import explain
from lab.trace.explained import Layer
from lab.trace.packets import decode
from lab.trace.words import arp_text, icmp_text, summary

TO_ROUTER = {"src": MACS["client:eth0"], "dst": MACS["r1:eth0"]}


def explained(frame: bytes, with_plan: bool = True) -> dict[str, Layer]:
    return {layer.name.split(":")[0]: layer for layer in explain(one(frame), planned() if with_plan else None)}


def field(layer: Layer, name: str) -> tuple[str, str]:
    return next((each.value, each.meaning) for each in layer.fields if each.name == name)


def test_a_syn_layer_by_layer():
    layers = explained(ethernet(ipv4(tcp(40000, 7000, 2**32 - 1, 0, SYN, options=MSS_AND_SCALE)), **TO_ROUTER))
    assert {name: layer.claim for name, layer in layers.items()} == {
        "Frame": "",
        "Ethernet II": "C4",
        "Internet Protocol Version 4": "C3",
        "Transmission Control Protocol": "C8",
    }
    assert field(layers["Ethernet II"], "eth.dst") == (MACS["r1:eth0"], "the next machine on this link: r1:eth0")
    ip_layer, tcp_layer = layers["Internet Protocol Version 4"], layers["Transmission Control Protocol"]
    assert field(ip_layer, "ip.dst") == ("10.0.2.80", "the last receiver; routers choose the way by it (server)")
    assert field(ip_layer, "ip.ttl")[0] == "64"
    assert field(ip_layer, "ip.checksum.status")[0] == "right"
    value, meaning = field(tcp_layer, "tcp.seq_raw")
    assert (value, meaning) == ("4294967295", "the sender's initial sequence number; the sender's next is 0")
    assert field(tcp_layer, "tcp.options: MSS")[0] == "1460"
    assert not any(each.name == "tcp.ack_raw" for each in tcp_layer.fields)


@pytest.mark.parametrize(
    ("flags", "payload", "claim", "meaning"),
    [
        (SYN, b"", "C8", "may I open a connection?"),
        (SYN | ACK, b"", "C9", "yes, and may I send too?"),
        (ACK, b"", "C11", "I have received everything up to there"),
        (ACK, b"x", "C11", "here is data"),
        (FIN | ACK, b"", "C12", "I have sent everything and close my direction"),
        (RST, b"", "C12", "the connection is refused or broken off"),
    ],
)
def test_what_the_flags_mean(flags, payload, claim, meaning):
    layer = explained(ethernet(ipv4(tcp(1, 2, 3, 4, flags, payload))))["Transmission Control Protocol"]
    assert (layer.claim, field(layer, "tcp.flags")[1]) == (claim, meaning)


def test_a_wrong_checksum_is_said():
    frame = ethernet(ipv4(tcp(1, 2, 3, 4, ACK, b"x")))[:-1] + b"y"
    assert field(explained(frame)["Transmission Control Protocol"], "tcp.checksum.status")[0] == "wrong"


def test_a_full_receiver():
    layer = explained(ethernet(ipv4(tcp(1, 2, 3, 4, ACK, window=0))))["Transmission Control Protocol"]
    assert field(layer, "tcp.window_size_value")[1] == "stop: the sender's buffer is full"


def test_arp_question_and_answer():
    ask = ethernet(arp(1, "10.0.1.10", "10.0.1.1"), 0x0806, MACS["client:eth0"], "ff:ff:ff:ff:ff:ff")
    layers = explained(ask)
    assert field(layers["Ethernet II"], "eth.dst")[1] == "the next machine on this link: everyone (broadcast)"
    layer = layers["Address Resolution Protocol"]
    assert (layer.name, layer.claim) == ("Address Resolution Protocol: who has 10.0.1.1? tell 10.0.1.10", "C5")
    assert field(layer, "arp.dst.hw_mac")[1] == "empty: this is what is asked for"
    assert field(layer, "arp.dst.proto_ipv4") == ("10.0.1.1", "whom it is about (r1)")


def test_a_payload_is_shown_and_never_obeyed():
    payload = b"\x1b[2J\x1b]0;owned\x07hello\n" + b"z" * 100
    value, meaning = field(explained(ethernet(ipv4(udp(1, 2, payload), 17)))["Payload"], "data")
    assert value.isprintable()
    assert "\x1b" not in value
    assert value.startswith("'\\x1b[2J")
    assert value.endswith("' …")
    assert meaning == "120 bytes for the program"


def test_udp_icmp_and_ipv6():
    assert explained(ethernet(ipv4(udp(1, 2, b"x"), 17)))["User Datagram Protocol"].claim == "C17"
    layers = explained(ethernet(ipv4(icmp(11, 0, bytes(4), b"x" * 28), 1)))
    assert layers["Internet Control Message Protocol"].name.endswith(": TTL ran out")
    before = pseudo("fd00:1::10", "fd00:2::80", 58, 24)
    solicited = icmp(135, 0, bytes(4), bytes(15) + b"\1", before)
    layers = explained(ethernet(ipv6(solicited, 58, hops=255), 0x86DD))
    assert layers["Internet Control Message Protocol"].claim == "C5"
    assert field(layers["Internet Protocol Version 6"], "ipv6.hlim")[0] == "255"


def test_fragments_and_tags_and_other_frames():
    layers = explained(ethernet(ipv4(b"x" * 16, 17, fragment=0x2002)))
    assert field(layers["Internet Protocol Version 4"], "ip.frag_offset") == (
        "16", "a fragment from this byte on; more follow",
    )
    tagged = ethernet(b"x" * 46, 0x9000, tags=bytes.fromhex("81000005"))
    assert field(explained(tagged)["Ethernet II"], "vlan.id")[0] == "5"
    assert field(explained(ethernet(b"x" * 46, 46))["Ethernet II"], "eth.type")[1] == "a length, so an IEEE 802.3 frame"


def test_a_refused_frame_is_explained_as_far_as_it_holds():
    layers = explained(ethernet(ipv4(tcp(1, 2, 3, 4, ACK)[:12])), with_plan=False)
    assert list(layers) == ["Frame", "Ethernet II", "Internet Protocol Version 4", "Not decoded further"]
    assert field(layers["Not decoded further"], "refusal")[0] == "the frame ends inside the TCP header: 12 of 20 bytes"


@pytest.mark.parametrize(("frame", "link_type", "dropped"), [
    (ethernet(ipv4(tcp(1, 2, 3, 4, ACK)[:12])), 1, True),
    (b"x" * 60, 127, False),
    (ethernet(ipv4(tcp(1, 2, 3, 4, ACK)))[:40], 1, False),
])
def test_what_only_we_cannot_decode_is_not_said_to_be_dropped(frame, link_type, dropped):
    packet = decode(1, 0, 60, frame, link_type)
    (refusal,) = explain(packet)[-1].fields
    assert refusal.value == packet.refusal
    assert (refusal.meaning == "a receiver would drop this") == dropped
    assert summary(packet).startswith("malformed: ") == dropped


def test_a_cut_frame_says_how_much_was_kept():
    frame = ethernet(ipv4(udp(1, 2, b"x" * 100), 17))
    (meaning,) = [each.meaning for each in explain(decode(7, 10**18 + 1, len(frame), frame[:60]))[0].fields[2:]]
    assert meaning == "bytes on the wire; the capture kept 60 of them"


SUMMARIES = [
    (ethernet(ipv4(tcp(1, 2, 3, 4, SYN | ACK, b"xy"))), "TCP 1 → 2 SYN, ACK seq=3 ack=4 len=2"),
    (ethernet(ipv4(udp(1, 2, b"xy"), 17)), "UDP 1 → 2 len=2"),
    (ethernet(ipv4(icmp(8, 0, b"\0\1\0\7"), 1)), "ICMP echo request seq=7"),
    (ethernet(ipv4(icmp(3, 3, bytes(4), bytes(28)), 1)), "ICMP port unreachable"),
    (ethernet(ipv4(icmp(99, 3, bytes(4)), 1)), "ICMP type 99 code 3"),
    (ethernet(ipv4(b"x" * 8, 89)), "OSPF, 8 bytes"),
    (ethernet(ipv4(b"x" * 8, 200)), "protocol 200, 8 bytes"),
    (ethernet(ipv4(b"x" * 8, 17, fragment=2)), "UDP fragment from byte 16"),
    (ethernet(b"x" * 50, 0x88CC), "ethertype 0x88cc, 50 bytes"),
    (ethernet(arp(2, "10.0.1.1", "10.0.1.10"), 0x0806), "ARP 10.0.1.1 is at 02:00:00:00:01:0a"),
    (ethernet(arp(1, "10.0.1.1", "10.0.1.1"), 0x0806), "ARP 10.0.1.1 is mine, at 02:00:00:00:01:0a"),
    (ethernet(arp(9, "10.0.1.1", "10.0.1.2"), 0x0806), "ARP operation 9"),
    (b"", "malformed: the frame ends inside the Ethernet header: 0 of 14 bytes"),
]


@pytest.mark.parametrize(("frame", "text"), SUMMARIES, ids=[text for _, text in SUMMARIES])
def test_a_packet_in_one_line(frame, text):
    assert summary(one(frame)) == text


def test_neighbour_discovery_names_the_address():
    before = pseudo("fd00:1::10", "fd00:2::80", 58, 24)
    packet = one(ethernet(ipv6(icmp(136, 0, bytes(4), bytes(15) + b"\1", before), 58), 0x86DD))
    assert icmp_text(packet) == "neighbour advertisement ::1"
    assert arp_text(one(ethernet(arp(1, "10.0.1.1", "10.0.1.2"), 0x0806))) == "ARP who has 10.0.1.2? tell 10.0.1.1"
