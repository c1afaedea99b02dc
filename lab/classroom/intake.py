"""What a class handed in, found in folders and archives as people and LMSs hand them out."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from lab.classroom import naming
from lab.classroom.archive import DOWNLOAD, RefusedError, members, unpack
from lab.classroom.results import STUDENTS
from lab.errors import LabError
from lab.exercise import Exercise, HandedIn
from lab.exercise.submission import instead, pick, plain_files, read_plain

GRADESCOPE = "submission_metadata.yml"
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Part:
    """A file or folder on the disk, and the name under which it was handed in (empty: what is in the folder)."""

    path: Path
    name: str = ""


@dataclass(frozen=True)
class HandIn:
    """What one student, or a group, handed in. `key` names their folder among the results.

    `problem` says why it cannot be told what counts; then nothing of it is run.
    """

    key: str
    student: str
    name: str
    parts: tuple[Part, ...]
    lms: str = ""
    late: bool = False
    submitted: str = ""  # when, by a file of the teacher's
    members: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class Intake:
    """All hand-ins in the order of their students, and what is to be known of the rest."""

    hand_ins: tuple[HandIn, ...]
    notes: tuple[str, ...]


def collect(given: Sequence[str], exercise: Exercise, scratch: Path) -> Intake:
    """The hand-ins in these folders and archives; a class's download is unpacked into `scratch`.

    Raises `LabError` for a path that does not exist or cannot be opened, or where nothing was handed in at all.
    """
    try:
        return _collect(given, exercise, scratch)
    except PermissionError as error:
        raise LabError("this may not be read", str(error.filename), "give yourself the right to") from None


def _collect(given: Sequence[str], exercise: Exercise, scratch: Path) -> Intake:
    found: list[HandIn] = []
    notes: list[str] = []
    of_lms: list[tuple[naming.Named, Path]] = []
    for each in given:
        path = Path(each)
        if not path.exists():
            raise LabError(f"there is no {each}", hint="name the folder or archive that your LMS gave you")
        if named := _student_of(path, alone=len(given) == 1):
            of_lms.append((named, path))
        elif len(given) > 1 and path.is_file() and not _packed(path.name) and not _fits(path, exercise):
            notes.append(f"{path} is nobody's hand-in and is left aside")
        else:
            found += _of_path(path, exercise, scratch, notes)
    found += _of_lms(of_lms)
    if not found:
        raise LabError("nothing was handed in there", ", ".join(given), "a folder or an archive for each student")
    return Intake(_keyed(map(_readable, _once(map(_composed, found)))), tuple(notes))


def _of_path(path: Path, exercise: Exercise, scratch: Path, notes: list[str]) -> list[HandIn]:
    if path.is_dir():
        return _of_folder(path, exercise, notes)
    if not naming.is_archive(path.name):
        return [_single_file(path, exercise)]
    try:
        if not _is_download(path):
            return [HandIn("", naming.stem(path.name), "", (Part(path, path.name),))]
        return _of_folder(_unpacked(path, scratch), exercise, notes)
    except RefusedError as refused:
        hint = "download it again; if it is one student's, give the folder around it, and it counts as handed in so"
        raise LabError(f"cannot be opened: it {refused}", str(path), hint) from None


def keep_apart(given: Sequence[str], out: Path) -> None:
    """Raise `LabError` where grades would lie among the submissions, and be taken for one the next time."""
    where = out.resolve()
    for path in map(Path, given):
        folder = path.resolve()
        among = path.is_dir() and (where == folder or folder in where.parents)
        if not among and len(given) > 1:  # as a shell writes out FOLDER/*
            among, folder = path.absolute().parent.resolve() == where, where
        if not among and where / STUDENTS in (path.resolve(), *path.resolve().parents):  # where the grades go
            among, folder = True, where / STUDENTS
        if among:
            hint = f"--out {folder.parent / 'grades'} keeps them beside the submissions"
            raise LabError(f"grades would be kept among the submissions in {folder}", str(out), hint)


def _student_of(path: Path, *, alone: bool) -> naming.Named | None:
    """Whose a given path is, where it has the name that an LMS gives to what one student handed in.

    `alone` is the only path given: where that cannot be opened, it is a download that came to grief.
    """
    named = naming.parse(path.name)
    if named is None or (path.is_dir() and named.lms == "canvas"):  # which makes no folders
        return None
    try:
        class_ = naming.is_archive(path.name) and path.is_file() and _is_download(path)
    except RefusedError:
        class_ = alone
    return None if class_ else named


def _is_download(path: Path) -> bool:
    """Whether an archive holds a whole class's hand-ins, by an LMS's names."""
    for name, chunks in members(path, DOWNLOAD):
        for _ in chunks:
            pass
        parts = name.split("/")
        if any(naming.parse(part) for part in parts[:2]) or parts[-1] == GRADESCOPE:
            return True
    return False


def _unpacked(path: Path, scratch: Path) -> Path:
    """A folder with the plain files of a class's download, kept for the next time."""
    with path.open("rb") as file:
        target = scratch / hashlib.file_digest(file, "sha256").hexdigest()[:16]
    if target.is_dir():
        return target
    partial = target.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    for name, chunks in members(path, DOWNLOAD):
        file_path = partial / name
        file_path.parent.mkdir(parents=True, exist_ok=True)
        with file_path.open("xb") as written:
            written.writelines(chunks)
    partial.rename(target)
    return target


def _of_folder(folder: Path, exercise: Exercise, notes: list[str]) -> list[HandIn]:
    metadata = [each for each in (folder / GRADESCOPE, *folder.glob(f"*/{GRADESCOPE}")) if each.is_file()]
    if metadata:
        return list(_of_gradescope(metadata[0], notes))
    if any((folder / name).is_file() for name in _exact(exercise)):
        return [HandIn("", folder.resolve().name, "", (Part(folder),))]
    entries = sorted(each for each in folder.iterdir() if not each.name.startswith(".") and each.name != "__MACOSX")
    of_lms: list[tuple[naming.Named, Path]] = []
    found = []
    for entry in entries:
        if named := naming.parse(entry.name):
            of_lms.append((named, entry))
        elif entry.is_dir() or _packed(entry.name):
            part = Part(entry, "" if entry.is_dir() and not entry.is_symlink() else entry.name)
            found.append(HandIn("", entry.name if entry.is_dir() else naming.stem(entry.name), "", (part,)))
        elif _fits(entry, exercise):
            found.append(_single_file(entry, exercise))
        else:
            notes.append(f"{entry} is nobody's hand-in and is left aside")
    return [*found, *_of_lms(of_lms)]


def _of_lms(entries: Iterable[tuple[naming.Named, Path]]) -> Iterator[HandIn]:
    """One hand-in of all that an LMS names as one student's."""
    by_student: dict[tuple[str, str], list[tuple[naming.Named, Path]]] = {}
    for named, entry in entries:
        by_student.setdefault((named.lms, named.student), []).append((named, entry))
    for (lms, student), each in by_student.items():
        parts = tuple(Part(entry, "" if entry.is_dir() else named.file or entry.name) for named, entry in each)
        late = any(named.late for named, _ in each)
        yield HandIn("", student, each[0][0].name, parts, lms, late)


def _packed(name: str) -> bool:
    """Whether it is called as archives are, of whatever kind."""
    return naming.is_archive(name) or naming.is_closed(name)


def _wanted(exercise: Exercise) -> tuple[str, ...]:
    asked = exercise.submission
    return (*asked.files, asked.routes) if asked.routes else asked.files


def _exact(exercise: Exercise) -> list[str]:
    return [name for name in _wanted(exercise) if not any(sign in name for sign in "*?[")]


def _fits(path: Path, exercise: Exercise) -> bool:
    """Whether a file can stand for a whole hand-in: the exercise asks for one of its kind."""
    exact = _exact(exercise)
    return len(exact) == 1 and path.suffix == Path(exact[0]).suffix


def _single_file(path: Path, exercise: Exercise) -> HandIn:
    """A file that stands for a whole hand-in, whatever it is called."""
    wanted = _wanted(exercise)
    if len(wanted) == 1 and path.suffix == Path(wanted[0]).suffix:
        notes = () if path.name == wanted[0] else (f"{path.name} was taken for {wanted[0]}",)
        return HandIn("", path.stem, "", (Part(path, wanted[0]),), notes=notes)
    return HandIn("", path.stem, "", (Part(path, path.name),))


def _of_gradescope(metadata: Path, notes: list[str]) -> Iterator[HandIn]:
    """The hand-ins of Gradescope's export: a folder each, and a file that says whose it is."""
    try:
        told = yaml.load(metadata.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        submitters = {str(name): list(each[":submitters"]) for name, each in told.items()}
    except (yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise LabError(f"this is not as Gradescope writes it: {error}", str(metadata)) from None
    for name, people in submitters.items():
        folder = metadata.parent / name
        ids = gradescope_ids({":submitters": people}, name)
        if not folder.is_dir():
            notes.append(f"{metadata} names {name} of {', '.join(ids)}, and there is no such folder")
            continue
        names = ", ".join(str(each.get(":name") or "") for each in people)
        yield HandIn("", ids[0], names, (Part(folder),), "gradescope", members=ids if len(ids) > 1 else ())


def gradescope_ids(told: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """By what the students of a submission are known, of what Gradescope's metadata tell about it."""
    people = told[":submitters"]
    return tuple(str(each.get(":sid") or each.get(":email") or each.get(":name")) for each in people) or (name,)


def _composed(hand_in: HandIn) -> HandIn:
    """With names that are equal where they look it, on whatever system they became names of files."""
    members = tuple(map(naming.composed, hand_in.members))
    student, name = naming.composed(hand_in.student), naming.composed(hand_in.name)
    return replace(hand_in, student=student, name=name, members=members)


def _once(found: Iterable[HandIn]) -> list[HandIn]:
    """Hand-ins of one student that cannot both count become one with a problem."""
    by_student: dict[str, list[HandIn]] = {}
    for each in found:
        by_student.setdefault(each.student, []).append(each)
    result = []
    for several in by_student.values():
        paths = [str(part.path) for each in several for part in each.parts]
        twice = f"handed in {len(several)} times: {', '.join(paths)}; remove what does not count"
        problem = twice if len(several) > 1 else ""
        result.append(replace(several[0], problem=problem))
    return sorted(result, key=lambda each: (each.name.casefold(), each.student.casefold(), each.student))


def _readable(hand_in: HandIn) -> HandIn:
    """With a problem where we may not read all of it: what we cannot see is not what was not handed in."""
    closed: list[OSError] = []
    paths: list[Path] = []
    for part in hand_in.parts:
        names = plain_files(part.path, closed.append) if _real_folder(part.path) else [""]
        paths += [path for path in (part.path / name for name in names) if not _may_read(path)]
    which = [*(error.filename for error in closed), *paths]
    if hand_in.problem or not which:
        return hand_in
    return replace(hand_in, problem=f"{which[0]} may not be read: give yourself the right to")


def _may_read(path: Path) -> bool:
    """False also in a folder that may be listed and not entered."""
    try:
        return not stat.S_ISREG(path.lstat().st_mode) or os.access(path, os.R_OK)
    except PermissionError:
        return False


def _keyed(given: Iterable[HandIn]) -> tuple[HandIn, ...]:
    """With a folder's name for each, the same every time for the same students."""
    hand_ins = list(given)
    taken: list[str] = []
    for each in sorted(hand_ins, key=lambda each: each.student):
        taken.append(naming.key(each.student, taken))
    keys = dict(zip(sorted(each.student for each in hand_ins), taken, strict=True))
    return tuple(replace(each, key=keys[each.student]) for each in hand_ins)


def fingerprint(hand_in: HandIn) -> str:
    """SHA-256 over everything that was handed in, as it came."""
    hashed = hashlib.sha256(f"{hand_in.lms}\0{hand_in.late}\0{hand_in.problem}\0".encode(errors="surrogateescape"))
    for part in hand_in.parts:
        for name in plain_files(part.path) if _real_folder(part.path) else [""]:
            path = part.path / name if name else part.path
            hashed.update(f"{part.name}\0{name}\0".encode(errors="surrogateescape"))
            if _may_read(path) and stat.S_ISREG(path.lstat().st_mode):
                with path.open("rb") as file:
                    while chunk := file.read(_CHUNK):
                        hashed.update(chunk)
    return hashed.hexdigest()


def _real_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def open_hand_in(exercise: Exercise, hand_in: HandIn) -> HandedIn:
    """The files that count; what is wrong with them is said, and costs nobody else anything."""
    where, renamed = _where(exercise, hand_in)
    label = os.pathsep.join(str(part.path) for part in hand_in.parts)
    notes = [*hand_in.notes, *(f"{old} was taken for {new}" for new, old in renamed.items())]
    picked = pick(exercise, list(where), lambda name: read_plain(*where[name]), label)
    archives = [name for name in where if naming.is_archive(name) and "/" not in name]
    if not picked.files and archives:
        picked, more = _opened(exercise, {name: where[name] for name in archives}, label)
        notes += more
    closed = _closed(where) if picked.missing or not picked.files else ()
    return replace(picked, notes=(*notes, *picked.notes), problems=(*closed, *picked.problems))


def _where(exercise: Exercise, hand_in: HandIn) -> tuple[dict[str, tuple[Path, str]], dict[str, str]]:
    """By the name that it was handed in under, the folder and path of each file; and by theirs, what an LMS renamed."""
    where: dict[str, tuple[Path, str]] = {}
    for part in hand_in.parts:
        if _real_folder(part.path):
            where |= {name: (part.path, name) for name in plain_files(part.path)}
        else:
            where[part.name] = (part.path.parent, part.path.name)
    renamed = naming.original_names(where, _wanted(exercise)) if hand_in.lms == "canvas" else {}
    where |= {new: where[old] for new, old in renamed.items()}
    return where, renamed


def _closed(names: Iterable[str]) -> tuple[str, ...]:
    """What is said of archives that cannot be opened."""
    closed = sorted(name for name in names if naming.is_closed(name) and name.count("/") < 2)
    return tuple(f"{name} was not opened: only zip and tar archives are" for name in closed)


def lacking(exercise: Exercise, hand_in: HandIn) -> tuple[str, ...]:
    """What is not there under its own name and what is there instead, as far as that shows without opening anything."""
    names = list(_where(exercise, hand_in)[0])
    if hand_in.problem or any(naming.is_archive(name) and "/" not in name for name in names):
        return ()
    missing = [name for name in _exact(exercise) if not any(f"/{each}".endswith(f"/{name}") for each in names)]
    others = [name for name in names if name not in exercise.files]
    closed = _closed(names) if missing else ()
    return (*closed, *(f"{name} is not there{instead(name, others, 'is')}" for name in missing))


def renamed_files(exercise: Exercise, hand_in: HandIn) -> tuple[str, ...]:
    """Files that an LMS renamed, in words, as far as that can be told without opening archives."""
    if hand_in.lms != "canvas":
        return ()
    names = [part.name for part in hand_in.parts if not _real_folder(part.path)]
    return tuple(f"{old} is taken for {new}" for new, old in naming.original_names(names, _wanted(exercise)).items())


def _opened(exercise: Exercise, archives: dict[str, tuple[Path, str]], label: str) -> tuple[HandedIn, list[str]]:
    """What is in the only archive; where there is another or it is refused, nothing was handed in, and why."""
    nothing = pick(exercise, [], lambda _: None, label)
    if len(archives) > 1:
        said = f"several archives were handed in: {', '.join(sorted(archives))}"
        return replace(nothing, problems=(said, *nothing.problems)), []
    (name, (folder, inside)), *_ = archives.items()
    path = folder / inside
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise RefusedError("is not a plain file")
        files = unpack(path)
    except RefusedError as refused:
        return replace(nothing, problems=(f"{name} was not opened: it {refused}", *nothing.problems)), []
    within = [each for each in files if naming.is_archive(each)]
    notes = [f"archives within {name} are not opened: {', '.join(sorted(within))}"] if within else []
    return pick(exercise, list(files), files.get, label), notes
