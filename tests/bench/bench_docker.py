"""`lab up --runtime docker` and `lab down` against the bare floor (see `floor.py`), all of them whole processes.

`make bench` runs it behind the others; where no Engine can be used it says so and measures nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

from bench import HERE, LAB, process, star

from lab.runtime.docker import engine, image
from lab.runtime.docker.runtime import DockerRuntime
from lab.topology import parse_topology

FLOOR = [sys.executable, str(HERE / "floor.py")]
LIMIT = 1.35


def chain(nodes: int) -> str:
    """Routers in a row, a host at either end."""
    networks = ", ".join(f"n{n}: {{subnet: 10.1.{n}.0/24}}" for n in range(1, nodes))
    lines = [f"name: chain\nnetworks: {{{networks}}}\nnodes:"]
    for n in range(1, nodes + 1):
        joined = [f"eth{k}: n{m}" for k, m in enumerate(each for each in (n - 1, n) if 0 < each < nodes)]
        role = "router" if len(joined) == 2 else "host"
        lines.append(f"  h{n}: {{role: {role}, interfaces: {{{', '.join(joined)}}}}}")
    return "\n".join(lines) + "\n"


def bare(text: str, node_image: str) -> str:
    """A topology as the floor takes it."""
    topology = parse_topology(text, "topology.yaml")
    nodes = [[interface.network for interface in node.interfaces] for node in topology.nodes]
    return json.dumps({"image": node_image, "networks": [each.name for each in topology.networks], "nodes": nodes})


def measure(name: str, topology: str, floor: str, runs: int) -> None:
    """Take turns, so that a machine that gets slower does so for both; the ratio is the median of the turns'."""
    pairs: dict[str, list[tuple[float, float]]] = {"up": [], "down": []}
    for _ in range(runs):
        floors = process(*FLOOR, "up", floor), process(*FLOOR, "down")
        labs = process(*LAB, "up", "--runtime", "docker", topology), process(*LAB, "down", "--runtime", "docker")
        for each, pair in zip(pairs.values(), zip(labs, floors, strict=True), strict=True):
            each.append(pair)
    for what, each in pairs.items():
        ours, theirs = (statistics.median(side) for side in zip(*each, strict=True))
        ratio = statistics.median(a / b for a, b in each)
        said = f"lab {what} on Docker, {name}, against the floor"
        print(f"{said:<52} {ours:8.3f} s  {theirs:8.3f} s  ratio {ratio:6.2f}   at most {LIMIT}", flush=True)


def main() -> None:
    """Measure all, or what is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("names", nargs="*")
    given = parser.parse_args()
    if problems := DockerRuntime().problems():
        print("Docker is not measured: " + "; ".join(map(str, problems)))
        return
    node_image = image.ensure(engine.connect(), print)
    two_lans = (HERE.parents[1] / "topologies" / "two-lans" / "topology.yaml").read_text()
    texts = {"two-lans": two_lans, "star of 20": star(20), "chain of 20": chain(20), "chain of 60": chain(60)}
    with tempfile.TemporaryDirectory(prefix="lab-bench-") as folder:
        os.environ["XDG_RUNTIME_DIR"] = folder
        topology, floor = Path(folder, "topology.yaml"), Path(folder, "floor.json")
        try:
            for name in given.names or texts:
                topology.write_text(texts[name])
                floor.write_text(bare(texts[name], node_image))
                measure(name, str(topology), str(floor), given.runs)
        finally:
            process(*FLOOR, "down")
            process(*LAB, "down", "--all", "--runtime", "docker")


if __name__ == "__main__":
    main()
