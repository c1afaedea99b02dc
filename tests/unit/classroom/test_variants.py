"""Each student's own values: recomputed, never guessed, and found again where another student uses them."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest

from lab.classroom.foreign import Foreign, Owners
from lab.classroom.intake import HandIn, Intake
from lab.commands.classroom import _tell_intake, variant_of
from lab.errors import LabError
from lab.exercise import Exercise, load_exercise
from lab.exercise.variant import Secret, read_secret
from lab.handout import make_handout, write_handout

TOPOLOGY = """name: t
values: {lan: 10.0.1.0/24, wan: 10.0.2.0/24}
networks: {a: {subnet: "${lan}"}, b: {subnet: "${wan}"}}
nodes:
  client: {role: client, interfaces: {eth0: a}}
  r1: {role: router, interfaces: {eth0: a, eth1: b}}
  server: {role: server, interfaces: {eth0: b}}
"""
EXERCISE = """version: 1
name: own
values:
  port: {draw: 20000-29999}  # kept: this comment
  word: {draw: token, length: 8}
  lan: {draw: 10.64.0.0/10, length: 24}
  wan: {draw: 10.64.0.0/10, length: 24}
  size: {draw: 1KiB-8KiB}
  text: {draw: text, size: 200B}
submission: {files: [server.py]}
steps:
  - {name: server, node: server, code: submission, run: [python3, server.py, "${port}", "${word}"], stdin: "${text}"}
checks:
  - {id: opened, check: tcp-handshake, from: client, to: server, port: "${port}", points: 1}
"""
SECRET = Secret(b"x" * 32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "topology.yaml").write_text(TOPOLOGY)
    (tmp_path / "exercise.yaml").write_text(EXERCISE)
    return tmp_path


def of(folder: Path, student: str, secret: Secret = SECRET) -> Exercise:
    return load_exercise(folder, variant=secret.key("own", student))


def test_values_are_a_students_own_in_topology_steps_and_checks(folder: Path) -> None:
    anna, again, bert = of(folder, "anna"), of(folder, "anna"), of(folder, "bert")
    assert anna == again
    assert all(anna.values[name] != bert.values[name] for name in anna.individual)
    assert of(folder, "anna", Secret(b"y" * 32)).values != anna.values
    port, size, text = anna.values["port"], anna.values["size"], str(anna.values["text"])
    assert isinstance(port, int)
    assert isinstance(size, int)
    assert 20000 <= port <= 29999
    assert 1024 <= size <= 8192
    assert (len(text), text[-1]) == (200, "\n")
    assert anna.steps[0].run == ("python3", "server.py", str(port), str(anna.values["word"]))
    lan, wan = (ip_network(str(anna.values[name])) for name in ("lan", "wan"))
    assert [network.subnets for network in anna.topology.networks] == [(lan,), (wan,)]
    assert lan.subnet_of(ip_network("10.64.0.0/10"))  # type: ignore[arg-type]


def test_subnets_of_one_student_never_overlap(folder: Path) -> None:
    text = EXERCISE.replace("10.64.0.0/10, length: 24", "10.64.0.0/23, length: 24")
    (folder / "exercise.yaml").write_text(text)
    for student in map(str, range(30)):
        values = of(folder, student).values
        assert {values["lan"], values["wan"]} == {"10.64.0.0/24", "10.64.1.0/24"}
    (folder / "exercise.yaml").write_text(
        text.replace("size: {draw: 1KiB-8KiB}", "x: {draw: 10.64.0.0/23, length: 24}")
    )
    with pytest.raises(LabError, match="nothing is left to be drawn for x"):
        of(folder, "anna")


@pytest.mark.parametrize(
    "written",
    [
        "{draw: 5-5}", "{draw: 9-1}", "{draw: 10.0.0.0/8}", "{draw: 10.0.0.0/8, length: 8}",
        "{draw: 10.0.0.1/8, length: 9}", "{draw: word}", "{draw: token, size: 3B}", "{draw: 1-9, length: 3}",
        "{draw: text, size: 1B}", "{draw: 1-9, lines: 2}",
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_refused(folder: Path, written: str) -> None:
    (folder / "exercise.yaml").write_text(EXERCISE.replace("{draw: 1KiB-8KiB}", written))
    with pytest.raises(LabError):
        of(folder, "anna")


def test_a_handout_holds_ones_own_values_and_no_way_to_anothers(folder: Path) -> None:
    write_handout(make_handout(folder / "exercise.yaml", SECRET.key("own", "anna")), folder / "out")
    anna, shown = of(folder, "anna"), load_exercise(folder / "out")
    assert shown.values == anna.values
    assert shown.individual == ()
    assert (shown.steps, shown.topology.networks) == (anna.steps, anna.topology.networks)
    assert "# kept: this comment" in shown.source
    assert "draw:" not in shown.source


def test_a_secret_is_long_and_white_space_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("short\n")
    with pytest.raises(LabError, match="5 bytes can be guessed"):
        read_secret(path)
    with pytest.raises(LabError, match="cannot be read"):
        read_secret(tmp_path / "none")
    path.write_text("a secret that is long enough\n")
    one = read_secret(path)
    path.write_text("a secret that is long enough")
    assert read_secret(path) == one


def test_whose_values_hold_is_told_and_nobodys_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exercise = load_exercise(folder)
    group = HandIn("17", "17", "Anna, Bo", (), members=("17", "18"))
    _tell_intake(Intake((group,), ()), (), exercise)
    assert "17: a group of 2: 17, 18; the values are those of 17\n" in capsys.readouterr().err
    for student in ("", " "):
        with pytest.raises(LabError, match="--student names nobody"):
            variant_of(exercise, student, None)


def test_anothers_values_are_found_with_whose_they_are(folder: Path) -> None:
    values = {student: of(folder, student).values for student in ("anna", "bert", "cem")}
    owners = Owners(values)
    port, subnet = values["bert"]["port"], str(values["bert"]["lan"]).removesuffix(".0/24")
    assert owners.find("anna", [f"listen({port})".encode()], ()) == (Foreign("bert", ("port",)),)
    assert owners.find("anna", [f'connect("{subnet}.80")'.encode()], ()) == (Foreign("bert", ("lan",)),)
    assert owners.find("bert", [f"listen({port})".encode()], ()) == ()
    assert owners.find("anna", [f"listen(1{port})".encode()], ()) == ()
    assert owners.find("anna", [f"listen({port})".encode()], [f"# {port}".encode()]) == ()
    text = str(values["cem"]["text"]).encode()
    assert owners.find("anna", [b"GET " + text], ()) == (Foreign("cem", ("text",)),)
