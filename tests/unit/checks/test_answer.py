"""`answer`: a sheet held against the trace of its own run."""

from dataclasses import replace
from typing import Any

import pytest
from doctored import CLIENT_ISN, PORT, SERVER_ISN, SOURCE_PORT, STEPS, Story, clean, result, two_lans

from lab.checks.answer import Answer, Tolerance
from lab.checks.base import Outcome, Verdict
from lab.checks.question import understood
from lab.errors import LabError
from lab.evidence import Evidence, Gap
from lab.exercise.load import parse_exercise

P, F, N = Outcome.PASSED, Outcome.FAILED, Outcome.NOT_MEASURED
HEAD = "version: 1\nname: x\nchecks:\n  - "
R1_OUT = clean().plan.points["r1:eth1"].mac
R1_IN = clean().plan.points["r1:eth0"].mac

R1_DOTTED = "{}{}.{}{}.{}{}".format(*R1_IN.split(":"))


def parsed(fields: str) -> Answer:
    text = f"{HEAD}{{id: a, check: answer, from: client, to: server, port: {PORT}, {fields}}}\n"
    check = parse_exercise(text, "exercise.yaml", lambda _: two_lans()).checks[0].check
    assert isinstance(check, Answer)
    return check


def judge(fields: str, sheet: str | None, story: Story | None = None, **changes: Any) -> Verdict:
    check = parsed(fields)
    evidence: Evidence = (story or clean()).evidence(check, **changes)
    kept = {} if sheet is None else {"answers.yaml": sheet.encode()}
    return check.judge(replace(evidence, submission=kept))


@pytest.mark.parametrize(
    ("value", "right", "wrong"),
    [
        ("client_isn", [str(CLIENT_ISN), hex(CLIENT_ISN), "4_294_967_290", "4,294,967,290"], ["0", "-6"]),
        ("server_isn", [str(SERVER_ISN)], [str(SERVER_ISN + 1)]),
        ("client_port", [str(SOURCE_PORT)], [str(PORT), f"{SOURCE_PORT}.0", "many"]),
        ("server_port", [str(PORT)], [str(SOURCE_PORT)]),
        ("client_bytes", ["6", "6 bytes", "6B", "0x6", "6 Bytes", "6 octets"], ["7", "six", "6 bits", "6b", "0x6B"]),
        ("server_bytes", ["6"], ["5"]),
        ("packets", ["10", "10 Packets", "10 segments"], ["9", "9 packets"]),
        ("round_trips", ["3", "3 round trips", "3 round-trips", "3 RTTs", "3 RTT"], ["2", "4", "2 RTTs"]),
        ("ttl_at_server", ["63"], ["64"]),
        ("closes_first", ["client", "Client", "the client", "The client.", "[client]"],
                         ["server", "r1", "nobody", "1", "the server", "client or server", "not the client"]),
        ("target_mac_at_client", [R1_IN, R1_IN.upper(), R1_IN.replace(":", "-"), R1_DOTTED,
                                  f"'{R1_IN.replace(':', '')}'"], [R1_OUT, "1", "r1"]),
        ("source_mac_at_server", [R1_OUT, "2:0:0:0:3:1" if R1_OUT == "02:00:00:00:03:01" else R1_OUT], [R1_IN]),
    ],
)  # fmt: skip
def test_each_question_has_one_answer(value: str, right: list[str], wrong: list[str]) -> None:
    for given in right:
        verdict = judge(f"value: {value}", f"{value}: {given}\n")
        assert verdict.outcome is P, (given, verdict.seen)
        assert verdict.frames
    for given in wrong:
        verdict = judge(f"value: {value}", f"{value}: {given}\n")
        assert verdict.outcome is F, given
        assert verdict.cause is not None
        assert verdict.cause.kind == "wrong-answer"


def test_the_right_answer_is_not_given_away_but_where_it_is_seen() -> None:
    verdict = judge("value: client_isn", "client_isn: 5\n")
    assert str(CLIENT_ISN) not in verdict.seen + verdict.expected + str(verdict.cause)
    assert [str(frame) for frame in verdict.frames] == ["client:eth0#3"]


@pytest.mark.parametrize(
    ("tolerance", "given", "outcome"),
    [("1", "9", P), ("1", "8", F), ("10%", "9", P), ("10%", "11", P), ("10%", "12", F), ("0", "9", F)],
)
def test_tolerance(tolerance: str, given: str, outcome: Outcome) -> None:
    assert judge(f"value: packets, tolerance: {tolerance}", f"packets: {given}\n").outcome is outcome


@pytest.mark.parametrize(
    ("given", "outcome"),
    [
        *((given, P) for given in ("0.004", "0.004 ms", "0,004 ms", ".004 ms", "4 us", "0.000004 s", "0.000004 sec")),
        *((given, P) for given in ("4e-06 s", "4.0000000000040e-06 s", "0.00000400000000000041 s", "0.004 msec")),
        *((given, F) for given in ("4", "4 h", "4e-01", "4e-03 s", ". s", "e-06 s")),
    ],
)
def test_times_have_units(given: str, outcome: Outcome) -> None:
    """Of a frame every microsecond, SYN and SYN-ACK are seen at the client seven and more apart."""
    verdict = judge("value: handshake_ms, tolerance: 0.01", f"handshake_ms: {given}\n")
    assert verdict.outcome is outcome, verdict.seen


def test_binary_fractions_take_nothing_off_a_tolerance() -> None:
    """1.1 - 1.0 is more than 0.1 by a little, and 0.000009 s are not quite 0.009 ms."""
    assert Tolerance(0.1).admits(1.0, 1.1)
    assert not Tolerance(0.1).admits(1.0, 1.100001)
    given = understood("milliseconds", "0.000009 s")
    assert isinstance(given, float)
    assert Tolerance(0).admits(given, 9000 / 1e6)


@pytest.mark.parametrize(
    ("sheet", "kind"),
    [
        (None, "handed-in"),
        ("", "handed-in"),
        ("- a\n- list\n", "handed-in"),
        ("client_isn: {\n", "handed-in"),
        ("client_isn:\n", "wrong-answer"),
        ("client_isn: [1]\n", "wrong-answer"),
        ("other: 5\n", "wrong-answer"),
        ("client_isn: \x1b[2J\n", "handed-in"),
    ],
)
def test_a_sheet_without_an_answer_fails(sheet: str | None, kind: str) -> None:
    verdict = judge("value: client_isn", sheet)
    assert verdict.outcome is F
    assert verdict.cause is not None
    assert verdict.cause.kind == kind
    assert "\x1b" not in verdict.seen


def test_who_forgets_the_space_behind_the_colon_is_told_of_it() -> None:
    verdict = judge("value: client_isn", "client_isn:1\nserver_isn:2\n")
    assert verdict.outcome is F
    assert verdict.cause is not None
    assert verdict.cause.look_at == "answers.yaml: each line is a key, a colon, a space and the answer"


def test_a_sheet_that_a_run_did_not_keep_is_not_held_against_anyone() -> None:
    """A check that came after the run asks for a file that nothing asked for then."""
    told = {"submission": {"files": ["answers.yaml"]}}
    assert judge("value: client_isn", None, manifest=told).outcome is N
    assert judge("value: client_isn", "client_isn: 1\n", manifest=told).outcome is F


def test_one_answer_in_a_list_is_an_answer_and_several_are_none() -> None:
    for given in (f"[{R1_IN}]", f"\n  - {R1_IN}"):
        assert judge("value: target_mac_at_client", f"target_mac_at_client: {given}\n").outcome is P, given
    verdict = judge("value: target_mac_at_client", f"target_mac_at_client: [{R1_IN}, {R1_OUT}]\n")
    assert verdict.outcome is F
    assert verdict.seen == "target_mac_at_client: 2 answers, where one is asked for"


def test_a_key_of_the_teachers_own() -> None:
    assert judge("value: client_isn, key: What is the ISN?", f"What is the ISN?: {CLIENT_ISN}\n").outcome is P
    assert judge("value: client_isn, key: isn", f"client_isn: {CLIENT_ISN}\n").outcome is F


def test_the_sheet_cannot_be_right_about_a_trace_with_a_gap() -> None:
    gap = (Gap("drops", "client:eth0", "lab"),)
    assert judge("value: client_isn", f"client_isn: {CLIENT_ISN}\n", gaps=gap).outcome is N


def test_no_connection_is_the_students_only_where_the_student_had_a_part_in_it() -> None:
    sheet = "client_isn: 1\n"
    assert judge("value: client_isn", sheet, Story()).outcome is F
    own = tuple(replace(step, code=("x.py",)) for step in STEPS)
    crashed = result("server", ended="exited", exit_code=1)
    verdict = judge("value: client_isn", sheet, Story(), exercise_steps=own, steps=crashed)
    assert verdict.outcome is N
    assert "the exercise's own programs made no connection" in verdict.seen
    check = parsed("value: client_isn")
    handed_in = replace(Story().evidence(check, exercise_steps=()), submission={"answers.yaml": sheet.encode()})
    handed_in = replace(handed_in, exercise=replace(handed_in.exercise, unverified=True))
    assert check.judge(handed_in).outcome is F  # the captures are the student's as well


def test_who_closed_first_by_the_nodes_name_and_nobody_when_both_did() -> None:
    assert judge("value: closes_first", "closes_first: server\n", Story().talk(closes="server")).outcome is P
    assert judge("value: closes_first", "closes_first: client\n", Story().talk(closes="both")).outcome is F


@pytest.mark.parametrize(
    ("value", "given", "away", "outcome"),
    [
        ("ttl_at_server", "63", "server:eth0", N),
        ("ttl_at_server", "64", "server:eth0", N),
        ("source_mac_at_server", R1_OUT, "server:eth0", N),
        ("target_mac_at_client", R1_IN, "client:eth0", N),
        ("target_mac_at_client", R1_IN, "server:eth0", P),
        ("client_isn", str(CLIENT_ISN), "client:eth0", P),
        ("handshake_ms, tolerance: 0.01", "0.008", "client:eth0", P),
    ],
)
def test_what_is_seen_at_one_end_alone_needs_its_capture(value: str, given: str, away: str, outcome: Outcome) -> None:
    kept = tuple(point for point in clean().plan.points if point != away)
    sheet = f"{value.partition(',')[0]}: {given}\n"
    verdict = judge(f"value: {value}", sheet, without=(away,), capture=kept)
    assert verdict.outcome is outcome, verdict.seen
    if outcome is N:
        assert verdict.seen == f"the exercise does not capture {away}"


def test_a_question_that_the_exercises_own_programs_leave_open_is_held_against_nobody() -> None:
    own = tuple(replace(step, code=("x.py",)) for step in STEPS)
    both = Story().talk(closes="both")
    verdict = judge("value: closes_first", "closes_first: client\n", both, exercise_steps=own)
    assert verdict.outcome is N
    assert verdict.seen.endswith("shows no closes_first")
    assert judge("value: closes_first", "closes_first: client\n", clean(), exercise_steps=own).outcome is P


def test_connections_of_the_exercises_own_programs_are_not_the_students_to_make_one() -> None:
    own = tuple(replace(step, code=("x.py",)) for step in STEPS)
    sheet, two = f"client_isn: {CLIENT_ISN}\n", clean().talk(sport=40002, isn=5, answer_isn=9, prefix="2 ")
    verdict = judge("value: client_isn", sheet, two, exercise_steps=own)
    assert verdict.outcome is N
    assert "own programs made 2 connections" in verdict.seen
    assert judge("value: client_isn", sheet, two).outcome is F
    assert judge("value: client_isn, connection: first", sheet, two, exercise_steps=own).outcome is P


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ("value: isn", "isn"),
        ("value: closes_first, tolerance: 1", "closes_first is no number"),
        ("value: packets, tolerance: few", "few is not a tolerance"),
        ("value: packets, connection: every", "a question is about one connection"),
        ("value: packets, sheet: ../a.yaml", "../a.yaml"),
    ],
)
def test_what_is_wrong_is_told(fields: str, said: str) -> None:
    with pytest.raises(LabError) as caught:
        parsed(fields)
    assert said in str(caught.value)
