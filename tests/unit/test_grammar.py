"""The grammar: what each kind of value loads to, what it refuses, and that its JSON Schema says the same."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from lab import grammar as g
from lab.yaml.text import Node, Scalar, parse_yaml
from tests.unit.yamldata import data_of


def node_of(value: str) -> Node:
    root, problems = parse_yaml(f"v: {value}\n", "f")
    assert not problems
    node = root.get("v")
    assert node is not None
    return node


def load(grammar: g.Grammar[Any], value: str, **context: Any) -> tuple[Any, list[str]]:
    each = g.Context(**context)
    loaded = each.take(grammar, node_of(value))
    return loaded, [str(problem) for problem in each.problems]


SCALARS: list[tuple[g.Grammar[Any], dict[str, Any], list[str]]] = [
    (g.Text(), {"hello": "hello", "5": "5", "yes": "yes", "''": "", "1e3": "1e3"}, ["", "~", "[a]", "{a: b}"]),
    (g.Name(), {"r1": "r1", "a_b-C": "a_b-C", "n" * 31: "n" * 31}, ["1r", "a.b", "-a", "a b", "n" * 32, "''", "é"]),
    (
        g.InterfaceName(),
        {"eth0": "eth0", "a" * 15: "a" * 15},
        ["a" * 16, "lo", "all", "default", "eth0.1", "e/0", "e:0"],
    ),
    (
        g.Int(-5, 10),
        {"-5": -5, "0": 0, "10": 10},
        ["-6", "11", "010", "0x1", "1e1", "'5'", "five", "1_0", "9" * 30, "٣"],
    ),
    (g.Port(), {"1": 1, "65535": 65535}, ["0", "65536", "-1", "http", "'80'"]),
    (g.Number(), {"0": 0, "2.5": 2.5, "100": 100}, ["-1", "'2'", "1e3", ".5", "nan", "2,5", "x"]),
    (g.Bool(), {"true": True, "False": False}, ["yes", "on", "'true'", "1", "tRUE"]),
    (g.Choice("tcp", "udp"), {"tcp": "tcp", "'udp'": "udp"}, ["TCP", "icmp", "[tcp]"]),
    (
        g.Duration(),
        {"5s": 5.0, "200ms": 0.2, "1.5s": 1.5, "2min": 120.0, "1h": 3600.0},
        ["5", "5 s", "s", "-1s", "1e3s", "5m"],
    ),
    (g.Size(), {"10B": 10, "1kB": 1000, "64KiB": 65536, "1MiB": 2**20}, ["10", "1 KiB", "1K", "KiB", "1.5MiB"]),
    (
        g.Address(),
        {"10.0.1.2": ip_address("10.0.1.2"), "'fd00::2'": ip_address("fd00::2")},
        ["10.0.1", "10.0.1.2.3", "host", "167772161", "10.0.1.2/24", "fe80::1%eth0"],
    ),
    (
        g.HostAddress(),
        {"10.0.1.2/24": (ip_address("10.0.1.2"), 24), "'fd00::2'": (ip_address("fd00::2"), None)},
        ["10.0.1/24", "10.0.1.2/x", "10.0.1.2/", "/24"],
    ),
    (
        g.Prefix(),
        {
            "10.0.1.0/24": ip_network("10.0.1.0/24"),
            "'fd00::/64'": ip_network("fd00::/64"),
            "0.0.0.0/0": ip_network("0.0.0.0/0"),
        },
        ["10.0.1.0", "10.0.1.0/255.255.255.0", "default", "24", "10.0.1.0/"],
    ),
    (
        g.Mac(),
        {"02:00:00:00:01:02": "02:00:00:00:01:02", "'02:AB:00:00:00:01'": "02:ab:00:00:00:01"},
        ["01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff", "02-00-00-00-01-02", "2:0:0:0:1:2", "020000000102", "02:00"],
    ),
    (
        g.Sysctl(),
        {"net.ipv4.tcp_fin_timeout": "net.ipv4.tcp_fin_timeout"},
        ["kernel.hostname", "net.core.x", "net.ipv4."],
    ),
    (
        g.NodePath(),
        {"/etc/motd": "/etc/motd", "/devices": "/devices"},
        ["etc/motd", "/proc/1", "/sys", "/dev/null", "/", "//a"],
    ),
    (g.StepName(), {"server": "server"}, ["a b", "1"]),
    (g.Point(), {"client:eth0": "client:eth0"}, ["client", "'client:'", "client:eth0:1"]),
    (
        g.Command(),
        {"[ls, -l]": ("ls", "-l"), "ls -l": ("sh", "-c", "ls -l"), "[sleep, 1]": ("sleep", "1")},
        ["[]", "{a: b}", "[[a]]"],
    ),
    (
        g.Value(),
        {"7000": 7000, "'7000'": "7000", "abc": "abc", "1.5": "1.5", "yes": "yes", "{lines: 2, example: a}": "a"},
        ["~", "[1]", "{lines: 2}", "{lines: 0, example: a}"],
    ),
    (
        g.Payload(),
        {"hello": b"hello", '"a\\n"': b"a\n", "é": "é".encode()},
        ["{}", "{file: a, random: 1B}", "{x: 1}", "[a]"],
    ),
    (g.List(g.Port()), {"[1, 2]": (1, 2), "[]": ()}, ["1", "{a: 1}", "[0]", "~"]),
    (g.List(g.Port(), empty=False, single=True), {"[1]": (1,), "1": (1,)}, ["[]", "0", "{a: 1}"]),
    (g.Either(g.Name(), g.Address()), {"r1": "r1", "10.0.0.1": ip_address("10.0.0.1")}, ["1r", "[r1]", "~"]),
    (g.Later("magic"), {}, ["1", "[a]", "{a: b}", "~"]),
]
GOOD = [(grammar, text, value) for grammar, good, _ in SCALARS for text, value in good.items()]
BAD = [(grammar, text) for grammar, _, bad in SCALARS for text in bad]


def name_of(value: object) -> str:
    return type(value).__name__ if isinstance(value, g.Grammar) else str(value)[:20]


@pytest.mark.parametrize(("grammar", "text", "value"), GOOD, ids=name_of)
def test_good_values_load_and_fit_the_schema(grammar: g.Grammar[Any], text: str, value: Any) -> None:
    loaded, problems = load(grammar, text)
    assert (loaded, problems) == (value, [])
    assert type(loaded) is type(value)
    jsonschema.validate(data_of(node_of(text)), grammar.schema(templates=False))


# As data these are the numbers 10, 10, 1000 and 0.5: no schema sees how they were written.
SPELLINGS = {"010", "1e1", "1e3", ".5"}


@pytest.mark.parametrize(("grammar", "text"), BAD, ids=name_of)
def test_bad_values_are_refused_in_one_sentence_and_do_not_fit_the_schema(grammar: g.Grammar[Any], text: str) -> None:
    _, problems = load(grammar, text)
    assert len(problems) == 1, problems
    assert problems[0].startswith("f:1:")
    if text in SPELLINGS:
        return
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data_of(node_of(text)), grammar.schema(templates=False))


@pytest.mark.parametrize(
    ("grammar", "text", "hint"),
    [
        (g.Prefix(), "10.0.1.5/24", "did you mean 10.0.1.0/24?"),
        (g.Prefix(), "10.0.1.0/255.255.255.0", "did you mean 10.0.1.0/24?"),
        (g.Prefix(), "10.0.1.0/33", "from 0 to 32"),
        (g.Address(), "10.0.1.2/24", "did you mean 10.0.1.2?"),
        (g.Address(), "10.0.1.256", "256 is more than 255"),
        (g.Mac(), "00:00:00:00:00:00", "expected: a MAC"),
        (g.Mac(), "03:00:00:00:00:01", "make the first byte even: 02"),
        (g.Duration(), "5", "did you mean 5s?"),
        (g.Duration(), "20 ms", "did you mean 20ms?"),
        (g.Duration(most=60), "2min", "at most 60s"),
        (g.Size(), "10", "did you mean 10B?"),
        (g.Bool(), "off", "write false"),
        (g.Choice("tcp", "udp"), "tpc", "did you mean tcp?"),
        (g.List(g.Port()), "80", "did you mean [80]?"),
        (g.FilePath(), "../x", "without .."),
        (g.Pattern(), "'a['", "not a regular expression"),
    ],
    ids=name_of,
)
def test_hints_say_what_would_be_right(grammar: g.Grammar[Any], text: str, hint: str) -> None:
    assert hint in load(grammar, text)[1][0]


STRUCT = g.Struct(
    "a thing",
    g.Key("name", g.Name(), "its name", required=True),
    g.Key("port", g.Port(), "its port"),
    g.Key("tcp", g.Bool(), "one kind"),
    g.Key("udp", g.Bool(), "another kind"),
    one_of=("tcp", "udp"),
    beside={"port": "name"},
)


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("{name: a, tcp: true}", []),
        ("{name: a, udp: true, port: 5}", []),
        ("{tcp: true}", ["f:1:4: a thing needs the key name\n  name: a name"]),
        ("{nam: a, tcp: true}", ["f:1:5: unknown key nam in a thing\n  did you mean name?"]),
        ("{name: a}", ["f:1:4: a thing has no kind\n  exactly one of tcp, udp is needed"]),
        ("{name: a, tcp: true, udp: true}", ["f:1:4: a thing has tcp and udp\n  exactly one of tcp, udp is needed"]),
        (
            "{port: 0, xyzzy: 1, tcp: true, name: 1}",
            [
                "f:1:11: 0 is out of range\n  expected: a port from 1 to 65535",
                "f:1:14: unknown key xyzzy in a thing\n  known keys: name, port, tcp, udp",
                'f:1:41: "1" is not a name\n  a name begins with a letter and has up to 31 letters, digits, - and _',
            ],
        ),
        ("a", ["f:1:4: expected a thing, found a\n  a mapping with the key name"]),
        ("[]", ["f:1:4: expected a thing, found a list\n  a mapping with the key name"]),
    ],
)
def test_a_mapping_reports_all_its_problems(text: str, problems: list[str]) -> None:
    record, said = load(STRUCT, text)
    assert said == problems
    assert record is None or record.sound is (not problems)
    validator = jsonschema.Draft202012Validator(STRUCT.schema(templates=False))
    assert validator.is_valid(data_of(node_of(text))) is (not problems)


def test_a_record_keeps_what_is_good() -> None:
    record, _ = load(STRUCT, "{name: a, port: x, tcp: true}")
    assert (record.get("name"), record.get("port"), record.get("port", 7)) == ("a", None, 7)
    assert "port" in record
    assert str(record.at("port")) == "f:1:20"
    assert record.at("udp") == record.place


def test_names_are_checked_and_entries_keep_their_place() -> None:
    entries, problems = load(g.NamedMap("ports by name", g.Name(), g.Port()), "{a: 1, 2b: 2, c: x}")
    assert [(entry.name, entry.value, str(entry.place)) for entry in entries] == [
        ("a", 1, "f:1:5"),
        ("c", None, "f:1:18"),
    ]
    assert [problem.partition("\n")[0] for problem in problems] == [
        'f:1:11: "2b" is not a name',
        "f:1:21: x is not a port from 1 to 65535",
    ]


def test_references_get_the_nearest_name() -> None:
    names: Mapping[str, Any] = {"node": ["client", "Server"], "step": []}
    assert load(g.NodeName(), "client", names=names) == ("client", [])
    assert load(g.NodeName(), "sever", names=names)[1] == ["f:1:4: there is no node sever\n  did you mean Server?"]
    assert load(g.NodeName(), "zzz", names=names)[1] == ["f:1:4: there is no node zzz\n  known nodes: client, Server"]
    assert load(g.StepName(), "a", names=names)[1] == ["f:1:4: there is no step a\n  there are no steps"]
    assert load(g.CheckId(), "a", names=names) == ("a", [])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"${port}"', "7000"),
        ('"a${port}b${text}"', "a7000bhi"),
        ('"$$ $${port} $HOME $"', "$ ${port} $HOME $"),
        ("plain", "plain"),
    ],
)
def test_values_are_substituted(text: str, value: str) -> None:
    values: dict[str, str | int] = {"port": 7000, "text": "hi"}
    assert load(g.Text(), text, values=values) == (value, [])


def test_substituted_values_are_read_as_what_is_expected() -> None:
    values: dict[str, str | int] = {"port": 7000, "text": "hi"}
    assert load(g.Port(), '"${port}"', values=values) == (7000, [])
    assert load(g.Port(), '"${text}"', values=values)[1] == ["f:1:4: hi is not a port from 1 to 65535 (from ${text})"]
    assert "did you mean port?" in load(g.Port(), '"${prot}"', values=values)[1][0]
    assert "not closed" in load(g.Text(), '"${port"', values=values)[1][0]
    assert load(g.Text(), '"${port}"') == ("${port}", [])
    jsonschema.validate("${port}", g.Port().schema(templates=True))


def test_random_payloads_depend_on_the_exercise_and_their_size_alone() -> None:
    first, _ = load(g.Payload(), "{random: 1KiB}", seed="a")
    assert len(first) == 1024
    assert load(g.Payload(), "{random: 1024B}", seed="a")[0] == first
    assert load(g.Payload(), "{random: 1KiB}", seed="b")[0] != first
    assert load(g.Payload(), "{random: 1025B}", seed="a")[0][:1024] != first


def test_files_are_read_below_the_folder_only(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    folder = tmp_path / "exercise"
    folder.mkdir()
    (folder / "data").write_bytes(b"\x00\x01")
    (folder / "out").symlink_to("../secret")
    (folder / "in").symlink_to("data")
    (folder / "sub").mkdir()
    seen: dict[str, bytes] = {}
    read = g.beside(folder, seen)
    assert load(g.Payload(), "{file: data}", read=read) == (b"\x00\x01", [])
    assert load(g.Payload(), "{file: ./in}", read=read) == (b"\x00\x01", [])
    assert seen == {"data": b"\x00\x01", "in": b"\x00\x01"}
    for name, said in (
        ("out", "leads out of the folder by a symbolic link"),
        ("gone", "there is no file gone"),
        ("sub", "sub is a folder, where a file is expected"),
        ("data/x", "data/x cannot be read"),
        ("/etc/passwd", "is not a path below this folder"),
        ("a\0b", "is not"),
    ):
        value = f'{{file: "{name}"}}'.replace("\0", "\\0")
        assert said in load(g.Payload(), value, read=read)[1][0], name
    assert len(seen) == 2


@dataclass(frozen=True)
class Example:
    """An example of a check."""

    source: str = g.param(g.NodeName(), "who sends", key="from")
    port: int = g.param(g.Port(), "the port", default=80)
    computed: int = 0


def test_parameters_come_from_the_fields_that_declare_a_grammar() -> None:
    source, port = g.parameters(Example)
    assert (source.field, source.key, source.doc, source.required) == ("source", "from", "who sends", True)
    assert (port.field, port.key, port.required, port.default) == ("port", "port", False, 80)
    assert Example(source="a").port == 80
    with pytest.raises(TypeError):
        Example()


def test_problems_never_carry_control_characters() -> None:
    _, problems = load(g.Choice("a"), '"\\e[31m\\n"')
    assert problems == ["f:1:4: \\x1b[31m\\n is not a"]


def test_a_scalar_node_is_needed_for_a_scalar() -> None:
    assert isinstance(node_of("x"), Scalar)
    assert load(g.Port(), "[80]")[1] == ["f:1:4: expected a port from 1 to 65535, found a list"]
    assert load(g.Port(), "~")[1] == ["f:1:4: a value is missing here\n  expected: a port from 1 to 65535"]
