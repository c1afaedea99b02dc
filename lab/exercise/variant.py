"""Each student's own variant: the key of its values, and the secret that it is made with; no key tells another."""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError

_SHORTEST = 16  # bytes of a secret


@dataclass(frozen=True)
class Secret:
    """What a teacher keeps to themself; whoever has it can compute everyone's values."""

    content: bytes

    def key(self, exercise: str, student: str) -> bytes:
        """The key of a student's values in an exercise: HMAC-SHA-256 (RFC 2104).

        It is the same for a name typed (NFC) and for that name as macOS unpacks files (NFD).
        """
        text = f"student\0{exercise}\0{unicodedata.normalize('NFC', student)}"
        return hmac.digest(self.content, text.encode(errors="surrogateescape"), "sha256")

    @property
    def mark(self) -> str:
        """What tells this secret from another without telling it."""
        return hmac.digest(self.content, b"mark", "sha256").hex()[:12]


def read_secret(path: Path) -> Secret:
    """The secret in a file, white space around it aside; raises `LabError` where it is missing or can be guessed."""
    hint = f"head -c 32 /dev/urandom | base64 > {path}   makes one; keep it, and keep it to yourself"
    try:
        content = path.read_bytes().strip()
    except OSError as error:
        raise LabError(f"the secret cannot be read: {error.strerror}", str(path), hint) from None
    if len(content) < _SHORTEST:
        raise LabError(f"a secret of {len(content)} bytes can be guessed", str(path), hint)
    return Secret(hashlib.sha256(content).digest())
