"""What the runs of a try prove about an exercise, and what its wrong hand-ins' expectations may say."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from lab import pipeline
from lab.catalog import find_topology
from lab.checks import Output
from lab.checks.base import Outcome, Verdict
from lab.errors import LabError
from lab.exercise import Exercise, Graded, load_exercise
from lab.exercise.submission import HandedIn
from lab.grade import Grade, Result
from lab.report.trial import trial_dict, trial_lines
from lab.scaffold import write_exercise
from lab.trial import HandIn, Ran, Trial, assess, read_hand_ins
from lab.trial.runs import Job, Progress, try_all

ORDER = ("route", "opened", "answered", "closed")
POINTS = {"route": 0, "opened": 1, "answered": 2, "closed": 1}
HAND_INS = (
    HandIn("solution", "solution", HandedIn()),
    HandIn("empty", "empty", HandedIn()),
    HandIn("idle", "idle", HandedIn()),
    HandIn("skeleton", "skeleton", HandedIn()),
    HandIn("wrong/loopback", "wrong", HandedIn(), frozenset({"opened", "answered", "closed"}), "wrong-address"),
    HandIn("wrong/echo", "wrong", HandedIn(), frozenset({"answered", "closed"})),
)
SOUND = {
    "solution": "✓✓✓✓",
    "empty": "✓✗✗✗",
    "idle": "✓✗✗✗",
    "skeleton": "✓✗✗✗",
    "wrong/loopback": "✓✗✗✗",
    "wrong/echo": "✓✓✗✗",
}
OUTCOMES = {"✓": Outcome.PASSED, "✗": Outcome.FAILED, "?": Outcome.NOT_MEASURED}

P, GONE = Outcome.PASSED, HandIn("wrong/gone", "wrong", HandedIn(), frozenset({"route"}))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "capitals"
    write_exercise(path, find_topology("two-lans"))
    return path


@pytest.fixture
def exercise(folder: Path) -> Exercise:
    return load_exercise(folder)


def one(hand_in: str, signs: str, cause: str = "wrong-address", **more: object) -> Ran:
    outcomes = {check: OUTCOMES[sign] for check, sign in zip(ORDER, signs, strict=True)}
    points = sum(POINTS[check] for check, outcome in outcomes.items() if outcome is Outcome.PASSED)
    seen = {check: f"{check} was seen" for check in ORDER}
    ran = Ran(hand_in, outcomes, seen, points, 4, cause, "why", directories=(f"runs/{hand_in}",))
    return replace(ran, **more)  # type: ignore[arg-type]


def tried(exercise: Exercise, *changes: dict[str, str]) -> Trial:
    """A try in which each change is a repeat that differs from a sound one in the signs of some hand-ins."""
    runs = [one(name, signs) for each in changes for name, signs in {**SOUND, **each}.items()]
    return assess(exercise, HAND_INS, runs)


def test_a_sound_exercise(exercise: Exercise) -> None:
    trial = tried(exercise, {}, {}, {})
    assert (trial.exit_code, trial.deviations, trial.unmeasured, trial.notes) == (0, (), (), ())


@pytest.mark.parametrize(
    ("change", "hand_in", "checks", "what"),
    [
        ({"solution": "✓✓✓✗"}, "solution", ("closed",), "closed fails: closed was seen"),
        ({"empty": "✓✓✗✗"}, "empty", ("opened",), "opened passes though nothing was handed in"),
        ({"wrong/echo": "✓✓✓✗"}, "wrong/echo", ("answered",), "answered passes, and expect.yaml says that it fails"),
        ({"wrong/echo": "✗✓✗✗"}, "wrong/echo", ("route",), "route fails"),
        ({"wrong/loopback": "✓✓✗✗"}, "wrong/loopback", ("opened",), "opened passes, and expect.yaml says"),
    ],
)
def test_a_deviation_is_told_and_decides(
    change: dict[str, str], hand_in: str, checks: tuple[str, ...], what: str, exercise: Exercise
) -> None:
    trial = tried(exercise, change)
    assert trial.exit_code == 1
    assert (trial.deviations[0].hand_in, trial.deviations[0].checks) == (hand_in, checks)
    assert trial.deviations[0].what.startswith(what)
    assert trial.deviations[0].runs == (f"runs/{hand_in}",)
    row = next(text for _, text in trial_lines(trial) if text.startswith(f"{hand_in} "))
    assert row.count("!") == 1


def test_every_graded_check_must_be_failed_by_a_wrong_hand_in(exercise: Exercise) -> None:
    trial = tried(exercise, {"wrong/loopback": "✓✓✗✗"})
    assert any(each.checks == ("opened",) and "no wrong hand-in fails opened" in each.what for each in trial.deviations)
    none = assess(exercise, HAND_INS[:2], [one(name, SOUND[name]) for name in ("solution", "empty")])
    assert [each.checks for each in none.deviations] == [("opened",), ("answered",), ("closed",)]


def test_a_check_that_fails_only_for_what_it_needs_is_pointed_out(exercise: Exercise) -> None:
    needing = {"wrong/loopback": {"answered": "opened", "closed": "opened"}, "wrong/echo": {"closed": "answered"}}
    runs = [one(name, signs, needed=needing.get(name, {})) for name, signs in SOUND.items()]
    trial = assess(exercise, HAND_INS, runs)
    assert trial.exit_code == 0
    assert [(note.checks, note.what) for note in trial.notes] == [
        (("closed",), "wrong hand-ins fail closed only because it needs answered and opened")
    ]


def test_another_root_cause_is_a_deviation(exercise: Exercise) -> None:
    runs = [one(name, signs, cause="wrong-port") for name, signs in SOUND.items()]
    (deviation,) = assess(exercise, HAND_INS, runs).deviations
    assert deviation.what == "the root cause is wrong-port (why), and expect.yaml says wrong-address"
    assert deviation.hint == "students are told the root cause first"


def test_a_misspelt_root_cause_is_told_as_that(exercise: Exercise) -> None:
    runs = [one(name, signs, cause="wrong-adress") for name, signs in SOUND.items()]
    (deviation,) = assess(exercise, HAND_INS, runs).deviations
    assert deviation.hint == "did you mean wrong-adress?"


def test_repeats_must_agree(exercise: Exercise) -> None:
    trial = tried(exercise, {}, {"skeleton": "✓✓✗✗"}, {})
    assert trial.exit_code == 1
    (deviation,) = trial.deviations
    assert (deviation.hand_in, deviation.checks) == ("skeleton", ("opened",))
    assert "opened passed 1 of 3 times" in deviation.what
    row = next(text for _, text in trial_lines(trial) if text.startswith("skeleton "))
    assert "✗✓!" in row
    assert "0 to 1 of 4" in row


@pytest.mark.parametrize("sign", ["solution", "empty", "wrong/echo"])
def test_what_could_not_be_measured_leaves_the_try_open(sign: str, exercise: Exercise) -> None:
    trial = tried(exercise, {sign: "✓??✗", "wrong/loopback": "✓✓✗✗"})
    assert trial.exit_code == 3
    assert [each.checks for each in trial.unmeasured] == [("opened",), ("answered",)]
    assert trial_lines(trial)[-1][1].startswith("OPEN")


def test_a_check_without_points_need_not_be_measured_unless_it_is_expected_to_pass(exercise: Exercise) -> None:
    assert tried(exercise, {"empty": "?✗✗✗"}).exit_code == 0
    assert tried(exercise, {"wrong/echo": "?✓✗✗"}).exit_code == 3


def test_a_run_that_never_was_leaves_the_try_open(exercise: Exercise) -> None:
    runs = [one(name, signs) for name, signs in SOUND.items() if name != "skeleton"]
    trial = assess(exercise, HAND_INS, [*runs, Ran("skeleton", problem="tcpdump is missing")])
    assert trial.exit_code == 3
    assert any("? skeleton: tcpdump is missing" in text for _, text in trial_lines(trial))


@pytest.mark.parametrize("hand_in", ["skeleton", "idle"])
def test_points_that_cost_nothing_are_pointed_out(hand_in: str, exercise: Exercise) -> None:
    trial = tried(exercise, {hand_in: "✓✓✗✗"})
    assert trial.exit_code == 0
    (note,) = trial.notes
    assert (note.hand_in, note.checks) == (hand_in, ("opened",))
    assert "cost a student nothing" in note.what


def test_a_right_student_who_would_see_a_failure_is_pointed_out(exercise: Exercise) -> None:
    trial = tried(exercise, {"solution": "✗✓✓✓"})
    assert (trial.exit_code, len(trial.notes)) == (0, 1)
    assert "route has no points, and the solution fails it" in trial.notes[0].what


def test_an_exercise_that_grades_nothing_proves_nothing(exercise: Exercise) -> None:
    free = replace(exercise, checks=tuple(replace(graded, points=0) for graded in exercise.checks))
    assert tried(free, {}).exit_code == 1


def test_the_report_is_data_too(exercise: Exercise) -> None:
    told = json.loads(json.dumps(trial_dict(tried(exercise, {"empty": "✓✓✗✗"}))))
    assert told["sound"] is False
    assert [each["name"] for each in told["hand_ins"]] == [each.name for each in HAND_INS]
    assert told["hand_ins"][1]["runs"][0]["checks"]["opened"] == "passed"
    assert told["hand_ins"][4]["fails"] == ["answered", "closed", "opened"]
    assert told["deviations"][0]["checks"] == ["opened"]


def test_what_a_program_wrote_cannot_act_on_the_terminal(exercise: Exercise) -> None:
    written = dict.fromkeys(ORDER, "\x1b[2J")
    runs = [one(name, signs, seen=written) for name, signs in {**SOUND, "solution": "✗✗✗✗"}.items()]
    assert not any("\x1b" in text for _, text in trial_lines(assess(exercise, HAND_INS, runs)))


def test_the_hand_ins_of_an_exercise(folder: Path, exercise: Exercise) -> None:
    found = read_hand_ins(exercise, folder)
    assert [each.name for each in found] == [
        *("solution", "empty", "idle", "skeleton"),
        *("wrong/listens_on_loopback", "wrong/resets", "wrong/sends_it_back"),
    ]
    assert found[1].files.missing == ("server.py",)
    assert found[2].files.files == {"server.py": b""}
    assert (found[4].fails, found[4].cause) == (frozenset({"opened", "answered", "closed"}), "wrong-address")


def test_a_wrong_hand_in_may_be_a_network_with_the_solutions_programs(folder: Path, exercise: Exercise) -> None:
    path = folder / "wrong" / "misconfigured"
    path.mkdir()
    (path / "expect.yaml").write_text("fails: [opened]\n")
    text = find_topology("two-lans").read_text()
    line = "  r1:     {role: router, "
    assert line in text
    (path / "topology.yaml").write_text(text.replace(line, f"{line}setup: [[ip, link, show]], "))
    found = {each.name: each for each in read_hand_ins(exercise, folder)}
    wrong = found["wrong/misconfigured"]
    assert wrong.files == found["solution"].files
    assert wrong.meant(exercise).topology.nodes[1].setup == (("ip", "link", "show"),)
    assert found["solution"].meant(exercise) == exercise
    (path / "server.py").write_text("its own\n")
    assert read_hand_ins(exercise, folder)[5].files.files == {"server.py": b"its own\n"}
    (path / "topology.yaml").write_text(text.replace("10.0.2.80", "10.0.2.81"))
    with pytest.raises(LabError, match="other nodes, networks or interfaces"):
        read_hand_ins(exercise, folder)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("fails: [openned]\n", "expect.yaml:1:9: there is no check openned\n  did you mean opened?"),
        ("fails: [opened]\ncuase: x\n", "expect.yaml:2:1: unknown key cuase in an expectation\n  did you mean cause?"),
        ("fails: []\n", "expect.yaml:1:8: the list is empty"),
        ("cause: x\n", "expect.yaml:1:1: an expectation needs the key fails"),
        ("- opened\n", "expect.yaml:1:1: the file must be a mapping"),
        ("", "expect.yaml: the file is empty"),
        ("fails: [opened\n", "expect.yaml:1:8: the list that begins here with [ is not closed"),
        ("fails: [opened]\ncause: Not a word\n", 'expect.yaml:2:8: "Not a word" is not a cause'),
        (None, "this wrong hand-in has no expect.yaml\n  expect.yaml says which checks must fail"),
    ],
)
def test_a_wrong_expectation_is_told_with_its_place(
    text: str | None, told: str, folder: Path, exercise: Exercise
) -> None:
    path = folder / "wrong" / "sends_it_back" / "expect.yaml"
    path.unlink()
    if text is not None:
        path.write_text(text)
    with pytest.raises(LabError) as caught:
        read_hand_ins(exercise, folder)
    assert told in str(caught.value)
    assert str(path.parent) in str(caught.value)


def test_all_problems_are_told_together(folder: Path, exercise: Exercise) -> None:
    (folder / "wrong" / "stray.py").write_text("")
    for name in ("sends_it_back", "listens_on_loopback"):
        (folder / "wrong" / name / "expect.yaml").write_text("fails: [nothing]\n")
    with pytest.raises(LabError) as caught:
        read_hand_ins(exercise, folder)
    assert len(caught.value.problems) == 3


def test_an_exercise_without_a_solution_or_without_a_submission_is_refused(folder: Path, exercise: Exercise) -> None:
    (folder / "solution").rename(folder / "elsewhere")
    with pytest.raises(LabError, match="has no solution/"):
        read_hand_ins(exercise, folder)
    with pytest.raises(LabError, match="nothing is handed in"):
        read_hand_ins(replace(exercise, submission=type(exercise.submission)()), folder)


@pytest.mark.parametrize(
    ("hand_in", "points", "wanted"),
    [
        ("solution", 0, True),  # students would see it fail
        ("wrong/echo", 0, True),  # it was not expected
        ("wrong/gone", 0, False),
        ("empty", 0, False),
        ("wrong/gone", 1, True),
        ("empty", 1, True),
    ],
)
def test_a_failure_without_points_is_confirmed_where_it_is_told(
    hand_in: str, points: float, wanted: bool, exercise: Exercise, monkeypatch: pytest.MonkeyPatch
) -> None:
    meant = next(each for each in (*HAND_INS, GONE) if each.name == hand_in)
    for timed in (True, False):
        verdict = Verdict(Outcome.FAILED, "none", "something", "nothing came", timed=timed)
        route = Result(Graded("route", Output(step="x"), points), verdict, 0, points)
        passed = replace(route, graded=Graded("opened", Output(step="x"), 1), verdict=replace(verdict, outcome=P))
        grade = Grade((route, passed), ())
        monkeypatch.setattr(pipeline, "run", lambda *_, **__: Path("runs/1"))
        monkeypatch.setattr(pipeline, "judge", lambda *_, grade=grade, **__: (None, grade))
        assert Job(1, exercise, meant, None, Path("runs")).carry_out().timed is (wanted and timed)


@pytest.mark.skipif(sys.platform != "linux", reason="what is patched here reaches forks alone")
def test_a_run_that_never_ends_leaves_the_try_open(exercise: Exercise, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "run", lambda *_, **__: time.sleep(600))
    monkeypatch.setattr(Exercise, "time_limit", 0.2)
    progress = Progress(lambda _: None, lambda *_: None)
    (ran,) = try_all([Job(0, exercise, HAND_INS[0], None, Path("runs"))], 1, progress)
    assert ran.problem == "it did not end in time"
    assert assess(exercise, HAND_INS[:1], [ran]).exit_code == 3
