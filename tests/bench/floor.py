"""What the Docker Engine itself takes for a lab: `floor.py up FILE` or `floor.py down`, the leanest process that can.

The containers, bridge networks and attachments of FILE (JSON: the image, the networks, each node's networks), made
and removed through the SDK, 4 at a time; nothing is wired, nothing looked after.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor

import docker
from docker.types import IPAMConfig, IPAMPool

LABEL = {"packetlab.bench": "floor"}
AT_ONCE = 4


def up(client: docker.APIClient, image: str, networks: list[str], nodes: list[list[str]]) -> None:
    """Make it."""

    several = tuple(map(int, client._version.split("."))) >= (1, 44)  # a container may join them all as it is made

    def network(number: int, name: str) -> None:
        pool = IPAMPool(subnet=f"100.127.{number // 8}.{number % 8 * 32}/27")
        client.create_network(f"floor-{name}", driver="bridge", ipam=IPAMConfig(pool_configs=[pool]), labels=LABEL)

    def node(joined: list[str]) -> None:
        config = client.create_host_config(network_mode=f"floor-{joined[0]}", init=True)
        first = joined if several else joined[:1]
        ends = client.create_networking_config({f"floor-{each}": client.create_endpoint_config() for each in first})
        made = client.create_container(
            image, ["sleep", "infinity"], host_config=config, labels=LABEL, networking_config=ends
        )
        for other in joined[len(first) :]:
            client.connect_container_to_network(made["Id"], f"floor-{other}")
        client.start(made["Id"])

    with ThreadPoolExecutor(AT_ONCE) as workers:
        list(workers.map(network, range(len(networks)), networks))
        list(workers.map(node, nodes))


def down(client: docker.APIClient) -> None:
    """Remove it."""
    filters = {"label": [f"{key}={value}" for key, value in LABEL.items()]}
    containers, networks = client.containers(all=True, filters=filters), client.networks(filters=filters)
    with ThreadPoolExecutor(AT_ONCE) as workers:
        list(workers.map(lambda each: client.remove_container(each["Id"], force=True), containers))
        list(workers.map(lambda each: client.remove_network(each["Id"]), networks))


if __name__ == "__main__":
    engine = docker.from_env().api
    if sys.argv[1] == "up":
        with open(sys.argv[2]) as file:
            up(engine, **json.load(file))
    else:
        down(engine)
