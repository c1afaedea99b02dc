"""What lateness costs, by a rule of the exercise's and times that the teacher hands in; nothing without both."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from test_handback import told

from lab.classroom.adjust import adjusted
from lab.classroom.intake import HandIn
from lab.classroom.lateness import bring_up_to_date, lateness, of_nobody, read_times, with_times
from lab.classroom.results import Results
from lab.errors import LabError
from lab.exercise import Exercise, parse_exercise
from lab.exercise.late import Late
from lab.export import FORMATS
from lab.topology import parse_topology

NETWORK = "name: n\nnetworks: {lan: {subnet: 10.0.1.0/24}}\nnodes: {a: {role: host, interfaces: {eth0: lan}}}\n"
EXERCISE = "version: 1\nname: x\nlate: {LATE}\nchecks:\n  - {id: a, check: reach, from: a, to: a}\n"
RULE = "due: 2026-11-30T23:59:00+01:00, per_day: 10%, grace: 15min, most: 50%"


def exercise(rule: str = RULE) -> Exercise:
    text = EXERCISE.replace("LATE", rule)
    return parse_exercise(text, "e.yaml", lambda _: parse_topology(NETWORK, "t.yaml"))


@pytest.fixture
def rule() -> Late:
    return Late(datetime(2026, 11, 30, 22, 59, tzinfo=UTC), 0.1, 900.0, 0.5)


@pytest.mark.parametrize(
    ("after", "days", "share"),
    [
        (timedelta(days=-3), 0, 0),
        (timedelta(), 0, 0),
        (timedelta(minutes=15), 0, 0),
        (timedelta(minutes=15, seconds=1), 1, 0.1),
        (timedelta(days=1), 1, 0.1),
        (timedelta(days=1, seconds=1), 2, 0.2),
        (timedelta(days=40), 40, 0.5),
    ],
)
def test_each_begun_day_costs_its_share(rule: Late, after: timedelta, days: int, share: float) -> None:
    assert (rule.days(rule.due + after), rule.share(rule.due + after)) == (days, pytest.approx(share))


def test_times_of_a_csv_and_of_gradescope(tmp_path: Path, rule: Late) -> None:
    there = replace(rule, due=rule.due.astimezone(timezone(timedelta(hours=1))))
    sheet = tmp_path / "times.csv"
    sheet.write_text("student,submitted\nanna,2026-12-01 00:10\n,\nbert,2026-12-01T00:10:00Z\n")
    found = read_times(sheet, there)
    assert {name: time.astimezone(UTC).isoformat() for name, time in found.items()} == {
        "anna": "2026-11-30T23:10:00+00:00", "bert": "2026-12-01T00:10:00+00:00",
    }  # fmt: skip
    export = tmp_path / "submission_metadata.yml"
    export.write_text(
        "submission_1:\n  :submitters:\n  - :name: Anna\n    :sid: '11'\n  - :name: Bo\n    :email: b@x\n"
        "  :created_at: 2026-12-02 00:35:55.137131000 Z\n"
    )
    moment = datetime(2026, 12, 2, 0, 35, 55, 137131, UTC)
    assert read_times(export, rule) == {"11": moment, "b@x": moment}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("t.csv", "student;submitted\n", "1:1: its first line is not student,submitted"),
        ("t.csv", "student,submitted\nanna,yesterday\nbo,soon\n", "2:1: yesterday is no time"),
        ("t.csv", "student,submitted\nanna,2026-12-01\nanna,2026-12-02\n", "3:1: anna has two times"),
        ("t.csv", "student,submitted\nanna,2026-12-01\n ,2026-12-09\n", "3:1: no student is named beside this time"),
        ("t.yml", "submission_1: {}\n", "this is not as Gradescope writes it"),
        ("t.yml", "[\n", "this is not as Gradescope writes it"),
    ],
)
def test_what_is_wrong_with_the_file_is_told(tmp_path: Path, rule: Late, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(LabError) as raised:
        read_times(tmp_path / name, rule)
    assert said in str(raised.value)


def test_whose_time_it_is(rule: Late) -> None:
    times = {"11": rule.due, "13": rule.due + timedelta(days=2), "Cy": rule.due, "99": rule.due}
    class_ = [
        HandIn("11", "11", "Anna", ()), HandIn("12", "12", "Bo, Di", (), members=("12", "13")),
        HandIn("14", "14", "Cy", ()), HandIn("15", "15", "", ()),
    ]  # fmt: skip
    found, unknown = with_times(class_, times)
    assert [each.submitted for each in found] == [
        "2026-11-30 22:59:00+00:00", "2026-12-02 22:59:00+00:00", "2026-11-30 22:59:00+00:00", "",
    ]  # fmt: skip
    assert unknown == ["15"]
    assert of_nobody(class_, times) == ["99"]
    assert with_times(class_[3:], {"": rule.due})[1] == ["15"]  # who has no name is not meant by an empty one


def test_it_is_a_line_of_its_own_and_never_costs_more_than_was_earned(tmp_path: Path) -> None:
    late = lateness(exercise(), "2026-12-02 00:10:00+01:00", 10)
    assert late == {
        "days": 2, "points": -2,
        "why": "2 days late: came 2026-12-02 00:10:00+01:00, due 2026-11-30 23:59:00+01:00",
    }  # fmt: skip
    result = {**told("11", "Anna", 9), "lateness": late}
    by_hand = {"11": [{"check": "", "points": 1, "reason": "ill", "by": "ada"}]}
    assert adjusted(result, {})["grade"]["points"] == 7
    assert adjusted(result, by_hand)["grade"]["points"] == 8
    assert adjusted({**told("11", "Anna", 1), "lateness": late}, {})["grade"]["points"] == 0
    page = FORMATS["feedback"].render(adjusted(result, by_hand))
    assert "7" not in page.partition("\n")[0]
    assert "| lateness | ✗ | -2 |" in page
    assert "lateness: -2 points: 2 days late: came 2026-12-02 00:10" in page
    assert "adjustment: +1 points by ada: ill" in page
    tests = FORMATS["gradescope"].render(adjusted(result, {}))
    assert "2 days late" in tests


@pytest.mark.parametrize("submitted", ["", "2026-11-30 23:59:30+01:00"])
def test_who_is_in_time_or_has_no_time_loses_nothing(submitted: str) -> None:
    assert lateness(exercise(), submitted, 10) is None
    assert adjusted({**told("11", "Anna", 9), "lateness": None}, {})["grade"]["points"] == 9


def test_a_kept_result_gets_the_time_that_is_told_now(tmp_path: Path) -> None:
    results, kept = Results(tmp_path), told("11", "Anna", 9)
    results.keep(kept)
    hand_in = HandIn("11", "11", "Anna", (), submitted="2026-12-02 00:10:00+01:00")
    bring_up_to_date(results, exercise(), hand_in, kept)
    now = results.read("11")
    assert now is not None
    assert now["lateness"]["points"] == -2
    bring_up_to_date(results, exercise(), replace(hand_in, submitted=""), now)
    assert (results.read("11") or {})["lateness"] is None


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("due: 2026-11-30T23:59:00, per_day: 10%", "2026-11-30T23:59:00 has no zone"),
        ("due: tomorrow, per_day: 10%", "tomorrow is not a date, a time and its zone"),
        ("due: 2026-11-30T23:59:00Z", "per_day"),
        ("due: 2026-11-30T23:59:00Z, per_day: 10", "did you mean 10%?"),
    ],
)
def test_a_rule_that_is_none_is_refused(rule: str, said: str) -> None:
    with pytest.raises(LabError) as raised:
        exercise(rule)
    assert said in str(raised.value)
