"""No character of a student's program can move the cursor, hide text or turn its direction."""

import pytest

from lab.report.safe import safe


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text", "plain text"),
        ("naïve ✓ 日本", "naïve ✓ 日本"),
        ("\x1b[2J", "\\e[2J"),
        ("a\rb", "a\\rb"),
        ("a\nb", "a\\nb"),
        ("a\tb", "a\\tb"),
        ("a\0b", "a\\0b"),
        ("a\x07b\x7f", "a\\x07b\\x7f"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202eabc\u202c", "\\u202eabc\\u202c"),
        ("\u2066x\u2069", "\\u2066x\\u2069"),
        ("\u200b\ufeff", "\\u200b\\ufeff"),
        ("\u2028\u2029", "\\u2028\\u2029"),
        ("\ud800", "\\ud800"),
        ("\U000e0001", "\\U000e0001"),
        ("\ue000", "\\ue000"),
    ],
)
def test_unsafe_characters_become_visible(text: str, shown: str) -> None:
    assert safe(text) == shown
    assert safe(shown) == shown


def test_lines_may_stay() -> None:
    assert safe("a\n\x1bb", lines=True) == "a\n\\eb"
