"""`icmp`: echoes and their replies, and errors about packets that were sent."""

from dataclasses import fields, replace
from typing import Any

import pytest
from doctored import ICMP, PORT, UDP, Frame, Part, Story, result

from lab.checks.base import Outcome, Verdict
from lab.checks.icmp import Icmp
from lab.evidence import Gap
from lab.exercise.faults import Fault
from lab.topology.links import Link

P, F, N = Outcome.PASSED, Outcome.FAILED, Outcome.NOT_MEASURED
THERE = ("client:eth0", "r1:eth0", "r1:eth1", "server:eth0")
HOME = THERE[:2]


def go(story: Story, name: str, payload: bytes = b"abc", way: tuple[str, ...] = THERE, **fields: Any) -> Story:
    ends = {"src": story.address("client"), "dst": story.address("server"), "protocol": ICMP, "sport": 8, "dport": 0}
    return story.send(name, way, payload=payload, **(ends | fields))


def back(story: Story, name: str, payload: bytes = b"abc", way: tuple[str, ...] = THERE, **fields: Any) -> Story:
    ends = {"src": story.address("server"), "dst": story.address("client"), "protocol": ICMP, "sport": 0, "dport": 0}
    return story.send(name, way[::-1], payload=payload, **(ends | fields))


def echo() -> Story:
    return back(go(Story(), "ping"), "pong")


def error(kind: int, code: int, by: str = "10.0.1.1", ttl: int = 1, quote: bytes | None = None) -> Story:
    """A datagram that comes to r1 with this TTL, and what r1 says to that."""
    story = go(Story(), "datagram", way=HOME, protocol=UDP, sport=5, dport=PORT, ttl=ttl)
    original = next(f for f in story.frames if f.point == "r1:eth0").raw()[14:]
    return back(story, "error", original if quote is None else quote, HOME, src=by, sport=kind, dport=code)


def judge(story: Story, **changes: Any) -> Verdict:
    parts = {key: changes.pop(key) for key in ("steps", "gaps", "without", "capture") if key in changes}
    check = Icmp(**({"source": "client", "to": "server"} | changes))
    return check.judge(story.evidence(check, **parts))


def kind(verdict: Verdict) -> str:
    assert verdict.outcome is F, verdict
    assert verdict.cause is not None
    return verdict.cause.kind


def test_an_echo() -> None:
    verdict = judge(echo())
    assert verdict.outcome is P
    assert verdict.seen == "1 echo request of client, each answered by server with the same data"
    assert [str(frame) for frame in verdict.frames] == ["client:eth0#1", "client:eth0#2"]


@pytest.mark.parametrize(
    ("story", "changes", "cause"),
    [
        (Story(), {}, "no-packets"),
        (echo(), {"count": 2}, "no-packets"),
        (go(Story(), "ping"), {}, "unreachable"),
        (back(Story(), "pong"), {}, "no-packets"),
        (go(back(Story(), "pong"), "ping"), {}, "unreachable"),
        (back(go(Story(), "ping"), "pong", b"xyz"), {}, "altered"),
        (back(back(go(Story(), "ping"), "pong"), "another", b"xyz"), {}, "altered"),
        (back(back(go(Story(), "ping"), "another", b"xyz"), "pong"), {}, "altered"),
        (back(go(go(Story(), "ping"), "other", b"xyz"), "pong"), {}, "unreachable"),
        (back(go(Story(), "ping"), "pong", bad="tcp"), {}, "unreachable"),
        (back(go(Story(), "ping"), "pong", src="10.0.1.1"), {}, "unreachable"),
        (echo(), {"to": "r1"}, "no-packets"),
    ],
)
def test_what_is_no_echo(story: Story, changes: dict[str, Any], cause: str) -> None:
    assert kind(judge(story, **changes)) == cause


def in_fragments(story: Story, spoilt: bytes = b"") -> Story:
    """Every packet in two fragments; `spoilt` stands in place of the last bytes of the reply, its checksum right."""
    parts: list[Frame] = []
    for whole in story.frames:
        whole = replace(whole, payload=whole.payload[: -len(spoilt)] + spoilt) if spoilt and not whole.sport else whole
        data, given = whole.raw()[34:], {each.name: getattr(whole, each.name) for each in fields(whole)}
        parts += [Part(**given, part=data[:48], more=True), Part(**given, part=data[48:], offset=48)]
    story.frames = parts
    return story


def test_an_echo_in_fragments_counts_whole() -> None:
    def story() -> Story:
        return back(go(Story(), "ping", bytes(100)), "pong", bytes(100))

    assert judge(in_fragments(story())).outcome is P
    assert kind(judge(in_fragments(story(), b"other"))) == "altered"
    cut = in_fragments(story())
    cut.frames = [each for each in cut.frames if not (isinstance(each, Part) and each.name == "pong" and each.offset)]
    assert kind(judge(cut)) == "unreachable"


def test_requests_that_are_numbered_alike_are_told_apart_by_their_data() -> None:
    story = go(go(Story(), "one", b"10.1 s"), "two", b"10.2 s")
    back(back(story, "first", b"10.1 s"), "second", b"10.2 s")
    assert judge(story, count=2).outcome is P


def test_an_echo_that_an_error_answered() -> None:
    story = go(Story(), "ping", way=HOME)
    original = story.frames[0].raw()[14:]
    back(story, "error", original, HOME, src="10.0.1.1", sport=3, dport=0)
    verdict = judge(story)
    assert kind(verdict) == "icmp-error"
    assert verdict.seen == "r1 answered the echo request for server: network unreachable"


TIME: dict[str, Any] = {"message": "time-exceeded", "by": "r1"}
UNREACHABLE: dict[str, Any] = {"message": "unreachable"}


def test_a_ttl_that_ran_out() -> None:
    verdict = judge(error(11, 0), **TIME)
    assert verdict.outcome is P
    assert verdict.seen == "r1 told client about a packet with TTL 1 for server: TTL ran out"


@pytest.mark.parametrize(
    ("code", "name"), [(0, "network"), (1, "host"), (2, "protocol"), (3, "port"), (13, "prohibited"), (3, None)]
)
def test_what_is_unreachable(code: int, name: str | None) -> None:
    assert judge(error(3, code), **UNREACHABLE, code=name).outcome is P
    others = {"network", "host", "protocol", "port", "prohibited"} - {name}
    if name:
        assert all(kind(judge(error(3, code), **UNREACHABLE, code=other)) == "other-error" for other in others)


@pytest.mark.parametrize(
    ("story", "changes", "cause"),
    [
        (Story(), TIME, "no-packets"),
        (error(11, 0), {"message": "time-exceeded", "by": "server"}, "other-node"),
        (error(11, 1), TIME, "other-error"),
        (error(3, 3), TIME, "other-error"),
        (error(11, 0, quote=bytes(28)), TIME, "no-error"),
        (error(11, 0).drop("datagram"), TIME, "no-packets"),
        (error(11, 0).drop("error"), TIME, "no-error"),
        (error(11, 0).later("datagram", "error"), TIME, "no-error"),
        (error(11, 0), TIME | {"count": 2}, "no-packets"),
    ],
)
def test_what_is_no_such_error(story: Story, changes: dict[str, Any], cause: str) -> None:
    assert kind(judge(story, **changes)) == cause


def test_gaps() -> None:
    assert judge(echo(), gaps=(Gap("drops", "client:eth0", "lab"),)).outcome is N
    assert judge(echo(), capture=("r1:eth0",), without=(THERE[0], *THERE[2:])).outcome is N
    assert judge(echo(), without=THERE[1:3]).outcome is P
    assert judge(echo(), without=THERE[1:]).outcome is N  # nobody can tell whether the server sent it
    assert judge(echo(), without=THERE[3:], capture=THERE[:3]).outcome is P
    assert judge(echo(), gaps=(Gap("drops", "server:eth0", "lab"),)).outcome is P
    lossy = echo().drop("pong", at=("server:eth0",))
    assert judge(lossy, gaps=(Gap("drops", "server:eth0", "lab"),)).outcome is N


def test_what_makes_no_sense_is_refused() -> None:
    assert list(Icmp(source="client", to="server", by="r1").problems())
    assert list(Icmp(source="client", to="server", code="port").problems())
    assert not list(Icmp(source="client", to="server", message="unreachable", code="port").problems())


def test_too_few_are_not_called_none() -> None:
    for verdict in (judge(echo(), count=2), judge(error(11, 0), **TIME, count=2)):
        assert verdict.cause is not None
        assert verdict.cause.text in (
            "client sent 1 echo request to server, where 2 at least are asked for",
            "only 1 such error came to client, where 2 at least are asked for",
        )
    verdict = judge(Story(), count=2)
    assert verdict.cause is not None
    assert verdict.cause.text == "client sent no packet to server"


def test_a_request_counts_as_often_as_it_was_answered() -> None:
    story = back(go(go(go(Story(), "one"), "two"), "three"), "pong")
    assert judge(story).outcome is P
    assert judge(story, count=3).outcome is F


def test_one_packet_that_is_complained_of_thrice_counts_once() -> None:
    story = error(11, 0).double("error").double("error")
    assert judge(story, message="time-exceeded").outcome is P
    assert judge(story, message="time-exceeded", count=3).outcome is F


@pytest.mark.parametrize(
    ("lost", "outcome"),
    [
        (go(echo(), "lost", b"xyz", HOME), P),
        (back(go(echo(), "lost", b"xyz"), "reply", b"xyz").drop("reply", at=HOME), P),
        (go(echo(), "ignored", b"xyz"), F),
        (go(Story(), "lost", way=HOME), F),
    ],
)
def test_what_a_lossy_link_lost_is_held_against_nobody(lost: Story, outcome: Outcome) -> None:
    check = Icmp(source="client", to="server")
    evidence = lost.evidence(check)
    assert check.judge(evidence).outcome is F
    lossy = tuple(replace(each, link=Link(loss=0.1)) for each in evidence.plan.networks)
    assert check.judge(replace(evidence, plan=replace(evidence.plan, networks=lossy))).outcome is outcome
    fault = Fault("lost", "drop", network="lan", packets="icmp")
    faulty = replace(evidence, exercise=replace(evidence.exercise, faults=(fault,)))
    assert check.judge(faulty).outcome is outcome
    unseen = replace(faulty, gaps=(Gap("drops", "server:eth0", "lab"),))
    told = N if outcome is P or "ignored" in {each.name for each in lost.frames} else F
    assert check.judge(unseen).outcome is told  # whether it came to the server cannot be told
    kept = replace(faulty.exercise, capture=HOME)
    away = {point: each for point, each in faulty.captures.items() if point in HOME}
    assert check.judge(replace(faulty, exercise=kept, captures=away)).outcome is told


def test_what_was_on_its_way_when_the_program_was_ended_is_not_unanswered() -> None:
    story = back(go(go(Story(), "one"), "two", b"xyz"), "pong")
    ended = {"steps": result("client", ended="killed")}
    assert judge(story).outcome is F
    assert judge(story, **ended).outcome is P
    assert judge(story, **ended, count=2).outcome is F
    late = go(back(back(go(go(Story(), "two", b"xyz"), "one"), "pong"), "pong"), "three", b"x", HOME)
    assert judge(late, **ended).outcome is F  # the first was sent long before


BESIDE = ("client:eth0", "other:eth0")


def forged(story: Story, name: str = "forged", payload: bytes = b"abc", **fields: Any) -> Story:
    """What a neighbour sends to the client in the server's name."""
    return back(story, name, payload, BESIDE, **fields)


def test_a_reply_that_a_neighbour_made_up_is_none() -> None:
    verdict = judge(forged(go(Story(), "ping", way=HOME)))
    assert kind(verdict) == "altered"
    assert verdict.seen == "client got an echo reply in the name of server, which had not sent it"
    assert [str(frame) for frame in verdict.frames] == ["client:eth0#2"]
    mended = judge(back(forged(go(Story(), "ping")), "pong"))
    assert mended.outcome is P  # the server sent its own as well


def test_one_of_two_replies_is_made_up() -> None:
    story = back(go(go(Story(), "one"), "two", way=HOME), "pong")
    verdict = judge(forged(story), count=2)
    assert kind(verdict) == "no-packets"  # an equal one might be a copy of the first
    assert verdict.seen == "client sent 2 echo requests to server, of which 1 came back"
    told_apart = forged(back(go(go(Story(), "one"), "two", b"xyz", HOME), "pong"), payload=b"xyz")
    assert kind(judge(told_apart, count=2)) == "altered"


def test_a_neighbours_frame_that_is_flooded_to_the_server_did_not_leave_it() -> None:
    story = forged(go(Story(), "ping"))
    beside, nobody = story.mac("r1:eth1"), "02:00:00:00:99:99"
    for src_mac, dst_mac in (
        (beside, "ff:ff:ff:ff:ff:ff"), (beside, nobody), (story.mac("server:eth0"), nobody), (nobody, beside)
    ):  # fmt: skip
        flooded = back(forged(go(Story(), "ping")), "flooded").drop("flooded", at=THERE[:3])
        assert kind(judge(flooded.alter("flooded", src_mac=src_mac, dst_mac=dst_mac))) == "altered"


def test_a_request_in_the_nodes_name_is_not_its_own() -> None:
    story = echo()
    story.alter("ping", at=("client:eth0",), src_mac=story.mac("other:eth0"), dst_mac="ff:ff:ff:ff:ff:ff")
    assert kind(judge(story)) == "no-packets"


def test_an_answer_is_known_again_where_addresses_are_translated() -> None:
    assert judge(echo().nat()).outcome is P
    story = go(Story(), "datagram", protocol=UDP, sport=5, dport=PORT).nat()
    near, far = (next(f for f in story.frames if f.point == point).raw()[14:] for point in (THERE[0], THERE[3]))
    back(story, "error", near, sport=3, dport=3).nat().alter("error", at=THERE[2:], payload=far)
    assert judge(story, **UNREACHABLE).outcome is P


def test_what_was_handed_in_may_have_been_begun_late() -> None:
    check = Icmp(source="client", to="server")
    evidence = echo().drop("pong", at=("server:eth0",)).evidence(check)
    assert check.judge(evidence).outcome is F
    assert check.judge(replace(evidence, exercise=replace(evidence.exercise, unverified=True))).outcome is P


def test_end_marks_are_not_set_everywhere_at_once() -> None:
    check = Icmp(source="client", to="server")
    evidence = echo().evidence(check)
    server = replace(evidence.captures["server:eth0"], end=0)
    assert check.judge(replace(evidence, captures={**evidence.captures, "server:eth0": server})).outcome is P


def test_an_error_that_a_neighbour_made_up_is_none() -> None:
    name = "client got an ICMP error (TTL ran out) in the name of r1, which had not sent it"
    verdict = judge(error(11, 0).drop("error", at=("r1:eth0",)), **TIME)
    assert (kind(verdict), verdict.seen) == ("altered", name)
    assert kind(judge(error(3, 3).drop("error", at=("r1:eth0",)), **UNREACHABLE)) == "altered"
    nobody = error(11, 0, by="10.9.9.9")
    assert judge(nobody, message="time-exceeded").outcome is P  # r1 may have more addresses than the plan knows
    assert kind(judge(nobody.drop("error", at=("r1:eth0",)), message="time-exceeded")) == "altered"


def test_two_errors_of_one_router_count_twice() -> None:
    story = error(11, 0)
    assert judge(story.double("datagram").double("error"), **TIME, count=2).outcome is P
    once = error(11, 0).double("datagram").double("error", at=("client:eth0",))
    assert kind(judge(once, **TIME, count=2)) == "no-packets"  # the second is a copy that was made on the way


BESIDE_CLIENT: dict[str, Any] = {"capture": ("other:eth0", *THERE[1:]), "without": THERE[:1]}


def test_who_has_a_privilege_is_judged_at_those_who_answer() -> None:
    verdict = judge(echo(), **BESIDE_CLIENT)
    assert verdict.outcome is P
    assert verdict.seen.endswith("by server with the same data (judged at server: client is not captured)")
    assert kind(judge(go(Story(), "ping"), **BESIDE_CLIENT)) == "unreachable"
    assert kind(judge(Story(), **BESIDE_CLIENT)) == "no-packets"
    assert kind(judge(echo(), **BESIDE_CLIENT, count=2)) == "no-packets"
    assert kind(judge(echo().drop("pong", at=THERE[3:]), **BESIDE_CLIENT)) == "unreachable"
    assert judge(echo(), **BESIDE_CLIENT, gaps=(Gap("drops", "server:eth0", "lab"),)).outcome is N
    assert judge(echo(), capture=THERE[1:3], without=(THERE[0], THERE[3])).outcome is N


def test_an_error_for_who_has_a_privilege_is_judged_at_those_who_say_it() -> None:
    for wanted in (TIME, {"message": "time-exceeded"}):
        assert judge(error(11, 0), **BESIDE_CLIENT, **wanted).outcome is P
        assert kind(judge(error(11, 0).drop("error", at=("r1:eth0",)), **BESIDE_CLIENT, **wanted)) == "no-error"
        assert kind(judge(error(11, 0).double("error"), **BESIDE_CLIENT, **wanted, count=2)) == "no-packets"
    some: dict[str, Any] = {"capture": THERE[1:3], "without": (THERE[0], "other:eth0", THERE[3])}
    assert judge(error(11, 0), **some, message="time-exceeded").outcome is P
    assert judge(error(3, 0), **some, message="time-exceeded").outcome is N  # server may have said it


def test_a_request_that_another_sends_is_not_the_privileged_nodes() -> None:
    plan = Story().plan
    story = echo().alter("ping", at=("server:eth0",), src_mac=plan.points["other:eth0"].mac)
    assert kind(judge(story, **BESIDE_CLIENT)) == "no-packets"
    made_up = echo().alter("ping", at=("server:eth0",), src_mac="02:aa:bb:cc:dd:ee")
    assert judge(made_up, **BESIDE_CLIENT).outcome is P


def test_a_wrong_checksum_is_why_nobody_answers() -> None:
    for changes in ({}, BESIDE_CLIENT):
        verdict = judge(go(Story(), "ping", bad="tcp"), **changes)
        assert kind(verdict) == "wrong-checksum"
        assert "has a wrong checksum, so that nobody answers it" in verdict.seen


def test_a_router_looks_at_the_ip_headers_checksum_alone() -> None:
    for changes in ({}, BESIDE_CLIENT):
        assert judge(error(11, 0).alter("datagram", bad="tcp"), **TIME, **changes).outcome is P
        assert kind(judge(error(11, 0).alter("error", bad="tcp"), **TIME, **changes)) == "no-error"
        unanswered = error(3, 3, by="10.0.2.80").drop("error").alter("datagram", bad="tcp")
        assert kind(judge(unanswered, **UNREACHABLE)) == "wrong-checksum"
