"""An exercise's text becomes a frozen `Exercise`, with its topology and every file that it names."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import jsonschema
import pytest

from lab.catalog import exercises, find_topology
from lab.catalog import folder as ready_made
from lab.errors import LabError
from lab.exercise import Exercise, Ready, Step, Stop, Submission, load_exercise, parse_exercise
from lab.exercise.doubts import doubts
from lab.exercise.grammar import exercise_grammar
from lab.grammar import Choice, List, NodeName, Payload, Port, StepName, param
from lab.topology import Topology, load_topology
from lab.yaml.text import parse_yaml
from tests.unit.test_topology import mutations
from tests.unit.yamldata import data_of


@dataclass(frozen=True)
class Sent:
    """Bytes went from one node to another."""

    kind: ClassVar[str] = "sent"
    claims: ClassVar[tuple[str, ...]] = ()

    source: str = param(NodeName(), "who sends", key="from")
    port: int = param(Port(), "the port", default=80)
    data: bytes = param(Payload(), "what", default=b"")
    steps: tuple[str, ...] = param(List(StepName()), "during", default=())
    order: str = param(Choice("any", "first"), "which", default="any")

    def problems(self) -> list[tuple[str, str, str]]:
        return [("order", "first says nothing without data", "add data:")] if self.order == "first" else []


CHECKS = {"sent": Sent}
TEXT = """\
version: 1
name: echo
title: Echo by TCP
topology: two-lans
values: {port: 7000, text: "hello\\n", dollar: "a$b"}
submission: {files: [server.py], routes: routes.yaml}
steps:
  - {name: server, node: server, code: submission, run: [python3, server.py, "${port}"], background: true,
     ready: {tcp: "${port}", within: 500ms}, env: {MODE: 1}, mounts: [/opt/java]}
  - {node: client, code: [client.py, lib/net.py], run: "echo $$HOME ${text} | cat", stdin: {file: words.txt},
     timeout: 2min}
  - {wait: server, timeout: 1s}
  - {stop: {step: server, signal: INT}}
checks:
  - {id: all, check: sent, from: client, port: "${port}", data: {random: 64B}, points: 2.5, hint: "look", needs: data}
  - {id: data, check: sent, from: server, data: "${dollar}", steps: [server, step2], visible: false}
capture: [client:eth0, r1:eth1]
settle: 500ms
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "lib").mkdir()
    for name in ("client.py", "lib/net.py", "words.txt", "unused.txt"):
        (tmp_path / name).write_text(f"this is {name}")
    (tmp_path / "exercise.yaml").write_text(TEXT)
    return tmp_path


def load(folder: Path, text: str | None = None, **options: Any) -> Exercise:
    if text is not None:
        (folder / "exercise.yaml").write_text(text)
    return load_exercise(folder / "exercise.yaml", checks=CHECKS, **options)


def problems_of(folder: Path, text: str | None = None, **options: Any) -> list[str]:
    with pytest.raises(LabError) as caught:
        load(folder, text, **options)
    return [str(problem).replace(f"{folder}/exercise.yaml:", "") for problem in caught.value.problems]


def test_everything_that_can_be_said_is_kept(folder: Path) -> None:
    exercise = load(folder)
    server, client, wait, stop = exercise.steps
    assert server == Step(
        "server",
        "server",
        run=("python3", "server.py", "7000"),
        code="submission",
        background=True,
        env=(("MODE", "1"),),
        ready=Ready(0.5, tcp=7000),
        mounts=("/opt/java",),
    )
    assert client == Step(
        "step2",
        "client",
        run=("sh", "-c", "echo $HOME hello\n | cat"),
        code=("client.py", "lib/net.py"),
        stdin=b"this is words.txt",
        timeout=120.0,
    )
    assert wait == Step("step3", None, wait=("server",), timeout=1.0)
    assert stop == Step("step4", None, stop=Stop("server", "INT"))
    first, second = exercise.checks
    assert (first.id, first.points, first.needs, first.hint, first.visible) == ("all", 2.5, ("data",), "look", True)
    assert isinstance(first.check, Sent)
    assert (first.check.source, first.check.port, len(first.check.data)) == ("client", 7000, 64)
    assert second.check == Sent(source="server", data=b"a$b", steps=("server", "step2"))
    assert (second.points, second.visible, second.counts) == (0, False, False)
    assert exercise.topology == load_topology(find_topology("two-lans"))
    assert exercise.values == {"port": 7000, "text": "hello\n", "dollar": "a$b"}
    assert exercise.submission == Submission(("server.py",), "routes.yaml")
    assert (exercise.name, exercise.title, exercise.settle) == ("echo", "Echo by TCP", 0.5)
    assert exercise.capture == ("client:eth0", "r1:eth1")
    assert set(exercise.files) == {"client.py", "lib/net.py", "words.txt"}
    assert (exercise.source, exercise.folder) == (TEXT, str(folder))


def test_defaults_are_as_documented(folder: Path) -> None:
    exercise = load(
        folder,
        "version: 1\nname: a\ntopology: one-lan\nchecks: [{id: x, check: sent, from: bob}]\n"
        "steps: [{node: bob, run: ls}, {node: bob, run: ls, background: true, ready: {udp: 53}}, {stop: step2}]\n",
    )
    assert exercise.capture is None
    assert (exercise.settle, exercise.submission, exercise.values) == (2.0, Submission(), {})
    assert (exercise.steps[0].timeout, exercise.steps[0].stdin, exercise.steps[0].code) == (10.0, b"", None)
    assert exercise.steps[1].ready == Ready(5.0, udp=53)
    assert exercise.steps[2].stop == Stop("step2", "TERM")
    assert load_exercise(folder, checks=CHECKS) == exercise


def test_nothing_is_captured_on_a_node_with_a_privileged_step(folder: Path) -> None:
    text = TEXT.replace("timeout: 2min}", "privilege: net-raw, calls: true}")
    exercise = load(folder, text)
    assert (exercise.steps[1].privilege, exercise.steps[1].calls) == ("net-raw", True)
    assert exercise.capture == ("r1:eth1",)
    assert load(folder, text.replace("capture: [client:eth0, r1:eth1]\n", "")).capture == (
        "r1:eth0", "r1:eth1", "server:eth0")  # fmt: skip


def test_the_topology_lies_beside_or_above_or_where_it_is_said(folder: Path) -> None:
    text = TEXT.replace("topology: two-lans\n", "")
    one = find_topology("two-lans").read_text()
    assert "1:1: this exercise has no topology" in problems_of(folder, text)[0]
    deeper = folder / "deeper"
    deeper.mkdir()
    for name in ("client.py", "words.txt"):
        (deeper / name).write_text("")
    text = text.replace(", lib/net.py", "")
    (folder / "topology.yaml").write_text(one.replace("name: two-lans", "name: above"))
    assert load(deeper, text).topology.name == "above"
    (deeper / "topology.yaml").write_text(one.replace("name: two-lans", "name: beside"))
    assert load(deeper, text).topology.name == "beside"
    assert load(deeper, f"{text}topology: ../topology.yaml\n").topology.name == "above"
    assert load(deeper, f"{text}topology: ./\n").topology.name == "beside"
    assert load(deeper, f"{text}topology: two-lans\n").topology.name == "two-lans"
    assert load(deeper, text, topology=folder / "topology.yaml").topology.name == "above"
    assert "there is no file" in problems_of(deeper, f"{text}topology: ../x.yaml\n")[0]


def test_problems_of_the_topology_stand_among_the_exercises_own(folder: Path) -> None:
    (folder / "topology.yaml").write_text("name: x\nnetworks: {lan: {subnet: 10.0.0.1/24}}\nnodes: {}\n")
    said = problems_of(folder, TEXT.replace("topology: two-lans\n", "").replace("settle: 500ms", "settle: 5"))
    assert [each.partition("\n")[0].removeprefix(f"{folder}/") for each in said] == [
        "17:9: 5 is not a time with its unit, such as 5s, 200ms or 2min",
        "topology.yaml:2:26: 10.0.0.1/24 has host bits set",
        "topology.yaml:3:8: the mapping is empty",
    ]


@pytest.mark.parametrize(
    ("values", "port", "text"),
    [
        ({}, 7000, "hello\n"),
        ({"port": 8000}, 8000, "hello\n"),
        ({"port": "8000", "text": "123"}, 8000, "123"),
    ],
)
def test_values_can_come_from_outside(folder: Path, values: dict[str, str | int], port: int, text: str) -> None:
    exercise = load(folder, values=values)
    assert exercise.values == {"port": port, "text": text, "dollar": "a$b"}
    assert exercise.steps[0].run == ("python3", "server.py", str(port))


def test_values_from_outside_are_checked(folder: Path) -> None:
    said = problems_of(folder, values={"prot": 1, "port": "x"})
    assert said == ["there is no value prot\n  did you mean port?", "value port must be a whole number, not x"]
    assert "9:19: 70000 is out of range (from ${port})" in problems_of(folder, values={"port": 70000})[0]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("data: {random: 64B}", "order: first", "15:66: first says nothing without data\n  add data:"),
        ("needs: data", "needs: [all]", "15:114: needs goes in a circle: all → all"),
        ("visible: false}", "needs: [all]}", "16:93: needs goes in a circle: data → all → data"),
        ("id: data", "id: all", "16:10: two checks have the id all"),
        ("within: 500ms", "output: x", "readiness has tcp and output"),
        ("background: true,\n", "background: false,\n", "only a background step can be ready"),
        ("{wait: server,", "{wait: step2,", "step step2 has ended when this step comes"),
        ("{wait: server,", "{wait: step3,", "step step3 has not begun"),
        ("{wait: server,", "{name: server, wait: server,", "two steps are called server"),
        ("lib/net.py", "lib", "lib is a folder, where a file is expected"),
        ("/opt/java", "../java", '"../java" is not an absolute path such as /opt/java'),
        ("[client:eth0, r1:eth1]", "some", "some is not all or a list of capture points"),
        ("submission: {files: [server.py], routes: routes.yaml}\n", "", "nothing says which files are handed in"),
    ],
)
def test_rules_between_values(folder: Path, old: str, new: str, problem: str) -> None:
    assert old in TEXT
    assert problem in "\n".join(problems_of(folder, TEXT.replace(old, new, 1)))


def test_the_same_random_payload_is_sent_and_expected(folder: Path) -> None:
    text = TEXT.replace("stdin: {file: words.txt}", "stdin: {random: 64B}")
    exercise = load(folder, text)
    assert isinstance(check := exercise.checks[0].check, Sent)
    assert check.data == exercise.steps[1].stdin


@pytest.mark.parametrize("listed", exercises(), ids=lambda listed: listed.name)
def test_ready_made_exercises_have_points_and_graded_checks(listed: Any) -> None:
    exercise = load_exercise(listed.path)
    assert sum(graded.points for graded in exercise.checks) > 0
    assert any(graded.counts for graded in exercise.checks)


def test_two_thousand_mutations_raise_nothing_but_lab_errors() -> None:
    topology = load_topology(find_topology("two-lans"))

    def find(name: str | None) -> Topology:
        return topology

    survivors = 0
    said = []
    editor = jsonschema.Draft202012Validator(exercise_grammar(CHECKS).schema(templates=True))
    for text in mutations(TEXT, 2000, seed=7):
        try:
            parse_exercise(text, "f", find, checks=CHECKS)
            survivors += 1
            assert editor.is_valid(data_of(parse_yaml(text, "f")[0])), text
        except LabError as error:
            said.append(str(error).replace("\n", ""))
    assert all(said)
    assert "".join(said).isprintable()
    assert 20 < survivors < 1000


READY_MADE_ECHO = ready_made() / "two-lans" / "tcp-echo"


def test_drawn_lines_are_others_in_each_run_and_the_example_where_nothing_is_drawn(tmp_path: Path) -> None:
    text = (READY_MADE_ECHO / "exercise.yaml").read_text()
    folder = tmp_path / "echo"
    folder.mkdir()
    (folder / "exercise.yaml").write_text(text)
    (folder / "client.py").write_text("")
    shown, one, again, other = (load_exercise(folder, draw=draw) for draw in (None, "a", "a", "b"))
    assert shown.values["text"] == "hello\nworld\n"
    assert one.values == again.values != other.values
    drawn = str(one.values["text"])
    assert drawn.count("\n") == 2
    assert all(len(line) == 8 and line.isalpha() and line.islower() for line in drawn.split())
    assert one.steps[1].stdin == drawn.encode()
    assert load_exercise(folder, values=one.values).steps == one.steps


WITH_STEPS = (
    "version: 1\nname: x\nsubmission: {files: [a.py]}\n"
    "steps: [{node: client, code: submission, run: [python3, a.py]}]\n"
    "checks: [{id: way, check: path, from: client, to: server, via: [r1]}]\n"
)
PATH = "check: path, from: client, to: server, via: [r1]"
ASKED = "check: answer, from: client, to: server, port: 80, value: client_isn"


@pytest.mark.parametrize(
    ("old", "new", "doubt"),
    [
        ("", "", None),
        ("via: [r1]", "via: [server]", "check way demands a way via server, which is a server and passes nothing on"),
        ("code: submission, ", "", "no step has code: submission, and no check reads it, so a.py is never used"),
        (PATH, ASKED, "check way reads answers.yaml, which is none of submission: files, so nobody can hand it in"),
        (PATH, ASKED.replace("isn", "isn, sheet: a.py"), None),
        (WITH_STEPS[WITH_STEPS.index("submission:") : WITH_STEPS.index("checks")], "", "there are no steps"),
    ],
)
def test_what_is_no_mistake_and_yet_hardly_meant_is_told(old: str, new: str, doubt: str | None) -> None:
    network = load_topology(find_topology("two-lans"))
    exercise = parse_exercise(WITH_STEPS.replace(old, new), "e.yaml", lambda _: network)
    assert [each.startswith(doubt or "-") for each in doubts(exercise)] == [True] * bool(doubt)


@pytest.mark.parametrize(
    ("check", "why"),
    [
        ("path, from: client, to: server, via: [r1], protocol: icmp, port: 80", "icmp has no ports"),
        ("path, from: client, to: server, via: [r1], protocol: icmp", None),
        ("path, from: r1, to: r1, via: []", "what r1 sends to itself is on no link, so it is never captured"),
        ("tcp-handshake, from: r1, to: r1, port: 80", "what r1 sends to itself is on no link, so it is never captured"),
        ("reach, from: client, to: client", None),
        ("arp, node: client, next_hop: client", "client is not its own next hop, and never asks for its own MAC"),
        ("http, from: client, to: server, port: 80, method: HEAD, body: x", "a response to HEAD has no body"),
        ("http, from: client, to: server, port: 80, method: HEAD, body: ''", None),
        ("http, from: client, to: server, port: 80, status: 204, body: x", "a response 204 has no body"),
        ("udp, from: client, to: server, port: 80, client_sends: [a, b], lost: 3, tries: 2",
         "of 2 datagrams sent 2 times at most, 2 can be lost and yet be repaired, and not 3"),
        ("udp, from: client, to: server, port: 80, client_sends: [a, b], lost: 2, tries: 2", None),
        ("sockets, step: step1, fails: recv with EAGAIN",
         "a call that ends with EAGAIN did not fail: it would only have had to wait"),
        ("sockets, step: step1, fails: bind with EACCES, never: bind", "bind has to fail, and must not be called"),
        ("sockets, step: step1, fails: bind with EACCES", None),
    ],
)  # fmt: skip
def test_a_check_that_no_program_can_pass_is_told(check: str, why: str | None) -> None:
    network = load_topology(find_topology("two-lans"))
    text = WITH_STEPS.replace(PATH, f"check: {check}").replace("code: sub", "calls: true, code: sub")
    found = list(doubts(parse_exercise(text, "e.yaml", lambda _: network)))
    assert found == ([f"check way can never pass: {why}"] if why else [])


def test_what_a_program_of_privilege_sends_to_itself_may_be_on_a_link() -> None:
    network = load_topology(find_topology("two-lans"))
    text = WITH_STEPS.replace(PATH, "check: udp, from: client, to: client, port: 80, client_sends: a")
    text = text.replace("node: client, code", "node: client, privilege: net-raw, code")
    assert list(doubts(parse_exercise(text, "e.yaml", lambda _: network))) == []


@pytest.mark.parametrize("ready", [each.path for each in exercises()], ids=lambda path: path.parent.name)
def test_no_ready_made_exercise_raises_a_doubt(ready: Path) -> None:
    assert list(doubts(load_exercise(ready))) == []
