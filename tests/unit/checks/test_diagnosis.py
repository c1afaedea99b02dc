"""A failure is explained by its root cause: how the program ended, where it listened, then what the packets say."""

from collections.abc import Callable
from typing import Any

import pytest
from doctored import CLIENT_ISN, PORT, SERVER_ISN, SOURCE_PORT, STEPS, TEXT, Story, clean, refused, result, states

from lab.checks import TcpClose, TcpData, TcpHandshake
from lab.evidence import Evidence, Mark
from lab.exercise import Step
from lab.grade import judge

ENDS = {"source": "client", "to": "server", "port": PORT}
CHECKS = (
    TcpHandshake(**ENDS),
    TcpData(**ENDS, client_sends=TEXT, server_sends=TEXT),
    TcpClose(**ENDS, closes_first="client"),
)

TRACEBACK = b"""Traceback (most recent call last):
  File "/lab/server.py", line 9, in <module>
    main()
  File "/lab/server.py", line 5, in main
    s.accept()
  File "/usr/lib/python3.11/socket.py", line 294, in accept
    fd, addr = self._accept()
OSError: [Errno 22] Invalid argument
"""
SYNTAX = b"""  File "/lab/server.py", line 3
    while True
              ^
SyntaxError: expected ':'
"""


def of(story: Story, **changes: Any) -> Evidence:
    return story.evidence(*CHECKS, **changes)


def talk(**changes: Any) -> Story:
    story = Story().arp("client:eth0", "r1:eth0", "arp").arp("r1:eth1", "server:eth0", "far arp")
    return story.talk(**changes)


def udp() -> Story:
    story = Story()
    way = ("client:eth0", "r1:eth0", "r1:eth1", "server:eth0")
    ends = {"src": story.address("client"), "dst": story.address("server"), "sport": 40001, "dport": PORT}
    return story.send("datagram", way, protocol=17, payload=TEXT, **ends)


def client_is_students(**changes: Any) -> dict[str, Any]:
    steps = (STEPS[0], Step("client", "client", ("python3", "client.py"), "submission"))
    return {"exercise_steps": steps, "steps": result("client", **changes)}


CASES: dict[str, tuple[Callable[[], Evidence], str, str]] = {
    "crashed": (
        lambda: of(refused(), steps=result("server", ended="exited", exit_code=1, ready=False, stderr=TRACEBACK)),
        "crashed", "server crashed at start: OSError: [Errno 22] Invalid argument"),
    "syntax error": (
        lambda: of(refused(), steps=result("server", ended="exited", exit_code=1, ready=False, stderr=SYNTAX)),
        "syntax-error", "SyntaxError: expected ':'"),
    "signal": (
        lambda: of(refused(), steps=result("server", ended="exited", exit_code=139, signal="SIGSEGV", ready=False)),
        "crashed", "server was ended at start by signal SIGSEGV"),
    "over its limit": (
        lambda: of(refused(), steps=result("server", ended="over limit", message="more than 9 MiB", ready=False)),
        "over-limit", "server had more than 9 MiB and was ended"),
    "not started": (
        lambda: of(refused(), steps=result("server", ended="not started", message="server.py was not handed in")),
        "not-started", "server.py was not handed in"),
    "crashed in the middle": (
        lambda: of(talk(answered=b""), steps=result("server", ended="exited", exit_code=1, stderr=TRACEBACK)),
        "crashed", "Errno 22"),
    "an exception in a thread": (
        lambda: of(talk(answered=b""), steps=result("server", ended="killed", stderr=TRACEBACK)),
        "crashed", "server wrote the traceback of an exception, and went on: OSError: [Errno 22] Invalid argument"),
    "an exception in a thread, for the client had gone": (
        lambda: of(talk(answered=b""), steps=result("server", ended="killed", stderr=TRACEBACK.replace(
            b"OSError: [Errno 22] Invalid argument", b"BrokenPipeError: [Errno 32] Broken pipe"))),
        "never-answered", "server sent nothing back"),
    "loopback": (
        lambda: of(refused(), states=states(("127.0.0.1", PORT))), "wrong-address",
        "server listened on 127.0.0.1:7000; packets arrive for 10.0.2.80"),
    "IPv6 loopback": (lambda: of(refused(), states=states(("::1", PORT))), "wrong-address", "::1"),
    "mapped loopback": (lambda: of(refused(), states=states(("::ffff:127.0.0.1", PORT))), "wrong-address", "127.0.0.1"),
    "IPv6 alone": (lambda: of(refused(), states=states(("::", PORT))), "wrong-address", "for IPv6 alone"),
    "answered late": (
        lambda: of(left("answer"), marks=(Mark("limit", left("answer").counts("answer"), "client"),),
                   steps=result("client", ended="timed out")),
        "answered-late", "server answered only after"),
    "wrong port": (
        lambda: of(refused(), states=states(("0.0.0.0", 7001))),
        "wrong-port", "listened on port 7001; packets arrive for port 7000"),
    "UDP server": (lambda: of(refused(), states=states(("0.0.0.0", PORT), "udp")), "udp-for-tcp", "server used UDP"),
    "UDP on another port is nobody's fault": (
        lambda: of(refused(), states=states(("0.0.0.0", 53), "udp")), "not-listening", "nothing on server"),
    "no route back": (lambda: of(no_route("r1", "syn-ack")), "no-route", "r1 has no route to client"),
    "no route there": (lambda: of(no_route("r1", "syn")), "no-route", "r1 has no route to server"),
    "round in a circle": (lambda: of(no_route("r1", "syn", 11)), "loop", "the TTL ran out at r1"),
    "ended at once": (
        lambda: of(refused(), states=states(None), steps=result("server", ended="exited", exit_code=0, ready=False)),
        "ended-early", "by itself"),
    "no listener": (
        lambda: of(refused(), states=states(None)),
        "not-listening", "nothing on server listened on TCP port 7000"),
    "too late": (
        lambda: of(refused(), steps=result("server", ready=False)),
        "late", "did not listen on port 7000 within its time limit"),
    "refused for no known reason": (lambda: of(refused()), "refused", "server refused the connection"),
    "nothing recorded": (lambda: of(refused(), states={}), "refused", "server refused the connection"),
    "silence": (lambda: of(clean().cut_after("syn")), "no-answer", "never answered the SYN"),
    "UDP client": (lambda: of(udp()), "udp-for-tcp", "client used UDP"),
    "other port": (lambda: of(talk(port=80)), "wrong-target", "client connected to server port 80"),
    "other node": (lambda: of(talk(source="other")), "wrong-source", "came from other, not from client"),
    "never tried": (lambda: of(Story()), "not-tried", "client never tried to connect"),
    "student's client crashed": (
        lambda: of(Story(), **client_is_students(exit_code=1, stderr=b"NameError: s")),
        "crashed", "client ended with exit code 1"),
    "teacher's client crashed": (
        lambda: of(Story(), steps=result("client", exit_code=1, stderr=b"NameError: s")),
        "crashed", "client ended with exit code 1"),
    "client's crash follows from the refusal": (
        lambda: of(refused(), states=states(None), steps=result("client", exit_code=1, stderr=b"Refused")),
        "not-listening", "server"),
    "no next hop": (
        lambda: of(Story().arp("client:eth0", "r1:eth0", "arp").drop("arp reply")),
        "no-neighbour", "client asked for the MAC of 10.0.1.1"),
    "bad hand-in": (
        lambda: of(refused(), handed_in=("server.py is too large",)),
        "handed-in", "too large"),
    "too little": (lambda: of(talk(answered=b"he")), "too-little", "2 of 6 bytes"),
    "too much": (lambda: of(talk(answered=TEXT + b"!\x1b")), "too-much", '2 bytes too many: "!\\x1b"'),
    "differs": (lambda: of(talk(answered=b"Hello\n")), "differs", 'byte 1 is "H", not "h"'),
    "no answer": (lambda: of(talk(answered=b"")), "never-answered", 'after "hello\\n" arrived'),
    "nothing said": (lambda: of(talk(asked=b"", answered=b"")), "nothing-sent", "client was to speak"),
    "two": (
        lambda: of(clean().talk(sport=40002, isn=5, answer_isn=9, prefix="2 ")),
        "several-connections", "2 connections"),
    "reset early": (lambda: of(reset_early()), "closed-first", "server closed the connection before"),
    "reset at the end": (
        lambda: of(clean().cut_after("server fin").alter("server fin", flags=0x14)), "reset", "server ended"),
    "the client leaves answers unread, the last ones on their way": (
        lambda: of(left("answer")), "reset", "client ended"),
    "the client leaves answers unread, its questions unacknowledged": (
        lambda: of(left("question")), "reset", "client ended"),
    "the client is ended before its questions are acknowledged": (
        lambda: of(left("question"), steps=result("client", ended="timed out")), "not-acknowledged", "client"),
    "server closes before all was said": (
        lambda: of(closed_early()),
        "closed-first", "server closed the connection before"),
    "the answer is short, and the server goes first": (
        lambda: of(talk(answered=b"he", closes="server")), "too-little", "server sent 2 of 6 bytes"),
    "the server goes with a part of the question unread": (
        lambda: of(talk(answered=b"he", closes="server").alter("server fin", flags=0x14)),
        "closed-first", "server closed the connection before"),
    "the client was gone when the answer came": (
        lambda: of(tired()), "answered-late", "server answered only after client had closed"),
    "never closed": (
        lambda: of(clean(), marks=(Mark("s", clean().counts("server fin"), "server"),)),
        "never-closed", "server never closed"),
    "both wait": (lambda: of(clean().cut_after("answer ack")), "both-wait", "neither client nor server closed"),
}  # fmt: skip


def reset_early() -> Story:
    """The server resets when the question has come."""
    return clean().cut_after("question ack").alter("question ack", flags=0x14, ack=0xFFFFFFFB)


def no_route(node: str, name: str, kind: int = 3) -> Story:
    """A router answers a packet of the handshake with an ICMP error, and nobody hears more."""
    story = clean().cut_after(name)
    lost = next(f for f in story.frames if f.name == name)
    story.frames = [f for f in story.frames if f.name != name or f.point in ("server:eth0", "client:eth0")]
    if name == "syn-ack":
        story.drop(name, at=("client:eth0",))
    point = "client:eth0" if name == "syn" else "server:eth0"
    fields = {"src": "10.0.1.1", "dst": lost.src, "protocol": 1, "sport": kind, "dport": 0}
    return story.send("error", (f"{node}:eth0", point), payload=lost.raw()[14:42], **fields)


def left(after: str) -> Story:
    """The client goes by a reset when this packet has been on its way."""
    story = clean().cut_after(after)
    way = ("client:eth0", "r1:eth0", "r1:eth1", "server:eth0")
    ends = {"src": story.address("client"), "dst": story.address("server"), "sport": 40001, "dport": PORT}
    return story.send("gone", way, seq=1, flags=4, **ends)


def tired() -> Story:
    """The client closes without having been answered, and resets what is said to it then."""
    way = ("client:eth0", "r1:eth0", "r1:eth1", "server:eth0")
    there = {"src": "10.0.1.10", "dst": "10.0.2.80", "sport": SOURCE_PORT, "dport": PORT}
    back = {"src": "10.0.2.80", "dst": "10.0.1.10", "sport": PORT, "dport": SOURCE_PORT}
    x, y = (CLIENT_ISN + 1 + len(TEXT)) % 2**32, SERVER_ISN + 1
    story = clean().cut_after("question ack").send("client fin", way, seq=x, ack=y, flags=0x11, **there)
    story.send("answer", way[::-1], seq=y, ack=x + 1, flags=0x18, payload=TEXT, **back)
    return story.send("gone", way, seq=x + 1, flags=4, **there)


def closed_early() -> Story:
    """The server ends its direction after three bytes of the question."""
    return talk(asked=b"hel", answered=b"", closes="server")


@pytest.mark.parametrize("name", CASES)
def test_root_cause(name: str) -> None:
    make, kind, text = CASES[name]
    grade = judge(make())
    assert grade.causes
    first = grade.causes[0]
    assert first.cause.kind == kind
    assert text in first.cause.text
    assert first.cause.look_at


SHARED = [name for name, (_, kind, _) in CASES.items() if kind not in {
    "not-acknowledged",
    "too-little", "too-much", "differs", "never-answered", "nothing-sent", "never-closed", "both-wait", "reset",
    "closed-first", "crashed", "answered-late",
}]  # fmt: skip


@pytest.mark.parametrize("name", SHARED)
def test_one_cause_explains_all_three_checks(name: str) -> None:
    (cause,) = judge(CASES[name][0]()).causes
    assert len(cause.checks) == 3


@pytest.mark.parametrize(
    ("name", "timed"),
    [("crashed", False), ("wrong port", False), ("too late", True), ("silence", True), ("no answer", True),
     ("never closed", True), ("both wait", True), ("differs", False), ("no listener", False)],
)  # fmt: skip
def test_what_rests_on_a_time_limit(name: str, timed: bool) -> None:
    evidence = CASES[name][0]()
    graded = judge(evidence).results
    assert any(r.verdict.timed for r in graded) is timed


def test_where_to_look_is_in_the_students_own_file() -> None:
    cause = judge(CASES["crashed"][0]()).causes[0].cause
    assert cause.look_at == "server.py, line 5"


def test_a_connection_that_another_check_asks_for_is_not_the_wrong_place() -> None:
    check = TcpHandshake(**ENDS)
    other = TcpHandshake(source="client", to="server", port=80)
    steps = result("client", exit_code=1)
    for checks, cause in (((check,), "wrong-target"), ((check, other), "crashed")):
        verdict = check.judge(talk(port=80).evidence(*checks, steps=steps))
        assert verdict.cause is not None
        assert verdict.cause.kind == cause
