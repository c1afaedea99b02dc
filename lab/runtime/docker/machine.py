"""What of the Engine's machine, which may be another than this one, has labs refused there."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_network
from typing import Any

from lab.errors import NotMeasuredError, Problem
from lab.plan import Plan

# Tried with 29.7: its containers' PID namespaces can be entered and not left again without rights on the machine.
ROOTLESS = Problem(
    "the Docker Engine is rootless, and labs need one that root runs",
    hint="DOCKER_HOST names another; or use --runtime netns, which needs no root and no Engine",
)


def refuse(plan: Plan, machine: dict[str, Any], others: dict[str, str]) -> None:
    """Raise NotMeasuredError by what a lab's agent told of the machine; `others` are subnets with their networks.

    Where packets inside a segment pass the filters of the Engine's machine, the subnets that these know are taken: the
    Engine rewrites the source of what comes from its networks' addresses, wherever it sees it.
    """
    if not machine["comes_home"]:
        raise NotMeasuredError([ROOTLESS])
    if not machine["filtered"]:
        return
    for network in plan.networks:
        for subnet in network.subnets:
            for taken, owner in others.items():
                if subnet.version == 4 and ip_network(taken, strict=False).overlaps(subnet):
                    raise NotMeasuredError(
                        f"subnet {subnet} of network {network.name} is also that of the Docker network {owner}, "
                        "whose filter rules would change the lab's packets",
                        hint="give the topology another subnet, or remove that network (docker network rm), or have "
                        "the machine leave bridged packets alone (sysctl net.bridge.bridge-nf-call-iptables=0)",
                    )


def expect_passage(plan: Plan, blocked: Iterable[tuple[str, int]]) -> None:
    """Raise NotMeasuredError where the machine's own filters cut a lab: no program in it can be judged.

    Told is the first by the plan: the agents' answer has the order in which nodes happened to come up.
    """
    order = [network.name for network in plan.networks]
    for network, version in sorted(blocked, key=lambda each: order.index(each[0])):
        switch = "net.bridge.bridge-nf-call-ip6tables" if version == 6 else "net.bridge.bridge-nf-call-iptables"
        without = ", or give the topology no IPv6 subnet" if version == 6 else ""
        raise NotMeasuredError(
            f"the filters of the Engine's machine drop IPv{version} packets inside network {network}",
            hint=f"have that machine leave bridged packets alone (sysctl {switch}=0){without}",
        )
