"""YAML text to nodes: places, quotes, and everything that is refused before the grammar sees it."""

from pathlib import Path

import pytest

from lab.errors import LabError, Place
from lab.yaml.text import MAX_BYTES, ListNode, MapNode, Scalar, decode, parse_yaml, read_text, show


def parse(text: str) -> MapNode:
    root, problems = parse_yaml(text, "f.yaml")
    assert problems == []
    return root


def test_nodes_know_their_places() -> None:
    root = parse("a: 1\nb:\n  - x\n  - {c: 'y'}\n")
    a, b = root.get("a"), root.get("b")
    assert a == Scalar("1", Place("f.yaml", 1, 4))
    assert isinstance(b, ListNode)
    assert [item.place for item in b.items] == [Place("f.yaml", 3, 5), Place("f.yaml", 4, 5)]
    assert isinstance(b.items[1], MapNode)
    assert b.items[1].get("c") == Scalar("y", Place("f.yaml", 4, 9), plain=False)
    assert b.items[1].get("d") is None


@pytest.mark.parametrize(
    "text", ["on", "yes", "10:20", "0777", "1e3", "0x1F", "1_000", "2024-01-01", "02:00:00:00:01:02"]
)
def test_scalars_stay_the_text_that_was_written(text: str) -> None:
    root = parse(f"{text}: {text}\n")
    assert root.items[0][0].text == text
    assert root.get(text) == Scalar(text, Place("f.yaml", 1, len(text) + 3))


@pytest.mark.parametrize(
    ("text", "missing"), [("", True), ("~", True), ("null", True), ("''", False), ("'null'", False)]
)
def test_only_plain_nulls_are_missing(text: str, missing: bool) -> None:
    node = parse(f"a: {text}\n").get("a")
    assert isinstance(node, Scalar)
    assert node.missing is missing


def test_columns_count_characters_and_not_bytes() -> None:
    assert parse("ä: ö\n").get("ä") == Scalar("ö", Place("f.yaml", 1, 4))


def test_aliases_stand_for_their_node() -> None:
    root = parse("a: &x [1, 2]\nb: *x\n")
    assert root.get("b") == root.get("a")


def test_every_key_given_twice_is_told_and_the_first_one_kept() -> None:
    root, problems = parse_yaml("a: 1\na: 2\nb: {c: 1, c: 2, c: 3}\n", "f")
    assert sorted(str(problem.where) for problem in problems) == ["f:2:1", "f:3:11", "f:3:17"]
    assert isinstance(a := root.get("a"), Scalar)
    assert a.text == "1"


def test_keys_that_are_no_words_and_tags_are_told_together() -> None:
    _, problems = parse_yaml("? [a]\n: 1\nb: !!python/name:os.system x\nc: !mine {}\n", "f")
    assert {str(problem.where): problem.what for problem in problems} == {
        "f:1:3": "a key must be a single word, not a list or a mapping",
        "f:3:4": "tag !!python/name:os.system is not allowed",
        "f:4:4": "tag !mine is not allowed",
    }


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n", "---\n", "~\n"])
def test_an_empty_file_is_called_empty(text: str) -> None:
    with pytest.raises(LabError, match=r"^f: the file is empty$"):
        parse_yaml(text, "f")


def test_the_alias_bomb_is_cut_off_quickly_and_a_large_file_is_not() -> None:
    levels = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 100)}]" for n in range(1, 30)]
    with pytest.raises(LabError, match="more than 100000 values"):
        parse_yaml("\n".join(["a0: &a0 [x, y]", *levels]), "f")
    large = parse("a: [" + "x, " * 90_000 + "]\n").get("a")
    assert isinstance(large, ListNode)
    assert len(large.items) == 90_000


@pytest.mark.parametrize("opened", ["[", "{a: ", "- ", "? "])
def test_deep_nesting_is_refused_and_not_recursed_into(opened: str) -> None:
    with pytest.raises(LabError, match="more than 32 deep"):
        parse_yaml("x:\n " + opened * 100_000, "f")


def test_a_parser_complaint_names_its_place_in_both_parsers(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "a: 1\nb: [1, 2\nc: 3\n"
    with pytest.raises(LabError) as fast:
        parse_yaml(text, "f")
    monkeypatch.setattr("lab.yaml.text._FAST", __import__("yaml").SafeLoader)
    with pytest.raises(LabError) as slow:
        parse_yaml(text, "f")
    assert str(fast.value) == str(slow.value)
    assert str(fast.value).startswith("f:2:4: the list that begins here with [ is not closed")


def test_decode_places_the_first_wrong_byte() -> None:
    with pytest.raises(LabError, match=r"^f:2:3: byte 0xff is not UTF-8"):
        decode("ä\nö ".encode() + b"\xff", "f")
    assert decode(b"\xef\xbb\xbfname: x", "f") == "name: x"


def test_read_text_reads_up_to_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"#" * MAX_BYTES)
    assert len(read_text(path)) == MAX_BYTES
    with pytest.raises(LabError, match="there is no such file"):
        read_text(tmp_path / "b.yaml")
    with pytest.raises(LabError, match="cannot be read"):
        read_text(path / "c.yaml")
    with pytest.raises(LabError, match="null"):
        read_text(Path("a\0b"))


def test_a_text_from_elsewhere_is_bounded_too() -> None:
    with pytest.raises(LabError, match="at most 1048576 are read"):
        parse_yaml("#" * (MAX_BYTES + 1), "f")


def test_show_never_lets_a_control_character_through() -> None:
    assert show("a\x1b[31mb\nc") == "a\\x1b[31mb\\nc"
    assert show("x" * 100) == "x" * 59 + "…"
