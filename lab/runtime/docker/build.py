"""Brings a lab's networks and containers into being, and ends them, as much side by side as the Engine bears."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import threading
import zlib
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Any

from lab.errors import NotMeasuredError
from lab.plan import Plan, PlannedInterface, PlannedNode, plan_from_json, plan_to_json
from lab.runtime.docker import bundle, engine, machine, names, own, pool, process
from lab.runtime.docker.connection import Connection
from lab.runtime.docker.live import DockerLab
from lab.runtime.docker.names import Names
from lab.runtime.docker.own import Images
from lab.topology.links import link_to_json

if TYPE_CHECKING:
    from docker import APIClient

Asked = tuple[int, dict[str, Any]]  # a request's number, and the request

AT_ONCE = 4  # calls to the Engine: more do not make it faster, and some hang
_TRIES = 5  # to find wiring subnets that nobody else takes at the same moment
_HELPER_CAPABILITIES = (
    *("SYS_ADMIN", "NET_ADMIN", "NET_RAW", "SYS_PTRACE", "SYS_CHROOT", "SETUID", "SETGID", "SETPCAP", "KILL"),
    *("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "NET_BIND_SERVICE"),
)
MEMORY = 2 << 30  # bytes of all of a node
_NODE_LIMITS = {"mem_limit": MEMORY, "pids_limit": 1024, "nano_cpus": 2_000_000_000}
_NETWORK_OPTIONS = {
    "com.docker.network.bridge.enable_ip_masquerade": "false",
    "com.docker.network.bridge.inhibit_ipv4": "true",  # the host stays out of the segment
    "com.docker.network.advertise_addr_nmsgs": "0",  # nor does the Engine announce addresses in it
}


class Builder:
    """Brings one lab up, or down."""

    def __init__(self, client: APIClient, given: Names, plan: Plan, image: str, say: Callable[[str], None]) -> None:
        self._client = client
        self._names = given
        self._plan = plan
        self._image = image
        self._say = say
        self._networks: dict[str, Future[str]] = {network.name: Future() for network in plan.networks}  # their bridges
        self._quiet: dict[str, Future[Asked]] = {network.name: Future() for network in plan.networks}
        self._failed = threading.Event()
        self._members: dict[str, list[str]] = {network.name: [] for network in plan.networks}  # capture points
        for interface in plan.interfaces:
            self._members[interface.network].append(interface.point)
        self._lab: Future[DockerLab] = Future()
        self._subnets: dict[str, IPv4Network] = {}
        self._others: dict[str, str] = {}  # subnet → the Engine's network that has it
        self._labels = {**given.labels, names.MAKER: process.identity()}

    def up(self, source: str) -> DockerLab:
        """The lab, wired."""
        self._choose_subnets(0)
        workers = ThreadPoolExecutor(AT_ONCE + 1)
        try:
            workers.submit(self._make_networks)
            nodes = [workers.submit(self._start_node, node) for node in self._plan.nodes]
            lab = self._start_helper(source)
            self._lab.set_result(lab)
            for name, future in self._networks.items():
                self._quiet[name].set_result(self._ask({"do": "quiet", "bridge": future.result()}))
            machine.refuse(self._plan, lab.await_ready(), self._others)
            for quiet in self._quiet.values():
                lab.await_answer(*quiet.result())
            for node, started in zip(self._plan.nodes, nodes, strict=True):
                asked = started.result()
                try:
                    lab.await_answer(*asked)
                except NotMeasuredError:
                    self._expect_running([node])
                    raise
            self._expect_passage(lab)
            lab.ask({"do": "quiet", "ports": [future.result() for future in self._networks.values()]})
            self._expect_running(self._plan.nodes)
            links = {each.name: link_to_json(each.link) for each in self._plan.networks if not each.link.plain}
            if links:
                lab.relay({"networks": list(links), "links": links})
            self._start_images(lab)
        except BaseException as error:
            self._failed.set()
            awaited: list[Future[Any]] = [self._lab, *self._quiet.values()]
            for future in awaited:
                if not future.done():
                    future.set_exception(error)
            raise
        finally:
            workers.shutdown(wait=True, cancel_futures=True)
        return lab

    def _expect_running(self, nodes: Iterable[PlannedNode]) -> None:
        """A container may be killed, or run out of memory, at any moment: no lab without it is said to be up."""
        with engine.told("listing containers"):
            running = self._client.containers(filters=self._names.owner.filters(mark=self._names.mark, kind="node"))
        there = {each["Labels"].get(names.NODE) for each in running}
        for node in nodes:
            if node.name not in there:
                what = f"node {node.name}: its container ended while lab {self._names.lab} came up"
                raise NotMeasuredError(what, hint=engine.ENDED_HINT)

    def _expect_passage(self, lab: DockerLab) -> None:
        try:
            blocked = lab.ask({"do": "pass"})["blocked"]
        except NotMeasuredError:
            self._expect_running(self._plan.nodes)
            raise
        machine.expect_passage(self._plan, blocked)

    def _start_images(self, lab: DockerLab) -> None:
        """Start the images of the topology's own: all is wired by now."""
        nodes = [node for node in self._plan.nodes if node.image]
        for node in nodes:
            pid = own.start(self._client, self._names, node, self._labels, _NODE_LIMITS)
            self._say(f"node {node.name}: {self._names.image(node.name)}, image {node.image}")
            lab.ask({"do": "image", "node": node.name, "pid": pid})
        if nodes:
            lab.images.await_started(lab, self._say)

    def _ask(self, message: dict[str, Any]) -> Asked:
        """Ask the agent, as soon as there is one; the answer is awaited later."""
        return self._lab.result().request(message), message

    def _choose_subnets(self, attempt: int) -> None:
        with engine.told("listing networks"):
            found = self._client.networks()
        self._others = {
            each["Subnet"]: network["Name"]
            for network in found
            for each in network["IPAM"].get("Config") or []
            if "." in each.get("Subnet", "")
        }
        taken = list(self._others)
        taken += [str(subnet) for network in self._plan.networks for subnet in network.subnets]
        taken += local_routes()
        chosen_pool = pool.pool(os.environ)
        members = {name: len(self._members[name]) for name, made in self._networks.items() if not made.done()}
        seed = int(self._names.mark, 16) * 1009 + attempt * 7919
        self._subnets |= pool.choose(chosen_pool, members, taken, seed)

    def _make_networks(self) -> None:
        """One after the other, which is how the Engine does it anyway; whoever waits for one hears of a failure."""
        try:
            for number, network in enumerate(self._plan.networks):
                if self._failed.is_set():
                    raise _given_up()
                bridge = f"lb{self._names.mark}{number}"  # at most 15 characters, as the kernel wants it
                self._make_network(network.name, network.mtu, bridge)
                self._say(f"network {network.name}: {self._names.network(network.name)}, {self._subnets[network.name]}")
                self._networks[network.name].set_result(bridge)
        except BaseException as error:
            self._failed.set()
            for future in self._networks.values():
                if not future.done():
                    future.set_exception(error)
            raise

    def _make_network(self, name: str, mtu: int, bridge: str) -> None:
        from docker.types import IPAMConfig, IPAMPool

        for attempt in range(1, _TRIES + 1):
            subnet = self._subnets[name]
            try:
                with engine.told(f"network {name}"):
                    self._client.create_network(
                        self._names.network(name),
                        driver="bridge",
                        ipam=IPAMConfig(pool_configs=[IPAMPool(subnet=str(subnet), gateway=str(subnet[1]))]),
                        options={
                            **_NETWORK_OPTIONS,
                            "com.docker.network.bridge.name": bridge,
                            "com.docker.network.driver.mtu": str(mtu),
                        },
                        labels={**self._labels, names.KIND: "network", names.NETWORK: name},
                        check_duplicate=True,
                    )
                return
            except NotMeasuredError as error:
                # Somebody took the subnet since we looked: choose again, for the networks that are not there yet.
                if "verlap" not in str(error) or attempt == _TRIES:
                    raise
                self._choose_subnets(attempt)

    def _start_helper(self, source: str) -> DockerLab:
        client = self._client
        config = client.create_host_config(
            network_mode="host",
            pid_mode="host",
            cap_drop=["ALL"],
            cap_add=list(_HELPER_CAPABILITIES),
            security_opt=["apparmor=unconfined", "label=disable", "no-new-privileges"],
            tmpfs={"/run": "size=64m"},
            auto_remove=True,
            log_config={"type": "none"},
        )
        # Without these two the Engine shows /proc/sys readable only, and wiring is to a good part sysctls.
        config |= {"MaskedPaths": [], "ReadonlyPaths": [], "CgroupnsMode": "host"}
        labels = {names.KIND: "helper", names.SOURCE: source, names.PLAN: written_plan(self._plan)}
        with engine.told("the lab's helper"):
            made = client.create_container(
                self._image,
                command=bundle.command(self._names.mark, first=True),
                name=self._names.starting if self._names.lasting else self._names.helper,
                labels={**self._labels, **labels},
                stdin_open=True,
                host_config=config,
                environment={"LAB_MARK": self._names.mark},
            )
            # Its input has to end with the first connection: the lab of a `lab run` lives by that.
            stream = client.attach_socket(made["Id"], {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
            client.start(made["Id"])
        connection = Connection(stream, bundle.archive())
        images = Images(client, self._names.owner.filters(mark=self._names.mark, kind="image"), self._plan)
        return DockerLab(self._names.lab, self._plan, connection, lambda: engine.runs(client, made["Id"]), images)

    def _start_node(self, node: PlannedNode) -> Asked:
        """Make and start a node's container, joined to its networks, and have it wired."""
        client = self._client
        count = len(node.interfaces) if engine.joins_several(client) else 1
        at_once, later = node.interfaces[:count], node.interfaces[count:]
        for interface in at_once:
            self._networks[interface.network].result()
        if self._failed.is_set():
            raise _given_up()
        config = client.create_host_config(
            network_mode=self._names.network(at_once[0].network) if at_once else "none",
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            init=True,
            auto_remove=True,
            log_config={"type": "none"},
            **_NODE_LIMITS,
        )
        ends = {
            self._names.network(each.network): client.create_endpoint_config(ipv4_address=self._address(each))
            for each in at_once
        }
        with engine.told(f"node {node.name}"):
            made = client.create_container(
                self._image,
                command=["sleep", "infinity"],
                name=self._names.node(node.name),
                hostname=node.name,
                labels={**self._labels, names.KIND: "node", names.NODE: node.name},
                host_config=config,
                networking_config=client.create_networking_config(ends) if ends else None,
                environment={"LAB_MARK": self._names.mark, "LAB_NODE": node.name},
            )
            for interface in later:
                self._networks[interface.network].result()
                client.connect_container_to_network(
                    made["Id"], self._names.network(interface.network), ipv4_address=self._address(interface)
                )
            client.start(made["Id"])
            state = client.inspect_container(made["Id"])["State"]
        if not state["Running"]:
            raise NotMeasuredError(f"the container of {node.name} ended at once, with code {state['ExitCode']}")
        self._say(f"node {node.name}: {self._names.node(node.name)}")
        planned = node_data(node, self._plan)
        for interface, data in zip(node.interfaces, planned["interfaces"], strict=True):
            data["wiring"] = self._address(interface)
        for interface in node.interfaces:  # the host is out of a segment before a node speaks there
            self._quiet[interface.network].result()
        contents = {file.path: base64.b64encode(file.content).decode() for file in node.files}
        return self._ask({"do": "wire", "pid": int(state["Pid"]), "node": planned, "contents": contents})

    def _address(self, interface: PlannedInterface) -> str:
        """What the Engine is told to give an interface; the agent knows it by that."""
        members = self._members[interface.network]
        return str(self._subnets[interface.network][members.index(interface.point) + 2])


def _given_up() -> NotMeasuredError:
    return NotMeasuredError("given up, because something else failed")


def node_data(node: PlannedNode, plan: Plan) -> dict[str, Any]:
    """A node's part of the plan, as its agent takes it."""
    return {
        "name": node.name,
        "dual": plan.dual,
        "whole": node.image is not None,
        "interfaces": [
            {
                "name": each.name,
                "network": each.network,
                "mac": each.mac,
                "mtu": each.mtu,
                "addresses": list(map(str, each.addresses)),
            }
            for each in node.interfaces
        ],
        "routes": [{"to": str(each.to), "via": str(each.via), "interface": each.interface} for each in node.routes],
        "sysctls": node.sysctls,
        "hosts": node.hosts,
        "resolv_conf": node.resolv_conf,
        "names": plan.names if node.name == plan.resolver else (),  # what a name server on it answers
        "files": [file.path for file in node.files],
    }


def written_plan(plan: Plan) -> str:
    """A plan as a label."""
    return base64.b85encode(zlib.compress(json.dumps(plan_to_json(plan)).encode())).decode()


def read_plan(label: str) -> Plan:
    """The plan in a helper's label."""
    return plan_from_json(json.loads(zlib.decompress(base64.b85decode(label))))


def local_routes() -> Iterable[str]:
    """Where this machine's own routes lead, as far as it tells: the Engine's may be another's."""
    found = []
    with contextlib.suppress(OSError), open("/proc/net/route") as lines:
        for line in list(lines)[1:]:
            _, to, _, _, _, _, _, mask, *_ = line.split()
            address, bits = (int.from_bytes(bytes.fromhex(text), "little") for text in (to, mask))
            if bits:
                found.append(f"{IPv4Address(address)}/{bits.bit_count()}")
    return found
