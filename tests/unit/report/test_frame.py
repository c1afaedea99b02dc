"""`lab frame`: frames of real conversations, word for word."""

import os
from pathlib import Path

import pytest

from lab.catalog import find_topology
from lab.plan import Plan, make_plan
from lab.report.frame import frame_lines
from lab.topology import load_topology
from lab.trace import pcap
from lab.trace.claims import CLAIMS
from lab.trace.explain import explain
from lab.trace.explained import Field, Layer
from lab.trace.packets import Packet, decode

GOLDEN = Path(__file__).parents[2] / "golden" / "frames"
FRAMES = {"arp-request": 1, "syn": 3, "data": 6}
ABOVE = {"dns-answer": ("http.pcap", 4), "http-request": ("http.pcap", 12), "http-response": ("http.pcap", 14),
         "client-hello": ("https.pcap", 12), "server-hello": ("https.pcap", 14)}  # fmt: skip


def captured(name: str) -> list[Packet]:
    with (GOLDEN / name).open("rb") as stream:
        return [decode(*frame) for frame in pcap.open_trace(stream, name)]


@pytest.fixture(scope="module")
def packets() -> list[Packet]:
    return captured("client.eth0.pcap")


@pytest.fixture(scope="module")
def plan() -> Plan:
    return make_plan(load_topology(find_topology("two-lans")))


@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_is_explained(packets: list[Packet], plan: Plan, name: str) -> None:
    compare(name, packets[FRAMES[name] - 1], plan)


@pytest.mark.parametrize("name", ABOVE)
def test_what_programs_say_to_each_other_is_explained(name: str) -> None:
    file, number = ABOVE[name]
    compare(name, captured(file)[number - 1], make_plan(load_topology(find_topology("web"))))


def compare(name: str, packet: Packet, plan: Plan) -> None:
    text = "".join(f"{line.text}\n" for line in frame_lines(explain(packet, plan), width=100))
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(text)
    assert text == golden.read_text()


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_columns_fit(packets: list[Packet], plan: Plan, width: int) -> None:
    for number in FRAMES.values():
        told = frame_lines(explain(packets[number - 1], plan), width=width)
        assert max(len(line.text) for line in told if line.style != "title") <= width


def test_the_claims_of_all_frames_have_words(packets: list[Packet]) -> None:
    claims = {layer.claim for packet in packets for layer in explain(packet) if layer.claim}
    assert {"C3", "C4", "C5", "C8", "C9", "C11", "C12"} == claims <= set(CLAIMS)


def test_a_long_value_pushes_its_meaning_to_the_next_line() -> None:
    fields = Field("a", "v" * 30, "meant so"), Field("b", "w", "and so")
    told = frame_lines([Layer("L\x1b", fields)], width=80)
    assert [line.text for line in told] == ["L\\e", f"  a  {'v' * 30}", "        meant so", "  b  w  and so"]
