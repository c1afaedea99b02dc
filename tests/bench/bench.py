"""The project's figures, each as the median of several runs and as a ratio to a reference measured in the same breath.

`make bench` runs it. Absolute times are this machine's; the ratios are what to compare.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from lab.plan import make_plan
from lab.runtime.netns.runtime import NetnsRuntime
from lab.topology import parse_topology

HERE = Path(__file__).parent
LAB = [str(Path(sys.executable).with_name("lab"))]


def process(*words: str) -> float:
    """Seconds of a whole process, which keeps what it compiles: an installed `lab` is compiled too."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    started = time.perf_counter()
    subprocess.run(words, check=True, env=env, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    return time.perf_counter() - started


def star(hosts: int) -> str:
    lines = ["name: star\nnetworks: {lan: {subnet: 10.0.0.0/16}}\nnodes:"]
    lines += [f"  h{n}: {{role: host, interfaces: {{eth0: lan}}}}" for n in range(1, hosts + 1)]
    return "\n".join(lines) + "\n"


def engine(hosts: int) -> Callable[[], float]:
    """The runtime's own time to bring a star up, plan in hand."""
    plan = make_plan(parse_topology(star(hosts), "star.yaml"))

    def measure() -> float:
        started = time.perf_counter()
        lab = NetnsRuntime().up(plan, say=lambda _: None)
        took = time.perf_counter() - started
        lab.close()
        return took

    return measure


def reference(hosts: int) -> float:
    done = subprocess.run(
        [sys.executable, HERE / "reference.py", str(hosts)], check=True, capture_output=True, text=True
    )
    return float(done.stdout)


def compare(name: str, ours: Callable[[], float], theirs: Callable[[], float], runs: int, limit: str) -> None:
    """Take turns, so that a machine that gets slower does so for both."""
    pairs = [(ours(), theirs()) for _ in range(runs)]
    ratio = statistics.median(a / b for a, b in pairs)
    difference = statistics.median(a - b for a, b in pairs)
    a, b = (statistics.median(side) for side in zip(*pairs, strict=True))
    print(f"{name:<52} {a:8.3f} s  {b:8.3f} s  ratio {ratio:6.2f}  difference {difference:7.3f} s   {limit}")


def up_and_down(runs: int) -> None:
    ups, downs = [], []
    for _ in range(runs):
        ups.append(process(*LAB, "up", "two-lans"))
        downs.append(process(*LAB, "down"))
    for name, times in (("lab up two-lans, whole process", ups), ("lab down, whole process", downs)):
        print(f"{name:<52} {statistics.median(times):8.3f} s  {'':>50} at most 0.5 s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--large", action="store_true", help="also a star of 1,000 hosts")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lab-bench-") as folder:
        Path(folder).chmod(0o755)
        os.environ["XDG_RUNTIME_DIR"] = folder
        print(f"{'what':<52} {'ours':>10}  {'reference':>10}")
        compare(
            "lab --help against python -c pass",
            lambda: process(*LAB, "--help"),
            lambda: process(sys.executable, "-c", "pass"),
            chosen.runs,
            "difference at most 0.15 s",
        )
        up_and_down(chosen.runs)
        compare(
            "star of 100 hosts against bare netlink messages",
            engine(100),
            lambda: reference(100),
            chosen.runs,
            "ratio at most 2",
        )
        if chosen.large:
            compare("star of 1,000 hosts, likewise", engine(1000), lambda: reference(1000), 3, "")


if __name__ == "__main__":
    main()
