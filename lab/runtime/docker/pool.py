"""Wiring subnets: throw-away ones for the Engine's own address management, which insists on having some. Pure.

No packet of a lab ever carries these addresses; still the Engine's machine routes to them while the lab is up, so
they must be clear of all else there, and of the lab's own subnets, at which the Engine's filters might take offence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Network, ip_network

from lab.errors import LabError, NotMeasuredError

DEFAULT = "100.64.0.0/10"  # shared address space (RFC 6598): meant for carriers, so rarely a home's or a school's
VARIABLE = "LAB_DOCKER_POOL"
_RESERVED = 3  # of a subnet's addresses: network, gateway, broadcast
_LONGEST = 28


def pool(environment: Mapping[str, str]) -> IPv4Network:
    """The pool by LAB_DOCKER_POOL, else the default; raises LabError where that is no IPv4 prefix."""
    text = environment.get(VARIABLE) or DEFAULT
    try:
        found = ip_network(text)
    except ValueError:
        found = None
    if not isinstance(found, IPv4Network) or found.prefixlen > _LONGEST:
        raise LabError(f"{VARIABLE}={text} is no IPv4 prefix of /{_LONGEST} or shorter", hint=f"such as {DEFAULT}")
    return found


def length_for(members: int) -> int:
    """The prefix length of a wiring subnet for so many containers."""
    return min(_LONGEST, 32 - (members + _RESERVED - 1).bit_length())


def choose(pool: IPv4Network, members: Mapping[str, int], taken: Iterable[str], seed: int) -> dict[str, IPv4Network]:
    """A subnet for each network of so many members, clear of `taken`; `seed` says where in the pool to begin.

    Raises NotMeasuredError where the pool is used up.
    """
    nets = [ip_network(each, strict=False) for each in taken]
    used = [each for each in nets if isinstance(each, IPv4Network) and each.overlaps(pool)]
    chosen: dict[str, IPv4Network] = {}
    for name, count in members.items():
        length = length_for(count)
        subnet = _free(pool, length, used, seed) if length >= pool.prefixlen else None
        if subnet is None:
            raise NotMeasuredError(
                f"the wiring pool {pool} has no room for network {name} with {count} nodes",
                hint=f"lab ps lists the labs that use it; {VARIABLE}=PREFIX gives another pool",
            )
        chosen[name] = subnet
        used.append(subnet)
    return chosen


def _free(pool: IPv4Network, length: int, used: list[IPv4Network], seed: int) -> IPv4Network | None:
    size = 1 << (32 - length)
    count = pool.num_addresses // size
    for number in _from(seed % count, count, used, size, int(pool.network_address)):
        return IPv4Network((int(pool.network_address) + number * size, length))
    return None


def _from(start: int, count: int, used: list[IPv4Network], size: int, base: int) -> Iterator[int]:
    """The free numbers of blocks, in turn from `start`; a used range is passed over in one go."""
    spans = sorted(
        ((int(each.network_address) - base) // size, (int(each.broadcast_address) - base) // size) for each in used
    )
    for low, high in ((start, count), (0, start)):
        number = low
        while number < high:
            blocker = next((last for first, last in spans if first <= number <= last), None)
            if blocker is None:
                yield number
                number += 1
            else:
                number = blocker + 1
