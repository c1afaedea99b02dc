"""What a network does to the frames that cross it, and the links that have a name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Link:
    """A network's properties; those of a plain one by default, which forwards at once and loses nothing.

    `rate` in bits per second is what each interface receives at most (None: no limit). `delay` and `jitter` in
    seconds: a frame takes `delay`, more or less by up to `jitter`, in each direction; frames keep their order. `loss`
    is the share of frames that are lost.
    """

    rate: int | None = None
    delay: float = 0.0
    jitter: float = 0.0
    loss: float = 0.0

    @property
    def plain(self) -> bool:
        """Whether it is as a cable between neighbours."""
        return self == PLAIN

    @property
    def texts(self) -> dict[str, str]:
        """The properties that are set, as a topology's file writes them."""
        told = {"rate": rate_text(self.rate)} if self.rate else {}
        for name, seconds in (("delay", self.delay), ("jitter", self.jitter)):
            told |= {name: f"{seconds * 1000:.9g}ms"} if seconds else {}
        return told | ({"loss": f"{self.loss * 100:.6g}%"} if self.loss else {})

    def __str__(self) -> str:
        return ", ".join(f"{name} {text}" for name, text in self.texts.items()) or "plain"


PLAIN = Link()


# Round figures of the kind that such links show end to end, to be told apart in a trace: no two real ones are alike.
PROFILES = {
    "ethernet": Link(rate=100_000_000),
    "wifi": Link(rate=30_000_000, delay=0.003, jitter=0.002, loss=0.005),
    "lte": Link(rate=20_000_000, delay=0.025, jitter=0.008),
}


def rate_text(rate: int) -> str:
    """A rate as a topology's file writes it."""
    for size, unit in ((10**9, "Gbit/s"), (10**6, "Mbit/s"), (10**3, "kbit/s")):
        if rate >= size:
            return f"{rate / size:g}{unit}"
    return f"{rate}bit/s"


def link_to_json(link: Link) -> dict[str, Any]:
    """The properties that are set."""
    return {name: value for name, value in vars(link).items() if value}


def link_from_json(data: dict[str, Any]) -> Link:
    """The link of such data; raises TypeError for a key that no link has, ValueError for a value."""
    link = Link(**data)
    if not (0 <= link.loss <= 1 and link.delay >= 0 and link.jitter >= 0 and (link.rate is None or link.rate > 0)):
        raise ValueError(f"this is no link: {data}")
    return link
