"""System calls → sockets: what a program asked for, what it did with each, and how each descriptor was let go. Pure.

A descriptor is a number of one process. fork hands copies on, dup makes a second one, and only when the last is gone is
the socket closed. What a process made or used itself it has to close itself; what it only inherited it need not. exec
puts another program into the process, and what it does not close (FD_CLOEXEC) that program inherits (POSIX, exec): what
it uses it has to close, but for the standard streams, which a program's end closes. What it leaves alone the program
before it forgot.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address, ip_address

from lab.trace.calls import Call, Calls, Ending

# Each call by the name under which a course knows it, with the place of its descriptor among its arguments.
_USES = {
    **{name: (name, 0) for name in ("bind", "listen", "connect", "shutdown", "accept")},
    "accept4": ("accept", 0),
    **dict.fromkeys(("sendto", "sendmsg", "sendmmsg", "write", "writev", "sendfile"), ("send", 0)),
    **dict.fromkeys(("recvfrom", "recvmsg", "recvmmsg", "read", "readv"), ("recv", 0)),
}
_PAIR = re.compile(r"\[(\d{1,10}), (\d{1,10})\]")
_SO_ERROR = re.compile(r"\[(E[A-Z0-9]+)\]")
_PORT = re.compile(r"sin6?_port=htons\((\d{1,5})\)")
_ADDRESS = re.compile(r'inet_(?:addr\(|pton\(AF_INET6, )"([^"]*)"')
_PATH = re.compile(r'sun_path=(@?"(?:[^"\\]|\\.)*")')
_UNDER_WAY = ("EINPROGRESS", "EALREADY", "EINTR")  # the kernel goes on connecting (POSIX, connect)
_STREAMS = (0, 1, 2)  # standard input, output and error
_DUPLICATES = ("dup", "dup2", "dup3")


@dataclass(frozen=True)
class Use:
    """One call on a socket, by the name that a course has for it; `line` is where it ended in the record."""

    name: str
    descriptor: int
    call: Call
    error: str
    line: int

    @property
    def returned(self) -> bool:
        """Whether it ever came back."""
        return self.call.result is not None or bool(self.error)

    @property
    def done(self) -> bool:
        """Whether it came back without an error; a connect under way counts, until it is told otherwise."""
        return self.returned and self.error in ("", "EINPROGRESS")

    @property
    def port(self) -> int | None:
        """The port in its address, where it has one."""
        found = next((match for each in self.call.arguments[1:] if (match := _PORT.search(each))), None)
        return int(found[1]) if found else None

    @property
    def ip(self) -> IPv4Address | IPv6Address | None:
        """The IP address among its arguments, where it has one."""
        found = next((match for each in self.call.arguments[1:] if (match := _ADDRESS.search(each))), None)
        try:
            return ip_address(found[1]) if found else None
        except ValueError:
            return None

    def __str__(self) -> str:
        """The call as a person would write it, with its result."""
        return f"{self.name}({', '.join(self._arguments())}){self._outcome()}"

    def _arguments(self) -> Iterator[str]:
        if self.name == "socket":
            yield from (plain(each) for each in self.call.arguments[:2])
            return
        yield str(self.descriptor)
        if self.name in ("bind", "connect") and (address := address_text(self.call.arguments)):
            yield address

    def _outcome(self) -> str:
        if not self.returned:
            return " never returned"
        if not self.done:
            return f" = {self.error}"
        if self.name in ("socket", "accept"):
            return f" = {self.descriptor if self.name == 'socket' else self.call.result}"
        bytes_ = self.name in ("send", "recv") and self.call.name not in ("sendmmsg", "recvmmsg")
        return f" {self.call.result} B" if bytes_ else ""


@dataclass(frozen=True)
class Left:
    """A descriptor that its process did not close: the process's end did, `how` that came.

    `how` is "replaced" where the program became another by exec, and that one left the descriptor alone.
    """

    descriptor: int
    process: int
    how: str


@dataclass(frozen=True)
class Socket:
    """A socket of the program's: `descriptor` is the number that it got first, -1 where it got none.

    `parent` is the listening socket (its place in the tuple of all) from which it was accepted.
    """

    domain: str
    type: str
    protocol: str
    descriptor: int
    process: int
    uses: tuple[Use, ...]
    left: tuple[Left, ...]
    parent: int | None = None

    @property
    def ports(self) -> list[int]:
        """The ports that it was bound to or sent to, whatever came of it."""
        return [use.port for use in self.uses if use.name in ("bind", "connect", "send") and use.port is not None]

    @property
    def listens(self) -> bool:
        """Whether it became a listening socket."""
        return any(use.name == "listen" and use.done for use in self.uses)


@dataclass
class _Made:
    """A socket while the record is gone through; `holders` counts its descriptors in all processes."""

    domain: str
    type: str
    protocol: str
    descriptor: int
    process: int
    parent: int | None
    uses: list[Use] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    holders: int = 0
    let_go: tuple[int, Call] | None = None  # the last close() of a descriptor while others still had one
    under_way: list[int] = field(default_factory=list)  # the places among `uses` of what nobody was told the end of


@dataclass(slots=True)
class _Entry:
    """A descriptor in a process's table; `own` where its program made or used it, and so has to close it.

    `forgotten` where that was the program before this one, `stream` where exec handed it over as a standard stream.
    """

    number: int
    own: bool
    cloexec: bool
    forgotten: bool = False
    stream: bool = False


_Table = dict[int, _Entry]


def sockets_of(record: Calls) -> tuple[Socket, ...]:
    """Every socket that the program asked for, in the order in which it got them."""
    replay = _Replay(record)
    replay.run()
    return tuple(
        Socket(each.domain, each.type, each.protocol, each.descriptor, each.process, tuple(each.uses),
               tuple(each.left), each.parent)
        for each in replay.made
    )  # fmt: skip


def plain(kind: str) -> str:
    """The kind of a socket without the flags that may stand beside it."""
    words = [each for each in kind.split("|") if each not in ("SOCK_CLOEXEC", "SOCK_NONBLOCK")]
    return "|".join(words)


def address_text(arguments: Iterable[str]) -> str:
    """The address among a call's arguments: 10.0.2.80:7000, [::]:7000, a path, or nothing."""
    for each in arguments:
        port, address, path = _PORT.search(each), _ADDRESS.search(each), _PATH.search(each)
        if port and address:
            try:
                six = ip_address(address[1]).version == 6
            except ValueError:
                continue
            return f"[{address[1]}]:{port[1]}" if six else f"{address[1]}:{port[1]}"
        if path:
            return path[1]
    return ""


class _Replay:
    def __init__(self, record: Calls) -> None:
        self.made: list[_Made] = []
        self._record = record
        self._tables: dict[int, _Table] = {}
        self._latest: dict[tuple[int, int], _Made] = {}  # by process and descriptor, the last that got it there

    def run(self) -> None:
        """Go through the record in the order of time: what lets go counts from a call's begin, all else at its end."""
        events: list[tuple[int, int, Call | Ending]] = []
        for call in self._record.calls:
            events += [(call.began, 0, call), (call.ended, 1, call)]
        events += [(each.line, 2, each) for each in self._record.endings]
        for _, phase, event in sorted(events, key=lambda each: each[:2]):
            if isinstance(event, Ending):
                self._exit(event)
            elif phase == 0:
                self._begin(event)
            else:
                self._end(event)

    def _table(self, process: int) -> _Table:
        return self._tables.setdefault(process, {})

    def _begin(self, call: Call) -> None:
        table = self._table(call.process)
        if call.name == "close" and call.error != "EBADF":
            self._close(table, _number(call.arguments, 0), call)
        elif call.name == "close_range" and not call.error and "CLOEXEC" not in " ".join(call.arguments):
            first, last = _number(call.arguments, 0), _number(call.arguments, 1)
            for descriptor in [each for each in table if first <= each <= last]:
                self._close(table, descriptor, call)
        elif call.name in ("dup2", "dup3") and not call.error and call.arguments[:1] != call.arguments[1:2]:
            self._close(table, _number(call.arguments, 1), call)
        elif call.child:
            arguments = " ".join(call.arguments)
            if "CLONE_THREAD" in arguments:
                return
            if "CLONE_FILES" in arguments:
                self._tables[call.child] = table
                return
            copied = {fd: _Entry(each.number, False, each.cloexec, stream=each.stream) for fd, each in table.items()}
            self._tables[call.child] = copied
            for entry in copied.values():
                self.made[entry.number].holders += 1

    def _end(self, call: Call) -> None:
        table = self._table(call.process)
        if call.name == "socket":
            domain, kind, protocol = (*call.arguments, "", "", "")[:3]
            descriptor = -1 if call.error or call.result is None else call.result
            self._make(table, call, domain, kind, protocol, descriptor, None)
        elif call.name == "socketpair" and call.arguments and (pair := _PAIR.search(call.arguments[-1])):
            domain, kind, protocol = (*call.arguments, "", "", "")[:3]
            for descriptor in map(int, pair.groups()):
                self._make(table, call, domain, kind, protocol, descriptor, None)
        elif call.name in ("execve", "execveat") and not call.error and call.result == 0:
            self._exec(table, call)
        elif call.name in _DUPLICATES or (call.name == "fcntl" and "F_DUPFD" in " ".join(call.arguments[1:2])):
            self._duplicate(table, call)
        elif call.name == "fcntl" and call.arguments[1:2] == ("F_SETFD",) and not call.error:
            if entry := table.get(_number(call.arguments, 0)):
                entry.cloexec = "FD_CLOEXEC" in " ".join(call.arguments[2:])
        elif call.name == "ioctl" and call.arguments[1:2] in (("FIOCLEX",), ("FIONCLEX",)) and not call.error:
            if entry := table.get(_number(call.arguments, 0)):  # so Python's set_inheritable() does it
                entry.cloexec = call.arguments[1] == "FIOCLEX"
        elif call.name == "close_range" and not call.error and "CLOEXEC" in " ".join(call.arguments):
            first, last = _number(call.arguments, 0), _number(call.arguments, 1)
            for entry in (table[each] for each in table if first <= each <= last):
                entry.cloexec = True
        elif call.name == "getsockopt":
            self._told(table, call)
        elif call.name == "splice":
            self._use(table, call, "recv", 0)
            self._use(table, call, "send", 2)
        elif call.name == "close" and call.error == "EBADF":
            self._stale(call, "close", _number(call.arguments, 0))
        elif call.name in _USES:
            self._use(table, call, *_USES[call.name])

    def _make(
        self, table: _Table, call: Call, domain: str, kind: str, protocol: str, descriptor: int, parent: int | None
    ) -> None:
        made = _Made(domain, plain(kind), protocol, descriptor, call.process, parent)
        self.made.append(made)
        self._latest[call.process, descriptor] = made
        if parent is None:
            made.uses.append(Use("socket", descriptor, call, call.error, call.ended))
        if descriptor >= 0:
            made.holders = 1
            table[descriptor] = _Entry(len(self.made) - 1, own=True, cloexec="SOCK_CLOEXEC" in kind)

    def _use(self, table: _Table, call: Call, name: str, place: int) -> None:
        descriptor = _number(call.arguments, place)
        entry = table.get(descriptor)
        if entry is None:
            if call.error == "EBADF":
                self._stale(call, name, descriptor)
            return
        entry.own = not entry.stream
        made = self.made[entry.number]
        error = "" if name == "connect" and call.error == "EISCONN" and _under_way(made) else call.error
        if name == "connect" and error == "EINPROGRESS":
            made.under_way.append(len(made.uses))
        made.uses.append(Use(name, descriptor, call, error, call.ended))
        if name == "accept" and not call.error and call.result is not None:
            flags = call.arguments[3] if len(call.arguments) > 3 else ""
            self._make(table, call, made.domain, f"{made.type}|{flags}" if flags != "0" else made.type,
                       made.protocol, call.result, entry.number)  # fmt: skip

    def _stale(self, call: Call, name: str, descriptor: int) -> None:
        """A call on a descriptor that is closed already: told of the socket that had it last in this process."""
        if descriptor >= 0 and (made := self._latest.get((call.process, descriptor))):
            made.uses.append(Use(name, descriptor, call, call.error, call.ended))

    def _told(self, table: _Table, call: Call) -> None:
        """What became of a connect that was under way (SO_ERROR)."""
        entry = table.get(_number(call.arguments, 0))
        found = _SO_ERROR.search(" ".join(call.arguments[3:4])) if "SO_ERROR" in call.arguments and entry else None
        if entry is None or found is None:
            return
        made = self.made[entry.number]
        for place in made.under_way:
            made.uses[place] = replace(made.uses[place], error=found[1], line=call.ended)
        made.under_way.clear()

    def _duplicate(self, table: _Table, call: Call) -> None:
        entry = table.get(_number(call.arguments, 0))
        if entry is None or call.error or call.result is None or call.result in table:
            return
        cloexec = "CLOEXEC" in " ".join(call.arguments[1:])
        table[call.result] = _Entry(entry.number, own=True, cloexec=cloexec)
        self.made[entry.number].holders += 1

    def _close(self, table: _Table, descriptor: int, call: Call) -> None:
        entry = table.get(descriptor)
        if entry is None:
            return
        made = self.made[entry.number]
        self._release(table, descriptor)
        if made.holders == 0:
            made.uses.append(Use("close", descriptor, call, "", call.began))
        else:
            made.let_go = descriptor, call

    def _exec(self, table: _Table, call: Call) -> None:
        """The process becomes another program, which has what is not marked to be closed."""
        for descriptor, entry in list(table.items()):
            if entry.cloexec:
                made = self.made[entry.number]
                self._release(table, descriptor)
                if made.holders == 0:
                    made.uses.append(Use("close", *(made.let_go or (descriptor, call)), "", call.ended))
                continue
            entry.stream = descriptor in _STREAMS
            entry.forgotten = (entry.own or entry.forgotten) and not entry.stream
            entry.own = False

    def _release(self, table: _Table, descriptor: int) -> None:
        entry = table.pop(descriptor)
        self.made[entry.number].holders -= 1

    def _exit(self, ending: Ending) -> None:
        table = self._tables.pop(ending.process, {})
        if any(each is table for each in self._tables.values()):
            return  # another process has the same table
        for descriptor in list(table):
            entry = table[descriptor]
            made = self.made[entry.number]
            if entry.own or entry.forgotten:
                made.left.append(Left(descriptor, ending.process, ending.how if entry.own else "replaced"))
            self._release(table, descriptor)
            by_itself = ending.how.startswith("exited")  # else it would have kept the socket open for longer
            if made.holders == 0 and made.let_go is not None and not made.left and by_itself:
                made.uses.append(Use("close", *made.let_go, "", ending.line))


def _under_way(made: _Made) -> bool:
    """Whether the last connect did not wait for its end, which the next then tells: EISCONN is its success."""
    return next((use.error in _UNDER_WAY for use in reversed(made.uses) if use.name == "connect"), False)


def _number(arguments: tuple[str, ...], place: int) -> int:
    """A descriptor among the arguments; -1 where there is none."""
    text = arguments[place] if place < len(arguments) else ""
    if text in ("~0U", "UINT_MAX"):
        return 2**32 - 1
    return int(text) if re.fullmatch(r"\d{1,10}", text) else -1
