"""How deep a cause lies: programs before the network, that before connections, these before their bytes. Pure."""

from __future__ import annotations

from lab.checks.base import Cause

_PROGRAMS = ("handed-in", "not-started", "syntax-error", "crashed", "ended-early", "flooded")
_LISTENING = ("wrong-address", "wrong-port", "udp-for-tcp", "not-listening", "late")
_NETWORK = (
    *("no-neighbour", "asked-off-link", "no-route", "loop", "wrong-route", "not-forwarded"),
    *("wrong-mac", "wrong-forwarding", "altered", "lost"),
)
_CONNECTIONS = ("wrong-target", "wrong-source", "not-tried", "refused", "no-answer")

_ORDER = (*_PROGRAMS, *_LISTENING, *_NETWORK, *_CONNECTIONS)
_LAYER = {
    **dict.fromkeys(_PROGRAMS, 0),
    **dict.fromkeys(_NETWORK, 1),
    **dict.fromkeys(_LISTENING + _CONNECTIONS, 2),
}
_CHECKED = {"arp": 1, "path": 1, "reach": 1, "tcp-handshake": 2}
_BYTES = 3


def depth(cause: Cause) -> int:
    """Its place among causes of one run: the smallest explains the others."""
    return _ORDER.index(cause.kind) if cause.kind in _ORDER else len(_ORDER)


def is_foreign(cause: Cause, check: str) -> bool:
    """Whether a cause lies deeper than what this kind of check is about, so that the check's own hint would mislead."""
    return _LAYER.get(cause.kind, _BYTES) < _CHECKED.get(check, _BYTES)
