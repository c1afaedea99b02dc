"""Frames forged by scapy are decoded to what scapy was told to forge."""

import random
from typing import Any

import pytest
from trace_forge import one

from lab.trace.packets import ICMP, ICMPV6, TCP, UDP, address, mac_text, tcp_options

# scapy warns of its own deprecated imports and of a missing default route
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def scapy() -> Any:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import scapy.all
    return scapy.all


def forged(scapy: Any, chance: random.Random) -> Any:
    """A random stack of layers, with everything spelled out that would need a route or a neighbour."""
    stack = scapy.Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
    for _ in range(chance.choice([0, 0, 0, 1, 2])):
        stack /= scapy.Dot1Q(vlan=chance.randrange(4096))
    four = chance.random() < 0.5
    if four:
        options = chance.choice([[], [], [scapy.IPOption_NOP()] * 4, [scapy.IPOption_Router_Alert()]])
        stack /= scapy.IP(src="10.0.1.10", dst="10.0.2.80", ttl=chance.randrange(256), id=chance.randrange(2**16),
                          flags=chance.choice(["", "DF"]), options=options)
    else:
        stack /= scapy.IPv6(src="fd00:1::10", dst="fd00:2::80", hlim=chance.randrange(256))
        for layer in (scapy.IPv6ExtHdrHopByHop, scapy.IPv6ExtHdrDestOpt):
            if chance.random() < 0.3:
                stack /= layer(options=[scapy.PadN(optdata=b"\0" * chance.choice([4, 12]))])
    ports = {"sport": chance.randrange(1, 2**16), "dport": chance.randrange(1, 2**16)}
    match chance.choice(["tcp", "tcp", "udp", "echo"]):
        case "tcp":
            options = chance.sample(
                [("MSS", 1460), ("NOP", None), ("WScale", 7), ("SAckOK", b""), ("Timestamp", (5, 6)), ("SAck", (1, 9))],
                chance.randrange(5),
            )
            stack /= scapy.TCP(seq=chance.randrange(2**32), ack=chance.randrange(2**32), flags=chance.randrange(256),
                               window=chance.randrange(2**16), options=options, **ports)
        case "udp":
            stack /= scapy.UDP(**ports)
        case "echo":
            stack /= scapy.ICMP(type=8, id=1, seq=2) if four else scapy.ICMPv6EchoRequest(id=1, seq=2)
    return stack / scapy.Raw(chance.randbytes(chance.randrange(40)))


NAMES = {"MSS": "MSS", "NOP": "NOP", "WScale": "window scale", "SAckOK": "SACK permitted", "Timestamp": "timestamps",
         "SAck": "SACK"}


@pytest.mark.parametrize("seed", range(5))
def test_random_stacks(scapy: Any, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(40):
        told = forged(scapy, chance)
        packet = one(bytes(told))
        where = told.command()
        assert packet.refusal is None, where
        assert packet.checksum_ok is True, where
        assert (mac_text(packet.src_mac), mac_text(packet.dst_mac)) == (told.src, told.dst), where
        tags = [told.getlayer(scapy.Dot1Q, nb=n) for n in range(1, 3)]
        assert packet.vlans == tuple(tag.vlan for tag in tags if tag), where
        ip = told[scapy.IP] if scapy.IP in told else told[scapy.IPv6]
        assert (str(address(packet.src)), str(address(packet.dst))) == (ip.src, ip.dst), where
        if packet.version == 4:
            assert (packet.ttl, packet.identification, packet.dont_fragment) == (ip.ttl, ip.id, ip.flags.DF), where
            assert packet.ip_checksum_ok is True, where
        else:
            assert packet.ttl == ip.hlim, where
        if scapy.TCP in told:
            tcp = told[scapy.TCP]
            assert packet.protocol == TCP, where
            assert (packet.sport, packet.dport) == (tcp.sport, tcp.dport), where
            assert (packet.seq, packet.ack) == (tcp.seq, tcp.ack), where
            assert (packet.flags, packet.window) == (int(tcp.flags), tcp.window), where
            names = [NAMES[name] for name, _ in tcp.options]
            assert [name for _, name, _ in tcp_options(packet)][: len(names)] == names, where
        elif scapy.UDP in told:
            udp = told[scapy.UDP]
            assert (packet.protocol, packet.sport, packet.dport) == (UDP, udp.sport, udp.dport), where
        else:
            assert (packet.protocol, packet.icmp_type) in ((ICMP, 8), (ICMPV6, 128)), where
        assert packet.payload == (told[scapy.Raw].load if scapy.Raw in told else b""), where
