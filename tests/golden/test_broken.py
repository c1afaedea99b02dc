"""What a person reads when a file is wrong: one case a file, its text beside it.

`UPDATE_GOLDEN=1 pytest tests/golden/test_broken.py` writes the texts anew; read the difference before it is kept.
"""

import os
from pathlib import Path

import pytest

from lab.errors import USER_ERROR, LabError
from lab.exercise import load_exercise
from lab.topology import load_topology

BROKEN = Path(__file__).parent / "broken"
FILES = sorted(BROKEN.glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_broken_file_is_refused_in_words(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(BROKEN)
    load = load_exercise if path.name.startswith("exercise") else load_topology
    with pytest.raises(LabError) as caught:
        load(Path(path.name))
    said = f"{caught.value}\n"
    golden = path.with_suffix(".txt")
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(said, encoding="utf-8")
    assert said == golden.read_text(encoding="utf-8")
    assert caught.value.exit_code == USER_ERROR


def test_every_text_has_its_file() -> None:
    assert {path.stem for path in BROKEN.glob("*.txt")} == {path.stem for path in FILES}
    assert len(FILES) >= 40


@pytest.mark.parametrize("load", [load_topology, load_exercise])
def test_what_is_no_readable_file(load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path) -> str:
        with pytest.raises(LabError) as caught:
            load(path)
        return str(caught.value)

    monkeypatch.chdir(tmp_path)
    assert refused(Path("gone.yaml")) == "gone.yaml: there is no such file"
    Path("binary.yaml").write_bytes(b"\x7fELF\x02\x00\x00")
    said = "this is a binary file (it holds NUL bytes), where text is expected"
    assert refused(Path("binary.yaml")) == f"binary.yaml: {said}"
    Path("utf16.yaml").write_bytes("name: x".encode("utf-16"))
    assert refused(Path("utf16.yaml")) == "utf16.yaml: the file is UTF-16 text\n  save it as UTF-8"
    Path("large.yaml").write_bytes(b"#" * (1024 * 1024 + 1))
    assert refused(Path("large.yaml")) == "large.yaml: the file has 1048577 bytes; at most 1048576 (1 MiB) are read"
    os.mkfifo("pipe.yaml")
    assert refused(Path("pipe.yaml")) == "pipe.yaml: this is a device or a pipe, where a file is expected"
    Path("secret.yaml").write_text("name: x")

    def forbidden(self: Path) -> bytes:  # root may read anything, so the refusal is the file system's stand-in
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", forbidden)
    assert refused(Path("secret.yaml")) == "secret.yaml: no permission to read this file\n  try: ls -l secret.yaml"


def test_a_folder_is_no_topology(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder.yaml").mkdir()
    with pytest.raises(LabError, match=r"^folder.yaml: this is a folder, where a file is expected$"):
        load_topology(Path("folder.yaml"))
    with pytest.raises(LabError, match=r"^folder.yaml/exercise.yaml: there is no such file$"):
        load_exercise(Path("folder.yaml"))
