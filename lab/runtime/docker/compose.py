"""A plan as a file for Docker Compose: the network to look at with plain `docker compose`, without captures. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network

from lab.errors import LabError
from lab.plan import Plan, PlannedNode

_DOCKERFILE = "${LAB_COMPOSE:-.}"  # the folder of the node image's Dockerfile


def compose_file(plan: Plan, image: str) -> str:
    """The text of a compose.yaml whose nodes have that image.

    Raises LabError for what Compose cannot carry: IPv6, links, or a subnet without room.
    Compose gives every network a gateway of its own: here the highest address that the plan leaves free.
    """
    if plan.dual:
        raise LabError(f"{plan.name} has IPv6, which this export does not carry", hint="lab up brings it up whole")
    if linked := [network.name for network in plan.networks if not network.link.plain]:
        what = f"network {linked[0]} has a rate, a delay or losses, which Compose does not have"
        raise LabError(what, hint="lab up brings it up whole")
    if plan.resolver:
        what = f"{plan.name} resolves names by DNS, and the export has no name server"
        raise LabError(what, hint="lab up brings it up whole")
    lines = [
        f"# {plan.name}, written by `lab export compose`, for every Compose from 1.29 on; without any capture:",
        f"#     docker compose -p {plan.name} up -d",
        "services:",
    ]
    for node in plan.nodes:
        lines += _service(node, plan, image)
    lines.append("networks:")
    for network in plan.networks:
        lines += [
            f"  {network.name}:",
            "    driver: bridge",
            "    driver_opts:",
            '      com.docker.network.bridge.enable_ip_masquerade: "false"',
            f'      com.docker.network.driver.mtu: "{network.mtu}"',
            "    ipam:",
            "      config:",
        ]
        for subnet in network.subnets:
            assert isinstance(subnet, IPv4Network)
            lines.append(f"        - {{subnet: {subnet}, gateway: {_gateway(plan, subnet)}}}")
    return "\n".join(lines) + "\n"


def _service(node: PlannedNode, plan: Plan, image: str) -> Iterator[str]:
    yield f"  {node.name}:"
    if node.image:
        yield f"    image: {node.image}"
    else:
        yield f"    image: {image}"
        yield f"    build: {_DOCKERFILE}"
    yield f"    hostname: {node.name}"
    yield "    init: true"
    yield "    cap_drop: [ALL]"
    yield "    cap_add: [NET_ADMIN, NET_RAW]  # for its routes, and to look around with ping and tcpdump"
    yield "    security_opt: [no-new-privileges]"
    if node.forwards:
        yield "    sysctls: {net.ipv4.ip_forward: 1}"
    yield f"    command: {_command(node)}"
    yield "    extra_hosts:"
    for address, names in node.hosts:
        yield from (f'      - "{name}:{address}"' for name in names if name != "localhost")
    yield "    networks:"
    for number, interface in enumerate(node.interfaces):
        addresses = [address for address in interface.addresses if address.version == 4]
        yield f"      {interface.network}:"
        yield f"        ipv4_address: {addresses[0].ip}"
        yield f"        priority: {1000 - number}{'' if number else '  # the highest becomes eth0'}"


def _command(node: PlannedNode) -> str:
    macs = [f"ip link set eth{number} address {each.mac}" for number, each in enumerate(node.interfaces)]
    routes = [f"ip route replace {route.to} via {route.via}" for route in node.routes]
    if not any(route.to.prefixlen == 0 for route in node.routes):
        routes.insert(0, "ip route del default || true")
    return '["sh", "-c", "' + "; ".join([*macs, *routes, "exec sleep infinity"]) + '"]'


def _gateway(plan: Plan, subnet: IPv4Network) -> IPv4Address:
    taken = set(plan.owners)
    for number in range(int(subnet.broadcast_address) - 1, int(subnet.network_address), -1):
        if IPv4Address(number) not in taken:
            return IPv4Address(number)
    raise LabError(f"subnet {subnet} has no address left for the gateway that Compose wants")
