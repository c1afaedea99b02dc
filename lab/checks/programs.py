"""What the programs did to bring a failure about: how their steps ended, and where they listened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lab.checks import causes
from lab.checks.base import Cause
from lab.checks.last_words import exception
from lab.checks.names import address_of, addresses_of
from lab.checks.states import Socket, sockets
from lab.evidence import Evidence, StepResult
from lab.exercise import Step


@dataclass(frozen=True)
class Blame:
    """A cause, and whether it rests on a time limit."""

    cause: Cause
    timed: bool = False


def steps_on(evidence: Evidence, nodes: Sequence[str]) -> Iterator[tuple[Step, StepResult]]:
    """The steps that ran a program on these nodes, in the order of the nodes, each with how it went."""
    for node in nodes:
        for step in evidence.exercise.steps:
            result = evidence.steps.get(step.name)
            if step.node == node and step.run is not None and result is not None:
                yield step, result


def runs_submission(evidence: Evidence, node: str) -> bool:
    """Whether a program of the student runs on a node."""
    return any(step.node == node and step.code == "submission" for step in evidence.exercise.steps)


def trouble(evidence: Evidence, nodes: Sequence[str], submitted: bool | None = None) -> Blame | None:
    """What is wrong with the hand-in, or the first program on these nodes that did not start or ended with an error.

    The submission's programs come before others; `submitted` restricts it to these, or to the others. With True, one
    that went on and yet said that it had run into a limit, or wrote a traceback, is to blame too, unless a second run
    tells otherwise: it may have had enough for what it did later.
    """
    found = list(steps_on(evidence, nodes))
    for mine in (True, False) if submitted is None else (submitted,):
        for step, result in found:
            if (step.code == "submission") == mine and (cause := failure(evidence, result)):
                return Blame(cause)
        for step, result in found if submitted else ():
            if step.code == "submission" and (cause := causes.ran_into_limit(result)):
                return Blame(cause, timed=True)
        for step, result in found if submitted else ():
            if step.code == "submission" and (cause := causes.raised(result)):
                return Blame(cause, timed=True)
        if mine and evidence.handed_in:
            return Blame(causes.handed_in(evidence.handed_in[0]))
    return None


def failure(evidence: Evidence, result: StepResult) -> Cause | None:
    """Why a program did not start, or ended as none should; None where a check asks for just that exit code."""
    if result.ended == "not started":
        return causes.not_started(result)
    if result.ended == "over limit":
        return causes.over_limit(result)
    if result.ended == "exited" and (result.signal or result.exit_code):
        cause = causes.crashed(result)
        return None if cause.kind == "crashed" and _demanded(evidence, result) else cause
    return None


def _demanded(evidence: Evidence, result: StepResult) -> bool:
    """Whether a program ended with the exit code that a check asks of it, and not with an exception."""
    asked = (graded.check for graded in evidence.exercise.checks if graded.check.kind == "output")
    codes = [getattr(each, "exit", None) for each in asked if getattr(each, "step", None) == result.name]
    return result.exit_code in codes and not result.signal and not exception(result.stderr)


def overdue(evidence: Evidence, nodes: Sequence[str]) -> Blame | None:
    """The first program on these nodes that was ended at its time limit."""
    for _, result in steps_on(evidence, nodes):
        if result.ended == "timed out":
            return Blame(causes.timed_out(result), timed=True)
    return None


def unfinished(evidence: Evidence, nodes: Sequence[str]) -> bool:
    """Whether a program on these nodes still ran when `lab` ended it, so that it might have done more in more time.

    One that others wait for (`ready`) is a server: that it runs on is its usual end.
    """
    return any(
        result.ended == "timed out" or (result.ended == "killed" and step.ready is None)
        for step, result in steps_on(evidence, nodes)
    )


def idle(evidence: Evidence, nodes: Sequence[str]) -> Blame | None:
    """Why nothing came from these nodes, as far as their programs tell: trouble first, then a time limit."""
    return trouble(evidence, nodes) or overdue(evidence, nodes)


def gone(evidence: Evidence, node: str) -> Blame | None:
    """The first program of the student on a node that was to run in the background and ended by itself."""
    for step, result in steps_on(evidence, [node]):
        if step.background and step.code == "submission" and result.ended == "exited":
            return Blame(causes.ended_early(result))
    return None


def unready(evidence: Evidence, nodes: Sequence[str]) -> bool:
    """Whether a program on these nodes did not become ready in time."""
    return any(result.ready is False for _, result in steps_on(evidence, nodes))


def listening(evidence: Evidence, node: str, port: int, arriving: bytes = b"") -> Blame | None:
    """Why nobody listened on a node's TCP port when asked, as far as programs and sockets tell.

    `arriving` is the address that packets came for, any of the node's where that is not known.
    """
    awaited = ((step.ready, result) for step, result in steps_on(evidence, [node]) if result.ready is False)
    late = next((result for ready, result in awaited if ready and ready.tcp == port), None)
    recorded = [sockets(evidence, phase, node) for phase in ("after", "settled")]
    known = [found for found in recorded if found is not None]
    listed = list(dict.fromkeys(socket for found in known for socket in found))
    listeners = [socket for socket in listed if socket.protocol == "tcp" and socket.state == "LISTEN"]
    here = [socket for socket in listeners if socket.port == port]
    if any(_reachable(evidence, node, socket) for socket in here):
        return Blame(causes.late(late, port), timed=True) if late else None
    if here:
        known_addresses = (str(a.ip) for i in evidence.plan.by_name[node].interfaces for a in i.addresses)
        address = str(address_of(arriving) or next(known_addresses, node))
        return Blame(causes.wrong_address(node, str(here[0].address), port, address))
    if any(socket.protocol == "udp" and socket.port == port for socket in listed):
        return Blame(causes.udp_for_tcp(node, port))
    if listeners:
        return Blame(causes.wrong_port(node, sorted({socket.port for socket in listeners}), port))
    for step, result in steps_on(evidence, [node]):
        if step.background and result.ended == "exited":
            return Blame(causes.ended_early(result))
    return Blame(causes.not_listening(node, port), timed=late is not None) if known else None


def one_family(evidence: Evidence, node: str, port: int, arriving: bytes) -> Blame | None:
    """Why a node refused a connection to this address although somebody listened on the other family's unspecified one.

    A listener on :: takes both, unless it was told to take IPv6 alone.
    """
    version = 4 if len(arriving) == 4 else 6
    if unready(evidence, [node]):
        return None
    for socket in sockets(evidence, "after", node) or ():
        if socket.state == "LISTEN" and socket.port == port and socket.address.version != version:
            return Blame(causes.one_family(node, port, socket.address.version, version))
    return None


def _reachable(evidence: Evidence, node: str, socket: Socket) -> bool:
    return socket.address.is_unspecified or socket.address.packed in addresses_of(evidence.plan, node)
