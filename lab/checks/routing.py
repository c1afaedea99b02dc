"""Whether the planned routes, a student's own among them, lead from one node to another at all."""

from __future__ import annotations

from lab.checks import causes
from lab.checks.base import Cause
from lab.evidence import Evidence
from lab.plan import Plan, next_hop
from lab.topology import Address


def misrouted(evidence: Evidence, source: str, to: str) -> Cause | None:
    """Why no packet between two nodes can arrive, there or (looked at second) back; None where both ways are whole."""
    return one_way(evidence.plan, source, to) or one_way(evidence.plan, to, source)


def one_way(plan: Plan, source: str, to: str) -> Cause | None:
    """Follow the routes hop by hop; nothing is said of nodes without a family of addresses in common."""
    if source == to or source not in plan.by_name or (target := _address(plan, source, to)) is None:
        return None
    passed = [source]
    while True:
        hop = next_hop(plan, passed[-1], target)
        if hop is None:
            return causes.no_route(passed[-1], to)
        if hop.node == to:
            return None
        if hop.node in passed:
            return causes.circle(to, [*passed[passed.index(hop.node) :], hop.node])
        if not plan.by_name[hop.node].forwards:
            return causes.no_router(passed[-1], hop.node, to)
        passed.append(hop.node)


def _address(plan: Plan, source: str, to: str) -> Address | None:
    """The first address of a node in a family that the other has too."""
    if to not in plan.by_name:
        return None
    mine = {address.version for interface in plan.by_name[source].interfaces for address in interface.addresses}
    theirs = [address.ip for interface in plan.by_name[to].interfaces for address in interface.addresses]
    return next((address for address in theirs if address.version in mine), None)
