"""Archives that are up to no good are refused with a clear word; nothing of them is ever written."""

from __future__ import annotations

import gzip
import io
import lzma
import random
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.classroom.archive import Bounds, RefusedError, unpack

Build = Callable[[Path], None]


def zipped(*entries: tuple[str, bytes], mode: int = 0, method: int = zipfile.ZIP_DEFLATED) -> Build:
    def build(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in entries:
                info = zipfile.ZipInfo("x")
                info.filename = name
                info.compress_type = method
                info.external_attr = mode << 16
                archive.writestr(info, content)

    return build


def tarred(*entries: tuple[str, bytes], kind: bytes = tarfile.REGTYPE, link: str = "", how: str = "w:gz") -> Build:
    def build(path: Path) -> None:
        with tarfile.open(path, how) as archive:  # type: ignore[call-overload]
            for name, content in entries:
                info = tarfile.TarInfo(name)
                info.type, info.linkname, info.size = kind, link, len(content)
                archive.addfile(info, io.BytesIO(content))

    return build


def written(content: bytes) -> Build:
    return lambda path: path.write_bytes(content) and None


def swapped(path: Path, what: bytes, by: bytes, *, last: bool = False) -> None:
    """A zip of one stored file in which bytes were exchanged: everywhere, or in its directory alone."""
    zipped(("aZb", b"content"), method=zipfile.ZIP_STORED)(path)
    content = path.read_bytes()
    head, _, tail = content.rpartition(what)
    path.write_bytes(head + by + tail if last else content.replace(what, by))


def directory(path: Path, size: int) -> None:
    """A zip whose directory has many entries."""
    zipped(("aZb", b""), method=zipfile.ZIP_STORED)(path)
    content = path.read_bytes()
    begin, end = content.index(b"PK\x01\x02"), content.index(b"PK\x05\x06")
    many = content[begin:end] * (size // (end - begin))
    told = bytearray(content[end:])
    told[12:16] = len(many).to_bytes(4, "little")
    path.write_bytes(content[:begin] + many + told)


FILE = ("server.py", b"print()")
GOOD: dict[str, Build] = {
    "zip": zipped(FILE),
    "tar": tarred(FILE, how="w"),
    "tar.gz": tarred(FILE),
    "tar.xz": tarred(FILE, how="w:xz"),
    "tar.bz2": tarred(FILE, how="w:bz2"),
    "zip with shadows": zipped(FILE, ("__MACOSX/._server.py", b""), (".git/Server", b""), (".git/server", b"")),
    "zip with ./": zipped(("./server.py", b"print()")),
}


@pytest.mark.parametrize("build", GOOD.values(), ids=GOOD)
def test_good_ones_are_read(build: Build, tmp_path: Path) -> None:
    build(tmp_path / "a")
    assert unpack(tmp_path / "a") == {"server.py": b"print()"}


def test_names_of_other_systems(tmp_path: Path) -> None:
    zipped(("homework\\server.py", b"1"), ("U\u0308bung.txt", b"2"))(tmp_path / "a")
    assert set(unpack(tmp_path / "a")) == {"homework/server.py", "\u00dcbung.txt"}


BAD: dict[str, tuple[Build, str]] = {
    "zip leads out": (zipped(("../x", b"")), "leads out of its folder"),
    "zip leads out later": (zipped(("a/../../x", b"")), "leads out of its folder"),
    "zip leads out by Windows": (zipped(("..\\x", b"")), "leads out of its folder"),
    "zip absolute": (zipped(("/etc/x", b"")), "absolute path"),
    "zip drive": (zipped(("C:\\x", b"")), "absolute path"),
    "zip link": (zipped(("x", b"/etc/passwd"), mode=stat.S_IFLNK | 0o777), "holds a link"),
    "zip device": (zipped(("x", b""), mode=stat.S_IFCHR | 0o666), "holds a device"),
    "zip pipe": (zipped(("x", b""), mode=stat.S_IFIFO | 0o666), "holds a pipe"),
    "zip case": (zipped(("Server.py", b""), ("server.py", b"")), "differ in capital letters alone"),
    "zip case of folders": (zipped(("A/x", b""), ("a/y", b"")), "differ in capital letters alone"),
    "zip twice": (zipped(FILE, FILE), "has server.py twice"),
    "zip file and folder": (zipped(("a", b""), ("a/b", b"")), "as a file and as a folder"),
    "zip control characters": (zipped(("a\x1b[2J", b"")), "control characters"),
    "zip direction": (zipped(("a\u202eyp.exe", b"")), "control characters"),
    "zip depth": (zipped(("/".join("a" * 30), b"")), "more than 20 deep"),
    "zip long name": (zipped(("a" * 300, b"")), "longer than 255 bytes"),
    "zip ratio": (zipped(("x", bytes(5 << 20))), "a bomb"),
    "zip count": (zipped(*((f"{n}", b"") for n in range(101))), "more than 100 entries"),
    "zip cut": (lambda path: (zipped(FILE)(path), path.write_bytes(path.read_bytes()[:-30]))[0], "is damaged"),
    "tar leads out": (tarred(("../x", b"")), "leads out of its folder"),
    "tar absolute": (tarred(("/x", b"")), "absolute path"),
    "tar link": (tarred(("x", b""), kind=tarfile.SYMTYPE, link="/etc/passwd"), "holds a link"),
    "tar hard link": (tarred(("x", b""), kind=tarfile.LNKTYPE, link="/etc/passwd"), "holds a link"),
    "tar device": (tarred(("x", b""), kind=tarfile.CHRTYPE), "holds a device"),
    "tar pipe": (tarred(("x", b""), kind=tarfile.FIFOTYPE), "holds a pipe"),
    "tar ratio": (tarred(("x", bytes(15 << 20))), "a bomb"),
    "tar.xz ratio": (tarred(("x", bytes(15 << 20)), how="w:xz"), "a bomb"),
    "tar.bz2 ratio": (tarred(("x", bytes(15 << 20)), how="w:bz2"), "a bomb"),
    "tar case": (tarred(("Server.py", b""), ("server.py", b"")), "differ in capital letters alone"),
    "tar twice": (tarred(FILE, FILE), "has server.py twice"),
    "tar twice in other words": (tarred(("\u00dc", b""), ("U\u0308", b"")), "twice"),
    "tar twice by dots": (tarred(("a/b", b""), ("a/./b", b"")), "twice"),
    "tar file and folder": (tarred(("a", b""), ("a/b", b"")), "as a file and as a folder"),
    "tar control characters": (tarred(("a\x1b[2J", b"")), "control characters"),
    "tar line in a name": (tarred(("a\nb", b"")), "control characters"),
    "tar depth": (tarred(("/".join("a" * 30), b"")), "more than 20 deep"),
    "tar long name": (tarred(("a" * 300, b"")), "longer than 255 bytes"),
    "tar count": (tarred(*((f"{n}", b"") for n in range(101))), "more than 100 entries"),
    "tar twice compressed": (written(gzip.compress(gzip.compress(bytes(1 << 20)))), "is damaged"),
    "zip zero in a name": (lambda path: swapped(path, b"aZb", b"a\0b"), "control characters"),
    "zip two names for one": (lambda path: swapped(path, b"aZb", b"../", last=True), "leads out of its folder"),
    "zip another name within": (lambda path: swapped(path, b"aZb", b"aYb", last=True), "is damaged"),
    "zip wrong sum": (lambda path: swapped(path, b"content", b"CONTENT"), "is damaged"),
    "zip by LZMA": (zipped(FILE, method=zipfile.ZIP_LZMA), "compressed in a way"),
    "zip with a giant directory": (lambda path: directory(path, 1 << 20), "more than 100 entries"),
    "nothing within": (written(gzip.compress(b"")), "is damaged"),
    "not a tar": (written(gzip.compress(b"hello" * 1000)), "is damaged"),
    "xz cut": (written(lzma.compress(b"x" * 1000)[:-20]), "is damaged"),
    "rar": (written(b"Rar!\x1a\x07"), "is a RAR archive"),
    "7z": (written(b"7z\xbc\xaf\x27\x1c"), "is a 7-Zip archive"),
    "text": (written(b"hello"), "neither a zip nor a tar"),
    "empty": (written(b""), "neither a zip nor a tar"),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(("build", "word"), BAD.values(), ids=BAD)
def test_bad_ones_are_refused_with_a_word(build: Build, word: str, tmp_path: Path) -> None:
    build(tmp_path / "a")
    with pytest.raises(RefusedError, match=word):
        unpack(tmp_path / "a", Bounds(entries=100))
    assert [each.name for each in tmp_path.iterdir()] == ["a"]


def test_an_xz_that_wants_much_memory_is_refused(tmp_path: Path) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 512 << 20}]
    compressor = lzma.LZMACompressor(lzma.FORMAT_XZ, filters=filters)
    content = compressor.compress(bytes(1 << 10)) + compressor.flush()
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(RefusedError, match="too much memory"):
        unpack(tmp_path / "a")


def test_headers_cannot_grow_without_bound(tmp_path: Path) -> None:
    info = tarfile.TarInfo("x")
    info.pax_headers = {"comment": "x" * (40 << 20)}
    raw = info.tobuf(tarfile.PAX_FORMAT) + bytes(1024)
    (tmp_path / "a").write_bytes(gzip.compress(raw))
    with pytest.raises(RefusedError, match=r"a bomb|more than"):
        unpack(tmp_path / "a")


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    zipped(FILE)(tmp_path / "a")
    content = bytearray((tmp_path / "a").read_bytes())
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(RefusedError, match="is encrypted"):
        unpack(tmp_path / "a")


def test_one_file_and_all_together_are_bounded(tmp_path: Path) -> None:
    noise = random.Random(1).randbytes(3 << 20)
    zipped(("a", noise), ("b", noise[::-1]))(tmp_path / "a")
    with pytest.raises(RefusedError, match="holds a file of more than 2 MiB: a"):
        unpack(tmp_path / "a", Bounds(file=2 << 20))
    with pytest.raises(RefusedError, match="unpacks to more than 4 MiB"):
        unpack(tmp_path / "a", Bounds(total=4 << 20))
    assert len(unpack(tmp_path / "a")) == 2
