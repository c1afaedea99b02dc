"""`udp` and `compare`: datagrams as they were cut, losses that only a program repairs, and what TCP takes instead."""

from dataclasses import replace
from typing import Any

import pytest
from doctored import ICMP, PORT, Story, clean, result, states
from doctored import UDP as UDP_NUMBER

from lab.checks.base import Outcome, Verdict
from lab.checks.compare import Compare
from lab.checks.udp import Udp
from lab.checks.udp_talk import Sent
from lab.evidence import Evidence, Gap
from lab.trace.packets import SYN, TCP

P, F, N = Outcome.PASSED, Outcome.FAILED, Outcome.NOT_MEASURED
THERE = ("client:eth0", "r1:eth0", "r1:eth1", "server:eth0")
OTHERS = ("other:eth0", *THERE[1:])
ONE, TWO, SPORT = b"one\n", b"two\n", 50000
ENDS: dict[str, Any] = {"source": "client", "to": "server", "port": PORT}
BOUND = states(("0.0.0.0", PORT), "udp")


class Talk(Story):
    """Datagrams of client and server on their way."""

    def ask(self, payload: bytes, way: tuple[str, ...] = THERE, **fields: Any) -> "Talk":
        node = way[0].partition(":")[0]
        ends = {"src": self.address(node), "dst": self.address("server"), "sport": SPORT, "dport": PORT}
        self.send(f"ask {payload!r}", way, payload=payload, **({"protocol": UDP_NUMBER} | ends | fields))
        return self

    def answer(self, payload: bytes, way: tuple[str, ...] = THERE, **fields: Any) -> "Talk":
        node = way[0].partition(":")[0]
        ends = {"src": self.address("server"), "dst": self.address(node), "sport": PORT, "dport": SPORT}
        self.send(f"answer {payload!r}", way[::-1], protocol=UDP_NUMBER, payload=payload, **(ends | fields))
        return self


def talked() -> Talk:
    return Talk().ask(ONE).answer(b"re: " + ONE).ask(TWO).answer(b"re: " + TWO)


def lossy(sent_again: int = 1) -> Talk:
    """The first copy gets no further than the client's own link."""
    story = Talk().ask(ONE, THERE[:2])
    for _ in range(sent_again):
        story.ask(ONE)
    return story.answer(b"re: " + ONE)


def judge(story: Story, states: Any = BOUND, **changes: Any) -> Verdict:
    parts = {key: changes.pop(key) for key in ("steps", "gaps", "without", "capture") if key in changes}
    check = Udp(**(ENDS | {"client_sends": (ONE, TWO), "server_sends": (b"re: " + ONE, b"re: " + TWO)} | changes))
    return check.judge(story.evidence(check, states=states, **parts))


def kind(verdict: Verdict) -> str:
    assert verdict.outcome is F, verdict
    assert verdict.cause is not None
    return verdict.cause.kind


def test_two_questions_and_their_answers() -> None:
    verdict = judge(talked())
    assert verdict.outcome is P
    assert verdict.seen == (
        'client sent "one\\n" and "two\\n"; server answered "re: one\\n" and "re: two\\n" to the port that asked; '
        "all checksums right"
    )


def test_an_answer_that_the_server_never_sent_is_none() -> None:
    name = f"answer {b're: ' + ONE!r}"
    story = Talk().ask(ONE).answer(b"re: " + ONE).drop(name, at=("server:eth0", "r1:eth1"))
    verdict = judge(story, client_sends=(ONE,), server_sends=(b"re: " + ONE,))
    assert kind(verdict) == "altered"
    assert "in the name of server" in verdict.seen


def test_a_neighbours_frame_that_is_flooded_did_not_leave_the_server() -> None:
    story = Talk().ask(ONE).answer(b"re: " + ONE)
    story.alter(f"answer {b're: ' + ONE!r}", at=("server:eth0",), src_mac=story.mac("r1:eth1"),
                dst_mac="ff:ff:ff:ff:ff:ff")  # fmt: skip
    assert kind(judge(story, client_sends=(ONE,), server_sends=(b"re: " + ONE,))) == "altered"


RE_ONE, RE_TWO = b"re: " + ONE, b"re: " + TWO


@pytest.mark.parametrize("client_sends", [(ONE, TWO), None])
def test_answers_that_overtake_each_other_on_the_way_are_right(client_sends: Any) -> None:
    story = Talk().ask(ONE).ask(TWO).answer(RE_ONE).answer(RE_TWO)
    story.later(f"answer {RE_ONE!r}", f"answer {RE_TWO!r}", at=("client:eth0",))
    verdict = judge(story, client_sends=client_sends)
    assert verdict.outcome is P, verdict.seen


def test_of_two_open_questions_either_may_be_answered_first() -> None:
    story = Talk().ask(ONE).ask(TWO)
    story.later(f"ask {ONE!r}", f"ask {TWO!r}", at=("server:eth0",))
    assert isinstance(story, Talk)
    assert judge(story.answer(RE_TWO).answer(RE_ONE)).outcome is P
    assert kind(judge(Talk().ask(ONE).answer(RE_TWO).ask(TWO).answer(RE_ONE))) == "differs"
    assert kind(judge(Talk().ask(ONE).ask(TWO).answer(RE_TWO).answer(RE_ONE), client_sends=None)) == "differs"


def test_many_datagrams_are_looked_through_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = [0]

    def counted(each: Sent) -> bytes:
        looks[0] += 1
        return each.packet.payload

    monkeypatch.setattr(Sent, "payload", property(counted))
    story = Talk()
    for number in range(300):
        story.ask(b"%d" % number)
    assert judge(story.answer(RE_ONE), client_sends=None, server_sends=(RE_ONE,)).outcome is P
    assert looks[0] < 300 * 30


def test_an_equal_answer_to_another_client_is_none_to_this_one() -> None:
    """The other asked something else, to which the answer is the same."""
    story = Talk().ask(b"three", OTHERS, sport=6).answer(RE_TWO, OTHERS, dport=6)
    story.ask(ONE).answer(RE_ONE).ask(TWO).answer(RE_TWO)
    assert judge(story).outcome is P


def test_a_loss_that_the_program_repaired() -> None:
    verdict = judge(lossy(), client_sends=(ONE,), server_sends=(b"re: " + ONE,), lost=1)
    assert verdict.outcome is P
    assert "1 datagram never arrived, and the program sent it again" in verdict.seen


@pytest.mark.parametrize(
    ("story", "changes", "cause"),
    [
        (Talk().ask(ONE + TWO).answer(b"re: " + ONE + TWO), {}, "boundaries"),
        (Talk().ask(b"on").ask(b"e\n").ask(TWO), {"server_sends": None}, "boundaries"),
        (Talk().ask(TWO).ask(ONE), {"server_sends": None}, "differs"),
        (talked().ask(b"three"), {}, "too-much"),
        (talked().ask(b"three"), {"server_sends": None}, "too-much"),
        (Talk().ask(ONE).answer(b"re: " + ONE).ask(TWO).answer(b"re: t"), {}, "cut-short"),
        (Talk().ask(ONE).answer(b"re: ").answer(ONE).ask(TWO).answer(TWO), {}, "boundaries"),
        (Talk().ask(ONE).answer(b"re: " + ONE), {"server_sends": None}, "too-little"),
        (Talk().ask(ONE).answer(b"re: 'one'"), {}, "differs"),
        (Talk().ask(ONE, THERE[:2]).ask(TWO).answer(b"re: " + TWO), {}, "no-retry"),
        (talked().ask(TWO), {"wait": 1e-6}, "needless"),
        (Talk().ask(ONE).answer(ONE).ask(TWO).answer(TWO), {}, "differs"),
        (Talk().ask(ONE), {}, "never-answered"),
        (Talk(), {}, "not-tried"),
        (Talk().ask(ONE, dport=9), {}, "wrong-target"),
        (Talk().ask(b"", protocol=TCP, flags=SYN), {}, "tcp-for-udp"),
        (Talk().ask(ONE).answer(b"re: " + ONE, sport=9999), {}, "other-port"),
        (Talk().ask(ONE).answer(b"re: " + ONE, OTHERS), {}, "wrong-client"),
        (Talk().ask(ONE).ask(TWO, sport=50001).answer(b"re: " + ONE).answer(b"re: " + TWO), {}, "wrong-client"),
        (Talk().answer(b"re: " + ONE).ask(ONE).ask(TWO).answer(b"re: " + TWO), {}, "spoke-first"),
        (Talk().ask(ONE, THERE[:2]), {"lost": 1}, "no-retry"),
        (lossy(0), {"lost": 1}, "no-retry"),
        (talked(), {"lost": 1}, "not-tried"),
        (lossy(), {"wait": 0.3, "client_sends": (ONE,), "server_sends": None}, "too-soon"),
        (lossy(5), {"tries": 3, "client_sends": (ONE,), "server_sends": None}, "too-often"),
        (talked().alter(f"ask {ONE!r}", at=("server:eth0",), bad="tcp"), {}, "altered"),
        (talked().alter(f"ask {ONE!r}", bad="tcp"), {}, "wrong-checksum"),
        (talked().alter(f"ask {ONE!r}", at=("server:eth0",), payload=b"ONE\n"), {}, "altered"),
    ],
)  # fmt: skip
def test_what_is_wrong(story: Story, changes: dict[str, Any], cause: str) -> None:
    assert kind(judge(story, **changes)) == cause


def test_who_holds_no_socket_is_told() -> None:
    assert kind(judge(Talk().ask(ONE), states=states(None))) == "not-listening"
    assert kind(judge(Talk().ask(ONE), states=states(("127.0.0.1", PORT), "udp"))) == "wrong-address"
    assert kind(judge(Talk().ask(ONE), states=states(("0.0.0.0", PORT), "tcp"))) == "tcp-for-udp"


def test_a_crash_is_the_cause() -> None:
    crashed = result("server", ended="exited", exit_code=1, stderr=b"KeyError: 1\n")
    assert kind(judge(Talk().ask(ONE), steps=crashed)) in ("crashed", "never-answered")


def test_an_answer_to_an_older_question_is_no_mistake() -> None:
    """The other client asked first, so what the server says next is for it."""
    story = Talk().ask(TWO, OTHERS, sport=6).ask(ONE).answer(b"re: " + TWO, OTHERS, dport=6)
    assert kind(judge(story, server_sends=None)) == "never-answered"


def test_new_sockets_for_each_question_are_right() -> None:
    story = Talk().ask(ONE, sport=1).answer(b"re: " + ONE, dport=1).ask(TWO, sport=2).answer(b"re: " + TWO, dport=2)
    assert judge(story).outcome is P


def test_a_repeated_answer_is_counted_once() -> None:
    assert judge(talked().answer(b"re: " + TWO)).outcome is P


def refusal(code: int = 3) -> Story:
    story = Talk().ask(ONE)
    question = next(f for f in story.frames if f.point == "server:eth0")
    quote = question.raw()[14:]
    return story.send("icmp", THERE[::-1], protocol=ICMP, sport=3, dport=code, payload=quote,
                      src=story.address("server"), dst=story.address("client"))  # fmt: skip


def test_port_unreachable() -> None:
    only: dict[str, Any] = {"client_sends": (ONE,), "server_sends": None, "refused": True}
    verdict = judge(refusal(), states=states(None), **only)
    assert verdict.outcome is P
    assert "by ICMP that nobody has port 7000" in verdict.seen
    assert kind(judge(refusal(1), **only)) == "never-answered"
    assert kind(judge(Talk().ask(ONE), **only)) == "never-answered"
    assert kind(judge(Talk().ask(ONE).answer(b"re"), **only)) == "accepted"
    assert kind(judge(Talk(), **only)) == "not-tried"


def test_gaps() -> None:
    assert judge(talked(), gaps=(Gap("drops", "client:eth0", "lab"),)).outcome is N
    assert judge(talked(), without=("server:eth0",)).outcome is N
    assert judge(talked(), capture=("client:eth0",), without=THERE[1:]).outcome is N


def test_a_refusal_comes_after_what_it_refuses() -> None:
    story = refusal()
    story.frames.sort(key=lambda each: each.name != "icmp")
    only: dict[str, Any] = {"client_sends": (ONE,), "server_sends": None, "refused": True}
    assert kind(judge(story, **only)) == "never-answered"


def test_a_refusal_that_the_node_never_sent_is_none() -> None:
    only: dict[str, Any] = {"client_sends": (ONE,), "server_sends": None, "refused": True}
    forged = refusal().drop("icmp", at=("server:eth0", "r1:eth1"))
    assert kind(judge(forged, states=states(None), **only)) == "never-answered"


def test_a_kernel_need_not_refuse_each_of_many_datagrams() -> None:
    """Linux sends six errors to a peer at once, then one a second (net.ipv4.icmp_ratelimit)."""
    story = refusal()
    assert isinstance(story, Talk)
    for _ in range(4):
        story.ask(ONE)
    verdict = judge(story, states=states(None), client_sends=(ONE,), server_sends=None, refused=True)
    assert verdict.outcome is P


@pytest.mark.parametrize(("answered", "outcome"), [(10, P), (6, P), (5, F), (0, F)])
def test_a_kernel_need_not_refuse_each_of_many_sockets(answered: int, outcome: Outcome) -> None:
    """Linux refused six of ten that were sent within a second."""
    story, questions = Talk(), tuple(b"%d" % number for number in range(10))
    for number, question in enumerate(questions):
        story.ask(question, sport=SPORT + number)
        if number < answered:
            quote = next(f for f in story.frames if f.name == f"ask {question!r}" and f.point == "server:eth0").raw()
            story.send("icmp", THERE[::-1], protocol=ICMP, sport=3, dport=3, payload=quote[14:],
                       src=story.address("server"), dst=story.address("client"))  # fmt: skip
    only: dict[str, Any] = {"client_sends": questions, "server_sends": None, "refused": True}
    assert judge(story, states=states(None), **only).outcome is outcome


def test_what_demands_nothing_is_refused() -> None:
    assert list(Udp(**ENDS).problems())
    assert list(Udp(**ENDS, client_sends=(ONE, ONE)).problems())
    assert list(Udp(**ENDS, refused=True, server_sends=(ONE,)).problems())
    assert not list(Udp(**ENDS, client_sends=(ONE,)).problems())


def both(asked: bytes = b"hello\n", answered: bytes = b"hello\n") -> Evidence:
    story = clean()
    told = Talk(frames=story.frames).ask(asked, dport=7001).answer(answered, sport=7001)
    return told.evidence()


def test_the_same_by_both() -> None:
    check = Compare(source="client", to="server", tcp=PORT, udp=7001)
    verdict = check.judge(both())
    assert verdict.outcome is P
    assert "10 packets, 552 bytes, the answer after 2 round trips" in verdict.seen
    assert "UDP: 2 packets, 96 bytes, the answer after 1 round trip" in verdict.seen
    assert kind(check.judge(both(b"other"))) == "not-the-same"
    assert kind(check.judge(both(answered=b"other"))) == "not-the-same"
    assert kind(check.judge(clean().evidence())) == "not-tried"
    assert kind(replace(check, tcp=9).judge(both())) != ""
    assert check.judge(both()).frames


def test_udp_that_takes_more_is_told() -> None:
    told = Talk(frames=clean().frames)
    for _ in range(10):
        told.ask(b"hello\n", dport=7001)
    told.answer(b"hello\n", sport=7001)
    check = Compare(source="client", to="server", tcp=PORT, udp=7001)
    verdict = check.judge(told.evidence())
    assert kind(verdict) == "no-cheaper"
    assert verdict.timed  # it may have asked again because a busy machine answered late


def test_a_message_may_be_cut_into_equal_datagrams_and_one_of_them_repeated() -> None:
    check = Compare(source="client", to="server", tcp=PORT, udp=7001)
    for times, outcome in ((1, F), (2, P), (3, P)):
        told = Talk(frames=Story().talk(asked=b"abab", answered=b"cdcd").frames)
        for _ in range(times):
            told.ask(b"ab", dport=7001)
        told.answer(b"cd", sport=7001).answer(b"cd", sport=7001)
        verdict = check.judge(told.evidence())
        assert verdict.outcome is outcome, verdict.seen


def test_an_answer_that_is_cut_off_may_have_been_late() -> None:
    told = Talk(frames=clean().frames)
    told.ask(b"hello\n", dport=7001)
    check = Compare(source="client", to="server", tcp=PORT, udp=7001)
    verdict = check.judge(told.evidence())
    assert (kind(verdict), verdict.timed) == ("not-the-same", True)
    verdict = check.judge(told.evidence(steps=result("client", ended="timed out", exit_code=None)))
    assert (kind(verdict), verdict.timed) == ("timed-out", True)
    verdict = check.judge(told.evidence(steps=result("client", exit_code=1, stderr=b"KeyError: 1\n")))
    assert (kind(verdict), verdict.timed) == ("crashed", False)


def _marked(evidence: Evidence, point: str, frames: int) -> Evidence:
    """The end mark of one capture comes after so many frames."""
    capture = evidence.captures[point]
    return replace(evidence, captures={**evidence.captures, point: replace(capture, end=frames)})


def test_end_marks_are_not_set_everywhere_at_once() -> None:
    check = Udp(**ENDS, client_sends=(ONE,), server_sends=None)
    unmarked = Talk().ask(ONE).ask(TWO).evidence(check, states=BOUND)
    verdict = check.judge(_marked(unmarked, "client:eth0", 1))
    assert verdict.outcome is P, verdict.seen  # the second was sent after the sender's mark
    lost = replace(check, lost=1)
    late = _marked(Talk().ask(ONE).evidence(lost, states=BOUND), "server:eth0", 0)
    assert lost.judge(late).outcome is F, "it arrived after the receiver's mark, so nothing was lost"


def test_a_question_that_is_still_open_may_be_sent_again() -> None:
    story = Talk().ask(ONE).ask(TWO).answer(b"re: " + ONE).ask(TWO).answer(b"re: " + TWO)
    assert judge(story, wait=1e-6).outcome is P
    assert judge(talked().ask(TWO)).outcome is P  # nothing is demanded about that


def test_who_sends_less_than_its_line_did_not_receive_it() -> None:
    verdict = judge(Talk().ask(b"one").answer(b"re: one"), client_sends=(ONE,), server_sends=None)
    assert kind(verdict) == "cut-short"
    assert verdict.cause is not None
    assert "sendto()" in verdict.cause.look_at


def refused(story: Story, payload: bytes) -> Story:
    """The server's kernel says of that question that no socket takes it."""
    question = next(f for f in story.frames if f.point == "server:eth0" and f.payload == payload)
    return story.send("icmp", THERE[::-1], protocol=ICMP, sport=3, dport=3, payload=question.raw()[14:],
                      src=story.address("server"), dst=story.address("client"))  # fmt: skip


def test_a_socket_that_no_longer_takes_what_comes_is_told() -> None:
    """One that is connected to somebody else, or closed, has answered others before."""
    first = Talk().ask(ONE).answer(b"re: " + ONE).ask(TWO)
    assert kind(judge(first)) == "never-answered"
    verdict = judge(refused(first, TWO))
    assert kind(verdict) == "not-taken"
    assert verdict.timed
    assert kind(judge(refused(Talk().ask(ONE), ONE))) == "not-taken"  # all of it
    ended = result("server", ended="exited", exit_code=0)
    asked_more = Talk().ask(ONE).answer(b"re: " + ONE).ask(TWO)
    assert kind(judge(refused(asked_more, TWO), steps=ended)) == "ended-early"
    assert kind(judge(Talk().ask(ONE).answer(b"re: " + ONE).ask(TWO), steps=ended)) == "ended-early"
