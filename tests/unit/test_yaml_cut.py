"""Entries cut out of YAML: what was meant goes, its comments with it, and every other character stays."""

from __future__ import annotations

import pytest
import yaml

from lab.yaml.cut import compose, cut, entries

BLOCK = """\
# The head.
version: 1   # one

checks:
  # About a.
  - {id: a, x: 1}   # after a

  # About b,
  # in two lines.
  - id: b
    text: |
      b1

      b2
    more: [1,
           2]
    # inside b

  # About c.
  - {id: c,
     x: 3}
  # About d.
  -
    id: d
    # Not the last word on d.
    x: 4
# About settle.
settle: 1s
"""
WITHOUT = {
    "a": BLOCK.replace("  # About a.\n  - {id: a, x: 1}   # after a\n\n", ""),
    "b": BLOCK[: BLOCK.index("  # About b")] + BLOCK[BLOCK.index("  # About c") :],
    "c": BLOCK.replace("  # About c.\n  - {id: c,\n     x: 3}\n", ""),
    "d": BLOCK[: BLOCK.index("  # About d")] + BLOCK[BLOCK.index("# About settle") :],
}


def checks_without(text: str, *names: str) -> str:
    checks = entries(compose(text)).get("checks")
    assert checks is not None
    return cut(text, entries(checks.nodes[1]), names)


@pytest.mark.parametrize("name", WITHOUT)
def test_an_item_goes_with_its_comments_and_nothing_else_changes(name: str) -> None:
    assert checks_without(BLOCK, name) == WITHOUT[name]


def test_several_items_go() -> None:
    left = checks_without(BLOCK, "a", "c", "d")
    assert [each["id"] for each in yaml.safe_load(left)["checks"]] == ["b"]
    assert "# The head." in left
    assert "version: 1   # one" in left
    assert "# About settle." in left
    for word in ("About a", "after a", "About c", "About d", "last word"):
        assert word not in left


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("checks: [{id: a}, {id: b}, {id: c}]\n", "checks: [{id: a}, {id: c}]\n"),
        ("checks: [{id: b}, {id: c}]\n", "checks: [{id: c}]\n"),
        ("checks: [{id: a}, {id: b}]\n", "checks: [{id: a}]\n"),
        ("checks: [\n  {id: a},\n  # of b\n  {id: b},  # b\n  # of c\n  {id: c}]\n",
         "checks: [\n  {id: a},\n  # of c\n  {id: c}]\n"),
        ("checks: [\n  {id: a},\n  {id: b}\n]\nend: 1\n", "checks: [\n  {id: a}\n]\nend: 1\n"),
        ("{checks: [{id: a}, {id: b}], end: 1}", "{checks: [{id: a}], end: 1}"),
    ],
)  # fmt: skip
def test_items_between_brackets(text: str, expected: str) -> None:
    assert checks_without(text, "b") == expected
    assert yaml.safe_load(expected)["checks"]


@pytest.mark.parametrize("last", ["", "\n", "\n# the end\n", "\n\n# the end\n", "\n  # of b\n"])
def test_the_last_item_of_a_file(last: str) -> None:
    left = checks_without(f"checks:\n  - id: a\n  - id: b{last}", "b")
    assert yaml.safe_load(left) == {"checks": [{"id": "a"}]}
    assert "of b" not in left
    assert ("# the end" in left) == last.startswith("\n\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("values: {a: 1, secret: x, b: 2}\n", "values: {a: 1, b: 2}\n"),
        ("values: {a: 1, b: 2, secret: x}\n", "values: {a: 1, b: 2}\n"),
        ("values: {secret: x, a: 1}\n", "values: {a: 1}\n"),
        ("values:\n  a: 1\n  # sh!\n  secret: |\n    x\n    y\n  b: 2\n", "values:\n  a: 1\n  b: 2\n"),
        ("values:\n  a: 1\n  secret: x  # sh!\n", "values:\n  a: 1\n"),
    ],
)
def test_keys_of_a_mapping(text: str, expected: str) -> None:
    values = entries(compose(text)).get("values")
    assert values is not None
    assert cut(text, entries(values.nodes[1]), ["secret"]) == expected


def test_windows_lines_stay_as_they_are() -> None:
    text = BLOCK.replace("\n", "\r\n")
    assert checks_without(text, "c") == WITHOUT["c"].replace("\n", "\r\n")
