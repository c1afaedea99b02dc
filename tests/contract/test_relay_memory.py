"""How much of the kernel's memory waiting frames take, and what happens where there is little of it."""

from __future__ import annotations

import contextlib
import resource
import secrets
from pathlib import Path

import pytest

from lab.console import quiet
from lab.errors import NotMeasuredError
from lab.runtime.base import Runtime
from tests.contract.conftest import out, plan_of
from tests.contract.test_slow_links import SLOW_DUAL, relay_of


def rings_of(relay: int) -> list[int]:
    """The bytes of each of its rings."""
    lines = Path(f"/proc/{relay}/maps").read_text().splitlines()
    spans = [line.split()[0].split("-") for line in lines if "socket:[" in line]
    return [int(end, 16) - int(start, 16) for start, end in spans]


@pytest.mark.tool("ping")
def test_many_slow_networks_share_the_memory_for_what_waits(runtime: Runtime) -> None:
    count = 12
    networks = "".join(f"  n{n}: {{subnet: 10.0.{n}.0/24, delay: 1ms}}\n" for n in range(count))
    nodes = "".join(f"  {name}{n}: {{role: host, interfaces: {{eth0: n{n}}}}}\n" for n in range(count) for name in "ab")
    name = f"links-{secrets.token_hex(3)}"
    runtime.up(plan_of(f"name: many\nnetworks:\n{networks}nodes:\n{nodes}"), name=name, say=quiet).close()
    try:
        rings = rings_of(relay_of(next(info.pid for info in runtime.labs() if info.name == name)))
        assert (len(rings), set(rings)) == (2 * count, {42 << 16}), "its part of 64 MiB, in whole blocks"
        with contextlib.closing(runtime.open(name)) as lab:
            out(lab, "a11", "ping", "-c1", "-W5", "b11", kind="admin")
    finally:
        runtime.down(name)


@pytest.mark.root  # who else may not bound the memory of a process that is not its own
@pytest.mark.tool("ping")
def test_where_memory_is_short_a_network_stays_as_it_was_or_its_rings_are_small(runtime: Runtime) -> None:
    name = f"links-{secrets.token_hex(3)}"
    runtime.up(plan_of(SLOW_DUAL), name=name, say=quiet).close()

    def leave(free: int) -> None:
        held = int(Path(f"/proc/{relay}/statm").read_text().split()[0]) * resource.getpagesize()
        resource.prlimit(relay, resource.RLIMIT_AS, (held + free, resource.RLIM_INFINITY))

    try:
        relay = relay_of(next(info.pid for info in runtime.labs() if info.name == name))
        before = rings_of(relay)
        with contextlib.closing(runtime.open(name)) as lab:
            leave(20 << 10)
            with pytest.raises(NotMeasuredError, match="memory"):
                lab.relay({"networks": ["lan"]})
            assert rings_of(relay) == before
            out(lab, "client", "ping", "-c1", "-W5", "server", kind="admin")
            leave(5 << 20)
            assert set(lab.relay({"networks": ["lan"]})["networks"]) == {"lan", "wan"}
            out(lab, "client", "ping", "-c1", "-W5", "server", kind="admin")
        new = sorted(rings_of(relay))
        assert new[2:] == before
        assert 1 << 16 <= new[0] <= new[1] <= 4 << 20
    finally:
        runtime.down(name)
