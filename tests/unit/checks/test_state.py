"""`state`: the kernel's own tables, and no word of the node's tools."""

from dataclasses import replace
from typing import Any

import pytest
from doctored import PORT, STEPS, TWO_LANS, clean, result, states, two_lans

from lab.checks.base import Outcome, Verdict
from lab.checks.output import Output
from lab.checks.state import State
from lab.errors import LabError
from lab.evidence import Gap
from lab.exercise.load import parse_exercise
from lab.plan import make_plan
from lab.topology import parse_topology

P, F, N = Outcome.PASSED, Outcome.FAILED, Outcome.NOT_MEASURED
CLIENT = {
    "addresses": [{"interface": "eth0", "address": "10.0.1.10/24"}, {"interface": "eth0", "address": "fd00:1::10/64"}],
    "routes": [
        {"to": "10.0.1.0/24", "interface": "eth0"},
        {"to": "0.0.0.0/0", "via": "10.0.1.1", "interface": "eth0"},
        {"to": "10.0.2.64/26", "via": "10.0.1.11", "interface": "eth0"},
        {"to": "10.9.0.0/16", "via": "10.0.1.99", "interface": "eth0"},
        {"to": "10.8.0.0/16", "type": "blackhole"},
        {"to": "10.7.0.0/16", "via": "10.0.1.11", "interface": "eth0", "metric": 50},
        {"to": "10.7.0.0/16", "via": "10.0.1.1", "interface": "eth0", "metric": 20},
        {"to": "10.6.0.0/16", "via": "10.0.1.1", "interface": "eth0"},
        {"to": "10.6.0.0/16", "via": "10.0.1.11", "interface": "eth0"},
    ],
    "neighbours": [
        {"address": "10.0.1.1", "interface": "eth0", "state": "reachable", "mac": "02:00:00:00:03:00"},
        {"address": "10.0.1.11", "interface": "eth0", "state": "stale", "mac": "02:66:66:66:66:66"},
        {"address": "10.0.1.77", "interface": "eth0", "state": "failed"},
        {"address": "10.0.1.78", "interface": "eth0", "state": "failed", "mac": "02:00:00:00:09:09"},
    ],
}
HEAD = "version: 1\nname: x\nsubmission: {files: [server.py]}\nchecks:\n  - "


def parsed(fields: str) -> State:
    text = f"{HEAD}{{id: a, check: state, {fields}}}\n"
    check = parse_exercise(text, "exercise.yaml", lambda _: two_lans()).checks[0].check
    assert isinstance(check, State)
    return check


def judge(fields: str, **changes: Any) -> Verdict:
    check = parsed(fields)
    recorded = states()
    recorded["settled"] = {**recorded["settled"], "client": {**recorded["settled"]["client"], **CLIENT}}
    return check.judge(clean().evidence(check, **{"states": recorded, **changes}))


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [
        ("route: 10.0.9.1, via: r1", P),  # by the default route
        ("route: 10.0.9.1, via: 10.0.1.1", P),
        ("route: 10.0.9.1, via: 10.0.1.11", F),
        ("route: 10.0.2.80, via: r1", F),  # the longer prefix wins, and it leads elsewhere
        ("route: 10.0.2.80, via: other", P),
        ("route: 10.0.1.7, via: client", P),  # its own network
        ("route: 10.0.1.7, via: r1", F),
        ("route: 10.9.1.1, via: r1", F),  # a next hop that is nobody's address
        ("route: 10.9.1.1", P),
        ("route: 10.8.1.1", F),  # a black hole is no way
        ("route: 10.8.1.1, absent: true", P),
        ("route: 10.8.0.0/16", F),
        ("route: 10.8.0.0/16, absent: true", F),  # it leads nowhere, and is an entry all the same
        ("route: 10.7.0.9, via: r1", P),  # the lower metric decides
        ("route: 10.7.0.0/16, via: r1", P),
        ("route: 10.7.0.9, via: other", F),
        ("route: 10.7.0.9, via: other, absent: true", P),
        ("route: 10.7.0.0/16, via: other, absent: true", F),  # not taken, but an entry
        ("route: 10.6.0.9, via: r1", F),  # two next hops by turns
        ("route: 10.6.0.9, via: r1, absent: true", F),
        ("route: 10.6.0.9, via: server, absent: true", P),
        ("route: 10.6.0.0/16", P),
        ("route: fd00:2::80", F),
        ("route: 0.0.0.0/0, via: r1", P),
        ("route: 10.0.2.0/24", F),  # no entry for this very prefix
        ("route: 10.0.2.0/24, absent: true", P),
        ("route: 0.0.0.0/0, absent: true", F),
        ("neighbour: r1", P),
        ("neighbour: 10.0.1.1, mac: '02:00:00:00:03:00'", P),
        ("neighbour: 10.0.1.1, mac: '02:00:00:00:03:01'", F),
        ("neighbour: other", F),  # its MAC is another's: a poisoned table
        ("neighbour: server", F),
        ("neighbour: server, absent: true", P),
        ("neighbour: other, absent: true", F),  # it is there, though with a wrong MAC
        ("neighbour: 10.0.1.77", F),
        ("neighbour: 10.0.1.78", F),
        ("address: 10.0.1.10", P),
        ("address: 10.0.1.10/24", P),
        ("address: 10.0.1.10/16", F),
        ("address: 'fd00:1::10/64'", P),
        ("address: 10.0.1.11", F),
        (f"listening: {PORT}", F),
        ("sysctl: net.ipv4.ip_local_port_range, value: 32768 60999", P),
        ("sysctl: net.ipv4.ip_local_port_range, value: 1 2", F),
        ("sysctl: net.ipv4.ip_forward, value: 1", N),
    ],
)
def test_the_tables_of_a_node(fields: str, outcome: Outcome) -> None:
    verdict = judge(f"node: client, {fields}")
    assert verdict.outcome is outcome, verdict.seen
    assert (verdict.cause is not None) is (outcome is F)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ("route: 10.0.2.0/24, via: r1", "client has no route to 10.0.2.0/24 via r1"),
        ("neighbour: r1", "client does not have the neighbour r1"),
        ("address: 10.0.1.1", "client does not have the address 10.0.1.1"),
        (f"listening: {PORT}", f"client has no TCP socket on port {PORT}"),
        ("sysctl: net.ipv4.ip_forward, value: 1", "client does not have net.ipv4.ip_forward = 1"),
    ],
)
def test_what_must_be_absent_is_said_in_plain_words(fields: str, said: str) -> None:
    assert judge(f"node: client, {fields}, absent: true").expected == f"{said}, once settled"


def test_one_entry_of_several_is_enough_for_what_must_be_absent() -> None:
    """A router that is known rightly by one of its addresses, and by the other as somebody else."""
    wrong, right = "02:66:66:66:66:66", clean().plan.points["r1:eth1"].mac
    table = [("10.0.2.1", right), ("10.0.1.1", wrong)]
    for rows in (table, table[::-1]):
        known = [{"address": address, "mac": mac, "state": "reachable"} for address, mac in rows]
        recorded = {"settled": {"client": {"neighbours": known}}}
        for fields, outcome in (
            (f"mac: '{wrong}', absent: true", F),
            (f"mac: '{right}', absent: true", F),
            ("mac: '02:00:00:00:09:09', absent: true", P),
            ("absent: true", F),
            (f"mac: '{right}'", F),
        ):
            check = parsed(f"node: client, neighbour: r1, {fields}")
            verdict = check.judge(clean().evidence(check, states=recorded))
            assert verdict.outcome is outcome, (fields, verdict.seen)


def test_the_router_is_told_by_its_name() -> None:
    check = parsed("node: client, neighbour: r1")
    r1 = clean().plan.points["r1:eth0"].mac
    recorded = {"settled": {"client": {"neighbours": [{"address": "10.0.1.1", "mac": r1, "state": "stale"}]}}}
    assert check.judge(clean().evidence(check, states=recorded)).outcome is P


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [
        (f"listening: {PORT}", P),
        (f"listening: {PORT}, when: before", F),
        (f"listening: {PORT}, protocol: udp", F),
        ("listening: 7001", F),
        ("listening: 7001, absent: true", P),
    ],
)
def test_listening_sockets(fields: str, outcome: Outcome) -> None:
    assert judge(f"node: server, {fields}").outcome is outcome


@pytest.mark.parametrize("local", ["127.0.0.1", "::1", "127.0.0.53", "::ffff:127.0.0.1"])
def test_a_loopback_listener_hears_no_other_node_and_is_not_absent(local: str) -> None:
    recorded = {"states": states((local, PORT))}
    check = parsed(f"node: server, listening: {PORT}")
    verdict = check.judge(clean().evidence(check, **recorded))
    assert verdict.outcome is F
    assert "hears no other node" in verdict.seen
    check = parsed(f"node: server, listening: {PORT}, absent: true")
    assert check.judge(clean().evidence(check, **recorded)).outcome is F


IPV6 = make_plan(parse_topology(TWO_LANS.replace("10.0.1.0/24", "'fd00:1::/64'").replace("10.0.2.0/24", "'fd00:2::/64'")
                                .replace("10.0.2.80", "'fd00:2::80'"), "topology.yaml"))  # fmt: skip


@pytest.mark.parametrize(
    ("local", "v6only", "by_ipv4", "by_ipv6"),
    [("0.0.0.0", False, P, F), ("::", True, F, P), ("::", False, P, P), ("fd00:2::80", True, F, P)],
)
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_listener_of_a_family_without_an_address_hears_nobody(
    local: str, v6only: bool, by_ipv4: Outcome, by_ipv6: Outcome, protocol: str
) -> None:
    recorded = states((local, PORT), protocol)
    recorded["settled"]["server"]["sockets"][0]["v6only"] = v6only
    for plan, outcome in ((clean().plan, by_ipv4), (IPV6, by_ipv6)):
        check = parsed(f"node: server, listening: {PORT}, protocol: {protocol}")
        verdict = check.judge(clean().evidence(check, plan=plan, states=recorded))
        assert verdict.outcome is outcome, verdict.seen
        check = parsed(f"node: server, listening: {PORT}, protocol: {protocol}, absent: true")
        assert check.judge(clean().evidence(check, plan=plan, states=recorded)).outcome is F


def test_an_address_that_a_node_was_given_later_counts_as_its_own() -> None:
    recorded = states(("0.0.0.0", PORT))
    recorded["settled"]["server"]["addresses"] = [{"interface": "eth0", "address": "10.0.2.80/24"}]
    check = parsed(f"node: server, listening: {PORT}")
    assert check.judge(clean().evidence(check, plan=IPV6, states=recorded)).outcome is P


@pytest.mark.parametrize("state", ["OPEN", "CONNECTED"])
def test_a_udp_socket_has_its_port_also_once_it_is_connected_to_a_client(state: str) -> None:
    recorded = states(("0.0.0.0", PORT), "udp")
    recorded["settled"]["server"]["sockets"][0]["state"] = state
    for absent, outcome in (("", P), (", absent: true", F)):
        check = parsed(f"node: server, listening: {PORT}, protocol: udp{absent}")
        assert check.judge(clean().evidence(check, states=recorded)).outcome is outcome
    tcp = parsed(f"node: server, listening: {PORT}, absent: true")
    assert tcp.judge(clean().evidence(tcp, states=recorded)).outcome is P


def test_a_listener_that_was_not_ready_in_time_may_only_have_been_late() -> None:
    check = parsed("node: server, listening: 7001")
    late = check.judge(clean().evidence(check, steps=result("server", ready=False)))
    assert (late.outcome, late.timed) == (F, True)
    assert not check.judge(clean().evidence(check)).timed


def test_a_listener_for_whom_nobody_waits_may_only_have_been_late() -> None:
    check = parsed("node: server, listening: 7001")
    steps = tuple(replace(step, ready=None) for step in STEPS)
    verdict = check.judge(clean().evidence(check, exercise_steps=steps, steps=result("server", ready=None)))
    assert (verdict.outcome, verdict.timed) == (F, True)


def test_a_listener_that_is_there_still_may_only_have_been_closed_late() -> None:
    for when, timed in (("before", False), ("after", True), ("settled", True)):
        check = parsed(f"node: server, listening: {PORT}, absent: true, when: {when}")
        recorded = {**states(), "before": states()["settled"]}
        verdict = check.judge(clean().evidence(check, states=recorded))
        assert (verdict.outcome, verdict.timed) == (F, timed)


def test_a_neighbour_may_have_been_asked_for_a_little_later() -> None:
    assert not judge("node: client, neighbour: server").timed
    assert judge("node: client, neighbour: server", steps=result("client", ended="killed", exit_code=None)).timed


def test_nothing_passes_for_a_program_that_never_came_to_life() -> None:
    crashed = result("server", ended="exited", exit_code=1, stderr=b"x\nKeyError: 1\n")
    verdict = judge("node: server, listening: 7001, absent: true", steps=crashed)
    assert verdict.outcome is F
    assert verdict.cause is not None
    assert verdict.cause.kind == "crashed"


@pytest.mark.parametrize(
    ("code", "stderr", "outcome"),
    [
        (3, b"refused\n", P),
        (4, b"", F),
        (3, b'Traceback (most recent call last):\n  File "x.py", line 1\nKeyError: 1\n', F),
        (3, b'  File "x.py", line 1\n    (\nSyntaxError: never closed\n', F),
        (3, b"OSError: [Errno 24] Too many open files\n", F),
    ],
)
def test_a_program_that_ends_with_the_code_that_is_demanded_has_not_crashed(
    code: int, stderr: bytes, outcome: Outcome
) -> None:
    check = parsed("node: client, neighbour: server, absent: true")
    ended = result("client", exit_code=code, stderr=stderr)
    verdict = check.judge(clean().evidence(check, Output(step="client", exit=3), steps=ended))
    assert verdict.outcome is outcome, verdict.seen
    assert check.judge(clean().evidence(check, Output(step="server", exit=3), steps=ended)).outcome is F


def test_what_was_not_recorded_is_not_measured() -> None:
    assert judge("node: client, route: 10.0.9.1", states={}).outcome is N
    assert judge("node: client, route: 10.0.9.1", gaps=(Gap("the lab died", "", "lab"),)).outcome is N


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ("node: client", "nothing is asked for"),
        ("node: client, route: 10.0.0.1, listening: 7", "route and listening are asked for"),
        ("node: client, listening: 7, via: r1", "via says something about route"),
        ("node: client, sysctl: net.ipv4.ip_forward", "say by value"),
        ("node: client, sysctl: net.ipv4.tcp_rmem, value: 4096",
         "net.ipv4.tcp_rmem is not net.ipv4.ip_forward, net.ipv4.ip_local_port_range, net.ipv4.conf"),
        ("node: client, route: somewhere", "somewhere is not an address"),
    ],
)
def test_what_is_wrong_is_told(fields: str, said: str) -> None:
    with pytest.raises(LabError) as caught:
        parsed(fields)
    assert said in str(caught.value)
