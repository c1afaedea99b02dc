"""What the tests on real networks share: each hand-in is run once, however many tests look at the run."""

from __future__ import annotations

from pathlib import Path

import pytest
from handin_runs import Judged


@pytest.fixture(scope="session")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    folder: Path = tmp_path_factory.mktemp("judged")
    return Judged(folder)
