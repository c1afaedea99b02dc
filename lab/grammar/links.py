"""Scalars that say what a link is like: its rate, and the share of frames that it loses."""

from __future__ import annotations

import re

from lab.grammar.base import Context, Refused, ScalarGrammar, Schema
from lab.yaml.text import show

BITS = {"bit/s": 1, "kbit/s": 10**3, "Mbit/s": 10**6, "Gbit/s": 10**9}
_MOST_RATE = 10**10


class Rate(ScalarGrammar[int]):
    """A rate with its unit; in bits per second."""

    expected = "a rate with its unit, such as 10Mbit/s or 64kbit/s"

    def parse(self, text: str, context: Context) -> int:
        """Bits per second; raises `Refused`."""
        found = re.fullmatch(rf"([0-9]{{1,9}}(?:\.[0-9]{{1,3}})?)({'|'.join(BITS)})", text)
        if not found:
            bare = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,3})?) *([kmg]?)(?:bit|bps)?(?:/s)?", text.lower())
            unit = {"k": "k", "g": "G"}.get(bare[2], "M") if bare else ""
            hint = f"did you mean {bare[1]}{unit}bit/s?" if bare else ""
            raise Refused(f"{show(text)} is not {self.expected}", hint)
        rate = round(float(found[1]) * BITS[found[2]])
        if not 1000 <= rate <= _MOST_RATE:
            raise Refused(f"{text} is out of range", "from 1kbit/s to 10Gbit/s")
        return rate

    def plain_schema(self) -> Schema:
        """A string of number and unit."""
        return {"type": "string", "pattern": rf"^[0-9]{{1,9}}(\.[0-9]{{1,3}})?({'|'.join(BITS)})$"}


class Share(ScalarGrammar[float]):
    """A share in per cent; from 0 to 1."""

    expected = "a share in per cent, such as 1% or 0.5%"

    def parse(self, text: str, context: Context) -> float:
        """The share; raises `Refused`."""
        found = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,4})?)%", text)
        if not found:
            bare = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,4})?) *%?", text)
            raise Refused(f"{show(text)} is not {self.expected}", f"did you mean {bare[1]}%?" if bare else "")
        if float(found[1]) > 100:
            raise Refused(f"{text} is out of range", "from 0% to 100%")
        return float(found[1]) / 100

    def plain_schema(self) -> Schema:
        """A string of number and per cent sign."""
        return {"type": "string", "pattern": r"^[0-9]{1,3}(\.[0-9]{1,4})?%$"}
