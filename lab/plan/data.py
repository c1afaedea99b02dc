"""A plan as JSON data and back, without loss."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

from lab.declared import as_declared
from lab.errors import LabError
from lab.plan.model import Plan, PlannedInterface, PlannedNetwork, PlannedNode, PlannedRoute
from lab.topology.links import link_from_json, link_to_json
from lab.topology.model import NodeFile


def plan_to_json(plan: Plan) -> dict[str, Any]:
    """The plan's data; the lines of /etc/hosts stand once, because every node has the same."""
    return {
        "name": plan.name,
        "runtime": plan.runtime,
        **({"resolver": plan.resolver} if plan.resolver else {}),
        "networks": [
            {
                "name": each.name,
                "subnets": [str(subnet) for subnet in each.subnets],
                "mtu": each.mtu,
                **({} if each.link.plain else {"link": link_to_json(each.link)}),
            }
            for each in plan.networks
        ],
        "hosts": [[address, list(names)] for address, names in plan.nodes[0].hosts] if plan.nodes else [],
        "nodes": [_node(node) for node in plan.nodes],
    }


def _node(node: PlannedNode) -> dict[str, Any]:
    return {
        "name": node.name,
        "role": node.role,
        "interfaces": [
            {
                "name": each.name,
                "network": each.network,
                "mac": each.mac,
                "addresses": [str(address) for address in each.addresses],
                "mtu": each.mtu,
            }
            for each in node.interfaces
        ],
        "routes": [{"to": str(each.to), "via": str(each.via), "interface": each.interface} for each in node.routes],
        "sysctls": [list(each) for each in node.sysctls],
        "files": [{"path": each.path, "base64": b64encode(each.content).decode()} for each in node.files],
        "image": node.image,
        **({"nameserver": node.nameserver} if node.nameserver else {}),
        **({"setup": [list(each) for each in node.setup]} if node.setup else {}),
    }


def plan_from_json(data: dict[str, Any], where: str = "") -> Plan:
    """The plan of such data; raises `LabError` where it is none."""
    try:
        hosts = tuple((address, tuple(names)) for address, names in data["hosts"])
        networks = tuple(
            PlannedNetwork(
                each["name"], tuple(map(ip_network, each["subnets"])), each["mtu"], link_from_json(each.get("link", {}))
            )
            for each in data["networks"]
        )
        nodes = tuple(
            PlannedNode(
                node["name"],
                node["role"],
                tuple(
                    PlannedInterface(
                        node["name"], each["name"], each["network"], _mac(each["mac"]),
                        tuple(map(ip_interface, each["addresses"])), each["mtu"],
                    )
                    for each in node["interfaces"]
                ),
                tuple(
                    PlannedRoute(ip_network(each["to"]), ip_address(each["via"]), each["interface"])
                    for each in node["routes"]
                ),
                tuple((name, value) for name, value in node["sysctls"]),
                hosts,
                tuple(NodeFile(each["path"], b64decode(each["base64"])) for each in node["files"]),
                node["image"],
                node.get("nameserver"),
                tuple(map(tuple, node.get("setup", ()))),
            )
            for node in data["nodes"]
        )  # fmt: skip
        return as_declared(Plan(data["name"], networks, nodes, data["runtime"], data.get("resolver")))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise LabError(f"this is not a plan that lab wrote: {type(error).__name__}: {error}", where) from None


def _mac(text: str) -> str:
    if not re.fullmatch("[0-9a-f]{2}(:[0-9a-f]{2}){5}", text):
        raise ValueError(f"{text!r:.60} is no MAC")
    return text
