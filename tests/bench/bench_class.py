"""`lab grade` of a class against its floor (see `class_floor.py`), both as whole processes; and its memory.

`make bench` runs it. Sixty submissions of the TCP echo, half of them wrong, as many side by side as there are cores.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench import HERE, LAB

from lab.catalog import find_exercise
from lab.pool import cores

ECHO = find_exercise("tcp-echo").parent
LIMIT = 1.5


def write_class(folder: Path, size: int, *, wrong: bool = True) -> Path:
    """A folder a submission; every second one is wrong, each mistake of the exercise's in turn."""
    mistakes = sorted(path for path in (ECHO / "wrong").iterdir() if (path / "server.py").is_file())
    for number in range(size):
        source = mistakes[number // 2 % len(mistakes)] if wrong and number % 2 else ECHO / "solution"
        (folder / f"s{number:03}").mkdir(parents=True)
        shutil.copy(source / "server.py", folder / f"s{number:03}")
    return folder


def grade(students: Path, out: Path, *more: str) -> tuple[float, int, list[str]]:
    """Seconds, the highest memory of the command itself in KiB, and who was confirmed by a second run."""
    started, highest = time.perf_counter(), 0
    words = [*LAB, "grade", "tcp-echo", str(students), "--out", str(out), *more]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=out.parent)
    status = Path(f"/proc/{process.pid}/status")
    while process.poll() is None:
        try:
            lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
            highest = max(highest, int(lines.get("VmHWM", "0 kB").split()[0]))
        except OSError:
            pass
        time.sleep(0.05)
    seconds = time.perf_counter() - started
    assert process.returncode == 0, process.returncode
    told = [json.loads(path.read_text()) for path in (out / "students").glob("*/result.json")]
    return seconds, highest, [each["student"] for each in told if each["alone"]]


def floor(students: Path, again: Sequence[str]) -> float:
    """Seconds, `again` being run a second time."""
    started = time.perf_counter()
    words = [sys.executable, str(HERE / "class_floor.py"), str(students), str(cores()), *again]
    subprocess.run(words, check=True)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--size", type=int, default=60)
    parser.add_argument("--large", action="store_true", help="also the memory of a class ten times as large")
    parser.add_argument("--right", action="store_true", help="all of them right, so that nobody waits for anything")
    parser.add_argument("--docker", action="store_true", help="also on Docker")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lab-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        os.environ["XDG_RUNTIME_DIR"] = name
        students = write_class(folder / "class", chosen.size, wrong=not chosen.right)
        pairs, again, memory = [], list[str](), 0
        for number in range(chosen.runs):
            ours, memory, again = grade(students, folder / f"grades{number}")
            pairs.append((ours, floor(students, again)))
        a, b = (statistics.median(side) for side in zip(*pairs, strict=True))
        ratio = statistics.median(ours / theirs for ours, theirs in pairs)
        said = f"lab grade, {chosen.size} submissions, against the floor"
        print(f"{said:<52} {a:8.3f} s  {b:8.3f} s  ratio {ratio:6.2f}   at most {LIMIT}")
        print(f"  second runs: {len(again)}; memory of lab grade: {memory / 1024:.1f} MiB", flush=True)
        if chosen.docker:
            took, _, _ = grade(students, folder / "docker", "--runtime", "docker")
            print(f"the same on Docker: {took:.1f} s, {took / b:.1f} times the floor of namespaces", flush=True)
        if chosen.large:
            large = write_class(folder / "large", 10 * chosen.size, wrong=False)
            took, memory, _ = grade(large, folder / "grades-large")
            print(
                f"{10 * chosen.size} submissions, all right: {took:.1f} s, memory {memory / 1024:.1f} MiB", flush=True
            )


if __name__ == "__main__":
    main()
