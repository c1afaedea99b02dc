"""A handout holds what students need, and nothing of what is hidden."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lab import __version__
from lab.catalog import find_topology
from lab.errors import LabError
from lab.exercise import load_exercise
from lab.handout import make_handout, students_text, write_handout
from lab.scaffold import write_exercise

MARK = "xyzzy-marker"
HIDDEN = f"""\
  # {MARK} above
  - id: {MARK}-id
    check: tcp-data
    from: client
    to: server
    port: "${{port}}"
    client_sends: "{MARK}-literal"   # {MARK} beside
    server_sends: {{file: {MARK}.bin}}
    needs: [opened]
    visible: false
    points: 3
    hint: "{MARK} ${{{MARK.replace("-", "_")}}}"
  # {MARK} below

"""


@pytest.fixture
def exercise(tmp_path: Path) -> Path:
    """An exercise with a marker in everything that students must not get."""
    folder = tmp_path / "capitals"
    write_exercise(folder, find_topology("two-lans"))
    path = folder / "exercise.yaml"
    text = path.read_text().replace("  - id: closed", HIDDEN + "  - id: closed")
    value = MARK.replace("-", "_")
    path.write_text(text.replace("values: {port: 7000,", f"values: {{port: 7000, {value}: {MARK}-value,"))
    (folder / f"{MARK}.bin").write_bytes(b"x")
    (folder / "solution" / "server.py").write_text(f"# {MARK}\n")
    for name in ("listens_on_loopback", "sends_it_back"):
        (folder / "wrong" / name / "server.py").write_text(f"# {MARK}\n")
        (folder / "wrong" / name / "expect.yaml").write_text(f"# {MARK}\nfails: [opened]\n")
    (folder / "recorded").mkdir()
    for name in ("recorded/manifest.json", "secret", ".secret", "skeleton/.secret", "skeleton/expect.yaml", "notes.md"):
        (folder / name).write_text(MARK)
    return folder


def everything_in(folder: Path) -> dict[str, str]:
    return {each.relative_to(folder).as_posix(): each.read_text() for each in folder.rglob("*") if each.is_file()}


def test_no_marker_is_in_a_handout(exercise: Path, tmp_path: Path) -> None:
    assert sum(MARK in text for text in everything_in(exercise).values()) >= 12
    handout = make_handout(exercise / "exercise.yaml")
    write_handout(handout, tmp_path / "out")
    found = everything_in(tmp_path / "out")
    assert set(found) == {"exercise.yaml", "topology.yaml", "README.md", "client.py", "server.py", "requirements.txt"}
    for name, text in found.items():
        assert MARK not in name
        assert MARK not in text, name
        assert MARK.replace("-", "_") not in text, name
    assert handout.notes == ()
    assert handout.hidden == (f"{MARK}-id",)


def test_a_handout_loads_and_keeps_the_rest_of_the_text(exercise: Path, tmp_path: Path) -> None:
    write_handout(make_handout(exercise / "exercise.yaml"), tmp_path / "out")
    whole, shown = load_exercise(exercise), load_exercise(tmp_path / "out")
    assert shown.checks == tuple(graded for graded in whole.checks if graded.visible)
    assert shown.steps == whole.steps
    assert shown.topology.nodes == whole.topology.nodes
    lines = (tmp_path / "out" / "exercise.yaml").read_text().splitlines()
    original = (exercise / "exercise.yaml").read_text().splitlines()
    changed = [line for line in lines if line not in original]
    assert changed == ['values: {port: 7000, question: "hello\\n", answer: "HELLO\\n"}']
    assert sum(line.lstrip().startswith("#") for line in lines) >= 8
    assert (tmp_path / "out" / "server.py").read_text() == (exercise / "skeleton" / "server.py").read_text()
    assert (tmp_path / "out" / "requirements.txt").read_text() == f"packetlab=={__version__}\n"


def test_the_network_comes_along_wherever_it_was(tmp_path: Path, exercise: Path) -> None:
    (exercise / "topology.yaml").rename(tmp_path / "elsewhere.yaml")
    path = exercise / "exercise.yaml"
    for name in ("two-lans", "two-lans  # the ready-made one", '"two-lans"'):
        text = path.read_text()
        path.write_text(text.replace("version: 1", f"version: 1\ntopology: {name}"))
        assert "topology: topology.yaml" in make_handout(path).files["exercise.yaml"].decode()
        path.write_text(text)
    (tmp_path / "elsewhere.yaml").rename(tmp_path / "topology.yaml")  # the folder above
    assert b"name: two-lans" in make_handout(path).files["topology.yaml"]


def change(old: str, new: str) -> Callable[[Path], None]:
    def act(folder: Path) -> None:
        text = (folder / "exercise.yaml").read_text()
        assert old in text
        (folder / "exercise.yaml").write_text(text.replace(old, new, 1))

    return act


def solve_it(folder: Path) -> None:
    (folder / "skeleton" / "server.py").write_bytes((folder / "solution" / "server.py").read_bytes())


def link(folder: Path) -> None:
    (folder / "skeleton" / "help.py").symlink_to(folder / "solution" / "server.py")


def other_client(folder: Path) -> None:
    (folder / "skeleton" / "client.py").write_text("# another one")


@pytest.mark.parametrize(
    ("act", "what", "hint"),
    [
        (change("needs: [answered]", f"needs: [{MARK}-id]"), f"closed is visible and needs {MARK}-id", "take"),
        (change("# What a student hands in", f"# {MARK}-id: what"), f"{MARK}-id stands in this line", "rename"),
        (change("# What a student hands in", f"# {MARK}-value"), f"{MARK}-value stands in this line", "rename"),
        (change("# What a student hands in", f"# {MARK}.bin"), f"{MARK}.bin stands in this line", "rename"),
        (change("# What a student hands in", f"# {MARK}-literal"), f"{MARK}-literal stands in this line", "rename"),
        (solve_it, "the skeleton is the solution", "take out"),
        (link, "a link cannot be handed out", "copy"),
        (other_client, "skeleton/ has a file client.py", "another name"),
    ],
)
def test_what_would_tell_too_much_is_refused(act: Callable[[Path], None], what: str, hint: str, exercise: Path) -> None:
    act(exercise)
    with pytest.raises(LabError) as caught:
        make_handout(exercise / "exercise.yaml")
    assert what in str(caught.value)
    assert hint in str(caught.value)


def test_a_readme_that_names_a_hidden_check_is_pointed_out(exercise: Path) -> None:
    with (exercise / "README.md").open("a") as file:
        file.write(f"| `{MARK}-id` | 3 | … |\n")
    (note,) = make_handout(exercise / "exercise.yaml").notes
    assert "README.md" in str(note.where)
    assert f"{MARK}-id" in note.what


def test_all_checks_hidden_is_refused(exercise: Path) -> None:
    text = (exercise / "exercise.yaml").read_text()
    path = exercise / "exercise.yaml"
    path.write_text("".join(line + ("    visible: false\n" if line.startswith("    check:") and "tcp-data" not in line
                            else "") for line in text.splitlines(keepends=True)))  # fmt: skip
    path.write_text(path.read_text().replace("  - {id: route,", "  - {visible: false, id: route,"))
    path.write_text(path.read_text().replace('    server_sends: "${answer}"', '    server_sends: "${answer}"\n'
                                             "    visible: false"))  # fmt: skip
    with pytest.raises(LabError, match="every check is hidden"):
        make_handout(path)


@pytest.mark.parametrize("taken", ["file", "folder"])
def test_only_a_new_or_empty_folder_is_written_to(taken: str, exercise: Path, tmp_path: Path) -> None:
    handout, target = make_handout(exercise / "exercise.yaml"), tmp_path / "out"
    if taken == "file":
        target.write_text("mine")
    else:
        target.mkdir()
        (target / "mine").write_text("mine")
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(LabError, match=r"not empty|a file"):
        write_handout(handout, target)
    assert sorted(os.listdir(tmp_path)) == before
    (tmp_path / "empty").mkdir()
    write_handout(handout, tmp_path / "empty")


def test_an_anchor_in_a_hidden_check_that_others_use_is_refused(exercise: Path) -> None:
    change(f'client_sends: "{MARK}-literal"', "client_sends: &sent hello")(exercise)
    change("needs: [answered]", "needs: [answered]\n    server_sends: *sent")(exercise)
    change("check: tcp-close", "check: tcp-data")(exercise)
    change("    closes_first: client\n", "")(exercise)
    with pytest.raises(LabError, match="without its hidden checks this exercise does not load"):
        make_handout(exercise / "exercise.yaml")


def test_an_exercise_without_hidden_checks_keeps_its_text() -> None:
    text = "# x\nversion: 1\nchecks: [{id: a}]  # y\n"
    assert students_text(text, ()) == text


def test_the_only_values_go_with_their_key() -> None:
    text = "version: 1\n# secret\nvalues:\n  s: 1\nchecks:\n  - {id: a}\n  - {id: b, port: '${s}'}\n"
    assert students_text(text, ("b",)) == "version: 1\nchecks:\n  - {id: a}\n"
