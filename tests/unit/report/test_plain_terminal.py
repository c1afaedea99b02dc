"""Terminals whose encoding lacks our signs: a verdict must still be told from another."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest

import lab
from lab import console


def _shown(text: str, encoding: str, monkeypatch: pytest.MonkeyPatch) -> str:
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding=encoding, write_through=True))
    monkeypatch.setattr("sys.stderr", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    console.open_streams()
    print(text, end="")
    return raw.getvalue().decode(encoding)


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("ascii", "+ a > b...  x c  ? d  s.3"),
        ("latin-1", "+ a > b...  x c  ? d  §3"),
        ("utf-8", "✓ a → b…  ✗ c  ? d  §3"),
    ],
)
def test_passed_failed_and_not_measured_stay_three_signs(
    encoding: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _shown("✓ a → b…  ✗ c  ? d  §3", encoding, monkeypatch) == shown


def test_every_sign_that_we_print_has_a_plain_one() -> None:
    used = {
        sign
        for file in Path(lab.__file__).parent.rglob("*.py")
        for sign in re.findall(r"[^\x00-\x7f]", file.read_text())
    }
    for sign in used:
        assert "?" not in sign.encode("ascii", console._PLAINLY).decode(), sign
    assert "é".encode("ascii", console._PLAINLY) == b"?"
