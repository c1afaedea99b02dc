"""The order of a socket's calls: what is out of turn, and which wrong order an error comes from. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lab.trace.descriptors import Socket, Use

NAMES = ("socket", "bind", "listen", "connect", "accept", "send", "recv", "shutdown", "close")
# Not errors of the program's: it was interrupted, or does not want to wait.
SOFT = (
    *("EAGAIN", "EWOULDBLOCK", "EINPROGRESS", "EALREADY", "EINTR"),
    *("ERESTARTSYS", "ERESTARTNOINTR", "ERESTARTNOHAND", "ERESTART_RESTARTBLOCK"),
)
PEERS = ("ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "EPIPE", "EHOSTUNREACH", "ENETUNREACH", "ECONNABORTED")


@dataclass(frozen=True)
class Story:
    """What was done with one socket, or with a listening socket and one that was accepted from it, in order."""

    sockets: tuple[Socket, ...]
    uses: tuple[Use, ...]


@dataclass(frozen=True)
class Turn:
    """How far a story follows an order: `reached` of the names, and the call that came out of turn, if one did.

    `line` is where the last name's turn came, None where it never did, and 0 without any name.
    """

    reached: int
    early: Use | None = None
    line: int | None = None


def stories(chosen: Sequence[Socket], everyone: Sequence[Socket]) -> Iterator[Story]:
    """Each chosen socket's story; of one from which connections were accepted, one for each of these.

    There the accept of other connections, and the listening socket's own end, are no part of it.
    """
    for socket in chosen:
        number = next(place for place, each in enumerate(everyone) if each is socket)
        accepted = [each for each in everyone if each.parent == number]
        if not accepted:
            yield Story((socket,), socket.uses)
        takes = [use for use in socket.uses if use.name == "accept" and use.done]
        for child, take in zip(accepted, takes, strict=True):
            own = [use for use in socket.uses if use is take or not (use.name == "close" or use in takes)]
            yield Story((socket, child), tuple(sorted((*own, *child.uses), key=lambda use: use.line)))


def follow(uses: Sequence[Use], wanted: Sequence[str]) -> Turn:
    """Go through the calls that succeeded: each name in its turn, and again as often as it likes; others are free."""
    reached = line = 0
    for use in uses:
        if not use.done or use.name not in wanted:
            continue
        if reached < len(wanted) and use.name == wanted[reached]:
            reached, line = reached + 1, use.line
        elif use.name not in wanted[:reached]:
            return Turn(reached, use)
    return Turn(reached, None, line if reached == len(wanted) else None)


def why(use: Use, story: Story) -> tuple[str, bool]:
    """What an error comes from, in a sentence, and whether that is a wrong order of calls."""
    before = [each for each in story.uses if each.line < use.line and each.descriptor == use.descriptor]
    done = {each.name for each in before if each.done}
    kind = story.sockets[0].type
    call = f"{use.name}()"
    match use.name, use.error:
        case _, "EBADF":
            return f"{call} on a descriptor that was closed already", True
        case "connect", "EISCONN" if "listen" in done:
            return "connect() on a listening socket: it waits for others and cannot connect itself", True
        case "connect", "EISCONN":
            return "connect() on a socket that is connected already", True
        case "accept", "EINVAL" if "listen" not in done:
            return "accept() before listen()", True
        case "accept", "EOPNOTSUPP" | "EINVAL" if kind != "SOCK_STREAM":
            return f"accept() on a {kind} socket: it has no connections", False
        case "listen", "EOPNOTSUPP":
            return f"listen() on a {kind} socket: it has no connections", False
        case "listen", "EINVAL" if "connect" in done:
            return "listen() on a socket that is connected", True
        case "listen", "EADDRINUSE" | "EDESTADDRREQ" if "bind" not in done:
            return "listen() before bind()", True
        case "bind", "EINVAL" if "bind" in done:
            return "bind() a second time on the same socket", True
        case "bind", "EINVAL" if {"connect", "listen", "send"} & done:
            first = next(name for name in ("connect", "listen", "send") if name in done)
            return f"bind() after {first}()", True
        case "send" | "recv" | "shutdown", "ENOTCONN" | "EDESTADDRREQ" | "EPIPE" if "connect" not in done:
            if "listen" in done:
                return f"{call} on the listening socket, not on the one that accept() gives", True
            if len(story.sockets) == 1:
                return f"{call} before connect()", True
        case "send", "EPIPE" if "shutdown" in done:
            return "send() after shutdown()", True
    return f"{call} failed with {use.error}{_MEANINGS.get(use.error, '')}", False


_MEANINGS = {
    "EADDRINUSE": ": another socket has this address and port",
    "EADDRNOTAVAIL": ": the address is none of this node's",
    "EACCES": ": that is not allowed to this program",
    "ENOENT": ": nothing has this name",
    "EPERM": ": that is not allowed to this program",
    "ECONNREFUSED": ": nobody listens there",
    "ECONNRESET": ": the other side reset the connection",
    "ETIMEDOUT": ": no answer came",
    "EPIPE": ": the other side has closed",
    "EAFNOSUPPORT": ": the address is of another family than the socket",
    "EPROTOTYPE": ": the protocol does not fit the type",
    "EINVAL": ": an argument, or the moment, is wrong",
    "ENOTCONN": ": the socket is not connected",
    "ENETUNREACH": ": there is no route",
    "EHOSTUNREACH": ": there is no way to that host",
}
