"""How deep a cause lies: programs before the network, that before connections, these before their bytes. Pure."""

from __future__ import annotations

from lab.checks.base import Cause

_PROGRAMS = (
    *("handed-in", "not-started", "syntax-error", "wrong-order", "wrong-socket"),
    *("crashed", "over-limit", "ended-early", "flooded", "no-capture"),
)
_LISTENING = ("wrong-address", "wrong-port", "udp-for-tcp", "tcp-for-udp", "not-listening", "late")
_NETWORK = (
    *("no-neighbour", "asked-off-link", "no-route", "loop", "wrong-route", "not-forwarded"),
    *("wrong-mac", "wrong-forwarding", "altered", "lost"),
)
_CONNECTIONS = ("wrong-target", "wrong-source", "not-tried", "refused", "no-answer")

_SYMPTOMS = ("other-program", "timed-out", "no-packets")

_ORDER = (*_PROGRAMS, *_LISTENING, *_NETWORK, *_CONNECTIONS)
_LAYER = {
    **dict.fromkeys((*_PROGRAMS, "timed-out"), 0),
    **dict.fromkeys(_NETWORK, 1),
    **dict.fromkeys(_LISTENING + _CONNECTIONS, 2),
}
_CHECKED = {"sockets": 0, "arp": 1, "path": 1, "reach": 1, "tcp-handshake": 2}
_BYTES = 3


def depth(cause: Cause) -> int:
    """Its place among causes of one run: the smallest explains the others."""
    if cause.kind in _ORDER:
        return _ORDER.index(cause.kind)
    return len(_ORDER) + (cause.kind in _SYMPTOMS)


def follows(cause: Cause, root: Cause) -> bool:
    """Whether a cause is only what another, the deepest of a run, looks like from elsewhere.

    Who waits is ended at a time limit, whatever made it wait; who never got to send sent no packet; and a program that
    was not handed in does what it does for what the others did. One capture that is missing empties no other.
    """
    if cause.kind == "no-packets":
        return root.kind in _LAYER and root.kind != "no-capture"
    return cause.kind in _SYMPTOMS and root.kind not in _SYMPTOMS


def is_foreign(cause: Cause, check: str) -> bool:
    """Whether a cause lies deeper than what this kind of check is about, so that the check's own hint would mislead."""
    return _LAYER.get(cause.kind, _BYTES) < _CHECKED.get(check, _BYTES)
