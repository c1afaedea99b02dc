"""Conversations and exchanges of datagrams as rows of a table."""

from __future__ import annotations

from doctored import PORT, UDP, Story

from lab.trace.datagrams import udp_conversations
from lab.trace.table import EXCHANGES, exchange_row

THERE = ("client:eth0", "r1:eth0", "r1:eth1", "server:eth0")


def test_an_exchange_of_datagrams_is_told_by_names_counts_and_bytes() -> None:
    story = Story()
    client, server = story.address("client"), story.address("server")
    for payload in (b"one", b"two!"):
        story.send("ask", THERE, src=client, dst=server, sport=50000, dport=PORT, payload=payload, protocol=UDP)
    story.send("answer", THERE[::-1], src=server, dst=client, sport=PORT, dport=50000, payload=b"re", protocol=UDP)
    (exchange,) = udp_conversations(story.evidence().captures["client:eth0"].packets)
    row = exchange_row(exchange, story.plan)
    assert row == ("client:50000", f"server:{PORT}", "2", "1", "7", "2")
    assert len(row) == len(EXCHANGES)
    assert exchange_row(exchange)[0] == f"{client}:50000"
