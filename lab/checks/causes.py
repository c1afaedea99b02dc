"""The causes that are told to a student, in plain words: what happened, and what to look at (never what to write)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lab.checks.base import Cause
from lab.checks.last_words import LONGEST, exception, last_lines, limit, own_place
from lab.checks.names import listed, quoted
from lab.evidence import StepResult

_PROBLEM = re.compile(r"(\S+):(\d+):\d+: ")
_MARKS = re.compile(r"[\s^~]+")  # below a line of a traceback; they differ between Python's versions
_SYNTAX = ("SyntaxError", "IndentationError", "TabError")


def program(result: StepResult) -> str:
    """What a step's program is called: the step, and the node where that is another word."""
    return result.name if result.name == result.node else f"{result.name} (on {result.node})"


def not_started(result: StepResult) -> Cause:
    """Its program could not even be started."""
    return Cause("not-started", f"{program(result)} was not started: {result.message or 'no reason recorded'}",
                 f"the names of the files handed in, and the command of step {result.name}")  # fmt: skip


def handed_in(problem: str) -> Cause:
    """Something is wrong with the files that were handed in."""
    place = _PROBLEM.match(problem)
    return Cause("handed-in", problem, f"{place[1]}, line {place[2]}" if place else "the files handed in")


def crashed(result: StepResult) -> Cause:
    """It ended with an error of its own; where it says that it was at a limit, that is why."""
    everything = [line[:LONGEST] for line in last_lines(result.stderr, 40)]
    lines = [line for line in everything if not _MARKS.fullmatch(line)]
    last = lines[-1].strip() if lines else ""
    index, place = own_place(lines)
    if last.split(":")[0] in _SYNTAX and index >= 0:
        text = f"{program(result)} could not be read by Python: {last}"
        return Cause("syntax-error", text, place, tuple(everything[-4:]))
    said = tuple(lines[-3:] if index < 0 else dict.fromkeys((*lines[index : index + 2], lines[-1])))
    error = exception(result.stderr)
    when = " at start" if result.ready is False else ""
    if result.signal:
        how = f"was ended{when} by signal {result.signal}"
    elif error:
        how = f"crashed{when}"
    else:
        how = f"ended{when} with exit code {result.exit_code}"
    words = f": {error}" if error else f"; its last words: {quoted(last.encode(), LONGEST)}" if last else ""
    what, _ = limit(result.stderr, result.signal)
    if what:
        return _at_limit(result, f"{how} at a limit, that of {what}{words}", said)
    return Cause("crashed", f"{program(result)} {how}{words}", place or f"what {result.name} wrote to stderr", said)


def ran_into_limit(result: StepResult) -> Cause | None:
    """It did not end for that, and yet said that it had run into a limit; None where it did not say so."""
    what, words = limit(result.stderr)
    if not what:
        return None
    how = f"ran into a limit, that of {what}: it wrote {quoted(words.encode(), LONGEST)}"
    return _at_limit(result, how, (words,))


_OTHERS = re.compile(  # the other side went, or nothing was there yet: often printed, and no fault of this program's
    r"(.*\.)?(Connection\w*Error|Blocking\w*|BrokenPipeError|Timeout\w*|timeout|KeyboardInterrupt|CancelledError)\b"
)
_CLOSED = re.compile(r"Bad file descriptor|closed file")


def raised(result: StepResult) -> Cause | None:
    """It went on, and wrote a traceback: an exception ends a thread, a task or a handler, and not the program.

    None where there is no traceback, or where it only tells that the other side had gone, or that a file was closed.
    """
    error = exception(result.stderr)
    if not error or _OTHERS.match(error) or _CLOSED.search(error):
        return None
    lines = [line[:LONGEST] for line in last_lines(result.stderr, 40)]
    index, place = own_place(lines)
    said = tuple(lines[-3:] if index < 0 else dict.fromkeys((*lines[index : index + 2], error)))
    text = f"{program(result)} wrote the traceback of an exception, and went on: {error}"
    return Cause("crashed", text, place or f"what {result.name} wrote to stderr", said)


def _at_limit(result: StepResult, how: str, lines: tuple[str, ...]) -> Cause:
    return Cause("over-limit", f"{program(result)} {how}",
                 f"what {result.name} keeps, in how many processes, and whether that ever stops growing",
                 lines)  # fmt: skip


def over_limit(result: StepResult) -> Cause:
    """It had more than a program may, and was ended for that."""
    return _at_limit(result, f"had {result.message} and was ended", ())


def timed_out(result: StepResult) -> Cause:
    """It was still running at its time limit."""
    return Cause("timed-out", f"{program(result)} was still running at its time limit and was ended",
                 f"what {result.name} waits for, and whether the other side ever sends or closes")  # fmt: skip


def ended_early(result: StepResult) -> Cause:
    """A background program ended by itself while it was still needed."""
    return Cause("ended-early", f"{program(result)} ended by itself, with exit code {result.exit_code}, while clients "
                 "were still to come", f"how far {result.name} gets before it ends")  # fmt: skip


def not_listening(server: str, port: int, protocol: str = "TCP") -> Cause:
    """No socket listened."""
    calls = "the calls before accept(): socket, bind, listen" if protocol == "TCP" else "socket() and bind()"
    return Cause("not-listening", f"nothing on {server} listened on {protocol} port {port}", calls)


def late(result: StepResult, port: int) -> Cause:
    """It listened, but only after its time limit."""
    return Cause("late", f"{program(result)} did not listen on port {port} within its time limit",
                 f"what {result.name} does before listen()")  # fmt: skip


def wrong_address(server: str, listening: str, port: int, address: str) -> Cause:
    """Bound to an address that packets from other nodes never carry."""
    where = f"[{listening}]" if ":" in listening else listening
    return Cause("wrong-address", f"{server} listened on {where}:{port}; packets arrive for {address}",
                 "the address in bind()")  # fmt: skip


def one_family(server: str, port: int, listening: int, arriving: int) -> Cause:
    """A listener that takes the other version of IP alone."""
    return Cause("wrong-address", f"{server} listened on port {port} for IPv{listening} alone; packets arrive by "
                 f"IPv{arriving}", "the family given to socket(), and IPV6_V6ONLY")  # fmt: skip


def wrong_port(server: str, ports: Sequence[int], port: int) -> Cause:
    """It listened on another port."""
    there = listed([str(each) for each in ports])
    return Cause("wrong-port", f"{server} listened on port {there}; packets arrive for port {port}",
                 "the port in bind()")  # fmt: skip


def udp_for_tcp(node: str, port: int) -> Cause:
    """UDP was used where TCP is asked for."""
    return Cause("udp-for-tcp", f"{node} used UDP port {port}, where TCP is asked for", "the type given to socket()")


def tcp_for_udp(node: str, port: int) -> Cause:
    """TCP was used where UDP is asked for."""
    return Cause("tcp-for-udp", f"{node} used TCP port {port}, where UDP is asked for", "the type given to socket()")


def refused(client: str, server: str, port: int) -> Cause:
    """Connection refused, nothing more known."""
    return Cause("refused", f"{server} refused the connection: nothing listened on port {port} for {client}",
                 "the address and port in bind(), and whether listen() was called")  # fmt: skip


def silent(server: str, port: int) -> Cause:
    """A SYN that nobody answered."""
    return Cause("no-answer", f"{server} never answered the SYN to port {port}",
                 "whether the program accepts connections: a full backlog is silent")  # fmt: skip


def not_tried(client: str, server: str, port: int) -> Cause:
    """No SYN at all."""
    return Cause("not-tried", f"{client} never tried to connect to {server} on port {port}",
                 "whether connect() is reached, and with which address and port")  # fmt: skip


def connected_elsewhere(client: str, where: str, server: str, port: int) -> Cause:
    """A connection, but to another place."""
    return Cause("wrong-target", f"{client} connected to {where}, not to {server} port {port}",
                 "the address and port in connect()")  # fmt: skip


def other_source(source: str, client: str) -> Cause:
    """A connection from someone else's address."""
    return Cause("wrong-source", f"the connection came from {source}, not from {client}",
                 "which node opens the connection, and whether an address was changed on its way")  # fmt: skip


def two_connections(number: int, client: str, server: str, port: int) -> Cause:
    """More connections than one."""
    return Cause("several-connections",
                 f"{client} opened {number} connections to {server} port {port}, where one is asked for",
                 "how often connect() is called")  # fmt: skip


def bad_handshake(text: str) -> Cause:
    """Numbers or flags of a handshake that no kernel writes."""
    return Cause("bad-handshake", text, "the sequence and acknowledgement numbers of the first three packets")


def altered(text: str) -> Cause:
    """A packet was changed on its way."""
    return Cause("altered", text, "address translation or a program between the two ends")


def wrong_checksum(text: str) -> Cause:
    """Who made a packet summed it up wrongly."""
    return Cause("wrong-checksum", text, "what is summed up, in which byte order, and when (RFC 1071)")


def rewritten(source: str, what: str, after: str = "") -> Cause:
    """A field that no router may touch was changed between two capture points."""
    text = f"the {what} of packets from {source} was changed{f' to {after}' if after else ''} on the way"
    return Cause("altered", text, "address translation or a program between the two ends")


def no_route(node: str, destination: str) -> Cause:
    """A node had no route and said so."""
    return Cause("no-route", f"{node} has no route to {destination}", f"the routes of {node} (ip route)")


def wrong_next_hop(node: str, other: str, wanted: str, destination: str) -> Cause:
    """A node passed a packet to another neighbour than asked for."""
    text = f"{node} sent packets for {destination} to {other}, not to {wanted}"
    return Cause("wrong-route", text, f"the routes of {node} for {destination} (ip route)")


def not_forwarded(node: str, after: str) -> Cause:
    """A node got a packet and kept it."""
    return Cause("not-forwarded", f"{node} received it and did not pass it on to {after}",
                 f"the routes of {node} (ip route), and whether it forwards")  # fmt: skip


def loop(node: str) -> Cause:
    """A packet's time to live ran out."""
    return Cause("loop", f"the TTL ran out at {node}: the routers pass the packet round in a circle",
                 f"the routes of {node} and of the routers before it")  # fmt: skip


def circle(destination: str, nodes: Sequence[str]) -> Cause:
    """Routes that lead back to where they came from."""
    return Cause("loop", f"packets for {destination} go round in a circle: {' → '.join(nodes)}",
                 f"the routes of {listed(sorted(set(nodes)))} for {destination} (ip route)")  # fmt: skip


def no_router(node: str, hop: str, destination: str) -> Cause:
    """A next hop that passes nothing on."""
    return Cause("wrong-route", f"{node} sends packets for {destination} to {hop}, which is no router",
                 f"the routes of {node} (ip route)")  # fmt: skip


def lost(before: str, after: str) -> Cause:
    """A packet left one point and never came to the next."""
    return Cause("lost", f"it was lost between {before} and {after}", f"the link between {before} and {after}")


def no_common_network(node: str, neighbour: str) -> Cause:
    """Two nodes that no ARP can bring together."""
    return Cause("no-common-network", f"{neighbour} has no IPv4 address on a network of {node}",
                 f"the networks of {node} and {neighbour}")  # fmt: skip


def no_neighbour(node: str, address: str) -> Cause:
    """ARP without an answer."""
    return Cause("no-neighbour", f"{node} asked for the MAC of {address} and nobody answered",
                 f"whether {address} is an address on the segment of {node}: a next hop must be")  # fmt: skip


def wrong_mac(text: str) -> Cause:
    """A frame, or an ARP answer, with another MAC than the plan's."""
    return Cause("wrong-mac", text, "the neighbour table (ip neigh), and who answers ARP requests")


def wrong_forwarding(text: str) -> Cause:
    """A header that a router may not leave so, or may not touch."""
    return Cause("wrong-forwarding", text, "what a router may change in a packet: TTL, header checksum, MACs")


def flooded(what: str) -> Cause:
    """The submission made so much that the evidence is incomplete."""
    return Cause("flooded", what, "how much the program sends or prints, and in which loop")


def unreachable(node: str, to: str) -> Cause:
    """A probe without success."""
    return Cause("unreachable", f"{node} cannot reach {to}", f"the routes on the way from {node} to {to}, and back")


def reachable(node: str, to: str) -> Cause:
    """A probe that should have failed."""
    look = f"the routes and filters between {node} and {to}"
    return Cause("reachable", f"{node} reaches {to}, where it must not", look)


def other_program(step: str, what: str) -> Cause:
    """A program that is not the student's shows that something went wrong before it."""
    return Cause("other-program", f"{step}, which was not handed in, shows it: {what}",
                 f"what {step} sends, waits for and gets")  # fmt: skip


def wrong_output(step: str, what: str) -> Cause:
    """A step's output is another."""
    return Cause("wrong-output", f"the output of {step} is not what is asked for: {what}", f"what {step} prints")


def wrong_exit(step: str, how: str) -> Cause:
    """A step's exit code is another."""
    return Cause("wrong-output", f"{step} {how}", f"how {step} ends: sys.exit(), or the end of the program")


def nothing_to_judge(source: str, to: str) -> Cause:
    """No packet went that way."""
    return Cause("no-packets", f"{source} sent no packet to {to}", f"the programs and the routes of {source}")


def fixed_source_port(client: str, port: int) -> Cause:
    """A source port that the kernel did not choose."""
    return Cause("source-port", f"{client} connected from port {port}, which its kernel would not have chosen",
                 "calls of bind() before connect()")  # fmt: skip


def off_link(node: str, address: str) -> Cause:
    """An ARP request for an address behind a router."""
    return Cause("asked-off-link", f"{node} asked on its own segment for {address}, an address of another network",
                 f"the routes and the prefix length of {node} (ip route, ip address)")  # fmt: skip
