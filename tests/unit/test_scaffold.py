"""A new exercise loads, on every topology that has two ends, and lays nothing over what is there."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from lab.catalog import topologies
from lab.errors import LabError
from lab.exercise import load_exercise
from lab.plan import make_plan
from lab.scaffold import choose_nodes, exercise_files, write_exercise
from lab.topology import parse_topology
from lab.yaml.text import parse_yaml
from tests.unit.yamldata import data_of

READY_MADE = {each.name: each.path for each in topologies()}
ENDS = "name: t\nnetworks: {n: {subnet: 10.0.1.0/24}, m: {subnet: 10.0.2.0/24}}\nnodes:\n"


@pytest.mark.parametrize("name", READY_MADE)
def test_a_new_exercise_loads_on_every_ready_made_topology(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "first"
    files = write_exercise(folder, READY_MADE[name])
    exercise = load_exercise(folder)
    assert exercise.name == "first"
    assert exercise.topology.name == name
    assert sum(graded.points for graded in exercise.checks) == 4
    assert {"README.md", "client.py", "solution/server.py", "skeleton/server.py"} <= set(files)
    assert sum(each.endswith("expect.yaml") for each in files) == 3
    assert not any("@" in text.read_text() for text in folder.rglob("*") if text.suffix in (".yaml", ".md"))


@pytest.mark.parametrize("kind", ["exercise", "topology"])
def test_the_schema_that_its_comment_names_is_there_and_fits(kind: str, tmp_path: Path) -> None:
    write_exercise(tmp_path / "x", READY_MADE["two-lans"])
    text = (tmp_path / "x" / f"{kind}.yaml").read_text()
    named = text.splitlines()[0].partition("$schema=")[2]
    jsonschema.validate(data_of(parse_yaml(text, "")[0]), json.loads((tmp_path / "x" / named).read_text()))
    assert text.count("yaml-language-server") == 1


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        ("a: host, b: host, c: host", ("a", "c")),
        ("r: router, a: host, s: server, b: host", ("a", "s")),
        ("s: server, r: router, c: client, d: client", ("c", "s")),
        ("s: server, t: server, h: host", ("h", "t")),
        ("r: router, c: client, h: host", ("c", "h")),
    ],
)
def test_who_is_client_and_who_is_server(nodes: str, expected: tuple[str, str]) -> None:
    lines = [f"  {each.partition(':')[0]}: {{role: {each.partition(': ')[2]}, interfaces: {{eth0: n}}}}\n"
             for each in nodes.split(", ")]  # fmt: skip
    client, server = choose_nodes(make_plan(parse_topology(ENDS.replace(", m: {subnet: 10.0.2.0/24}", "")
                                                           + "".join(lines), "")))  # fmt: skip
    assert (client.name, server.name) == expected


@pytest.mark.parametrize(
    ("nodes", "what"),
    [
        ("  a: {role: host, interfaces: {e: n}}\n  r: {role: router, interfaces: {e: n, f: m}}\n", "no two nodes"),
        ("  a: {role: host, interfaces: {e: n}}\n  b: {role: host, interfaces: {e: m}}\n", "no way from a to b"),
    ],
)
def test_a_topology_without_two_ends_is_refused(nodes: str, what: str) -> None:
    with pytest.raises(LabError, match=what):
        exercise_files("x", "x", parse_topology(ENDS + nodes, ""))


def test_a_topology_without_ipv4_is_refused() -> None:
    text = "name: t\nnetworks: {n: {subnet: 'fd00:1::/64'}}\nnodes:\n"
    text += "".join(f"  {name}: {{role: host, interfaces: {{e: n}}}}\n" for name in "ab")
    with pytest.raises(LabError, match="no two nodes with IPv4"):
        exercise_files("x", "x", parse_topology(text, ""))


@pytest.mark.parametrize("taken", ["file", "folder", "link"])
def test_nothing_is_overwritten(taken: str, tmp_path: Path) -> None:
    target = tmp_path / "mine"
    if taken == "file":
        target.write_text("mine")
    elif taken == "folder":
        target.mkdir()
    else:
        target.symlink_to(tmp_path / "nowhere")
    with pytest.raises(LabError, match="something of this name already"):
        write_exercise(target, READY_MADE["one-lan"])
    assert not target.is_dir() or not list(target.iterdir())


@pytest.mark.parametrize("name", ["my exercise", "1st", "a" * 32, "ä", ".hidden", ".."])
def test_a_name_that_no_exercise_can_have_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(LabError, match="is not an exercise's name"):
        write_exercise(tmp_path / "below" / name, READY_MADE["one-lan"])
    assert not (tmp_path / "below").exists()
