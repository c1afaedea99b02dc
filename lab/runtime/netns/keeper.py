"""The keeper: the one process that owns a lab. It is the first process of the lab's PID namespace, so when it dies,
for whatever reason, the kernel ends every process of the lab and with them go the namespaces, interfaces and mounts.

It serves requests over a channel, one thread, never blocking on anything but the kernel. Whatever was started over a
connection ends with that connection.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from lab.plan import Plan
from lab.runtime.netns import child, kernelstate, launch, memory, nameserver, processes, recorder
from lab.runtime.netns import netlink as nl
from lab.runtime.netns.channel import Channel, Message
from lab.runtime.netns.probe import probe
from lab.runtime.netns.started import Started
from lab.runtime.netns.syscalls import CLONE_NEWNET, CLONE_NEWPID, setns
from lab.runtime.netns.wiring import WiredNode, segment_ports, wire
from lab.runtime.relay.owner import Owner
from lab.topology.links import link_to_json

_RECORD_LOOK = 5.0  # seconds between two looks whether a lasting lab is still written down


@dataclass
class _Node:
    wired: WiredNode
    folder: Path
    holder: int | None = None  # pidfd
    pid_namespace: int = -1
    diag: nl.Netlink | None = None
    folders: dict[str, str] = field(default_factory=dict)


class Keeper:
    """Serves one lab until it is told to go, or until the connection that it depends on is gone."""

    def __init__(self, plan: Plan, root: Path, owner: Channel, listener: socket.socket | None) -> None:
        self._plan = plan
        self._root = root
        self._owner: Channel | None = owner
        self._listener = listener
        self._lasting = False
        self._record: Path | None = None  # where a lasting lab is written down
        self._nodes: dict[str, _Node] = {}
        self._started: dict[int, Started] = {}
        self._selector = selectors.DefaultSelector()
        self._next_look = 0.0  # at the memory of programs
        self._home = (_namespace("net"), _namespace("pid"))
        self._relay = Owner(plan.name, segment_ports(plan), child.fork)

    def run(self) -> NoReturn:
        """Build the network, tell the owner, serve."""
        assert self._owner is not None
        owner = self._owner
        self._watch_children()
        try:
            wired = wire(self._plan, lambda text: owner.send({"say": text}))
            for name, node in wired.items():
                self._nodes[name] = _Node(node, self._root / "nodes" / name)
            links = {each.name: link_to_json(each.link) for each in self._plan.networks if not each.link.plain}
            self._relay.ask({"networks": list(links), "links": links})
            if self._plan.resolver is not None:
                self._start_nameserver(self._plan.resolver)
        except OSError as error:
            owner.send({"failed": error.strerror or str(error), "errno": error.errno})
            os._exit(1)
        owner.send({"ready": True})
        self._selector.register(owner, selectors.EVENT_READ, self._serve)
        if self._listener:
            self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        while True:
            for key, _ in self._selector.select(self._until_next_look()):
                if key.fileobj in self._selector.get_map():
                    key.data(key.fileobj)
            if self._record and not os.path.lexists(self._record):
                os._exit(0)  # nobody could find this lab any more, so nobody could end it
            self._watch_memory()

    def _until_next_look(self) -> float | None:
        """Seconds for which nothing has to be done; None where that is for ever."""
        if any(started.sandboxed for started in self._started.values()):
            return max(0.0, self._next_look - time.monotonic())
        return _RECORD_LOOK if self._record else None

    def _watch_memory(self) -> None:
        """End a step that has more memory than it may, all its processes together."""
        begun = time.monotonic()
        if begun < self._next_look:
            return
        for started in list(self._started.values()):
            watched = started.pin is not None and not started.exceeded
            namespace = started.namespace() if watched else None
            if namespace is not None and memory.exceeds(list(processes.members(namespace)), started.memory):
                started.exceeded = True
                self._leave_or_end(started)
        took = time.monotonic() - begun
        self._next_look = begun + max(memory.PERIOD, memory.PATIENCE * took)

    def _leave_or_end(self, started: Started) -> None:
        """Stop a step that has to be ended where its owner wants to know before, else end it at once."""
        if started.lingers and started.stop():
            started.owner.send({"left": started.pid, "exceeded": started.exceeded})
        else:
            self._end(started, signal.SIGKILL)

    def _start_nameserver(self, resolver: str) -> None:
        setns(self._nodes[resolver].wired.namespace, CLONE_NEWNET)
        try:
            nameserver.start(resolver, self._addresses(resolver), self._plan.names, child.fork)
        finally:
            setns(self._home[0], CLONE_NEWNET)

    def _addresses(self, node: str) -> list[str]:
        return [str(each.ip) for interface in self._plan.by_name[node].interfaces for each in interface.addresses]

    def _watch_children(self) -> None:
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._selector.register(reader, selectors.EVENT_READ, self._reap)

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
        except OSError:  # given up by the other side, or no descriptor left: neither may end the lab
            return
        self._selector.register(Channel(connection), selectors.EVENT_READ, self._serve)

    def _serve(self, channel: Channel) -> None:
        try:
            received = channel.receive()
        except OSError:
            received = None
        if received is None:
            self._gone(channel)
            return
        message, fds = received
        try:
            handle: Callable[[Channel, Message, list[int]], Message] = getattr(self, "_do_" + message["do"])
            answer = handle(channel, message, fds)
        except OSError as error:
            answer = {"failed": error.strerror or str(error), "errno": error.errno}
        except Exception as error:  # a fault of ours must reach the person, not end the lab
            answer = {"failed": f"{type(error).__name__} in the keeper: {error}"}
        finally:
            for fd in fds:
                os.close(fd)
        if "id" in message:
            with contextlib.suppress(OSError):
                channel.send({"answer": message["id"], **answer})

    def _gone(self, channel: Channel) -> None:
        """A connection ended: so does all that was started over it, and the lab if it lived by it."""
        if channel is self._owner and not self._lasting:
            os._exit(0)
        self._selector.unregister(channel)
        channel.close()
        for started in list(self._started.values()):
            if started.owner is channel:
                self._end(started, signal.SIGKILL)

    def _reap(self, reader: int) -> None:
        for pid, status in child.reap(reader):
            started = self._started.get(pid)
            if started is None or started.ended is not None:
                continue
            started.ended = status
            with contextlib.suppress(OSError):
                if started.lingers and os.WIFEXITED(status) and not started.exceeded and started.stop():
                    started.owner.send({"left": pid, "exceeded": False})
                    continue
            self._finish(started)

    def _finish(self, started: Started) -> None:
        """The first process of a program has ended: end all others, and tell how it ended."""
        del self._started[started.pid]
        status = started.ended
        assert status is not None
        began = not started.sandboxed or "exit-code" in started.hear() or os.WIFSIGNALED(status)
        self._end(started, signal.SIGKILL)
        self._forget(started)
        told = {"ended": started.pid, "status": status, "began": began, "exceeded": started.exceeded}
        with contextlib.suppress(OSError):
            started.owner.send(told)

    def _hear(self, started: Started) -> None:
        """A sandbox told of itself: its namespace is pinned before its program can have come far."""
        before = len(started.told)
        started.hear()
        namespace = started.namespace()
        if namespace is not None and started.record is not None:
            self._record_calls(started, next(processes.members(namespace), 0))
        if len(started.told) == before and started.status is not None:  # its end: nothing more will come
            self._selector.unregister(started.status)
            os.close(started.status)
            started.status = None

    def _record_calls(self, started: Started, pid: int) -> None:
        """Have the calls of a sandbox recorded, whose first process waits for that."""
        assert started.record is not None
        output, release = started.record
        child.fork(lambda: recorder.record(pid, output, release))
        started.let_go()

    def _forget(self, started: Started) -> None:
        started.let_go()
        if started.status is not None:
            self._selector.unregister(started.status)
            os.close(started.status)
        if started.pin is not None:
            os.close(started.pin)

    def _end(self, started: Started, number: int) -> None:
        """Signal a program and all that it started; a sandbox that is killed is killed by its namespace."""
        namespace = started.namespace()
        if number == signal.SIGKILL and namespace is not None:
            processes.end_namespace(namespace)
        if started.ended is None:
            processes.end_tree(started.pid, number)
        elif started.pid in self._started and number == signal.SIGKILL:
            self._finish(started)

    # Requests: each takes the connection, the message and its descriptors, and returns the answer.

    def _do_stay(self, _: Channel, message: Message, __: list[int]) -> Message:
        self._lasting, self._record = True, Path(message["record"])
        return {}

    def _do_put(self, _: Channel, message: Message, fds: list[int]) -> Message:
        folder = self._folder(message["node"], message["folder"])
        with open(fds[0], "rb", closefd=False) as packed:
            packed.seek(0)
            processes.lay(Path(folder), message["files"], packed)
        return {}

    def _do_start(self, channel: Channel, message: Message, fds: list[int]) -> Message:
        node = self._nodes[message["node"]]
        kind = message["kind"]
        request = dict(message)
        if kind == "step":
            request["folder"] = self._folder(message["node"], message["folder"]) if message.get("folder") else None
            request["files"] = [file.path for file in node.wired.plan.files]
        if kind != "tool":
            self._hold(message["node"])
        namespaces = launch.Namespaces(node.wired.namespace, node.holder if kind != "tool" else None)
        stdio = (fds[0], fds[1], fds[2])
        status, tell_status = os.pipe2(os.O_CLOEXEC) if kind == "step" else (None, -1)
        hold, release = os.pipe2(os.O_CLOEXEC) if len(fds) > 3 else (None, -1)
        told, failed = os.pipe2(os.O_CLOEXEC)
        if kind != "tool":
            setns(node.pid_namespace, CLONE_NEWPID)
        try:
            pid = child.fork(lambda: launch.become(request, namespaces, stdio, node.folder, tell_status, hold, failed))
        finally:
            if kind != "tool":
                setns(self._home[1], CLONE_NEWPID)
            os.close(failed)
            if status is not None:
                os.close(tell_status)
            if hold is not None:
                os.close(hold)
        with open(told, "rb") as pipe:
            trouble = pipe.read()  # ends at exec, which closes the other end
        if trouble:
            os.waitpid(pid, 0)
            for fd in (status, release if hold is not None else None):
                if fd is not None:
                    os.close(fd)
            return dict(json.loads(trouble))
        if pid in self._started:  # one that lingers no longer holds its number
            self._finish(self._started[pid])
        limit = message["limits"]["memory"]
        sandboxed = status is not None
        started = Started(pid, channel, message["node"], status, sandboxed, message["lingers"], limit)
        self._started[pid] = started
        if hold is not None:
            started.record = (os.dup(fds[3]), release)
        if status is not None:
            os.set_blocking(status, False)
            self._selector.register(status, selectors.EVENT_READ, lambda _: self._hear(started))
        return {"process": pid}

    def _do_signal(self, _: Channel, message: Message, __: list[int]) -> Message:
        pid = message["process"]
        if pid in self._started:
            if message["tree"]:
                self._end(self._started[pid], message["signal"])
            elif self._started[pid].ended is None:
                os.kill(pid, message["signal"])
        return {}

    def _do_ports(self, _: Channel, message: Message, __: list[int]) -> Message:
        """The local ports of a step's own sockets."""
        started = self._started.get(message["process"])
        namespace = started.namespace() if started else None
        if started is None or namespace is None:
            return {"ports": []}
        return {"ports": processes.ports(namespace, self._sockets(started.node))}

    def _do_state(self, _: Channel, message: Message, __: list[int]) -> Message:
        return {"nodes": {name: self._state(name, message["sockets_only"]) for name in message["nodes"]}}

    def _do_probe(self, channel: Channel, message: Message, _: list[int]) -> Message:
        """Answered later, by the child that tries, so that nothing else waits for it."""
        node = self._nodes[message["node"]]

        def attempt() -> NoReturn:
            setns(node.wired.namespace, CLONE_NEWNET)
            result = probe(message["to"], message["protocol"], message["port"], message["timeout"])
            channel.send({"probed": message["id"], **result})
            os._exit(0)

        child.fork(attempt)
        return {}

    def _do_relay(self, _: Channel, message: Message, __: list[int]) -> Message:
        return {"relay": self._relay.ask(message["order"])}

    def _sockets(self, name: str) -> list[dict[str, Any]]:
        node = self._nodes[name]
        if node.diag is None:
            setns(node.wired.namespace, CLONE_NEWNET)
            try:
                node.diag = nl.Netlink(4)  # NETLINK_SOCK_DIAG
            finally:
                setns(self._home[0], CLONE_NEWNET)
        ours = self._addresses(name) if name == self._plan.resolver else ()
        return [each for each in kernelstate.sockets(node.diag) if not nameserver.is_nameserver(each, ours)]

    def _state(self, name: str, sockets_only: bool) -> dict[str, Any]:
        node = self._nodes[name]
        state: dict[str, Any] = {"sockets": self._sockets(name)}
        if sockets_only:
            return state
        names = dict(enumerate((interface.name for interface in node.wired.plan.interfaces), 2))
        state |= kernelstate.tables(node.wired.netlink, names)
        setns(node.wired.namespace, CLONE_NEWNET)
        try:
            state["sysctls"] = kernelstate.sysctls()
        finally:
            setns(self._home[0], CLONE_NEWNET)
        return state

    def _folder(self, node: str, name: str) -> str:
        """A step folder's path in the keeper's own mount namespace, made at its first use."""
        folders = self._nodes[node].folders
        if name not in folders:
            path = self._root / "folders" / f"{node}-{len(folders)}"
            launch.make_folder(path, os.getuid(), os.getgid())
            folders[name] = str(path)
        return folders[name]

    def _hold(self, name: str) -> None:
        """Give a node its own PID, mount and UTS namespaces, when its first program comes."""
        node = self._nodes[name]
        if node.holder is not None:
            return
        launch.write_node_files(node.wired.plan, node.folder)
        told, say_ready = os.pipe2(os.O_CLOEXEC)
        processes.new_pid_namespace()
        try:
            pid = child.fork(lambda: launch.hold(node.wired.plan, node.folder, node.wired.namespace, say_ready))
        finally:
            setns(self._home[1], CLONE_NEWPID)
            os.close(say_ready)
        with open(told, "rb") as pipe:
            if pipe.read(1) != b"!":
                os.waitpid(pid, 0)
                raise OSError(1, f"the first process of {name} could not start")
        node.holder = os.pidfd_open(pid)
        node.pid_namespace = os.open(f"/proc/{pid}/ns/pid", os.O_RDONLY | os.O_CLOEXEC)


def _namespace(kind: str) -> int:
    return os.open(f"/proc/self/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)
