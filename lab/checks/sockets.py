"""`sockets`: what a program asked the system for, call by call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

from lab.checks import causes
from lab.checks.base import Cause, Check, Outcome, Verdict
from lab.checks.call_order import NAMES, PEERS, SOFT, Story, follow, stories, why
from lab.checks.failures import Failure, FailureText
from lab.checks.gaps import gaps, unusable
from lab.checks.last_words import exception
from lab.checks.names import listed
from lab.checks.programs import failure
from lab.evidence import Evidence, StepResult, calls_of
from lab.grammar import Choice, Int, List, Port, StepName, param
from lab.trace.calls import parse_calls
from lab.trace.descriptors import Left, Socket, Use, sockets_of

_DOMAINS = ("AF_INET", "AF_INET6", "AF_UNIX", "AF_PACKET")
_TYPES = ("SOCK_STREAM", "SOCK_DGRAM", "SOCK_RAW", "SOCK_PACKET", "SOCK_SEQPACKET")
_SHOWN = 12  # calls of a story
_DNS = 53
_SILENCE = ("ETIMEDOUT", "EHOSTUNREACH")  # nobody answered in time


@dataclass(frozen=True)
class _Found:
    """What is wrong with a story: how far it came, what was seen, and why."""

    reached: int
    seen: str
    cause: Cause | None
    timed: bool = False


@dataclass(frozen=True)
class Sockets(Check):
    """A program asked for a socket of this kind, and made the calls that are demanded, in their order.

    The step needs `calls: true`. Other kinds of sockets are not looked at, nor are the C library's own, nor those with
    which nothing was done where another of this kind was used. `calls` are those that succeed on one socket, and on one
    that was accepted from it: each in its turn, and again later as often as it likes; read and recv are one call, and
    so are their kin, and write, send and theirs. Until the last of them an error is a failure unless `fails` names it;
    that a call would have to wait is no error. A descriptor is closed by close(), which the end of a program is not, or
    by exec where it is marked for that (FD_CLOEXEC); Python closes too what no name holds any more. What exec hands
    over the next program has to close once it uses it, but for descriptors 0 to 2, as inetd gives them. The run keeps
    every call in steps/STEP.calls.
    """

    kind: ClassVar[str] = "sockets"
    claims: ClassVar[tuple[str, ...]] = ("C1", "C13", "C14", "C19", "C20")
    rule: ClassVar[str] = "POSIX.1-2017, socket, bind, listen, connect, accept, send, recv, close; socket(7), ip(7)"
    says: ClassVar[str] = "it called socket(AF_INET, SOCK_DGRAM)"
    reads_calls: ClassVar[bool] = True

    step: str = param(StepName(), "the step whose system calls are judged")
    domain: tuple[str, ...] = param(
        List(Choice(*_DOMAINS), empty=False, single=True), "the first argument of socket()", default=("AF_INET",)
    )
    type: str = param(Choice(*_TYPES), "the second argument of socket()", default="SOCK_STREAM")
    port: int | None = param(Port(), "the port that it is bound, connected or sent to", default=None)
    descriptor: int | None = param(Int(0, 1023), "the number that socket() returns", default=None)
    calls: tuple[str, ...] = param(
        List(Choice(*NAMES), empty=False), "the calls that must succeed, in this order", default=()
    )
    fails: tuple[Failure, ...] = param(
        List(FailureText(), empty=False, single=True), "calls that must end with an error", default=()
    )
    never: tuple[str, ...] = param(
        List(Choice(*NAMES), empty=False, single=True), "calls that must not be made", default=()
    )
    closed: str | None = param(
        Choice("all", "connections"),
        "which of these sockets must have been closed before the program ends; connections: all but listening ones",
        default=None,
    )

    def problems(self) -> Iterable[tuple[str, str, str]]:
        """What contradicts itself can never be met."""
        for name in self.never:
            if name in self.calls or name == "socket":
                yield "never", f"{name} is demanded", "take it out of one of the two"

    def doubts(self) -> Iterable[str]:
        """Which errors can never be met."""
        for each in self.fails:
            if each.error in SOFT:
                yield f"a call that ends with {each.error} did not fail: it would only have had to wait"
            if each.name in self.never:
                yield f"{each.name} has to fail, and must not be called"

    def judge(self, evidence: Evidence) -> Verdict:
        """Read the step's record and judge the socket that fits best."""
        expected = self._expectation()
        if verdict := unusable(gaps(evidence, [], steps=[self.step, calls_of(self.step)]), self.rule, expected):
            return verdict
        result = evidence.steps.get(self.step)
        if result is not None and result.ended == "not started":
            cause = causes.not_started(result)
            return Verdict(Outcome.FAILED, self.rule, expected, cause.text, (), cause)
        if result is None or result.calls is None:
            seen = f"the evidence has no record of the system calls of {self.step}"
            return Verdict(Outcome.NOT_MEASURED, self.rule, expected, seen)
        everyone = _sockets(result.calls)
        own = [each for each in everyone if not _librarys(each)]
        kind = [each for each in own if each.parent is None and each.domain in self.domain and each.type == self.type]
        chosen = [each for each in kind if self.port is None or self.port in each.ports]
        chosen = [each for each in chosen if any(use.name not in ("socket", "close") for use in each.uses)] or chosen
        if not chosen:
            return self._failed(evidence, result, expected, self._absent(evidence, result, own, kind))
        found = [(story, self._wrong(story, result)) for story in stories(chosen, everyone)]
        best = max((wrong for _, wrong in found if wrong), key=lambda wrong: wrong.reached, default=None)
        right = next((story for story, wrong in found if wrong is None), None)
        if right is None:
            assert best is not None
            return self._failed(evidence, result, expected, best)
        if wrong := self._banned(_family(chosen, everyone), result) or self._unclosed(kind, everyone, result):
            return self._failed(evidence, result, expected, wrong)
        return Verdict(Outcome.PASSED, self.rule, expected, self._told(right.uses))

    def _expectation(self) -> str:
        socket = f"socket({' or '.join(self.domain)}, {self.type})"
        parts = [f"calls {socket}" + (f" and gets descriptor {self.descriptor}" if self.descriptor is not None else "")]
        if self.port is not None:
            parts.append(f"uses port {self.port}")
        if self.calls:
            parts.append(f"makes the calls {', '.join(self.calls)} in this order")
        if self.fails:
            parts.append(f"is refused {listed([str(each) for each in self.fails])}")
        if self.never:
            parts.append(f"never calls {listed(self.never, 'or')}")
        if self.closed:
            parts.append("closes every one of these sockets" if self.closed == "all" else "closes every connection")
        return f"{self.step} {'; '.join(parts)}"

    def _told(self, uses: Sequence[Use]) -> str:
        """The calls as they were made, equal neighbours once."""
        words: list[str] = []
        for use in uses:
            if use.error in SOFT and not use.done:
                continue
            if not words or words[-1].split(")")[0] != str(use).split(")")[0]:
                words.append(str(use))
        if len(words) > _SHOWN:
            words = [*words[: _SHOWN - 3], "…", *words[-2:]]
        if not uses:
            return "no call"
        return f"{', '.join(words)} (from line {uses[0].line} of steps/{self.step}.calls)"

    def _absent(
        self, evidence: Evidence, result: StepResult, own: Sequence[Socket], kind: Sequence[Socket]
    ) -> _Found:
        """Why there is no such socket."""
        if kind:
            ports = sorted({port for each in kind for port in each.ports})
            seen = f"its sockets were about port {listed([str(port) for port in ports])}" if ports else (
                "its sockets were neither bound, nor connected, nor sent to any port")  # fmt: skip
            text = f"{result.name} made no socket for port {self.port}: {seen}"
            if not ports:  # it may never have come so far
                return _Found(0, seen, Cause("missing-call", text, "bind() and connect()"), timed=_cut(result))
            return _Found(0, seen, Cause("wrong-port", text, "the port in bind() and connect()"))
        strange = [each for each in own if each.parent is None and not self._asked_for(evidence, each)]
        others = list(dict.fromkeys(f"socket({each.domain}, {each.type})" for each in strange))
        needed = f"socket({' or '.join(self.domain)}, {self.type})"
        if not others:
            seen = f"it never called {needed}" if own else "it asked for no socket at all"
            cause = Cause("not-tried", f"{result.name} never called {needed}", "whether socket() is reached")
            return _Found(-1, seen, cause, timed=_cut(result))
        seen = f"it called {listed(others)}"
        text = f"{result.name} called {listed(others)}, where {needed} is needed"
        return _Found(0, seen, Cause("wrong-socket", text, "the arguments of socket()"))

    def _asked_for(self, evidence: Evidence, socket: Socket) -> bool:
        """Whether another check of this step asks for such a socket: asking for it is no mistake."""
        checks = (graded.check for graded in evidence.exercise.checks)
        return any(socket.domain in each.domain and socket.type == each.type for each in checks
                   if isinstance(each, Sockets) and each.step == self.step)  # fmt: skip

    def _wrong(self, story: Story, result: StepResult) -> _Found | None:
        """The first thing that is wrong with a story: an order before an error, an error before what is missing."""
        turn = follow(story.uses, self.calls)
        told = self._told(story.uses)
        name = result.name
        errors = [use for use in story.uses if use.error and not use.done and use.error not in SOFT]
        on_the_way = [use for use in errors if turn.line is None or use.line < turn.line]
        unexpected = [use for use in on_the_way if Failure(use.name, use.error) not in self.fails]
        reasons = [(use, *why(use, story)) for use in unexpected]
        reasons.sort(key=lambda reason: not reason[2])  # a wrong order first
        if reasons:
            use, text, order = reasons[0]
            kind = "wrong-order" if order else "peer-failed" if use.error in PEERS else "call-failed"
            cause = Cause(kind, f"{name}: {text}", f"the calls before {use.name}()" if order else f"{use.name}()")
            seen = text if use.error in text else f"{text} ({use.error})"
            return _Found(turn.reached, f"{seen}: {told}", cause, timed=use.error in _SILENCE)
        if turn.early is not None and turn.early.name == "close" and (_broken_off(result) or causes.raised(result)):
            return self._missing(story, result, turn.reached, None, told)
        if turn.early is not None:
            text = f"{turn.early.name}() before {self.calls[turn.reached]}()"
            cause = Cause("wrong-order", f"{name}: {text}", f"the calls before {turn.early.name}()")
            return _Found(turn.reached, f"{text}: {told}", cause)
        if self.descriptor is not None and story.sockets[0].descriptor != self.descriptor:
            got = story.sockets[0].descriptor
            text = f"socket() gave {name} descriptor {got}, where {self.descriptor} is asked for"
            cause = Cause("wrong-descriptor", text, "which files and sockets are open when socket() is called")
            return _Found(turn.reached, f"its descriptor was {got}: {told}", cause)
        missed = next((each for each in self.fails if not any(
            (use.name, use.error) == (each.name, each.error) for use in errors)), None)  # fmt: skip
        if missed and turn.reached == len(self.calls) and (
                other := next((use for use in errors if use.name == missed.name), None)):  # fmt: skip
            text = f"{other.name}() failed with {other.error}, and not with {missed.error}"
            kind = "peer-failed" if other.error in PEERS else "call-failed"
            cause = Cause(kind, f"{name}: {text}", f"{other.name}()")
            return _Found(turn.reached, f"{text}: {told}", cause, timed=other.error in _SILENCE)
        if turn.reached < len(self.calls) or missed:
            return self._missing(story, result, turn.reached, missed, told)
        return None

    def _missing(self, story: Story, result: StepResult, reached: int, missed: Failure | None, told: str) -> _Found:
        wanted = self.calls[reached] if reached < len(self.calls) else None
        name = wanted or (missed.name if missed else "")
        cut = _cut(result)
        left = story.sockets[-1].left
        if wanted == "close" and left:
            return _Found(reached, f"{_left(left)}: {told}", _not_closed(result, left), timed=cut)
        waiting = next((use for use in story.uses if not use.returned), None)
        further = waiting is not None and waiting.name == "accept" != wanted
        if further:
            waiting = None
        if waiting and wanted and waiting.name != wanted and story.sockets[0].type == "SOCK_DGRAM" and any(
                use.name == waiting.name and use.done for use in story.uses):  # fmt: skip
            waiting = None  # it waits for the next datagram: the one before was not dealt with on this socket
        if waiting:
            text = f"{waiting.name}() never returned"
            cause = Cause("never-returned", f"{result.name}: {text}", f"what {waiting.name}() waits for")
            return _Found(reached, f"{text}: {told}", cause, timed=cut)
        if wanted is None and missed is not None:
            done = any(use.name == name and use.done for use in story.uses)
            text = f"{name}() succeeded, where {missed.error} is asked for" if done else f"{name}() was never called"
        else:
            text = f"{name}() was never called"
            if story.sockets[0].type == "SOCK_DGRAM" and reached:  # a program may have several that do the same
                text += f" on descriptor {story.sockets[0].descriptor}"
            text += "; accept() waits for another client" if further else ""
        cause = Cause("missing-call", f"{result.name}: {text}", f"how far {result.name} gets, and {name}()")
        return _Found(reached, f"{text}: {told}", cause, timed=cut)

    def _banned(self, chosen: Sequence[Socket], result: StepResult) -> _Found | None:
        """A call that must not be made, on any of the sockets."""
        for each in chosen:
            if use := next((use for use in each.uses if use.name in self.never), None):
                cause = Cause("call-too-many", f"{result.name} called {use.name}()", f"what {use.name}() is for")
                return _Found(len(self.calls), f"it called {use.name}(): {self._told(each.uses)}", cause)
        return None

    def _unclosed(self, kind: Sequence[Socket], everyone: Sequence[Socket], result: StepResult) -> _Found | None:
        """Sockets of this kind, and those accepted from them, that were let go by the end of the program alone."""
        if self.closed is None:
            return None
        judged = [each for each in _family(kind, everyone) if self.closed == "all" or not each.listens]
        for each in judged:
            if each.left:
                seen = f"{_left(each.left)}: {self._told(each.uses)}"
                return _Found(len(self.calls), seen, _not_closed(result, each.left), timed=_cut(result))
        return None

    def _failed(self, evidence: Evidence, result: StepResult, expected: str, wrong: _Found) -> Verdict:
        """A failure, for what brought it about: the program's own end where nothing in its calls explains it."""
        cause, timed = wrong.cause, wrong.timed
        if cause is not None and cause.kind == "peer-failed":  # the peer may only have been late
            timed = timed or any(each.ready is False for each in evidence.steps.values())
        if cause is not None and cause.kind == "never-returned":
            cause = self._unreachable(evidence, result) or cause
        if cause is not None and cause.kind in ("missing-call", "not-tried", "never-returned"):
            if crash := failure(evidence, result):
                cause, timed = crash, False
            elif error := causes.raised(result):
                cause, timed = error, True
            elif evidence.handed_in:
                cause, timed = causes.handed_in(evidence.handed_in[0]), False
            elif result.ended == "timed out":
                cause = causes.timed_out(result)
        elif cause is not None and cause.kind == "not-closed":  # it may never have come to its close()
            if result.ended == "exited" and result.signal:
                cause, timed = causes.crashed(result), False
            elif error := causes.raised(result):
                cause, timed = error, True
            elif result.ended == "timed out":
                cause = causes.timed_out(result)
        return Verdict(Outcome.FAILED, self.rule, expected, wrong.seen, (), cause, timed)

    def _unreachable(self, evidence: Evidence, result: StepResult) -> Cause | None:
        """Whether it waits where only its own machine can reach it, and others run programs that might want to."""
        if all(step.node == result.node for step in evidence.exercise.steps) or result.calls is None:
            return None
        for socket in _sockets(result.calls):
            bound = next((use for use in socket.uses if use.name == "bind" and use.done), None)
            address = bound.ip if bound else None
            if bound and address and address.is_loopback and self.port in (None, bound.port):
                own = (str(each.ip) for point in evidence.plan.by_name[result.node].interfaces
                       for each in point.addresses if each.version == address.version)  # fmt: skip
                return causes.wrong_address(result.node, str(address), bound.port or 0, next(own, result.node))
        return None


@lru_cache(maxsize=8)
def _sockets(record: bytes) -> tuple[Socket, ...]:
    return sockets_of(parse_calls(record.decode("utf-8", "replace")))


def _librarys(socket: Socket) -> bool:
    """Whether the C library made it to look names up: to ask nscd or a name server, or to sort addresses (RFC 6724)."""
    if any("nscd" in argument for use in socket.uses for argument in use.call.arguments if use.name == "connect"):
        return True
    if socket.type != "SOCK_DGRAM" or socket.domain not in ("AF_INET", "AF_INET6") or socket.descriptor < 0:
        return False
    connects = [use.port for use in socket.uses if use.name == "connect"]
    idle = {use.name for use in socket.uses} <= {"socket", "connect", "close"}
    # A resolver's socket never waits; that of a program which asks a name server itself need not be of that kind.
    resolver = any("SOCK_NONBLOCK" in use.call.arguments[1] for use in socket.uses if use.name == "socket")
    return bool(connects) and (idle or (resolver and all(port == _DNS for port in connects)))


def _family(chosen: Sequence[Socket], everyone: Sequence[Socket]) -> list[Socket]:
    """Sockets, and those that were accepted from them."""
    parents = {place for place, each in enumerate(everyone) if any(each is other for other in chosen)}
    return [*chosen, *(each for each in everyone if each.parent in parents)]


def _broken_off(result: StepResult) -> bool:
    """Whether an exception ended the program, so that all was closed; one for a closed descriptor comes after that."""
    error = exception(result.stderr) if result.ended == "exited" else ""
    return bool(error) and "Errno 9]" not in error


def _cut(result: StepResult) -> bool:
    """Whether the program was ended by us, and might have done more with more time."""
    return result.ended in ("timed out", "killed")


def _left(left: Sequence[Left]) -> str:
    if left[0].how == "replaced":
        return (f"descriptor {left[0].descriptor} was never closed: it was open, and not marked FD_CLOEXEC, when the "
                "program became another (exec)")  # fmt: skip
    end = "was killed" if left[0].how.startswith("killed") else "ended"
    return f"descriptor {left[0].descriptor} was never closed: it was open when the program {end}"


def _not_closed(result: StepResult, left: Sequence[Left]) -> Cause:
    text = f"{result.name} never closed descriptor {left[0].descriptor}"
    return Cause("not-closed", text, "close() for every socket, on every way out of the program")
