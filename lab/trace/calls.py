"""A record of system calls, as strace writes it → calls: who made them, with which arguments, and what came of each.

One line is one event, `THREAD TIME name(arguments) = result`. A call during which another thread was seen stands in two
lines, "unfinished" and "resumed", and is joined here. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

_LINE = re.compile(r"(\d{1,10}) +(\d{1,12})\.(\d{6}) (.*)")
_CALL = re.compile(r"([a-z_0-9]+)\(")
_RESUMED = re.compile(r"<\.\.\. ([a-z_0-9]+) resumed>")
_RESULT = re.compile(
    r" *= (\?|-?\d{1,20}|0x[0-9a-f]{1,16})(?: /\* (\d{1,10}) in strace's PID NS \*/)?(?: (E[A-Z0-9]+))?.*"
)
_UNFINISHED = re.compile(r"<unfinished \.\.\.>(\) += \?)?$")
_ENDED = re.compile(r"\+\+\+ (exited with \d+|killed by \w+)")
_MAKE_PROCESS = ("clone", "fork", "vfork")
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[(){}\[\],]')


@dataclass(frozen=True)
class Call:
    """One system call. `process` and `thread` are numbers of strace's; a process's first thread has its number.

    `result` is None where it never returned; `error` is the errno's name, or "". `began` and `ended` are the numbers
    of the record's lines, in the order of time. `time` of its beginning is in nanoseconds since 1970.
    """

    process: int
    thread: int
    name: str
    arguments: tuple[str, ...]
    result: int | None
    error: str
    began: int
    ended: int
    time: int

    @property
    def child(self) -> int | None:
        """The thread or process that a clone, fork or vfork made."""
        return self.result if self.name in _MAKE_PROCESS and not self.error else None


@dataclass(frozen=True)
class Ending:
    """The end of a process, in the words "exited with 0" or "killed by SIGKILL"."""

    process: int
    how: str
    line: int


@dataclass(frozen=True)
class Calls:
    """The calls of a program and of all that it started, in the order of their beginning, and the processes' ends."""

    calls: tuple[Call, ...]
    endings: tuple[Ending, ...]
    root: int = 0  # the program's first process


def parse_calls(text: str) -> Calls:
    """Read a record; what is not a call, a thread's end, or the program's is left out, and nothing is raised.

    The program begins when the sandbox becomes it: by the first execve that succeeds and is not the sandbox's own.
    """
    calls, endings = _read(text.splitlines())
    start = next((call for call in calls if call.name == "execve" and call.result == 0 and not _wraps(call)), None)
    if start is None:
        return Calls((), ())
    leaders = _leaders(calls, start)
    own = tuple(
        replace(call, process=leaders[call.thread])
        for call in calls
        if call.thread in leaders and (call.began >= start.began if call.thread == start.thread else True)
    )
    ends = tuple(each for each in endings if leaders.get(each.process) == each.process)
    return Calls(own, ends, start.thread)


def _wraps(call: Call) -> bool:
    """Whether this is the sandbox's last step, which sets limits and becomes the program."""
    return len(call.arguments) > 1 and call.arguments[1].startswith('["prlimit", "--nproc=')


def _leaders(calls: Sequence[Call], start: Call) -> dict[int, int]:
    """Each thread of the program with its process; threads of one process share its number."""
    leaders = {start.thread: start.thread}
    for call in sorted(calls, key=lambda call: call.began):
        child = call.child
        if child and call.thread in leaders and call.began > start.began:
            together = "CLONE_THREAD" in " ".join(call.arguments)
            leaders[child] = leaders[call.thread] if together else child
    return leaders


def _read(lines: Sequence[str]) -> tuple[list[Call], list[Ending]]:
    calls: list[Call] = []
    endings: list[Ending] = []
    open_calls: dict[int, tuple[str, int, int]] = {}  # by thread: the text so far, its line, its time
    for number, line in enumerate(lines, 1):
        found = _LINE.fullmatch(line)
        if not found:
            continue
        thread, time, said = int(found[1]), int(found[2] + found[3]) * 1000, found[4]
        if ended := _ENDED.match(said):
            if thread in open_calls:
                calls += _call(thread, *open_calls.pop(thread), number, returned=False)
            endings.append(Ending(thread, ended[1], number))
            continue
        resumed = _RESUMED.match(said)
        if resumed:
            if thread not in open_calls:
                continue
            text, began, time = open_calls.pop(thread)
            calls += _call(thread, text + said[resumed.end() :], began, time, number)
            continue
        if not _CALL.match(said):
            continue
        unfinished = _UNFINISHED.search(said)
        if unfinished:
            open_calls[thread] = (said[: unfinished.start()], number, time)
        else:
            calls += _call(thread, said, number, time, number)
    for thread, (text, began, time) in open_calls.items():
        calls += _call(thread, text, began, time, len(lines) + 1, returned=False)
    return sorted(calls, key=lambda call: call.began), endings


def _call(thread: int, text: str, began: int, time: int, ended: int, *, returned: bool = True) -> Iterator[Call]:
    """The call in a text; nothing where it is none after all."""
    found = _CALL.match(text)
    if not found:
        return
    arguments, rest = _arguments(text, found.end())
    result = _RESULT.fullmatch(rest) if returned else None
    value = None if result is None or result[1] == "?" else int(result[1], 16 if result[1].startswith("0x") else 10)
    if result is not None and result[2]:
        value = int(result[2])
    error = (result[3] or "") if result else ""
    yield Call(thread, thread, found[1], arguments, value, error, began, ended, time)


def _arguments(text: str, start: int) -> tuple[tuple[str, ...], str]:
    """The arguments from `start` on, split at commas that are in no string and no bracket; and what follows them."""
    arguments: list[str] = []
    closing: list[str] = []
    begin, end = start, len(text)
    for token in _TOKEN.finditer(text, start):
        letter = token[0]
        if letter in _CLOSING:
            closing.append(_CLOSING[letter])
        elif closing and letter == closing[-1]:
            closing.pop()
        elif not closing and letter in (",", ")"):
            arguments.append(text[begin : token.start()].strip())
            begin = token.end()
            if letter == ")":
                end = begin
                break
    if end == len(text) and begin < end:
        arguments.append(text[begin:end].strip())
    return tuple(each for each in arguments if each), text[end:]
