"""`lab frame`: three frames of the recorded run, word for word."""

import os
from pathlib import Path

import pytest

from lab.catalog import folder
from lab.evidence import Evidence
from lab.gather.rundir import load
from lab.report.frame import frame_lines
from lab.trace.claims import CLAIMS
from lab.trace.explain import Field, Layer, explain

GOLDEN = Path(__file__).parents[2] / "golden" / "frames"
FRAMES = {"arp-request": 1, "syn": 3, "data": 6}


@pytest.fixture(scope="module")
def recorded() -> Evidence:
    return load(folder() / "two-lans" / "tcp-echo" / "recorded")


def layers(evidence: Evidence, name: str) -> list[Layer]:
    return explain(evidence.captures["client:eth0"].packets[FRAMES[name] - 1], evidence.plan)


@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_is_explained(recorded: Evidence, name: str) -> None:
    text = "".join(f"{line.text}\n" for line in frame_lines(layers(recorded, name), width=100))
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(text)
    assert text == golden.read_text()


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_columns_fit(recorded: Evidence, width: int) -> None:
    for name in FRAMES:
        told = frame_lines(layers(recorded, name), width=width)
        assert max(len(line.text) for line in told if line.style != "title") <= width


def test_the_claims_of_all_frames_have_words(recorded: Evidence) -> None:
    packets = recorded.captures["client:eth0"].packets
    claims = {layer.claim for packet in packets for layer in explain(packet) if layer.claim}
    assert {"C3", "C4", "C5", "C8", "C9", "C11", "C12"} == claims <= set(CLAIMS)


def test_a_long_value_pushes_its_meaning_to_the_next_line() -> None:
    fields = Field("a", "v" * 30, "meant so"), Field("b", "w", "and so")
    told = frame_lines([Layer("L\x1b", fields)], width=80)
    assert [line.text for line in told] == ["L\\e", f"  a  {'v' * 30}", "        meant so", "  b  w  and so"]
