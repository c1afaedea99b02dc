"""Which way a packet goes by the plan: what the checks hold the packets against."""

from __future__ import annotations

from lab.plan.model import Plan, PlannedInterface
from lab.topology.model import Address, Prefix


def next_hop(plan: Plan, node: str, address: Address) -> PlannedInterface | None:
    """The neighbour's interface that `node` hands a packet for `address` to; None where it cannot.

    Longest prefix first, connected prefixes before routes (RFC 1812, section 5.2.4.3). None for a node's own address,
    for no route, and for a next hop or a connected address that nobody has.
    """
    planned = plan.by_name[node]
    candidates: list[tuple[Prefix, Address]] = [
        (own.network, address) for interface in planned.interfaces for own in interface.addresses
    ]
    candidates += [(route.to, route.via) for route in planned.routes]
    fitting = [candidate for candidate in candidates if address in candidate[0]]
    if not fitting:
        return None
    via = max(fitting, key=lambda each: each[0].prefixlen)[1]
    owner = plan.owners.get(via)
    return owner if owner and owner.node != node else None


def expected_path(plan: Plan, start: str, to: Address) -> tuple[PlannedInterface, ...] | None:
    """The interfaces that a packet from `start` to the address `to` enters on its way, the last one `to`'s node's.

    None where it does not arrive: no route, a loop, or a node on the way that does not forward.
    """
    path: list[PlannedInterface] = []
    node = start
    while True:
        entered = next_hop(plan, node, to)
        if entered is None or any(entered.node == passed.node for passed in path) or entered.node == start:
            return None
        path.append(entered)
        node = entered.node
        if plan.owners.get(to) in plan.by_name[node].interfaces:
            return tuple(path)
        if not plan.by_name[node].forwards:
            return None
