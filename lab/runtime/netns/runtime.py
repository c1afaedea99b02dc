"""The embedded runtime: a lab as Linux namespaces, without daemon, image or root."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import time
from collections.abc import Callable

from lab.errors import LabError, NotMeasuredError, Problem
from lab.plan import Plan, plan_from_json, plan_to_json
from lab.runtime.base import LabInfo, Limits
from lab.runtime.netns import start, state
from lab.runtime.netns.channel import Channel
from lab.runtime.netns.live import NetnsLab
from lab.runtime.setup import set_up

_END_LIMIT = 30.0  # seconds that the kernel gets to end a lab


class NetnsRuntime:
    """Implements `lab.runtime.base.Runtime`."""

    name = "netns"
    memory_bound = f"a watchdog, at {Limits().memory >> 20} MiB for a program and all that it started"

    def problems(self) -> list[Problem]:
        """Why it cannot work here; empty where it can."""
        from lab.runtime.netns import machine

        return machine.problems(machine.look())

    def up(self, plan: Plan, *, name: str | None = None, source: str = "", say: Callable[[str], None]) -> NetnsLab:
        """Bring a lab up; see `Runtime.up`. Raises LabError where a lab of that name is up already."""
        if own := next((node for node in plan.nodes if node.image), None):
            what = f"node {own.name} has the image {own.image}, and the embedded runtime has no containers"
            raise NotMeasuredError(what, hint="--runtime docker brings this topology up")
        if name is None:
            channel, _ = start.start(plan, None, say)
            lab = NetnsLab(plan.name, plan, channel)
            try:
                set_up(lab, say)
            except BaseException:
                lab.close()
                raise
            return lab
        with state.folder(name) as folder:
            record = folder.record()
            if record and _alive(record):
                raise LabError(
                    f"lab {name} is up already", hint=f"lab down {name} ends it; --name gives another one its own name"
                )
            with contextlib.suppress(FileNotFoundError):
                folder.socket.unlink()
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
                mask = os.umask(0o177)  # nobody else may command the keeper
                try:
                    _at(folder.path, lambda near: listener.bind(near))
                finally:
                    os.umask(mask)
                listener.listen(64)
                channel, pid = start.start(plan, listener, say)
            folder.plan.write_text(_dump(plan))
            started = state.start_time(pid)
            if started is None:
                raise NotMeasuredError(f"the keeper of lab {name} ended at once")
            folder.write(state.Record(name, source, len(plan.nodes), pid, started, state.boot_id(), time.time()))
            lab = NetnsLab(name, plan, channel)
            try:
                set_up(lab, say)
            except BaseException:
                lab.close()
                self._end(folder)
                raise
            lab.ask({"do": "stay", "record": str(folder.written)})
            return lab

    def labs(self) -> list[LabInfo]:
        """The lasting labs of this user; what dead ones left behind is cleared."""
        found = []
        for name in state.names():
            record = state.read(name)
            if record and _alive(record):
                found.append(LabInfo(name, self.name, record.source, record.nodes, record.started, record.pid))
            else:
                self._clear(name)
        return found

    def _clear(self, name: str) -> None:
        """Forget a dead lab; one whose folder is locked is being brought up or taken down at this moment."""
        with contextlib.suppress(NotMeasuredError), state.folder(name, wait=False) as folder:
            record = folder.record()
            if record is None or not _alive(record):
                folder.clear()

    def open(self, name: str) -> NetnsLab:
        """Enter a lasting lab; raises LabError where none has that name."""
        with state.folder(name) as folder:
            record = folder.record()
            if record is None or not _alive(record):
                folder.clear()
                raise LabError(
                    f"no lab {name} is up", hint="lab ps lists the labs that are up, lab up FILE brings one up"
                )
            connected = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            connected.settimeout(_END_LIMIT)
            try:
                _at(folder.path, lambda near: connected.connect(near))
            except OSError as error:
                connected.close()
                raise NotMeasuredError(f"the keeper of lab {name} does not answer: {error}") from None
            connected.settimeout(None)
            return NetnsLab(name, _load(folder.plan.read_text()), Channel(connected))

    def down(self, name: str) -> bool:
        """End a lasting lab by killing its keeper, and wait until the kernel has ended everything in it."""
        with state.folder(name) as folder:
            return self._end(folder)

    def _end(self, folder: state.Folder) -> bool:
        record = folder.record()
        keeper = record.keeper() if record else None
        if record is not None and keeper is not None:
            try:
                signal.pidfd_send_signal(keeper, signal.SIGKILL)
                if not select.select([keeper], [], [], _END_LIMIT)[0]:
                    raise NotMeasuredError(
                        f"lab {record.name} did not end within {_END_LIMIT:.0f} s",
                        hint=f"its keeper is process {record.pid}",
                    )
            finally:
                os.close(keeper)
        folder.clear()
        return keeper is not None


def _alive(record: state.Record) -> bool:
    keeper = record.keeper()
    if keeper is None:
        return False
    os.close(keeper)
    return True


def _at(folder: os.PathLike[str], use: Callable[[str], None]) -> None:
    """Use the socket in a folder by a short name: its full path may exceed the 107 bytes of a socket's address."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        use(f"/proc/self/fd/{fd}/socket")
    finally:
        os.close(fd)


def _dump(plan: Plan) -> str:
    import json

    return json.dumps(plan_to_json(plan))


def _load(text: str) -> Plan:
    import json

    return plan_from_json(json.loads(text))
