"""Which file a name means."""

from pathlib import Path

import pytest

from lab import catalog
from lab.errors import LabError
from lab.exercise import load_exercise
from lab.topology import load_topology


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A catalogue of its own: tcp-echo on one-lan and on two-lans, udp-echo on one-lan."""
    for name in ("one-lan/tcp-echo", "one-lan/udp-echo", "two-lans/tcp-echo"):
        folder = tmp_path / "shelf" / name
        folder.mkdir(parents=True)
        (folder / "exercise.yaml").write_text(f"version: 1\nname: x\ntitle: About {name}\n")
        (folder.parent / "topology.yaml").write_text("# yaml-language-server: $schema=x\n# A small one.\nname: x\n")
    (tmp_path / "shelf" / "two-lans" / "tcp-echo" / "wrong").mkdir()
    monkeypatch.setattr(catalog, "folder", lambda: tmp_path / "shelf")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "shelf"


def test_listings_have_names_and_titles(shelf: Path) -> None:
    assert [(each.name, each.title) for each in catalog.topologies()] == [
        ("one-lan", "A small one."),
        ("two-lans", "A small one."),
    ]
    assert [(each.name, each.title) for each in catalog.exercises()] == [
        ("one-lan/tcp-echo", "About one-lan/tcp-echo"),
        ("one-lan/udp-echo", "About one-lan/udp-echo"),
        ("two-lans/tcp-echo", "About two-lans/tcp-echo"),
    ]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("udp-echo", "one-lan/udp-echo"),
        ("two-lans/tcp-echo", "two-lans/tcp-echo"),
        ("two-lans/tcp-echo/", "two-lans/tcp-echo"),
        ("shelf/two-lans/tcp-echo", "two-lans/tcp-echo"),
        ("shelf/one-lan/udp-echo/exercise.yaml", "one-lan/udp-echo"),
    ],
)
def test_an_exercise_is_found_by_path_or_name(shelf: Path, name: str, found: str) -> None:
    assert catalog.find_exercise(name).resolve() == shelf / found / "exercise.yaml"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("tcp-echo", "there are several exercises tcp-echo\n  say which: one-lan/tcp-echo, two-lans/tcp-echo"),
        ("udp-ehco", "neither a file nor a ready-made one\n  did you mean udp-echo?"),
        ("two-lans/tcp-eco", "did you mean two-lans/tcp-echo?"),
        ("shelf/two-lans", "shelf/two-lans: this folder holds no exercise.yaml"),
        ("\x1b[2J", "there is no exercise \\x1b[2J"),
    ],
)
def test_an_unknown_exercise_gets_the_nearest_name(shelf: Path, name: str, said: str) -> None:
    with pytest.raises(LabError) as caught:
        catalog.find_exercise(name)
    assert said in str(caught.value)


def test_an_unknown_topology_gets_the_nearest_name(shelf: Path) -> None:
    assert catalog.find_topology("one-lan") == shelf / "one-lan" / "topology.yaml"
    with pytest.raises(LabError, match="there is no ready-made topology one-lam\n  did you mean one-lan"):
        catalog.find_topology("one-lam")


def test_the_ready_made_files_load() -> None:
    assert {"one-lan", "two-lans", "three-routers", "triangle"} <= {each.name for each in catalog.topologies()}
    for each in catalog.topologies():
        assert load_topology(each.path).name == each.name
        assert each.title
    for each in catalog.exercises():
        exercise = load_exercise(each.path)
        assert exercise.name == each.name.partition("/")[2]
        assert each.title == exercise.title
