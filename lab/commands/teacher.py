"""What a teacher does with an exercise: new, try, handout."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shlex import quote

from lab import console
from lab.catalog import find_exercise
from lab.checks.names import count
from lab.errors import InterruptedRunError, LabError
from lab.exercise import load_exercise
from lab.pool import cores
from lab.runtime import choose_for
from lab.trial import Ran, Trial, assess, read_hand_ins
from lab.trial.runs import Job, Progress, try_all

_TEMPORARY = "lab-try-"  # begins the names of folders for the evidence of a try
_RUNNING = ".running"


def try_exercise(
    name: str, *, repeat: int, side_by_side: int | None, runs: str | None, runtime: str | None, as_json: bool
) -> int:
    """Prove an exercise by its own hand-ins; the exit code."""
    path = find_exercise(name)
    exercise = load_exercise(path, draw=secrets.token_hex(16))
    hand_ins = read_hand_ins(exercise, path.parent)
    chosen = choose_for(exercise, runtime, console.say)
    width = side_by_side or cores()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)  # ends everything, as Ctrl-C does
    with _evidence(runs) as folder:
        each_one = [hand_in for _ in range(repeat) for hand_in in hand_ins]
        jobs = [Job(number, exercise, hand_in, chosen, folder) for number, hand_in in enumerate(each_one)]
        live = _Live(len(jobs))
        try:
            results = try_all(jobs, width, Progress(live.begun, live.done))
        finally:
            live.end()
        trial = assess(exercise, hand_ins, results)
        if runs is None:
            _forget(trial, folder)
    _report(trial, as_json)
    if runs is None and folder.is_dir():
        print(f"kept are the runs that show why: {folder}; lab judge RUN tells more of one", file=sys.stderr)
    return trial.exit_code


def new(name: str, topology: str) -> None:
    """Write a new exercise that works as it is."""
    from lab.commands.topology import topology_file
    from lab.scaffold import write_exercise

    files = write_exercise(Path(name), topology_file(topology))
    print(f"{name}/ holds an exercise that works as it is, in {len(files)} files; {name}/exercise.yaml is its heart")
    print(f"prove it:    lab try {quote(name)}        (again after each change)")
    print(f"hand it out: lab handout {quote(name)} -o FOLDER")


def handout(name: str, output: str, student: str | None = None, secret: str | None = None) -> None:
    """Write what students get of an exercise; each their own where values are drawn for each."""
    from lab.commands.classroom import variant_of
    from lab.handout import make_handout, write_handout

    path = find_exercise(name)
    exercise = load_exercise(path)
    if exercise.individual and student is None:
        what = f"each student has values of their own: {', '.join(exercise.individual)}"
        raise LabError(what, exercise.folder, "--student ID says whose handout it is, as your LMS names them")
    variant = variant_of(exercise, student, secret) if exercise.individual or student else None
    made = make_handout(path, variant)
    write_handout(made, Path(output))
    for note in made.notes:
        print(console.paint("not-measured", str(note), sys.stderr), file=sys.stderr)
    hidden = f", {len(made.hidden)} hidden" if made.hidden else ""
    print(f"{output}: {', '.join(sorted(made.files))}")
    print(f"{count(len(made.visible), 'check')} to be seen{hidden}")
    print(f"try: cd {quote(output)} && lab run")


def _report(trial: Trial, as_json: bool) -> None:
    from lab.report.trial import trial_dict, trial_lines

    if as_json:
        console.show_json(trial_dict(trial))
    else:
        console.show(trial_lines(trial))


@contextmanager
def _evidence(runs: str | None) -> Iterator[Path]:
    """Where the runs are kept: a folder of the teacher's, else a temporary one that goes with an interruption."""
    if runs is not None:
        folder, lock = Path(runs), None
        folder.mkdir(parents=True, exist_ok=True)
    else:
        _clear_abandoned()
        folder = Path(tempfile.mkdtemp(prefix=_TEMPORARY))
        lock = _lock(folder / _RUNNING)
    try:
        yield folder
    except BaseException as error:
        if runs is None:
            shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, KeyboardInterrupt):
            raise InterruptedRunError("interrupted", hint="every run of this try was ended") from None
        raise
    finally:
        if lock is not None:
            os.close(lock)


def _lock(path: Path) -> int | None:
    """A lock that goes with this process, whatever ends it; None where another one holds it."""
    import fcntl

    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return fd


def _clear_abandoned() -> None:
    """Remove what a killed `lab try` left: its folder is marked as being in use, and nobody uses it."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_TEMPORARY}*"):
        with suppress(OSError):  # another try may be clearing it at this moment
            found = folder.lstat()
            if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and (folder / _RUNNING).exists():
                lock = _lock(folder / _RUNNING)
                if lock is not None:
                    shutil.rmtree(folder, ignore_errors=True)
                    os.close(lock)


def _forget(trial: Trial, folder: Path) -> None:
    """Remove the runs that showed nothing unexpected."""
    (folder / _RUNNING).unlink()
    kept = {run for finding in (*trial.deviations, *trial.unmeasured) for run in finding.runs}
    for each in trial.runs:
        for directory in each.directories:
            if directory not in kept:
                shutil.rmtree(directory, ignore_errors=True)
    for empty in (*folder.glob("*"), folder):
        if empty.is_dir() and not any(empty.iterdir()):
            empty.rmdir()


class _Live:
    """Progress on standard error: one line that changes on a terminal, a line for each end elsewhere."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._running: list[str] = []
        self._terminal = sys.stderr.isatty()

    def begun(self, job: Job) -> None:
        """A run begins."""
        self._running.append(_told(job))
        self._show()

    def done(self, job: Job, ran: Ran) -> None:
        """A run is done."""
        self._done += 1
        self._running.remove(_told(job))
        again = ran.timed and job.confirms is None
        self._total += again
        if not self._terminal:
            came = "could not be measured" if ran.problem else f"{ran.points} of {ran.of} points"
            more = "; rests on a time limit, so it is run once more" if again else ""
            print(f"{self._done}/{self._total} {_told(job)}: {came}{more}", file=sys.stderr, flush=True)
        self._show()

    def _show(self) -> None:
        if self._terminal:
            text = f"{self._done}/{self._total}  {', '.join(self._running)}"[: console.width() - 1]
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave nothing of the changing line."""
        if self._terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _told(job: Job) -> str:
    return f"{job.hand_in.name}, once more, alone" if job.confirms else job.hand_in.name
