"""The agent: it wires a lab's containers, reads their kernel's state and runs programs in them, told so over its
standard input and output. One of them is the first process of the lab's helper container, others come and go by
`exec`, one a connection; whatever was started over a connection ends with it.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import selectors
import signal
import time
from collections.abc import Callable
from typing import Any, NoReturn

from lab.runtime.docker import frames
from lab.runtime.docker.agent import box, launch, links, passage, wiring
from lab.runtime.docker.agent.connection import Connection
from lab.runtime.docker.agent.folders import Folders
from lab.runtime.docker.agent.found import marked, with_images
from lab.runtime.docker.agent.nodes import Node, inside, lay_files, namespaces
from lab.runtime.docker.agent.programs import Started, Streams
from lab.runtime.docker.agent.syscalls import open_tree
from lab.runtime.netns import child, kernelstate, memory, nameserver, processes, recorder
from lab.runtime.netns import netlink as nl
from lab.runtime.netns.probe import probe
from lab.runtime.netns.syscalls import CLONE_NEWNET, CLONE_NEWPID, set_process_name, setns

Message = frames.Message

_PACE = 0.06  # seconds between two ended containers: some Engines hang when many end at once


class Agent:
    """Serves one connection."""

    def __init__(self, mark: str, first: bool) -> None:
        self._mark = mark
        self._first = first
        self._lasting = not first
        self._home = namespaces("self")
        self._netlink = nl.Netlink()
        self._nodes: dict[str, Node] = {}
        self._started: dict[int, Started] = {}
        self._links: links.Links | None = None
        self._folders = Folders()
        self._selector = selectors.DefaultSelector()
        self._connection = Connection(self._selector)
        self._next_look = 0.0  # at the memory of steps
        self._streams = Streams(self._selector, self._connection.send, lambda: not self._connection.full)

    def run(self) -> NoReturn:
        """Serve until the connection ends."""
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        os.set_blocking(0, False)
        os.set_blocking(1, False)
        self._selector.register(reader, selectors.EVENT_READ, lambda _: self._reap(reader))
        self._selector.register(0, selectors.EVENT_READ, lambda _: self._receive())
        self._connection.say({"ready": True, "machine": {**wiring.machine(), "comes_home": self._comes_home()}})
        while True:
            for key, mask in self._selector.select(self._until_next_look()):
                if key.fileobj in self._selector.get_map():
                    key.data(mask)
            if self._connection.full:
                select.select([0], [1], [], 1)
            self._watch_memory()

    def _comes_home(self) -> bool:
        """Whether this process can go into a container's PID namespace and back: not on a rootless Engine."""
        try:
            setns(self._home["pid"], CLONE_NEWPID)
        except PermissionError:
            return False
        return True

    def _until_next_look(self) -> float | None:
        if any(started.memory for started in self._started.values()):
            return max(0.0, self._next_look - time.monotonic())
        return None

    def _watch_memory(self) -> None:
        """End a step that has more memory than it may, all its processes together, long before its container has."""
        begun = time.monotonic()
        if begun < self._next_look:
            return
        for started in self._started.values():
            if started.memory and not started.exceeded:
                sandboxed = list(processes.tree(started.pid))[2:]  # behind the two that wait
                if memory.exceeds(sandboxed, started.memory):
                    started.exceeded = True
                    self._leave_or_end(started, sandboxed)
        took = time.monotonic() - begun
        self._next_look = begun + max(memory.PERIOD, memory.PATIENCE * took)

    def _leave_or_end(self, started: Started, sandboxed: list[int]) -> None:
        if not started.lingers:
            processes.end_tree(started.pid, signal.SIGKILL)
            return
        for process in sandboxed:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGSTOP)
        self._connection.say({"left": started.number, "exceeded": True})

    # The connection.

    def _receive(self) -> None:
        received = self._connection.receive()
        if received is None:
            self._gone()
            return
        for kind, number, content in received:
            if kind == frames.JSON:
                self._serve(json.loads(content))
            elif number in self._started:
                self._streams.feed(self._started[number], content)

    def _serve(self, message: Message) -> None:
        try:
            handle: Callable[[Message], Message] = getattr(self, "_do_" + message["do"])
            answer = handle(message)
        except OSError as error:
            answer = {"failed": error.strerror or str(error), "errno": error.errno}
        except Exception as error:  # a fault of ours must reach the person, not end the lab
            answer = {"failed": f"{type(error).__name__} in the agent: {error}"}
        if "id" in message:
            self._connection.say({"answer": message["id"], **answer})

    def _gone(self) -> None:
        """The connection ended: so does all that was started over it, and the lab if it lived by it."""
        for started in list(self._started.values()):
            processes.end_tree(started.pid, signal.SIGKILL)
        if self._first and self._lasting:
            self._connection.close()
            return
        if self._first:
            self._end_lab()
        os._exit(0)

    def _end_lab(self) -> None:
        """End every container of the lab, one after the other, those too that nobody told us of yet."""
        ended: set[int] = set()
        for _ in range(3):
            for pid in with_images(marked(self._mark)) - ended:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                ended.add(pid)
                time.sleep(_PACE)
            time.sleep(0.3)

    def _reap(self, reader: int) -> None:
        for pid, status in child.reap(reader):
            for started in list(self._started.values()):
                if started.pid == pid:
                    self._ended(started, status)

    def _ended(self, started: Started, status: int) -> None:
        """Tell of a program's end behind the last byte that it wrote; what it left running may write on."""
        self._streams.drain(started)
        self._streams.close_stdin(started)
        del self._started[started.number]
        code = status if started.code is None else started.code << 8
        killed = os.waitstatus_to_exitcode(code) in (-signal.SIGKILL, 128 + signal.SIGKILL)
        if started.step and killed and not started.ended_by_us:
            node = self._nodes.get(started.step)
            started.exceeded |= node is not None and node.ended_for_memory() > started.ended_before
        self._connection.say({"ended": started.number, "status": code, "exceeded": started.exceeded})

    # Requests: each takes the message and returns the answer.

    def _do_stay(self, _: Message) -> Message:
        self._lasting = True
        if self._first:
            listener = links.listen()
            self._selector.register(listener, selectors.EVENT_READ, lambda _: links.answer(listener, self._do_relay))
        return {}

    def _do_relay(self, message: Message) -> Message:
        """Change links and set faults: the first agent of the lab does."""
        if not self._first:
            return links.forward(message)
        if self._links is None:
            self._links = links.Links(message["lab"], self._nodes)
        return {"relay": self._links.ask(message["order"])}

    def _do_node(self, message: Message) -> Message:
        """Take a running container for a node of the lab."""
        plan = message["node"]
        self._nodes[plan["name"]] = Node(plan, message["pid"], namespaces(message["pid"]))
        return {}

    def _node(self, name: str) -> Node:
        if name not in self._nodes:
            raise OSError(3, f"the container of {name} has ended")
        return self._nodes[name]

    def _do_find(self, message: Message) -> Message:
        """Take the containers that bear these nodes' names for the nodes of the lab."""
        found = {node: pid for pid, node in marked(self._mark).items() if node}
        for plan in message["nodes"]:
            if plan["name"] in found:
                self._nodes[plan["name"]] = Node(plan, found[plan["name"]], namespaces(found[plan["name"]]))
        return {"missing": [plan["name"] for plan in message["nodes"] if plan["name"] not in found]}

    def _do_wire(self, message: Message) -> Message:
        self._do_node(message)
        node = self._nodes[message["node"]["name"]]
        files = {path: base64.b64decode(content) for path, content in message["contents"].items()}
        with inside(node, self._home, "net", "mnt"):
            lay_files(node.plan, files)
        with inside(node, self._home, "net"):
            node.route = nl.Netlink()
            node.peers = wiring.wire(node.route, node.plan)
            if node.answering:
                nameserver.start(node.plan["name"], node.answering, node.plan["names"], child.fork)
        return {}

    def _do_image(self, message: Message) -> Message:
        """Take a running program for that of a node's own image; 0 is one that has ended already."""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if message["pid"]:
                self._nodes[message["node"]].image = (message["pid"], namespaces(message["pid"]))
        return {}

    def _do_quiet(self, message: Message) -> Message:
        if "bridge" in message:
            wiring.quiet_bridge(self._netlink, message["bridge"])
        else:
            wiring.quiet_ports(self._netlink, message["ports"])
            for node in self._nodes.values():
                if node.route is not None:
                    wiring.forget_neighbours(node.route)
        return {}

    def _do_pass(self, _: Message) -> Message:
        """Find out whether packets pass inside every network, or the machine's filters drop them."""
        return {"blocked": passage.blocked(self._nodes.values(), lambda node: inside(node, self._home, "net"))}

    def _do_put(self, message: Message) -> Message:
        self._folders.put(message["node"], message["folder"], message["files"])
        return {}

    def _do_start(self, message: Message) -> Message:
        node = self._node(message["node"])
        kind, number = message["kind"], message["process"]
        name = message.get("folder")
        folder = open_tree(str(self._folders.path(message["node"], name))) if kind == "step" and name else None
        uid = self._folders.uid(message["node"], name) if kind == "step" else 0
        if kind != "tool":
            node.groups()
        started = Started(number, message["node"] if kind == "step" else "")
        if kind == "tool" and message["file_size"]:
            started.room = message["file_size"]  # its output is no file here
        if message.get("terminal"):
            ends = self._streams.terminal(started, *message["size"])
        else:
            ends = self._streams.pipes(started)
        before = node.ended_for_memory() if kind == "step" else 0
        told, failed = os.pipe2(os.O_CLOEXEC)
        hold = self._hold(started) if message["record"] else None
        left = self._left(started) if kind == "step" and message["lingers"] else None
        if kind != "tool":
            setns(node.processes(kind), CLONE_NEWPID)
        try:
            started.pid = child.fork(lambda: launch.become(message, node, ends, folder, uid, hold, left, failed))
        finally:
            if kind != "tool":
                setns(self._home["pid"], CLONE_NEWPID)
            for fd in {*ends, failed, *(hold or ())} | {each for each in (folder, left) if each is not None}:
                os.close(fd)
        with open(told, "rb") as pipe:
            trouble = pipe.read()  # ends at exec, which closes the other end
        if trouble:
            os.waitpid(started.pid, 0)
            for fd in list(started.outputs):
                self._streams.drop(started, fd)
            self._streams.close_stdin(started)
            return dict(json.loads(trouble))
        if kind == "step":
            started.memory, started.lingers = message["limits"]["memory"], message["lingers"]
            started.ended_before = before
        self._started[number] = started
        return {"process": number}

    def _hold(self, started: Started) -> tuple[int, int]:
        """Have a step's calls recorded once it waits for that; its ends of what it waits with."""
        output = self._streams.record(started)
        waiting, say_waiting = os.pipe2(os.O_CLOEXEC)
        go, release = os.pipe2(os.O_CLOEXEC)

        def begin(_: int) -> None:
            self._selector.unregister(waiting)
            if os.read(waiting, 1):  # its end, where the sandbox could not be made
                last = list(processes.tree(started.pid))[-1]
                child.fork(lambda: recorder.record(last, output, release))
            for fd in (waiting, output, release):
                os.close(fd)

        self._selector.register(waiting, selectors.EVENT_READ, begin)
        return say_waiting, go

    def _left(self, started: Started) -> int:
        """Hear of a step's end while others of it still run; its own end of where it tells that."""
        started.left, tell = os.pipe2(os.O_CLOEXEC)

        def hear(_: int) -> None:
            assert started.left is not None
            self._selector.unregister(started.left)
            told = os.read(started.left, 16)
            os.close(started.left)
            if told:
                started.code = int(told)
                self._connection.say({"left": started.number, "exceeded": False})

        self._selector.register(started.left, selectors.EVENT_READ, hear)
        return tell

    def _do_signal(self, message: Message) -> Message:
        started = self._started.get(message["process"])
        if started is not None:
            started.ended_by_us |= message["signal"] == signal.SIGKILL
            if message["tree"]:
                processes.end_tree(started.pid, message["signal"])
            else:
                os.kill(started.pid, message["signal"])
        return {}

    def _do_ports(self, message: Message) -> Message:
        """The local ports of a step's own sockets."""
        started = self._started.get(message["process"])
        namespace = box.namespace_of(started.pid) if started and started.step else None
        if started is None or namespace is None:
            return {"ports": []}
        return {"ports": processes.ports(namespace, self._sockets(self._node(started.step)))}

    def _do_resize(self, message: Message) -> Message:
        if message["process"] in self._started:
            self._streams.resize(self._started[message["process"]], *message["size"])
        return {}

    def _do_state(self, message: Message) -> Message:
        return {"nodes": {name: self._state(self._node(name), message["sockets_only"]) for name in message["nodes"]}}

    def _sockets(self, node: Node) -> list[dict[str, Any]]:
        if node.diag is None:
            with inside(node, self._home, "net"):
                node.diag = nl.Netlink(4)  # NETLINK_SOCK_DIAG
        found = [each for each in kernelstate.sockets(node.diag) if not wiring.is_resolver(each)]
        return [each for each in found if not nameserver.is_nameserver(each, node.answering)]

    def _state(self, node: Node, sockets_only: bool) -> dict[str, Any]:
        state: dict[str, Any] = {"sockets": self._sockets(node)}
        if sockets_only:
            return state
        if node.route is None:
            with inside(node, self._home, "net"):
                node.route = nl.Netlink()
        there = {link.name: link.index for link in wiring.links(node.route)}
        planned = [each["name"] for each in node.plan["interfaces"]]
        state |= kernelstate.tables(node.route, {there[name]: name for name in planned if name in there})
        with inside(node, self._home, "net"):
            state["sysctls"] = kernelstate.sysctls()
        return state

    def _do_probe(self, message: Message) -> Message:
        """Answered later, by way of a child that tries, so that nothing else waits for it."""
        node = self._node(message["node"])
        reader, writer = os.pipe2(os.O_CLOEXEC)

        def attempt() -> NoReturn:
            setns(node.namespaces["net"], CLONE_NEWNET)
            result = probe(message["to"], message["protocol"], message["port"], message["timeout"])
            os.write(writer, json.dumps(result).encode())
            os._exit(0)

        def tell(_: int) -> None:
            with open(reader, "rb") as pipe:
                self._selector.unregister(reader)
                result = pipe.read()
            if result:
                self._connection.say({"probed": message["id"], **json.loads(result)})

        child.fork(attempt)
        os.close(writer)
        self._selector.register(reader, selectors.EVENT_READ, tell)
        return {}


def main(mark: str, first: bool) -> NoReturn:
    """Be the agent of the lab with that mark; the `first` one, if told so, ends the lab with its connection."""
    set_process_name("lab-agent")
    Agent(mark, first).run()
