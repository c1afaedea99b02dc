"""Where the embedded runtime writes a lasting lab down, and what becomes of a lab or a record without the other."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.test_life import TOPOLOGY, Place

pytestmark = pytest.mark.kernel


@pytest.fixture
def place() -> Iterator[Place]:
    with tempfile.TemporaryDirectory(prefix="lab-test-") as folder:
        Path(folder).chmod(0o755)
        made = Place("netns", Path(folder))
        yield made
        made.lab("down", "--all")
        made.wait_until_nothing_runs()


def test_a_stale_record_is_recognised_and_cleared(place: Place) -> None:
    place.lab("up", TOPOLOGY)
    record = place.folder / "lab" / "labs" / "two-lans" / "lab.json"
    told = json.loads(record.read_text())
    place.lab("down")
    for change in ({"pid": os.getpid()}, {"pid": 1}, {"boot_id": "another"}, {"start_time": 1}, {"pid": 2**22 - 1}):
        record.parent.mkdir(exist_ok=True)
        record.write_text(json.dumps({**told, **change}))
        assert place.names() == []
        assert not record.parent.exists()
    for text in ("", "{", "[]", '{"name": 1}'):
        record.parent.mkdir(exist_ok=True)
        record.write_text(text)
        assert place.names() == []
        assert not record.parent.exists()
    place.lab("up", TOPOLOGY)


def test_a_lab_that_is_no_longer_written_down_ends(place: Place) -> None:
    place.lab("up", TOPOLOGY)
    assert place.processes()
    shutil.rmtree(place.folder / "lab")
    place.wait_until_nothing_runs()
