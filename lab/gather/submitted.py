"""A run directory of captures that were handed in: nothing is run, and the student made the evidence."""

from __future__ import annotations

import io
import platform
import time
from itertools import islice

from lab.errors import LabError
from lab.evidence import Gap
from lab.exercise import Exercise, HandedIn
from lab.exercise.captures import file_of
from lab.gather.rundir import RunDirectory, exercise_digest
from lab.trace import pcap

_MOST_FRAMES = 50_000  # of a file: empty ones would fill the judge's memory, half a million in 8 MiB


def take(exercise: Exercise, handed_in: HandedIn, directory: RunDirectory, started: float) -> None:
    """Keep the captures; what is missing or damaged is a gap of the submission's own making."""
    captures, gaps = [], list[Gap]()
    for point in exercise.capture or ():
        name = file_of(point)
        content = handed_in.files.get(name)
        if content is None:
            gaps.append(Gap(f"{name} was not handed in", point, "submission"))
            continue
        directory.write(name, content)
        frames, problem = _looked_through(content, name)
        if frames <= _MOST_FRAMES:
            captures.append({"point": point, "file": name, "captured": frames})
        if problem:
            gaps.append(Gap(f"{name} is no whole capture: {problem}", point, "submission"))
    directory.write_steps({})
    directory.write_manifest(
        exercise={"name": exercise.name, "sha256": exercise_digest(exercise)},
        values=dict(exercise.values),
        submission=directory.tell_submission(exercise, handed_in),
        confirms=None,
        started=started,
        seconds=round(time.time() - started, 3),
        runtime="none",
        python=platform.python_version(),
        captures=captures,
        marks=[],
        probes=[],
        states=[],
        gaps=[{"what": gap.what, "where": gap.where, "owner": gap.owner} for gap in gaps],
    )


def _looked_through(content: bytes, name: str) -> tuple[int, str | None]:
    """How many frames there are, and what is wrong with the file."""
    try:
        trace = pcap.open_trace(io.BytesIO(content), name)
        frames = sum(1 for _ in islice(trace, _MOST_FRAMES + 1))
        too_many = f"it has more than {_MOST_FRAMES} frames" if frames > _MOST_FRAMES else None
        return frames, too_many or trace.problem
    except LabError as error:
        return 0, error.problems[0].what
