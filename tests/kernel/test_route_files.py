"""Routes that a student hands in: right ones in unusual style pass, and no file, however odd, stops the grading."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from handin_runs import ROUTES, hurried, run_files

from lab.exercise import load_exercise

pytestmark = pytest.mark.kernel

ALL = {"there", "back", "reach", "greeted"}
HOSTS = "client: [{to: 0.0.0.0/0, via: 10.0.1.1}]\nserver: [{to: 0.0.0.0/0, via: 10.0.2.1}]\n"
THERE = "r1: [{to: 10.0.2.0/24, via: 10.0.31.3}]\nr3: [{to: 10.0.2.0/24, via: 10.0.23.2}]\n"
BACK = "r2: [{to: 10.0.1.0/24, via: 10.0.12.1}]\n"
RIGHT = {
    "default routes everywhere": HOSTS
    + "".join(
        f"{router}: [{{to: 0.0.0.0/0, via: {via}}}]\n"
        for router, via in (("r1", "10.0.31.3"), ("r3", "10.0.23.2"), ("r2", "10.0.12.1"))
    ),
    "one host at a time": """
client: [{to: 10.0.2.80/32, via: 10.0.1.1}]
r1: [{to: 10.0.2.80/32, via: 10.0.31.3}]
r3: [{to: 10.0.2.80/32, via: 10.0.23.2}]
server: [{to: 10.0.1.10/32, via: 10.0.2.1}]
r2: [{to: 10.0.1.10/32, via: 10.0.12.1}]
""",
    "the longer prefix wins": HOSTS
    + BACK
    + """
r1:
  - {to: 10.0.2.0/24, via: 10.0.12.2}
  - {to: 10.0.2.64/26, via: 10.0.31.3}
r3:
  - to: 10.0.0.0/8
    via: 10.0.31.1
  - to: 10.0.2.0/25
    via: 10.0.23.2
""",
    "more than is needed": HOSTS
    + """
r1: [{to: 10.0.2.0/24, via: 10.0.31.3}, {to: 10.0.23.0/24, via: 10.0.12.2}]
r2: [{to: 10.0.1.0/24, via: 10.0.12.1}, {to: 10.0.31.0/24, via: 10.0.23.3}]
r3: [{to: 10.0.2.0/24, via: 10.0.23.2}, {to: 10.0.1.0/24, via: 10.0.31.1}, {to: 10.0.12.0/24, via: 10.0.31.1}]
""",
    "halves of the world": BACK
    + THERE
    + """
client: [{to: 0.0.0.0/1, via: 10.0.1.1}, {to: 128.0.0.0/1, via: 10.0.1.1}]
server: [{to: 0.0.0.0/1, via: 10.0.2.1}, {to: 128.0.0.0/1, via: 10.0.2.1}]
""",
    "with a byte order mark and Windows line ends": "\ufeff" + (HOSTS + THERE + BACK).replace("\n", "\r\n"),
}
LETTERS = "abcdefghijkl"
BOMB = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in pairwise(LETTERS))
SHORT_CUT = "[{to: 10.0.2.80/32, via: 10.0.12.2}, "
MANY = "".join(f"\n  - {{to: 172.{16 + n // 250}.{n % 250}.0/24, via: 10.0.31.3}}" for n in range(1000))
ODD: dict[str, tuple[bytes | str, set[str]]] = {
    "empty": ("", ALL),
    "binary": (bytes(range(256)) * 40, ALL),
    "a word": ("routes", ALL),
    "a list": ("- r1\n- r2\n", ALL),
    "an alias bomb": (BOMB, ALL),
    "an object": ("r1: !!python/object/apply:os.system ['touch /tmp/owned']\n", ALL),
    "a misspelt node": (HOSTS.replace("client", "clinet") + THERE + BACK, ALL),
    "a longer prefix the wrong way": (HOSTS + BACK + THERE.replace("[", SHORT_CUT, 1), {"there"}),
    "a next hop of one's own": (HOSTS + BACK + THERE.replace("10.0.31.3", "10.0.12.1"), ALL),
    "another family": (HOSTS + BACK + THERE.replace("10.0.2.0/24", "fd00::/64"), ALL),
    "the same prefix twice": (
        HOSTS + BACK + THERE.replace("r1: [", "r1: [{to: 10.0.2.0/24, via: 10.0.12.2}, "),
        {"there"},
    ),
    "a thousand routes": (HOSTS + BACK + THERE.replace("r1: [", "r1:\n  - ").replace("3}]", "3}" + MANY, 1), set()),
}  # fmt: skip


@pytest.mark.parametrize("text", RIGHT.values(), ids=RIGHT)
def test_right_routes_in_unusual_style_pass(text: str, tmp_path: Path) -> None:
    found = run_files(load_exercise(ROUTES), {"routes.yaml": text}, tmp_path)
    assert found.grade.points == found.grade.of == 10, found.explain()


@pytest.mark.parametrize(("content", "fails"), ODD.values(), ids=ODD)
def test_odd_files_are_graded(content: bytes | str, fails: set[str], tmp_path: Path) -> None:
    found = run_files(hurried(ROUTES, 1.0), {"routes.yaml": content}, tmp_path)
    assert found.failed == fails, found.explain()
    assert found.grade.exit_code == bool(fails), found.explain()
    if fails == ALL:
        assert found.root_cause in ("handed-in", "no-route", "crashed"), found.explain()
