"""Which connection is meant, whose frames count, and when both ends must agree."""

from dataclasses import replace
from typing import Any

import pytest
from doctored import CLIENT_ISN, PORT, SERVER_ISN, STEPS, TEXT, Story, clean, states

from lab.checks import TcpClose, TcpData, TcpHandshake
from lab.checks.base import Outcome, Verdict
from lab.checks.connections import counted, find
from lab.evidence import Mark, StepResult
from lab.exercise import Ready, Step
from lab.trace.packets import ACK, FIN, RST, SYN

P, F = Outcome.PASSED, Outcome.FAILED
ENDS: dict[str, Any] = {"source": "client", "to": "server", "port": PORT}
THERE = ("client:eth0", "r1:eth0", "r1:eth1", "server:eth0")


def opened(story: Story, **changes: Any) -> Verdict:
    return TcpHandshake(**(ENDS | changes)).judge(story.evidence())


def second(story: Story, isn: int = 5, answer_isn: int = 9, **changes: Any) -> Story:
    return story.talk(sport=40002, isn=isn, answer_isn=answer_isn, prefix="2 ", **changes)


@pytest.mark.parametrize(("which", "outcome"), [("only", F), ("first", P), ("every", P)])
def test_two_good_connections(which: str, outcome: Outcome) -> None:
    assert opened(second(clean()), connection=which).outcome is outcome


@pytest.mark.parametrize(("which", "outcome"), [("first", P), ("every", F)])
def test_a_bad_second_connection(which: str, outcome: Outcome) -> None:
    check = TcpData(**ENDS, client_sends=TEXT, server_sends=TEXT, connection=which)
    assert check.judge(second(clean(), answered=b"no").evidence()).outcome is outcome


def test_a_connection_by_an_interface_that_is_not_captured_is_nobodys_doing() -> None:
    """r1 itself is the server here, and the exercise looks at its other interface alone."""
    story, own = clean(), {"10.0.2.80": "10.0.1.1"}
    story.frames = [replace(each, src=own.get(each.src, each.src), dst=own.get(each.dst, each.dst))
                    for each in story.frames if each.point in THERE[:2]]  # fmt: skip
    check = TcpHandshake(source="client", to="r1", port=PORT)
    assert check.judge(story.evidence()).outcome is P
    kept = ("client:eth0", "r1:eth1")
    assert check.judge(story.evidence(without=("r1:eth0",), capture=kept)).outcome is P
    story.drop(*{each.name for each in story.frames}, at=("r1:eth0",))
    assert check.judge(story.evidence()).outcome is F


@pytest.mark.parametrize(
    ("closes", "source_port", "outcome"), [("client", "dynamic", F), ("server", "dynamic", P), ("client", "any", P)]
)
def test_a_port_in_time_wait_is_none_that_a_kernel_chose(closes: str, source_port: str, outcome: Outcome) -> None:
    again = clean() if closes == "client" else Story().arp("client:eth0", "r1:eth0", "arp").talk(closes=closes)
    again.talk(isn=5_000_000, answer_isn=9_000_000, prefix="2 ")
    verdict = opened(again, connection="every", source_port=source_port)
    assert verdict.outcome is outcome, verdict.seen
    if outcome is F:
        assert verdict.cause is not None
        assert (verdict.cause.kind, len(verdict.frames)) == ("source-port", 2)


@pytest.mark.parametrize(("isn", "answer_isn"), [(CLIENT_ISN, 9), (5, SERVER_ISN)])
def test_two_connections_with_one_isn(isn: int, answer_isn: int) -> None:
    verdict = opened(second(clean(), isn, answer_isn), connection="every")
    assert verdict.outcome is F
    assert "began with the same sequence number" in verdict.seen
    assert len(verdict.frames) == 2


def test_a_refused_try_before_the_connection_is_no_connection() -> None:
    story = Story().arp("client:eth0", "r1:eth0", "arp").arp("r1:eth1", "server:eth0", "far arp")
    ends = {"src": story.address("client"), "dst": story.address("server")}
    story.send("try", THERE, sport=50000, dport=PORT, seq=1, flags=SYN, **ends)
    ends = {"src": ends["dst"], "dst": ends["src"]}
    story.send("no", THERE[::-1], sport=PORT, dport=50000, ack=2, flags=RST | ACK, **ends)
    assert opened(story.talk()).outcome is P


@pytest.mark.parametrize(("which", "outcome"), [("first", P), ("only", P), ("every", F)])
def test_a_refused_try_after_the_connection_is_one_of_every(which: str, outcome: Outcome) -> None:
    story = clean()
    ends = {"src": story.address("client"), "dst": story.address("server")}
    story.send("try", THERE, sport=50000, dport=PORT, seq=1, flags=SYN, **ends)
    ends = {"src": ends["dst"], "dst": ends["src"]}
    story.send("no", THERE[::-1], sport=PORT, dport=50000, ack=2, flags=RST | ACK, **ends)
    verdict = opened(story, connection=which)
    assert verdict.outcome is outcome
    assert outcome is P or "refused the connection" in verdict.seen


def test_the_same_ports_again_are_another_connection() -> None:
    story = clean().talk(isn=5, answer_isn=9, prefix="2 ")
    assert opened(story).outcome is F
    found = find(story.evidence(), "client", "server", PORT)
    assert [c.at_client is not None and c.at_server is not None for c in found.connections] == [True, True]


def test_on_one_segment_the_peers_own_mac_is_right_and_a_strangers_is_not() -> None:
    story = Story()
    ends = {"src": story.address("client"), "dst": story.address("other")}
    way = ("client:eth0", "other:eth0")
    story.send("syn", way, sport=40001, dport=PORT, seq=1, flags=SYN, **ends)
    story.send("syn-ack", way[::-1], sport=PORT, dport=40001, seq=1, ack=2, flags=SYN | ACK,
               src=ends["dst"], dst=ends["src"])  # fmt: skip
    story.send("ack", way, sport=40001, dport=PORT, seq=2, ack=2, flags=ACK, **ends)
    assert opened(story, to="other").outcome is P
    verdict = opened(story.alter("syn-ack", at=("client:eth0",), src_mac="02:00:00:00:04:00"), to="other")
    assert verdict.outcome is F
    assert "neither other nor a router" in verdict.seen


@pytest.mark.parametrize(
    ("name", "fields", "text"),
    [
        ("syn-ack", {"ack": CLIENT_ISN + 2}, f"acknowledges {(CLIENT_ISN + 2) % 2**32}"),
        ("ack", {"ack": SERVER_ISN + 5}, f"third packet acknowledges {SERVER_ISN + 5}"),
        ("syn", {"flags": SYN | ACK}, "starts with the flags SYN, ACK, not SYN"),
        ("syn", {"flags": SYN | FIN}, "has the flags FIN, SYN, not SYN"),
        ("syn", {"at": ("client:eth0",), "bad": "tcp"}, "client:eth0#3 has a wrong checksum"),
        ("syn", {"at": ("client:eth0",), "src_mac": "02:00:00:00:02:00"}, "comes from other (02:00:00:00:02:00)"),
        ("syn-ack", {"at": ("client:eth0",), "dst_mac": "02:00:00:00:02:00"}, "is addressed to other"),
    ],
)
def test_what_is_wrong_with_a_handshake_is_said(name: str, fields: dict[str, Any], text: str) -> None:
    assert text in opened(clean().alter(name, **fields)).seen


@pytest.mark.parametrize(
    ("ack", "seq", "text"),
    [(SERVER_ISN, CLIENT_ISN + 1, f"ACK {SERVER_ISN}"), (SERVER_ISN + 1, CLIENT_ISN + 9, "SEQ 3 and ACK")],
)
def test_a_third_packet_that_fits_nothing(ack: int, seq: int, text: str) -> None:
    story = clean().cut_after("ack").alter("ack", ack=ack, seq=seq)
    assert text in opened(story).seen


def test_a_connection_seen_at_one_end_alone_proves_nothing() -> None:
    story = clean()
    story.frames = [f for f in story.frames if f.point != "server:eth0" or f.operation]
    assert "never reached server" in opened(story).seen
    story = clean()
    story.frames = [f for f in story.frames if f.point != "client:eth0" or f.operation]
    assert "client never opened" in opened(story).seen


def test_two_translated_connections_are_told_apart() -> None:
    story = second(clean().nat())
    story.frames = [f for f in story.frames if not (f.name.startswith("2 ") and f.point == "server:eth0")]
    assert "source address" in opened(story, connection="first").seen


def test_a_conversation_without_its_start_is_taken_the_right_way_round() -> None:
    found = find(clean().drop("syn", "syn-ack", "ack", "question").evidence(), "client", "server", PORT)
    view = found.connections[0].at_client
    assert view is not None
    assert view.client.address == bytes([10, 0, 1, 10])
    assert not view.established


# -- marks ------------------------------------------------------------------------------------------------------------


def numbers(mark: Mark, point: str, **changes: Any) -> list[int]:
    return [packet.number for packet in counted(clean().evidence(marks=(mark,), **changes), point)]


def test_after_the_mark_the_ended_nodes_frames_do_not_count_and_its_peers_do() -> None:
    mark = Mark("stop", clean().counts("question ack"), "server")
    assert numbers(mark, "client:eth0") == [3, 4, 5, 6, 9, 10, 12]
    assert numbers(mark, "server:eth0") == [3, 4, 5, 6, 9, 10, 12]


def test_marks_that_were_not_set_everywhere_at_once() -> None:
    """The server's FIN left before its own point was read, and reached the client's after that was read."""
    mark = Mark("stop", clean().counts("last ack") | {"client:eth0": 10}, "server")
    assert 11 in numbers(mark, "client:eth0")
    assert TcpClose(**ENDS).judge(clean().evidence(marks=(mark,))).outcome is P
    without = {"without": ("server:eth0",)}
    assert 11 not in numbers(mark, "client:eth0", **without)


def test_a_mark_without_a_step_or_for_another_point_takes_nothing_away() -> None:
    assert len(numbers(Mark("end", clean().counts("syn")), "client:eth0")) == 10
    assert len(numbers(Mark("stop", {"r1:eth0": 3}, "server"), "client:eth0")) == 10


def test_a_connection_that_began_after_the_mark_counts() -> None:
    mark = Mark("stop", clean().counts("syn"), "client")
    assert len(numbers(mark, "client:eth0")) == 10


def test_another_programs_port_on_the_node_goes_on() -> None:
    steps = (*STEPS, Step("second", "server", ("x",), ready=Ready(1.0, tcp=8000)))
    mark = Mark("limit", clean().counts("question ack"), "second")
    ended = {"second": StepResult("second", "server", "timed out")}
    assert len(numbers(mark, "client:eth0", exercise_steps=steps, steps=ended)) == 10


def test_an_unknown_result_is_found_in_the_exercise() -> None:
    assert len(numbers(Mark("stop", clean().counts("question ack"), "server"), "client:eth0", steps={})) == 7


# -- closing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("closes", "wanted", "outcome"),
    [(who, wanted, P if wanted in (who, "either") else F)
     for who in ("client", "server", "both") for wanted in ("client", "server", "either")],
)  # fmt: skip
def test_who_closes_first(closes: str, wanted: str, outcome: Outcome) -> None:
    verdict = TcpClose(**ENDS, closes_first=wanted).judge(Story().talk(closes=closes).evidence())
    assert verdict.outcome is outcome


def test_segments_and_time_wait_are_told() -> None:
    evidence = clean().evidence()
    assert "client closed first, in 3 segments" in TcpClose(**ENDS).judge(evidence).seen
    assert "server closed first" in TcpClose(**ENDS).judge(Story().talk(closes="server").evidence()).seen
    assert "at the same time" in TcpClose(**ENDS).judge(Story().talk(closes="both").evidence()).seen
    waiting = {"protocol": "tcp", "state": "TIME-WAIT", "local": "10.0.1.10", "port": 40001}
    for port, said in ((40001, True), (40002, False)):
        settled = states()
        settled["settled"] = {"client": {"sockets": [waiting | {"port": port}]}}
        verdict = TcpClose(**ENDS).judge(clean().evidence(states=settled))
        assert ("TIME-WAIT at client" in verdict.seen) is said


def test_a_reset_that_acknowledges_the_fin_is_no_close() -> None:
    story = clean().alter("last ack", flags=RST | ACK)
    verdict = TcpClose(**ENDS).judge(story.evidence())
    assert verdict.outcome is F
    assert "client sent RST where its FIN was due" in verdict.seen


def test_expectations_name_the_nodes_in_order() -> None:
    told = [TcpClose(**ENDS, closes_first=who).expectation() for who in ("client", "server", "either")]
    assert told == [
        "client closes first, then server: a FIN from each, each acknowledged",
        "server closes first, then client: a FIN from each, each acknowledged",
        "both sides close: a FIN from each, each acknowledged",
    ]


# -- data -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sends", "outcome"),
    [({"client_sends": TEXT}, P), ({"server_sends": TEXT}, P), ({"client_sends": b""}, F), ({"server_sends": b"x"}, F)],
)
def test_one_direction_may_be_left_open(sends: dict[str, bytes], outcome: Outcome) -> None:
    assert TcpData(**ENDS, **sends).judge(clean().evidence()).outcome is outcome


def test_silence_can_be_demanded() -> None:
    story = Story().talk(answered=b"")
    assert TcpData(**ENDS, server_sends=b"").judge(story.evidence()).outcome is P


def test_unacknowledged_bytes_are_counted() -> None:
    story = clean().cut_after("question")
    verdict = TcpData(**ENDS, client_sends=TEXT).judge(story.evidence())
    assert verdict.seen == "server acknowledged 0 of the 6 bytes of client"
    assert verdict.timed


def test_bytes_in_another_order_are_the_same_stream() -> None:
    story = clean()
    whole = [f for f in story.frames if f.name == "question"]
    first = [replace(f, payload=TEXT[:2]) for f in whole]
    rest = [replace(f, payload=TEXT[2:], seq=f.seq + 2, ident=777) for f in whole]
    at = story.frames.index(whole[0])
    story.frames = [f for f in story.frames if f.name != "question"]
    story.frames[at:at] = rest + first
    assert TcpData(**ENDS, client_sends=TEXT, server_sends=TEXT).judge(story.evidence()).outcome is P


def test_a_demand_for_nothing_is_refused() -> None:
    assert [problem[0] for problem in TcpData(**ENDS).problems()] == ["check"]
    assert not list(TcpData(**ENDS, client_sends=b"").problems())


def test_a_try_whose_syn_was_lost_is_not_taken_for_the_next_one_from_the_same_port() -> None:
    """A program that binds its port gives up the first try, and connects again."""
    story = Story()
    ends = {"src": story.address("client"), "dst": story.address("server")}
    story.send("lost", THERE[:2], sport=40001, dport=PORT, seq=77, flags=SYN, **ends)
    story.talk()
    assert opened(story).outcome is P
    pairs = [(c.at_client is not None, c.at_server is not None)
             for c in find(story.evidence(), "client", "server", PORT).connections]  # fmt: skip
    assert pairs == [(True, False), (True, True)]


@pytest.mark.parametrize("which", ["only", "first", "every"])
def test_an_old_syn_that_comes_late_opens_no_connection(which: str) -> None:
    """RFC 9293 figure 9: the client knows nothing of it, and resets what the server answers."""
    story = clean()
    there = {"src": story.address("client"), "dst": story.address("server"), "sport": 40001, "dport": PORT}
    back = {"src": there["dst"], "dst": there["src"], "sport": PORT, "dport": 40001}
    story.send("old", THERE, seq=CLIENT_ISN, flags=SYN, **there).drop("old", at=THERE[:1])
    story.send("answer to it", THERE[::-1], seq=5, ack=CLIENT_ISN + 1, flags=SYN | ACK, **back)
    story.send("reset", THERE, seq=CLIENT_ISN + 1, flags=RST, **there)
    for check in (
        TcpHandshake(**ENDS, connection=which),
        TcpData(**ENDS, client_sends=TEXT, server_sends=TEXT, connection=which),
        TcpClose(**ENDS, connection=which),
    ):
        verdict = check.judge(story.evidence())
        assert verdict.outcome is P, verdict.seen


@pytest.mark.parametrize("taken", [True, False])
def test_data_in_the_syn(taken: bool) -> None:
    """TCP Fast Open (RFC 7413): a server that does not offer it leaves the data, and has it sent again."""
    story = clean().alter("syn", payload=TEXT)
    if taken:
        story.alter("syn-ack", ack=CLIENT_ISN + 1 + len(TEXT)).alter("ack", seq=CLIENT_ISN + 1 + len(TEXT))
        story.drop("question", "question ack")
    for check in (TcpHandshake(**ENDS), TcpData(**ENDS, client_sends=TEXT, server_sends=TEXT, echo=True),
                  TcpClose(**ENDS, closes_first="client")):  # fmt: skip
        verdict = check.judge(story.evidence())
        assert verdict.outcome is P, verdict.seen
    words = "acknowledging the client's + 1 and 6 bytes that came with the SYN; ACK"
    assert (words in opened(story).seen) == taken


@pytest.mark.parametrize(
    "forgery", [{"ack": CLIENT_ISN + 99, "flags": RST | ACK}, {"flags": RST}, {"flags": RST, "seq": 77}]
)
def test_a_reset_that_no_client_takes_refuses_nothing(forgery: dict[str, int]) -> None:
    """RFC 9293 §3.10.7.3: in SYN-SENT only one that acknowledges the SYN counts; here both ends see a neighbour's."""
    story = clean()
    story.send("forged", THERE[::-1], src=story.address("server"), dst=story.address("client"), sport=PORT,
               dport=40001, **forgery)  # fmt: skip
    forged = [each for each in story.frames if each.name == "forged"]
    at = next(index for index, each in enumerate(story.frames) if each.name == "syn-ack")
    story.frames = [*story.frames[:at], *forged, *story.frames[at : -len(forged)]]
    checks = (
        TcpHandshake(**ENDS),
        TcpData(**ENDS, client_sends=TEXT, server_sends=TEXT),
        TcpClose(**ENDS, closes_first="client"),
    )
    for check in checks:
        verdict = check.judge(story.evidence())
        assert verdict.outcome is P, verdict.seen
