"""A run as one file for Wireshark: every frame once, the verdicts on those that show them."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from doctored import PORT, TEXT, Story, clean

from lab import pipeline
from lab.checks import Arp, TcpClose, TcpData, TcpHandshake
from lab.evidence import Evidence
from lab.exercise import Graded
from lab.grade import judge
from lab.report.annotated import write_annotated
from lab.trace.pcap import open_trace
from lab.trace.pcapng import Pcapng

ENDS = {"source": "client", "to": "server", "port": PORT}
OPENED = Graded("opened", TcpHandshake(**ENDS), points=2)
ECHOED = Graded("echoed", TcpData(**ENDS, server_sends=TEXT), points=6)
CLOSED = Graded("closed", TcpClose(**ENDS, closes_first="client"), points=2)
GATEWAY = Graded("gateway", Arp(node="client", next_hop="r1"))


def written(evidence: Evidence) -> bytes:
    out = io.BytesIO()
    write_annotated(out, evidence, judge(evidence))
    return out.getvalue()


def test_every_frame_of_every_capture_point_is_in_it_in_its_order() -> None:
    evidence = clean().evidence(OPENED)
    trace = open_trace(io.BytesIO(written(evidence)), "x")
    assert isinstance(trace, Pcapng)
    found: dict[str, list[bytes]] = {point: [] for point in evidence.captures}
    points = list(found)
    for _, _, _, data, _ in trace:
        found[points[trace.interface]].append(data)
    assert trace.problem is None
    assert [each.name for each in trace.interfaces] == points
    assert found == {point: [packet.data for packet in each.packets] for point, each in evidence.captures.items()}


def test_comments_tell_verdicts_on_their_frames_and_the_grade_in_front() -> None:
    text = written(Story().talk(answered=b"Hello\n").evidence(GATEWAY, OPENED, ECHOED)).decode(errors="replace")
    assert "tcp-echo: failed, 2 of 8 points" in text
    assert "✓ opened 2/2: " in text
    assert "✗ echoed 0/6: " in text
    assert "in the report: client:eth0#1" in text


def test_hidden_checks_are_only_counted() -> None:
    secret = replace(ECHOED, id="secret", visible=False)
    text = written(clean().evidence(OPENED, secret, replace(CLOSED, needs=("secret",)))).decode(errors="replace")
    assert "tcp-echo: passed, 10 of 10 points" in text
    assert "1 hidden check: 6 of 6 points" in text
    assert "secret" not in text
    failed = Story().talk(answered=b"Hello\n").evidence(OPENED, secret, replace(CLOSED, needs=("secret",)))
    text = written(failed).decode(errors="replace")
    assert "1 hidden check: 0 of 6 points" in text
    assert "closed 0/2: needs a hidden check, which failed" in text
    assert "secret" not in text


def test_texts_of_students_cannot_move_a_cursor() -> None:
    text = written(Story().talk(answered=b"\x1b[2J\x07").evidence(ECHOED)).decode(errors="replace")
    (told,) = {line for line in text.splitlines() if "echoed 0/6" in line and line.startswith("✗")}
    assert "\x1b" not in told


def annotated(folder: Path, evidence: Evidence) -> list[str]:
    said: list[str] = []
    pipeline.annotate(folder, evidence, judge(evidence), said.append)
    return said


def test_it_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    evidence = clean().evidence(OPENED)
    assert annotated(tmp_path, evidence) == []
    assert [each.name for each in tmp_path.iterdir()] == [pipeline.ANNOTATED]
    assert (tmp_path / pipeline.ANNOTATED).read_bytes() == written(evidence)


def test_a_run_whose_file_cannot_be_written_is_not_lost(tmp_path: Path) -> None:
    (tmp_path / f"{pipeline.ANNOTATED}.unfinished").write_bytes(b"")
    (said,) = annotated(tmp_path, clean().evidence(OPENED))
    assert said.startswith("annotated.pcapng was not written: FileExistsError")


def test_a_large_run_goes_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "_MOST_FRAMES", 10)
    (said,) = annotated(tmp_path, clean().evidence(OPENED))
    assert "frames are too many for annotated.pcapng; lab judge" in said
    assert list(tmp_path.iterdir()) == []
