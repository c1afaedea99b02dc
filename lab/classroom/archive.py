"""Archives that strangers made, read into memory and never onto the disk; what is wrong with one is said in a word."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import struct
import tarfile
import unicodedata
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

_XZ_MEMORY = 128 << 20  # bytes that an xz's dictionary may take: its most by `xz -9` is 65 MiB
_CHUNK = 1 << 16
_FREE_RATIO = 1 << 20  # bytes that may come out of anything, however small
_ENTRY = 1 << 10  # bytes of a zip's directory for each entry that it may have: the library reads all of it at once
_END_OF_ZIP = struct.Struct("<4s4H2IH")
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)  # by LZMA one may ask for any memory


class RefusedError(Exception):
    """Why an archive is not opened."""


@dataclass(frozen=True)
class Bounds:
    """What an archive may hold: bytes in all and in one file, entries, folders in folders, bytes out for a byte in."""

    total: int = 64 << 20
    file: int = 16 << 20
    entries: int = 10_000
    depth: int = 20
    ratio: int = 200


SUBMISSION = Bounds()
DOWNLOAD = Bounds(total=8 << 30, file=512 << 20, entries=200_000, depth=24)


def unpack(path: Path, bounds: Bounds = SUBMISSION) -> dict[str, bytes]:
    """The plain files of an archive by their path; raises RefusedError for one that is damaged or up to no good."""
    return {name: b"".join(chunks) for name, chunks in members(path, bounds)}


def members(path: Path, bounds: Bounds = SUBMISSION) -> Iterator[tuple[str, Iterator[bytes]]]:
    """The plain files of an archive, one after the other, each as chunks that have to be read before the next.

    Files of hidden folders and the shadows that a Mac adds are left out, as in folders.
    """
    names = _Names(bounds)
    size = path.stat().st_size
    budget = _Budget(bounds, size)
    with _plain_words(), path.open("rb") as file:
        head = file.read(512)
        file.seek(0)
        if head.startswith(b"PK"):
            _small_directory(file, size, bounds)
            yield from _zip(file, names, budget)
        else:
            yield from _tar(_plain(file, head), names, budget)


@contextmanager
def _plain_words() -> Iterator[None]:
    """Say what is wrong with an archive: on damaged ones the libraries raise almost anything."""
    try:
        yield
    except (RefusedError, GeneratorExit, KeyboardInterrupt):
        raise
    except lzma.LZMAError as error:
        said = "would take too much memory" if "emory" in str(error) else f"is damaged: {error}"
        raise RefusedError(said) from None
    except Exception as error:
        raise RefusedError(f"is damaged: {error or type(error).__name__}") from None


class _Budget:
    """What may still come out of an archive of `size` bytes."""

    def __init__(self, bounds: Bounds, size: int) -> None:
        self._bounds = bounds
        self._most = min(bounds.total, max(_FREE_RATIO, size * bounds.ratio))
        self._out = 0

    def with_headers(self) -> _Budget:
        """A budget for contents and the headers and padding between them."""
        more = _Budget(self._bounds, 0)
        more._most = 2 * self._most + _FREE_RATIO
        return more

    def spend(self, count: int) -> None:
        """Note bytes that came out; raises RefusedError beyond the bounds."""
        self._out += count
        if self._out > self._most:
            if self._most < self._bounds.total:
                raise RefusedError(f"unpacks to more than {self._bounds.ratio} times its size: a bomb")
            raise RefusedError(f"unpacks to more than {self._bounds.total >> 20} MiB")

    def chunks(self, stream: IO[bytes], name: str) -> Iterator[bytes]:
        """A file's content; raises RefusedError beyond the bounds."""
        count = 0
        while True:
            with _plain_words():  # whoever reads these chunks is no frame below the archive's own
                chunk = stream.read(_CHUNK)
            if not chunk:
                return
            count += len(chunk)
            if count > self._bounds.file:
                raise RefusedError(f"holds a file of more than {self._bounds.file >> 20} MiB: {name}")
            self.spend(len(chunk))
            yield chunk


class _Names:
    """The names of an archive's entries: each is looked at before anything is done with it."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._count = 0
        self._seen: dict[str, tuple[str, bool]] = {}  # by their path in small letters: the path, and whether a file
        self._files: set[str] = set()

    def take(self, written: str, *, folder: bool) -> str | None:
        """The path of an entry; None for one that does not count. Raises RefusedError."""
        self._count += 1
        if self._count > self._bounds.entries:
            raise RefusedError(f"has more than {self._bounds.entries} entries")
        # Undecodable bytes come as lone surrogates; Windows programs write their own separators.
        text = written.encode("utf-8", "replace").decode().replace("\\", "/")
        text = unicodedata.normalize("NFC", text)
        if any(unicodedata.category(letter) in ("Cc", "Cf") for letter in text):
            raise RefusedError(f"has an entry with control characters in its name: {text!r}")
        if text.startswith("/") or text[1:2] == ":":
            raise RefusedError(f"has an entry with an absolute path: {text}")
        parts = [part for part in text.split("/") if part not in ("", ".")]
        if ".." in parts:
            raise RefusedError(f"has an entry that leads out of its folder: {text}")
        if len(parts) > self._bounds.depth:
            raise RefusedError(f"has folders more than {self._bounds.depth} deep")
        if any(len(part.encode()) > 255 for part in parts):
            raise RefusedError("has an entry whose name is longer than 255 bytes")
        above = parts if folder else parts[:-1]
        if not parts or any(part.startswith(".") or part == "__MACOSX" for part in above):
            return None
        for depth in range(1, len(parts) + 1):
            self._unique("/".join(parts[:depth]), file=depth == len(parts) and not folder)
        return None if folder else "/".join(parts)

    def _unique(self, path: str, *, file: bool) -> None:
        before = self._seen.setdefault(path.casefold(), (path, file))
        if before[0] != path:
            raise RefusedError(f"has entries that differ in capital letters alone: {before[0]} and {path}")
        if before[1] != file:
            raise RefusedError(f"has {path} as a file and as a folder")
        if file and path in self._files:
            raise RefusedError(f"has {path} twice")
        if file:
            self._files.add(path)


def _small_directory(file: IO[bytes], size: int, bounds: Bounds) -> None:
    """Refuse a zip whose directory would fill the memory; as the library does, it is taken to begin before its end."""
    file.seek(max(0, size - (1 << 16) - _END_OF_ZIP.size))
    tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at >= 0 and len(tail) - at >= _END_OF_ZIP.size:
        length = _END_OF_ZIP.unpack_from(tail, at)[5]
        # All ones: a zip64 has the length elsewhere. No directory is longer than its file.
        if min(length, size) > bounds.entries * _ENTRY:
            raise RefusedError(f"has more than {bounds.entries} entries")


def _zip(file: IO[bytes], names: _Names, budget: _Budget) -> Iterator[tuple[str, Iterator[bytes]]]:
    with zipfile.ZipFile(file) as opened:
        for info in opened.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            name = names.take(info.orig_filename, folder=info.is_dir())
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise RefusedError(f"holds {_kind(kind)}, where only files may be: {info.filename}")
            if name is None:
                continue
            if info.flag_bits & 1:
                raise RefusedError("is encrypted")
            if info.compress_type not in _METHODS:
                raise RefusedError("is compressed in a way that lab does not open: deflate is what others use")
            with opened.open(info) as stream:
                yield name, budget.chunks(stream, name)


def _kind(kind: int) -> str:
    return {stat.S_IFLNK: "a link", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}.get(kind, "a device")


def _tar(stream: IO[bytes], names: _Names, budget: _Budget) -> Iterator[tuple[str, Iterator[bytes]]]:
    counted = cast(IO[bytes], _Counted(stream, budget))
    with tarfile.open(fileobj=counted, mode="r|", bufsize=20 * 512) as opened:
        for info in opened:
            name = names.take(info.name, folder=info.isdir())
            if info.issym() or info.islnk():
                raise RefusedError(f"holds a link, where only files may be: {info.name}")
            if info.isdir():
                continue
            if not info.isfile() or info.issparse():
                what = "a sparse file" if info.issparse() else "a pipe" if info.isfifo() else "a device"
                raise RefusedError(f"holds {what}, where only files may be: {info.name}")
            content = opened.extractfile(info)
            if name is not None and content is not None:
                yield name, budget.chunks(content, name)


class _Counted(io.RawIOBase):
    """A stream that pays for each byte: headers of a tar can be as large as files."""

    def __init__(self, stream: IO[bytes], budget: _Budget) -> None:
        self._stream = stream
        self._budget = budget.with_headers()

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(min(size, _CHUNK) if size >= 0 else _CHUNK)
        self._budget.spend(len(data))
        return data


def _plain(file: IO[bytes], head: bytes) -> IO[bytes]:
    """The tar within a compressed file."""
    if head.startswith(b"\x1f\x8b"):
        return cast(IO[bytes], gzip.GzipFile(fileobj=file))
    if head.startswith(b"BZh"):
        return cast(IO[bytes], bz2.BZ2File(file))
    if head.startswith(b"\xfd7zXZ\0"):
        return cast(IO[bytes], _Xz(file))
    if head[257:262] == b"ustar":
        return file
    other = {b"Rar!": "a RAR", b"7z\xbc\xaf": "a 7-Zip"}.get(head[:4])
    if other:
        raise RefusedError(f"is {other} archive, which lab does not open: a zip or a tar.gz is wanted")
    raise RefusedError("is neither a zip nor a tar archive, whatever its name says")


class _Xz(io.RawIOBase):
    """An xz file, decompressed within a bound of memory, which lzma.open cannot be given."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._decompressor = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)

    def read(self, size: int = -1) -> Any:
        most = size if size >= 0 else _CHUNK
        while not self._decompressor.eof:
            given = self._file.read(_CHUNK) if self._decompressor.needs_input else b""
            if not given and self._decompressor.needs_input:
                raise RefusedError("is damaged: it ends too early")
            if data := self._decompressor.decompress(given, most):
                return data
        return b""
