"""`lab up --runtime docker` and `lab down` against the bare floor, all of them whole processes.

The floor is what the Engine itself takes: the same containers, bridge networks and attachments, made and removed
through the SDK, 4 at a time; nothing is wired, nothing looked after. `bench_docker.py floor up|down FILE` is one.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

LAB = [str(Path(sys.executable).with_name("lab"))]
LABEL = "packetlab.bench=floor"
AT_ONCE = 4
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


def star(hosts: int) -> str:
    """Hosts on one segment."""
    lines = ["name: star\nnetworks: {lan: {subnet: 10.1.0.0/16}}\nnodes:"]
    lines += [f"  h{n}: {{role: host, interfaces: {{eth0: lan}}}}" for n in range(1, hosts + 1)]
    return "\n".join(lines) + "\n"


def floor(what: str, file: str) -> None:
    """One process of the floor."""
    import docker
    from docker.types import IPAMConfig, IPAMPool

    from lab.runtime.docker import image

    client = docker.APIClient(version="auto")
    if what == "down":
        found = client.containers(all=True, filters={"label": LABEL})
        networks = client.networks(filters={"label": LABEL})
        with ThreadPoolExecutor(AT_ONCE) as workers:
            list(workers.map(lambda each: client.remove_container(each["Id"], force=True), found))
            list(workers.map(lambda each: client.remove_network(each["Id"]), networks))
        return
    from lab.topology import load_topology

    topology = load_topology(Path(file))
    name = image.tag(image.COMPILER) if image.present(client, image.tag(image.COMPILER)) else image.tag()
    label = dict([LABEL.split("=")])

    def network(numbered: tuple[int, str]) -> None:
        number, each = numbered
        pool = IPAMPool(subnet=f"100.127.{number // 8}.{number % 8 * 32}/27")
        client.create_network(f"floor-{each}", driver="bridge", ipam=IPAMConfig(pool_configs=[pool]), labels=label)

    def node(each: object) -> None:
        joined = [f"floor-{interface.network}" for interface in each.interfaces]  # type: ignore[attr-defined]
        config = client.create_host_config(network_mode=joined[0], init=True)
        made = client.create_container(name, ["sleep", "infinity"], host_config=config, labels=label)
        for other in joined[1:]:
            client.connect_container_to_network(made["Id"], other)
        client.start(made["Id"])

    with ThreadPoolExecutor(AT_ONCE) as workers:
        list(workers.map(network, enumerate(network.name for network in topology.networks)))
        list(workers.map(node, topology.nodes))


def process(*words: str) -> float:
    """Seconds of a whole process."""
    started = time.perf_counter()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    return time.perf_counter() - started


def measure(name: str, file: str, runs: int) -> bool:
    """Interleaved runs of both; whether ours keep the limit."""
    bare = [sys.executable, __file__, "floor"]
    times: dict[str, list[float]] = {"floor up": [], "lab up": [], "floor down": [], "lab down": []}
    for _ in range(runs):
        times["floor up"].append(process(*bare, "up", file))
        times["floor down"].append(process(*bare, "down", file))
        times["lab up"].append(process(*LAB, "up", "--runtime", "docker", file))
        times["lab down"].append(process(*LAB, "down", "--runtime", "docker"))
    median = {what: statistics.median(each) for what, each in times.items()}
    kept = True
    for what in ("up", "down"):
        ratio = median[f"lab {what}"] / median[f"floor {what}"]
        kept &= ratio <= LIMIT
        print(
            f"{name:<10} {what:<5} lab {median[f'lab {what}']:6.2f} s   floor {median[f'floor {what}']:6.2f} s   "
            f"ratio {ratio:.2f} (at most {LIMIT})",
            flush=True,
        )
    return kept


def main() -> int:
    """Measure all, or what is named."""
    if sys.argv[1:2] == ["floor"]:
        floor(*sys.argv[2:4])
        return 0
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("names", nargs="*")
    given = parser.parse_args()
    two_lans = (Path(__file__).parents[2] / "topologies" / "two-lans" / "topology.yaml").read_text()
    texts = {"two-lans": two_lans, "star-20": star(20), "chain-20": chain(20), "chain-60": chain(60)}
    kept = True
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_RUNTIME_DIR"] = folder
        for name in given.names or texts:
            path = Path(folder, f"{name}.yaml")
            path.write_text(texts[name])
            kept &= measure(name, str(path), given.runs)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
