"""What an exercise takes off for lateness, where the teacher hands in when each submission came."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from lab import grammar as g
from lab.yaml.text import show

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Late:
    """What each begun day after `due` costs, as a share of all points, at most `most`; nothing within `grace`."""

    due: datetime
    per_day: float
    grace: float = 0.0  # seconds
    most: float = 1.0

    def days(self, submitted: datetime) -> int:
        """The begun days that count."""
        late = submitted - self.due
        return math.ceil(late / _DAY) if late > timedelta(seconds=self.grace) else 0

    def share(self, submitted: datetime) -> float:
        """The share of all points that is taken off."""
        return min(self.most, self.days(submitted) * self.per_day)


class Moment(g.ScalarGrammar[datetime]):
    """A date and a time of day, with the zone that it is meant in."""

    expected = "a date, a time and its zone, such as 2026-11-30T23:59:00+01:00"

    def parse(self, text: str, context: g.Context) -> datetime:
        """The moment; raises `Refused`."""
        try:
            if not re.match("[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]", text):
                raise ValueError
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise g.Refused(f"{show(text)} is not {self.expected}") from None
        if moment.tzinfo is None:
            raise g.Refused(f"{text} has no zone", f"such as {text}+01:00, or Z for UTC")
        return moment

    def plain_schema(self) -> g.Schema:
        """A string that begins with a date."""
        return {"type": "string", "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]+([+-][0-9:]+|Z)$"}


LATE = g.Struct(
    "what lateness costs",
    g.Key("due", Moment(), "Until when it is in time", required=True),
    g.Key("per_day", g.Share(), "What each begun day after that costs, as a share of all points", required=True),
    g.Key("grace", g.Duration(most=7 * 86400), "How much later still costs nothing; 0s by default"),
    g.Key("most", g.Share(), "The most that lateness costs; 100% by default"),
    doc="What lateness costs, where lab grade --late FILE tells when each submission came",
)


def build_late(record: g.Record | None) -> Late | None:
    """The rule of a record; worth nothing where problems were reported."""
    if record is None or not record.sound:
        return None
    return Late(record.get("due"), record.get("per_day"), record.get("grace", 0.0), record.get("most", 1.0))
