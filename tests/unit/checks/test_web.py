"""`dns` and `http`: a name asked for before the first packet, and messages in the byte streams."""

from dataclasses import fields
from typing import Any

import pytest
from doctored import PORT, SOURCE_PORT, UDP, Frame, Part, Story, clean, result

from lab.checks.base import Outcome, Verdict
from lab.checks.dns import Dns
from lab.checks.http import Http
from lab.dns.message import (
    AAAA,
    CNAME,
    IN,
    NO_SUCH_NAME,
    RESPONSE,
    A,
    Message,
    Question,
    Record,
    encode,
    encode_name,
)
from lab.evidence import Gap
from lab.trace.packets import ACK, PSH, SYN

P, F, N = Outcome.PASSED, Outcome.FAILED, Outcome.NOT_MEASURED
THERE = ("client:eth0", "r1:eth0", "r1:eth1", "server:eth0")
ENDS: dict[str, Any] = {"source": "client", "to": "server", "port": PORT}
ADDRESS = "10.0.2.80"


def kind(verdict: Verdict) -> str:
    assert verdict.outcome is F, verdict
    assert verdict.cause is not None
    return verdict.cause.kind


class Web(Story):
    """Queries to r1, which is the name server here, and their answers."""

    def query(self, name: str = "server", number: int = 7, what: int = A, raw: bytes | None = None) -> "Web":
        data = raw or encode(Message(number, 0x0100, (Question(name, what),)))
        self.send("query", THERE[:2], protocol=UDP, payload=data, src="10.0.1.10", dst="10.0.1.1", sport=5300, dport=53)
        return self

    def told(
        self, *addresses: str, name: str = "server", number: int = 7, what: int = A, rcode: int = 0,
        records: tuple[Record, ...] = (), klass: int = IN, **fields: Any,
    ) -> "Web":  # fmt: skip
        given = tuple(Record(name, A, 1, 300, bytes(map(int, each.split("."))), each) for each in addresses)
        data = encode(Message(number, RESPONSE | 0x0100 | rcode, (Question(name, what, klass),), (*records, *given)))
        ends = {"src": "10.0.1.1", "dst": "10.0.1.10", "sport": 53, "dport": 5300, "payload": data}
        self.send("answer", THERE[1::-1], protocol=UDP, **(ends | fields))
        return self


def web() -> Web:
    return Web().query().told(ADDRESS)


def resolved(story: Story, **changes: Any) -> Verdict:
    parts = {key: changes.pop(key) for key in ("steps", "gaps", "without", "capture") if key in changes}
    check = Dns(**(ENDS | changes))
    return check.judge(story.evidence(check, **parts))


def test_asked_answered_and_followed() -> None:
    verdict = resolved(web().talk())
    assert verdict.outcome is P
    assert verdict.seen == (
        "client asked r1 for server; the answer was 10.0.2.80; then the first SYN went to 10.0.2.80"
    )
    assert [str(frame) for frame in verdict.frames] == ["client:eth0#1", "client:eth0#2", "client:eth0#3"]


def test_case_and_the_other_family_do_not_matter() -> None:
    story = Web().query("SERVER.", 8, AAAA).query("SERVER").told(name="Server", number=8, what=AAAA).told(ADDRESS)
    assert resolved(story.talk()).outcome is P


def test_a_name_that_stands_for_another() -> None:
    alias = Record("server", CNAME, 1, 300, encode_name("real"), "real")
    address = Record("real", A, 1, 300, bytes((10, 0, 2, 80)), ADDRESS)
    assert resolved(Web().query().told(records=(alias, address)).talk()).outcome is P
    assert kind(resolved(Web().query().told(records=(address,)).talk())) == "wrong-answer"


@pytest.mark.parametrize(
    ("story", "cause"),
    [
        (clean(), "name-not-asked"),
        (Web().talk().query().told(ADDRESS), "went-before-answer"),
        (Web().query().talk().told(ADDRESS), "went-before-answer"),
        (Web().query("else").told(ADDRESS, name="else"), "wrong-name"),
        (Web().query("else").told(ADDRESS, name="else").talk(), "name-not-asked"),
        (Web().query(), "not-listening"),
        (Web().query().told(ADDRESS, number=8), "not-listening"),
        (Web().query().told(ADDRESS, name="other"), "not-listening"),
        (Web().query().told(ADDRESS, bad="tcp"), "not-listening"),
        (Web().query().told(ADDRESS, dst="10.0.1.11"), "not-listening"),
        (Web().query().told(ADDRESS, dport=5301), "wrong-client"),
        (Web().query().told(ADDRESS, dport=5301).talk(), "wrong-client"),
        (Web().query().told(ADDRESS, sport=54).talk(), "wrong-client"),
        (Web().query().told(ADDRESS, src="10.0.1.11").talk(), "wrong-client"),
        (Web().query().told(ADDRESS, klass=3).talk(), "not-listening"),
        (Web().query().told(rcode=NO_SUCH_NAME), "no-such-name"),
        (Web().query().told(), "wrong-answer"),
        (Web().query().told("10.0.2.81").talk(), "wrong-answer"),
        (web(), "not-tried"),
        (Web(), "not-tried"),
        (web().talk(port=9), "not-tried"),
        (Web().query(raw=b"what is the address of server?"), "malformed-query"),
        (Web().told(ADDRESS).query().talk(), "not-listening"),
    ],
)
def test_what_is_no_lookup(story: Story, cause: str) -> None:
    assert kind(resolved(story)) == cause


def test_went_elsewhere() -> None:
    story = web()
    story.send("syn", THERE[:2], src="10.0.1.10", dst="10.0.1.1", sport=1, dport=PORT, flags=SYN)
    assert kind(resolved(story)) == "wrong-target"


def test_a_crash_after_the_answer() -> None:
    steps = result("client", exit_code=1, stderr=b"TypeError: x\n")
    assert kind(resolved(web(), steps=steps)) == "crashed"


def made_up() -> Web:
    """A neighbour answers in the name server's name."""
    story = web()
    story.drop("answer", at=("r1:eth0",))
    return story


def test_an_answer_that_the_name_server_never_sent_is_none() -> None:
    verdict = resolved(made_up().talk())
    assert kind(verdict) == "altered"
    assert verdict.seen == "client got an answer in the name of r1, which had not sent it"
    assert resolved(made_up().told(ADDRESS).talk()).outcome is P  # the name server answered as well


def test_an_answer_in_fragments_counts_whole() -> None:
    story = Web().query().told(*(f"10.0.2.{last}" for last in (*range(1, 9), 80))).talk()
    story.frames = [part for each in story.frames for part in (halves(each) if each.name == "answer" else [each])]
    assert resolved(story).outcome is P


def halves(whole: Frame) -> list[Frame]:
    data, given = whole.raw()[34:], {each.name: getattr(whole, each.name) for each in fields(whole)}
    return [Part(**given, part=data[:48], more=True), Part(**given, part=data[48:], offset=48)]


def test_datagrams_may_follow() -> None:
    story = web()
    ends = {"src": "10.0.1.10", "dst": ADDRESS, "sport": 9, "dport": PORT}
    story.send("datagram", THERE, protocol=UDP, payload=b"x", **ends)
    assert resolved(story, protocol="udp").outcome is P
    assert kind(resolved(story)) == "not-tried"


def test_a_lookup_over_tcp() -> None:
    query, answer = Message(9, 0x0100, (Question("server", A),)), Record("server", A, 1, 9, bytes((10, 0, 2, 80)))
    sent = encode(query)
    got = encode(Message(9, RESPONSE, query.questions, (answer,)))
    story = Story().talk(port=53, sport=77, asked=len(sent).to_bytes(2, "big") + sent,
                         answered=len(got).to_bytes(2, "big") + got, prefix="dns ")  # fmt: skip
    assert resolved(story.talk()).outcome is P
    assert kind(resolved(Story().talk().talk(port=53, sport=77, isn=5, asked=b"\0\2hi", prefix="dns "))) in (
        "name-not-asked", "malformed-query",
    )  # fmt: skip


def test_gaps_of_a_lookup() -> None:
    assert resolved(web().talk(), gaps=(Gap("drops", "client:eth0", "lab"),)).outcome is N
    assert resolved(web().talk(), capture=("server:eth0",), without=THERE[:3]).outcome is N
    assert resolved(web().talk(), without=THERE[2:]).outcome is P
    assert resolved(web().talk(), without=THERE[1:], capture=THERE[:1]).outcome is P
    assert resolved(web().talk(), without=THERE[1:]).outcome is N  # nobody can tell whether r1 answered


GET = b"GET /a HTTP/1.1\r\nHost: server:7000\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"


def asked(story: Story, **changes: Any) -> Verdict:
    parts = {key: changes.pop(key) for key in ("steps", "gaps", "without") if key in changes}
    check = Http(**(ENDS | changes))
    return check.judge(story.evidence(check, **parts))


def http(question: bytes = GET, answer: bytes = OK, **fields: Any) -> Story:
    return Story().talk(asked=question, answered=answer, **fields)


def test_a_request_and_its_response() -> None:
    verdict = asked(http(), path="/a", host="Server", body=b"hi")
    assert verdict.outcome is P
    assert verdict.seen == "client asked GET /a of server:7000; server answered 200 OK with 2 bytes"
    assert [str(frame) for frame in verdict.frames] == ["client:eth0#4", "client:eth0#6"]


@pytest.mark.parametrize(
    ("written", "host"),
    [
        ("server", "server"),
        ("server:", "server"),
        ("[2001:db8::1]", "[2001:db8::1]"),
        ("[2001:DB8::1]:7000", "[2001:db8::1]"),
        ("10.0.2.80:7000", "10.0.2.80"),
    ],
)
def test_the_host_is_what_stands_before_its_port(written: str, host: str) -> None:
    question = f"GET / HTTP/1.1\r\nHost: {written}\r\n\r\n".encode()
    assert asked(http(question), host=host).outcome is P
    assert kind(asked(http(question), host="other")) == "wrong-request"


def test_a_body_in_chunks() -> None:
    assert asked(http(answer=CHUNKED), body=b"hi").outcome is P


def test_a_body_that_ends_with_the_connection() -> None:
    answer = b"HTTP/1.0 200 OK\r\n\r\nhi"
    assert asked(http(answer=answer), body=b"hi").outcome is P
    assert kind(asked(http(answer=answer).drop("server fin", "last ack"))) == "closed-first"


@pytest.mark.parametrize(
    ("story", "changes", "cause"),
    [
        (http(b"GET /a HTTP/1.1\nHost: server\n\n"), {}, "not-http"),
        (http(b"GET /a HTTP/1.1\r\n\r\n"), {}, "not-http"),
        (http(b"\x16\x03\x01\0\0"), {}, "not-http"),
        (http(GET[:-2]), {}, "unfinished"),
        (http(b"GET /a HTTP/1.0\r\n\r\n", CHUNKED), {}, "not-http"),
        (http(b"GET /a HTTP/1.0\r\n\r\n", CHUNKED.replace(b"1.1", b"1.0")), {}, "not-http"),
        (http(answer=CHUNKED.replace(b"1.1", b"1.0")), {}, "not-http"),
        (http(), {"path": "/b"}, "wrong-request"),
        (http(), {"method": "POST"}, "wrong-request"),
        (http(), {"host": "www"}, "wrong-request"),
        (http(), {"sends": b"x"}, "wrong-request"),
        (http(), {"version": "HTTP/1.0"}, "wrong-request"),
        (http(GET + b"junk"), {}, "left-over"),
        (http(answer=OK + b"!"), {}, "left-over"),
        (http(answer=OK[:-1]), {}, "closed-first"),
        (http(answer=OK[:-1], closes="server"), {}, "unfinished"),
        (http(answer=b"hello\r\n"), {}, "not-http"),
        (http(answer=b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), {}, "wrong-status"),
        (http(), {"body": b"ho"}, "wrong-body"),
        (http(), {"exchange": 2}, "nothing-sent"),
        (http(answer=b""), {}, "never-answered"),
        (Story(), {}, "not-tried"),
        (http().later("question", "answer ack"), {}, "spoke-first"),
        (http().alter("answer", at=("client:eth0",), payload=OK.replace(b"hi", b"ho")), {}, "altered"),
        (http().drop("question", at=("server:eth0",)), {}, "altered"),
    ],
)
def test_what_is_wrong_with_messages(story: Story, changes: dict[str, Any], cause: str) -> None:
    if cause == "spoke-first":
        story.alter("answer", ack=0xFFFFFFFB)
    assert kind(asked(story, **changes)) == cause


def test_a_message_without_end_rests_on_time() -> None:
    assert asked(http(GET[:-2])).timed
    assert asked(http(answer=OK[:-1])).timed
    assert not asked(http(answer=OK[:-1]), steps=result("server", ended="exited", exit_code=1)).timed


def test_the_second_exchange() -> None:
    both = http(GET + GET.replace(b"/a", b"/b"), OK + OK.replace(b"hi", b"ho"))
    assert asked(both, exchange=2, path="/b", body=b"ho").outcome is P
    assert asked(both, exchange=2, path="/a").outcome is F


@pytest.mark.parametrize("begun", [b"GET /b", b"GET /b HTTP/1.1\r\nHo", b"GET /b HTTP/1.1\r\n\r\n", b"POST "])
@pytest.mark.parametrize("half", [b"", b"HTTP", b"HTTP/1.1 20", OK[:-1], OK.replace(b": 2", b": x")])
def test_the_next_exchange_is_not_what_is_asked_about(begun: bytes, half: bytes) -> None:
    assert asked(http(GET + begun, OK + half)).outcome is P
    assert asked(http(GET + begun, OK + half), exchange=2).outcome is F


def test_whatever_answers_nothing_is_left_over() -> None:
    assert kind(asked(http(answer=OK + OK))) == "left-over"
    assert kind(asked(http(answer=OK + b"HTTP/1.1 20"))) == "left-over"
    assert asked(http(answer=OK + b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")).outcome is P
    assert kind(asked(http(b"POST /a HTTP/1.1\r\nHost: x\r\n\r\nHELLO WORLD"), method="POST")) == "left-over"


def test_a_tunnel_is_not_http() -> None:
    question = b"CONNECT server:443 HTTP/1.1\r\nHost: server:443\r\n\r\n\x16\x03\x01"
    story = http(question, b"HTTP/1.1 200 Connected\r\n\r\n\x16\x03\x03")
    assert asked(story, method="CONNECT").outcome is P


def test_segments_do_not_matter() -> None:
    story = Story()
    ends = {"src": "10.0.1.10", "dst": ADDRESS, "sport": SOURCE_PORT, "dport": PORT}
    whole = http()
    first = next(f for f in whole.frames if f.name == "question")
    story.frames = [f for f in whole.frames if f.name in ("syn", "syn-ack", "ack")]
    for at in range(0, len(GET), 9):
        story.send(f"piece {at}", THERE, seq=first.seq + at, ack=first.ack, flags=PSH | ACK, payload=GET[at : at + 9],
                   **ends)  # fmt: skip
    story.frames += [f for f in whole.frames if f.name not in ("syn", "syn-ack", "ack", "question")]
    assert asked(story, path="/a", body=b"hi").outcome is P
