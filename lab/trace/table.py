"""Conversations as the rows of a table: who, how opened, how closed, what was carried, how long."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from lab.trace.datagrams import Exchange
from lab.trace.flows import Conversation, Side
from lab.trace.holes import uncaptured
from lab.trace.packets import address

if TYPE_CHECKING:
    from lab.plan import Plan

HEADINGS = ("#", "client", "server", "opened", "closed", "client sent", "server sent", "repeated", "seconds")
_LOSSES = 5  # told in the line below the table
EXCHANGES = ("UDP asker", "asked", "datagrams there", "and back", "bytes there", "and back")


def table(conversations: Iterable[Conversation], plan: Plan | None = None) -> list[tuple[str, ...]]:
    """A row of `HEADINGS` for each conversation; bytes are of the streams, `repeated` are retransmitted segments."""
    return [
        (
            str(talk.index + 1),
            endpoint(talk.client, plan),
            endpoint(talk.server, plan),
            talk.opened,
            closing(talk),
            str(talk.client.sent),
            str(talk.server.sent),
            str(talk.client.retransmissions + talk.server.retransmissions),
            f"{(talk.ended - talk.started) / 1e9:.6f}",
        )
        for talk in conversations
    ]


def loss(talks: Iterable[tuple[int, Conversation]]) -> str:
    """What of the numbered conversations was not captured, in a line; "" where nothing is known to be missing."""
    lost = [
        f"{size} byte{'s' * (size != 1)} of the {who}'s in #{number}"
        for number, talk in talks
        for who, side in (("client", talk.client), ("server", talk.server))
        if (size := uncaptured(side, talk.peer(side)))
    ]
    more = f" and {len(lost) - _LOSSES} more" if len(lost) > _LOSSES else ""
    return f"sent but not captured: {', '.join(lost[:_LOSSES])}{more}" if lost else ""


def exchange_row(exchange: Exchange, plan: Plan | None = None) -> tuple[str, ...]:
    """A row of `EXCHANGES`: datagrams and the bytes in them, each way."""
    return (
        socket_name(*exchange.client, plan),
        socket_name(*exchange.server, plan),
        *map(str, (exchange.sent, exchange.received, exchange.bytes_sent, exchange.bytes_received)),
    )


def told(number: int, talk: Conversation, frames: list[int], plan: Plan | None = None) -> dict[str, Any]:
    """The same for other programs, with the numbers of its frames."""
    return {
        "conversation": number,
        "client": endpoint(talk.client, plan),
        "server": endpoint(talk.server, plan),
        "opened": talk.opened,
        "closed": closing(talk),
        "client_sent": talk.client.sent,
        "server_sent": talk.server.sent,
        "retransmissions": talk.client.retransmissions + talk.server.retransmissions,
        "client_not_captured": uncaptured(talk.client, talk.server),
        "server_not_captured": uncaptured(talk.server, talk.client),
        "seconds": (talk.ended - talk.started) / 1e9,
        "frames": frames,
    }


def endpoint(side: Side, plan: Plan | None = None) -> str:
    """One end as `client:40000` where the plan knows the address, else `10.0.1.10:40000` or `[fd00::1]:40000`."""
    return socket_name(side.address, side.port, plan)


def socket_name(raw: bytes, port: int, plan: Plan | None = None) -> str:
    """An address and a port as `endpoint` writes them."""
    known = address(raw)
    owner = plan.owners.get(known) if plan else None
    if owner:
        return f"{owner.node}:{port}"
    return f"[{known}]:{port}" if known.version == 6 else f"{known}:{port}"


def closing(talk: Conversation) -> str:
    """How a conversation ended and who began it, in words."""
    if talk.closed == "reset":
        return "reset by the client" if talk.client.reset is talk.reset else "reset by the server"
    if talk.closes_first is None:
        return "open"
    who = "client" if talk.closes_first is talk.client else "server"
    return f"{who} first" if talk.closed == "fin" else f"half, by the {who}"
