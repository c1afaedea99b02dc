"""The node image goes through a file to a room without a registry, and whatever is wrong with the file is told."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from engines import OwnEngine

from lab.runtime.docker import image

pytestmark = [pytest.mark.docker, pytest.mark.root, pytest.mark.tool("dockerd", "unshare", "nsenter")]

Lab = Callable[..., str]


@pytest.fixture
def lab(own_engine: OwnEngine, tmp_path: Path) -> Iterator[Lab]:
    """Run `lab` with the tests' own Engine, in which nobody else needs the node image."""
    env = {**os.environ, "DOCKER_HOST": own_engine.host, "XDG_RUNTIME_DIR": str(tmp_path), "LAB_RUNTIME": "docker"}

    def run(*words: str, code: int = 0) -> str:
        command = [sys.executable, "-m", "lab", *words]
        done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    yield run
    run("down", "--all")


def forget(own_engine: OwnEngine) -> None:
    """Remove the node image."""
    client = own_engine.client()
    try:
        client.remove_image(image.tag(), force=True)
        assert not client.images()
    finally:
        client.close()


def test_what_was_saved_is_loaded_and_carries_a_lab(own_engine: OwnEngine, lab: Lab, tmp_path: Path) -> None:
    saved, cut = tmp_path / "node.tar", tmp_path / "cut.tar"
    assert image.tag() in lab("image", "save", str(saved))
    assert [each.name for each in tmp_path.glob("node*")] == ["node.tar"]
    forget(own_engine)
    assert "the node image is built at its first use" in lab("doctor")
    with saved.open("rb") as whole:
        cut.write_bytes(whole.read(10 << 20))
    assert "holds no whole image" in lab("image", "load", str(cut), code=2)
    with full(own_engine, 40 << 20):
        said = lab("image", "load", str(saved), code=3)
        assert "no space left on device" in said
        assert "docker system df" in said
    assert f"loaded {image.tag()}" in lab("image", "load", str(saved))
    assert f"node image {image.tag()}" in lab("doctor")
    lab("up", "two-lans")
    assert "10.0.1.10" in lab("exec", "client", "--", "hostname", "-I")


@contextmanager
def full(own_engine: OwnEngine, free: int) -> Iterator[None]:
    """Leave the Engine's disk with `free` bytes."""
    filler = own_engine.disk / "filler"
    try:
        with filler.open("wb", buffering=0) as file, suppress(OSError):
            while file.write(bytes(1 << 20)):
                pass
        os.truncate(filler, filler.stat().st_size - free)
        yield
    finally:
        filler.unlink()


def archive(**files: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as file:
        for name, content in files.items():
            entry = tarfile.TarInfo(name.replace("_", "."))
            entry.size = len(content)
            file.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


WRONG = {
    "empty": b"",
    "a text": b"hello, world\n" * 1000,
    "another archive": archive(notes_txt=b"nothing"),
    "an image without its parts": archive(manifest_json=b'[{"Config":"gone","RepoTags":["a:b"],"Layers":["gone"]}]'),
}


@pytest.mark.parametrize("content", WRONG.values(), ids=WRONG)
def test_a_wrong_file_is_told(lab: Lab, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "wrong").write_bytes(content)
    assert "wrong holds no whole image" in lab("image", "load", "wrong", code=2)


def test_another_image_is_told(own_engine: OwnEngine, lab: Lab, tmp_path: Path) -> None:
    client = own_engine.client()
    try:
        client.import_image_from_data(archive(hello=b"hello"), repository="another", tag="1")
        with (tmp_path / "another").open("wb") as file:
            for chunk in client.get_image("another:1"):
                file.write(chunk)
        said = lab("image", "load", "another", code=2)
        assert "loaded another:1" in said
        assert "has no node image of this version of lab" in said
    finally:
        client.remove_image("another:1")
        client.close()


@pytest.mark.parametrize("place", ["nowhere/node.tar", ".", "small/node.tar"])
def test_a_place_that_cannot_be_written_is_told(lab: Lab, tmp_path: Path, place: str) -> None:
    (tmp_path / "small").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(tmp_path / "small")], check=True)
    try:
        assert "cannot be written" in lab("image", "save", place, code=2)
        assert not list((tmp_path / "small").iterdir())
    finally:
        subprocess.run(["umount", str(tmp_path / "small")], check=True)
    assert "there is no image" in lab("image", "save", "here", "--compiler", code=2)
    assert "there is no file nowhere" in lab("image", "load", "nowhere", code=2)
