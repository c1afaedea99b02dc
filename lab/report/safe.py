"""What a student's program wrote is shown as text and never obeyed: the one place where it is made safe."""

from __future__ import annotations

import unicodedata

# Formatting (Cf: bidirectional overrides, zero-width), control (Cc), surrogate, private and line separators.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def safe(text: str, *, lines: bool = False) -> str:
    """Text with every character visible that could move a cursor, hide or reorder text; with `lines`, newlines stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if (lines and c == "\n") or unicodedata.category(c) not in _UNSAFE else _visible(c) for c in text)


def _visible(character: str) -> str:
    named = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\x1b": "\\e", "\0": "\\0"}
    if character in named:
        return named[character]
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
