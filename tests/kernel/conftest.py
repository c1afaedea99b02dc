"""What the tests on real networks share: each hand-in is run once, however many tests look at the run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from engines import OwnEngine
from handin_runs import Judged

from lab.runtime.docker import engine, image


@pytest.fixture(scope="session")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    folder: Path = tmp_path_factory.mktemp("judged")
    return Judged(folder)


@pytest.fixture(scope="session")
def own_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnEngine]:
    """An Engine of the tests' own, with the node image."""
    made = OwnEngine(tmp_path_factory.mktemp("engine"), "700m")
    real, client = engine.connect(), made.client()
    if not image.present(real, image.tag()):
        image.build(real, "", image.BASE, lambda _: None)
    for line in client.load_image(real.get_image(image.tag())):
        assert "error" not in line, line
    real.close()
    client.close()
    yield made
    made.close()
