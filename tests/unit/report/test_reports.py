"""The reports of a run, as text and as data."""

import json
from collections.abc import Callable
from dataclasses import replace

import jsonschema
import pytest
from doctored import PORT, TEXT, Story, clean, refused, result, states

from lab.checks import Arp, Output, Path, TcpClose, TcpData, TcpHandshake
from lab.checks.base import FrameRef
from lab.evidence import Evidence, Gap
from lab.exercise import Graded
from lab.grade import judge
from lab.report.json import report_dict, report_schema
from lab.report.text import MOST_FRAMES, Line, frame_words, report_lines

ENDS = {"source": "client", "to": "server", "port": PORT}
CHECKS = (
    Graded("gateway", Arp(node="client", next_hop="r1")),
    Graded("route", Path(source="client", to="server", via=("r1",))),
    Graded("opened", TcpHandshake(**ENDS), points=2),
    Graded("echoed", TcpData(**ENDS, client_sends=TEXT, server_sends=TEXT), points=6, hint="recv may return less"),
    Graded("closed", TcpClose(**ENDS, closes_first="client"), points=2.5, needs=("echoed",)),
    Graded("printed", Output(step="client", text=TEXT)),
)
EVIL = b"\x1b]0;gotcha\x07\xe2\x80\xae\r\nlast \x1b[31mwords"


def good() -> Evidence:
    return clean().evidence(*CHECKS)


def loopback() -> Evidence:
    return refused().evidence(*CHECKS, states=states(("127.0.0.1", PORT)))


def unmeasured() -> Evidence:
    return clean().evidence(*CHECKS, gaps=(Gap("tcpdump lost 3 frames", "client:eth0", "lab"),))


def evil() -> Evidence:
    crashed = result("server", ended="exited", exit_code=1, stderr=EVIL)
    return refused().evidence(*CHECKS, steps=crashed | {"client": result("client", stdout=EVIL)["client"]})


def lines(evidence: Evidence, width: int = 100) -> list[Line]:
    return report_lines(evidence, judge(evidence), "runs/x", width=width)


def text(evidence: Evidence) -> str:
    return "\n".join(line.text for line in lines(evidence))


def test_a_clean_run() -> None:
    said = text(good())
    assert said.startswith("tcp-echo on two-lans\n✓ gateway")
    assert "CAUSE" not in said
    assert "✓ opened 2/2 " in said
    assert said.endswith("GRADE  10.5 of 10.5 points\nrun: runs/x")


def test_the_cause_comes_first_and_once() -> None:
    said = text(loopback()).splitlines()
    assert said[1] == "CAUSE  server listened on 127.0.0.1:7000; packets arrive for 10.0.2.80"
    assert said[2].startswith("✗ echoed 0/6   expected: client sends")
    at = said.index("   client:eth0 #3  client → server  SYN")
    assert said[at + 1] == "   client:eth0 #4  server → client  RST, ACK"
    assert said[at + 2] == "   look at: the address in bind()   more: lab frame runs/x client:eth0#4"
    assert said[at + 3] == "  2 further checks failed for this cause: opened, closed"
    assert not any("hint" in line for line in said), "the hint is about bytes, and the cause is not"
    assert sum("127.0.0.1" in line for line in said) == 1


def wrong_bytes(*checks: Graded) -> Evidence:
    return Story().talk(answered=b"Hello\n").evidence(*(checks or CHECKS))


def test_a_hint_is_shown_where_it_can_help() -> None:
    assert "   hint: recv may return less" in text(wrong_bytes())
    report = report_dict(wrong_bytes(), judge(wrong_bytes()), "runs/x")
    assert {each["id"]: each["hint"] for each in report["checks"]}["echoed"] == "recv may return less"


def test_the_hint_of_a_further_check_is_shown_too() -> None:
    checks = (
        Graded("opened", TcpHandshake(**ENDS), points=1, hint="compare the address"),
        Graded("echoed", TcpData(**ENDS, server_sends=TEXT), points=2, hint="recv may return less"),
    )
    said = text(refused().evidence(*checks, states=states(("127.0.0.1", PORT))))
    assert "   hint of opened: compare the address" in said
    assert "recv may return less" not in said


def test_commands_say_a_run_as_the_reader_would() -> None:
    evidence = loopback()
    told = [line.text for line in report_lines(evidence, judge(evidence), "runs/tcp-echo/x", called=".")]
    assert any("more: lab frame . client:eth0#4" in line for line in told)
    assert told[-1] == "run: runs/tcp-echo/x"


def test_a_command_is_never_broken() -> None:
    evidence = loopback()
    told = [line.text for line in report_lines(evidence, judge(evidence), "a folder/" * 12, width=60)]
    (command,) = (line for line in told if "lab frame" in line)
    assert command == f"   more: lab frame {'a folder/' * 12} client:eth0#4"
    assert all(len(line) <= 60 for line in told if "a folder" not in line)


SECRET = Graded("secret", TcpData(**ENDS, server_sends=b"quite another text"), points=3, hint="whisper", visible=False)
BESIDE = Graded("beside", TcpHandshake(**ENDS), points=1, needs=("secret",))


@pytest.mark.parametrize("make", [good, loopback, wrong_bytes])
def test_a_students_report_only_counts_hidden_checks(make: Callable[[], Evidence]) -> None:
    evidence = replace(make(), exercise=replace(make().exercise, checks=(*CHECKS, SECRET, BESIDE)))
    grade = judge(evidence)
    told = "\n".join(line.text for line in report_lines(evidence, grade, "runs/x", students=True))
    data = report_dict(evidence, grade, "runs/x", students=True)
    assert [word for word in ("lab frame", "runs/x") if word in told] == []  # which only the teacher's machine has
    for said in (told, json.dumps(data, ensure_ascii=False)):
        assert [word for word in ("secret", "whisper", "another") if word in said] == []
    assert "1 hidden check: 0 of 3 points" in told
    assert f"GRADE  {grade.points} of 14.5 points" in told
    assert data["hidden"] == {"checks": 1, "points": 0, "of": 3}
    assert data["grade"]["of"] == 14.5
    jsonschema.validate(json.loads(json.dumps(data)), report_schema())
    assert {each["id"] for each in data["checks"]} == {each.id for each in (*CHECKS, BESIDE)}
    whole = report_dict(evidence, grade, "runs/x")
    assert {each["id"]: each["visible"] for each in whole["checks"]}["secret"] is False
    assert whole["hidden"]["checks"] == 0


def test_a_programs_last_lines_are_quoted() -> None:
    place = b'  File "/work/server.py", line 3, in f\n    go()\n    ^^^^\n'
    stderr = b"Traceback (most recent call last):\n" + place + b"E: " + EVIL
    crashed = result("server", ended="exited", exit_code=1, ready=False, stderr=stderr)
    said = text(refused().evidence(*CHECKS, steps=crashed)).splitlines()
    assert said[1] == "CAUSE  server crashed at start: E: \\e]0;gotcha\\x07\\u202e"
    assert said[2:5] == [
        '   stderr │   File "/work/server.py", line 3, in f', "   stderr │     go()", "   stderr │ last \\e[31mwords",
    ]  # fmt: skip


def test_what_could_not_be_measured_is_said() -> None:
    said = text(unmeasured())
    assert "? echoed 0/6" in said
    assert "gap in the evidence: client:eth0: tcpdump lost 3 frames" in said
    assert "GRADE  0 of 10.5 points, held back: opened, echoed, closed could not be measured" in said


def test_a_students_words_cannot_act() -> None:
    for line in lines(evil()):
        assert line.text.isprintable()
        assert "\u202e" not in line.text
    assert "last \\e[31mwords" in text(evil())


@pytest.mark.parametrize("make", [good, loopback, unmeasured, evil])
def test_styles_are_known_and_width_is_kept(make: object) -> None:
    known = {"title", "cause", "passed", "failed", "not-measured", "frame", "look", "note", "grade"}
    for line in lines(make(), width=80):  # type: ignore[operator]
        assert line.style in known
        assert len(line.text) <= 80


def test_frames_in_words() -> None:
    evidence = good()
    told = [frame_words(evidence, FrameRef("client:eth0", number)) for number in (1, 3, 6, 99)]
    assert told == [
        "client:eth0 #1  ARP who has 10.0.1.1? tell 10.0.1.10",
        "client:eth0 #3  client → server  SYN",
        'client:eth0 #6  client → server  PSH, ACK  "hello\\n"',
        "client:eth0 #99",
    ]
    assert frame_words(evidence, FrameRef("nowhere:eth0", 1)) == "nowhere:eth0 #1"


def test_at_most_twelve_frames_of_a_check() -> None:
    story = clean()
    for number in range(20):
        story.talk(sport=41000 + number, isn=number * 1000, answer_isn=number * 1000 + 7, prefix=f"{number} ")
    evidence = story.evidence(*CHECKS)
    said = [line.text for line in lines(evidence) if line.style == "frame"]
    assert 0 < sum(" SYN" in line for line in said) <= MOST_FRAMES


@pytest.mark.parametrize("make", [good, loopback, unmeasured, evil])
def test_data_fits_its_schema_and_survives_json(make: object) -> None:
    evidence = make()  # type: ignore[operator]
    report = report_dict(evidence, judge(evidence), "runs/x")
    jsonschema.Draft202012Validator.check_schema(report_schema())
    jsonschema.validate(json.loads(json.dumps(report)), report_schema())


def test_the_schema_can_refuse() -> None:
    evidence = good()
    report = report_dict(evidence, judge(evidence), "runs/x")
    report["checks"][0]["verdict"] = "maybe"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(report, report_schema())


def test_data_says_what_text_says() -> None:
    evidence = loopback()
    report = report_dict(evidence, judge(evidence), "runs/x")
    assert report["grade"] == {"points": 0, "of": 10.5}
    assert report["verdict"] == "failed"
    assert report["run"] == "runs/x"
    by_id = {check["id"]: check for check in report["checks"]}
    assert list(by_id) == ["gateway", "route", "opened", "echoed", "closed", "printed"]
    assert by_id["opened"]["frames"] == [{"point": "client:eth0", "number": 3}, {"point": "client:eth0", "number": 4}]
    assert by_id["opened"]["cause"] == "server listened on 127.0.0.1:7000; packets arrive for 10.0.2.80"
    assert by_id["route"]["cause"] is None
    assert by_id["echoed"]["hint"] is None
    assert by_id["closed"]["needs"] == "echoed"
    assert report["causes"][0]["checks"] == ["echoed", "opened", "closed"]


def test_whole_points_are_whole_numbers() -> None:
    evidence = clean().evidence(Graded("a", TcpHandshake(**ENDS), points=8.0))
    assert '"grade": {"points": 8, "of": 8}' in json.dumps(report_dict(evidence, judge(evidence), "r"))
