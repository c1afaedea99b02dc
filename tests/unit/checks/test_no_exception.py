"""Whatever the evidence, a check gives a verdict: frames lost, doubled, moved, mangled; states of any shape."""

import random
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from doctored import PORT, TEXT, Frame, Story, clean, probe, refused

from lab.checks import (
    CHECKS,
    Answer,
    Arp,
    Compare,
    Connections,
    Dns,
    Http,
    Icmp,
    Ndp,
    Output,
    Path,
    Reach,
    RoundTrips,
    State,
    TcpClose,
    TcpCongestion,
    TcpData,
    TcpHandshake,
    TcpRefused,
    TcpRetransmit,
    TcpTimeout,
    TcpWindow,
    Tls,
    Traffic,
    Udp,
    Where,
)
from lab.checks.base import Check, Verdict
from lab.checks.question import QUESTIONS
from lab.evidence import Capture, Mark
from lab.grade import judge
from lab.report.json import report_dict
from lab.report.text import report_lines
from lab.trace.packets import TCP, UDP, decode

ENDS: dict[str, Any] = {"source": "client", "to": "server", "port": PORT}
ALL: tuple[Check, ...] = (
    Arp(node="client", next_hop="r1"),
    Arp(node="r1", next_hop="server"),
    Arp(node="server", next_hop="r1"),
    Arp(node="client", next_hop="server"),
    Arp(node="nobody", next_hop="r1"),
    Path(source="client", to="server", via=("r1",), back=("r1",)),
    Path(source="other", to="client", via=()),
    Path(source="client", to="nobody", via=("r1",)),
    *(TcpHandshake(**ENDS, connection=which) for which in ("only", "first", "every")),
    TcpData(**ENDS, client_sends=TEXT, server_sends=TEXT, connection="every"),
    TcpClose(**ENDS, closes_first="client", connection="first"),
    TcpClose(**(ENDS | {"source": "nobody"})),
    TcpRetransmit(**ENDS, connection="every", within=0.1),
    TcpWindow(**ENDS, connection="every", at_least=0.1),
    TcpCongestion(**ENDS, connection="every"),
    TcpCongestion(**ENDS, sender="server", loss=False),
    TcpRefused(**ENDS, connection="every"),
    TcpTimeout(**ENDS, connection="every"),
    *(
        Connections(source=("client", "other"), to="server", port=(PORT,), number=2, order=order, echo=True)
        for order in ("together", "in-turn")
    ),
    Udp(**ENDS, client_sends=(TEXT,), server_sends=(TEXT,), lost=1, wait=0.1, tries=2),
    Udp(**ENDS, refused=True),
    RoundTrips(**ENDS, connection="every", at_most=2),
    Compare(source="client", to="server", tcp=PORT, udp=PORT),
    Dns(**ENDS, name="www"),
    Dns(**(ENDS | {"protocol": "udp"})),
    Http(**ENDS, connection="every", path="/", body=TEXT, sends=TEXT),
    Tls(**ENDS, connection="every", hides=TEXT),
    Ndp(node="client", next_hop="r1"),
    *(Icmp(source="client", to="server", message=each) for each in ("echo", "time-exceeded", "unreachable")),
    Reach(source="client", to="server"),
    Reach(source="client", to="nobody"),
    Output(step="client", exit=0, text=TEXT, pattern="hello"),
    *(Answer(**ENDS, value=value, connection="first") for value in QUESTIONS),
    State(node="client", route=ip_address("10.0.2.80"), via="r1"),
    State(node="client", neighbour="r1"),
    State(node="nobody", neighbour=ip_address("10.0.1.1"), absent=True),
    State(node="client", address=(ip_address("10.0.1.10"), 24)),
    State(node="server", listening=PORT, when="after"),
    State(node="client", sysctl="net.ipv4.ip_local_port_range", value="1 2"),
    Traffic(source="client", most=5, most_bytes=99, per_second=3, never_to=("other", ip_network("10.0.2.0/24"))),
    Traffic(source="r1", only="tcp || arp"),
    Traffic(source="nobody", to="server", most=1),
    Where(at=("client:eth0", "r1:eth1"), packets="tcp.len > 0 || arp || icmp", among="ip.addr == 10.0.0.0/8"),
)
SHAPES: tuple[Any, ...] = (
    *(None, 5, "x", [], {}, [None], {"client": None}, {"client": []}, {"client": {"sysctls": 4}}),
    {"server": {"sockets": [None, 3, {"local": "x", "port": "y"}], "neighbours": {"a": 1}}},
    {"client": {"neighbours": [{"address": 4}, {}], "sysctls": {"net.ipv4.ip_local_port_range": "a b"}}},
)


def mangled(frame: Frame, dice: random.Random) -> Frame:
    values: dict[str, Any] = {
        "src": "10.0.2.80", "dst": "10.0.1.10", "ttl": dice.randrange(256), "ident": dice.randrange(65536),
        "seq": dice.randrange(2**32), "ack": dice.randrange(2**32), "flags": dice.randrange(256),
        "payload": dice.randbytes(dice.randrange(9)), "sport": dice.choice([0, 53, PORT, 40001]),
        "dport": dice.choice([0, 53, PORT, 40001]), "protocol": dice.choice([TCP, UDP]),
        "operation": dice.randrange(3), "cut": dice.randrange(60),
    }  # fmt: skip
    field = dice.choice(list(values))
    return replace(frame, **{field: values[field]})


def spoiled(seed: int) -> Story:
    dice = random.Random(seed)
    story = dice.choice([clean, refused])()
    if dice.random() < 0.3:
        story.talk(sport=dice.choice([40001, 40002]), isn=5, answer_isn=6, prefix="2 ")
    frames = [f for f in story.frames if dice.random() > 0.1]
    frames = [mangled(f, dice) if dice.random() < 0.15 else f for f in frames]
    frames += [dice.choice(frames) for _ in range(dice.randrange(4))]
    for _ in range(dice.randrange(6)):
        a, b = dice.randrange(len(frames)), dice.randrange(len(frames))
        frames[a], frames[b] = frames[b], frames[a]
    story.frames = frames
    return story


@pytest.mark.parametrize("seed", range(150))
def test_spoiled_evidence_gets_a_verdict(seed: int) -> None:
    dice = random.Random(seed)
    story = spoiled(seed)
    cut = {point: dice.randrange(12) for point in story.plan.points}
    marks = (Mark("m", cut, dice.choice(["client", "server", "nobody", None])),)
    evidence = story.evidence(
        *ALL,
        marks=marks,
        states=dict.fromkeys(("before", "after", "settled"), dice.choice(SHAPES)),
        probes=(probe(dice.choice(["reply", "silence", "refused", "unreachable"])),),
        manifest={"submission": dice.choice(SHAPES)},
        handed_in=dice.choice([(), ("server.py was not handed in",)]),
        without=tuple(p for p in story.plan.points if dice.random() < 0.1),
        end=cut if dice.random() < 0.3 else None,
    )
    sheet = "".join(f"{key}: {dice.choice(['client', '7', '02:00:00:00:03:01', '0.1'])}\n" for key in QUESTIONS)
    evidence = replace(evidence, submission={"answers.yaml": sheet.encode()})
    grade = judge(evidence)
    assert all(isinstance(result.verdict, Verdict) and result.verdict.seen for result in grade.results)
    assert report_lines(evidence, grade, "r")
    assert report_dict(evidence, grade, "r")


@pytest.mark.parametrize("seed", range(40))
def test_random_bytes_get_a_verdict(seed: int) -> None:
    dice = random.Random(seed)
    evidence = clean().evidence(*ALL)
    captures = {}
    for point, capture in evidence.captures.items():
        packets = []
        for packet in capture.packets:
            raw = bytearray(packet.data)
            for _ in range(dice.randrange(4)):
                raw[dice.randrange(len(raw))] = dice.randrange(256)
            packets.append(decode(packet.number, packet.time, packet.length, bytes(raw[: dice.randrange(20, 90)])))
        captures[point] = Capture(point, tuple(packets), len(packets))
    assert judge(replace(evidence, captures=captures)).results


@pytest.mark.parametrize("shape", SHAPES)
def test_states_of_any_shape(shape: Any) -> None:
    for story in (clean(), refused(), clean().drop("arp request", "arp reply")):
        for phases in (shape, {"before": shape, "after": shape, "settled": shape}):
            if not isinstance(phases, dict):
                continue
            assert judge(story.evidence(*ALL, states=phases)).results


@pytest.mark.parametrize("kind", CHECKS)
def test_the_registry_says_what_each_check_is(kind: str) -> None:
    check = CHECKS[kind]
    assert check.kind == kind
    assert check.claims
    assert check.rule
    assert check.__doc__
