"""The relay's switch: where frames go, when, and which never arrive. Its clock is a number."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lab.runtime.relay.switch import Switch
from lab.topology.links import Link

A, B, C, NOBODY = (bytes([2, 0, 0, 0, 0, last]) for last in (1, 2, 3, 9))
EVERYBODY = b"\xff" * 6
DROP = {"id": "f", "action": "drop", "packets": "eth", "nth": [1]}


class Lan:
    """Three interfaces on a segment, and what each has received as (when, payload)."""

    def __init__(self, link: Link | None = None, seed: str = "s") -> None:
        self.switch = Switch()
        self.now = 100.0
        self.got: dict[str, list[tuple[float, bytes]]] = {"a": [], "b": [], "c": []}
        self.ports = dict(zip("abc", self.switch.add("lan", seed, {n: self._taker(n) for n in "abc"}), strict=True))
        if link:
            self.switch.segments["lan"].link = link
        for name, mac in (("a", A), ("b", B), ("c", C)):
            self.switch.segments["lan"].table[mac] = self.ports[name]

    def _taker(self, name: str) -> Callable[[memoryview | bytes], None]:
        return lambda frame: self.got[name].append((round(self.now - 100, 6), bytes(frame[14:])))

    def send(self, source: str, to: bytes, payload: bytes = b"x") -> None:
        mac = {"a": A, "b": B, "c": C}[source]
        frame = bytearray(to + mac + b"\x88\xb5" + payload)
        self.switch.frame(self.ports[source], memoryview(frame), self.now)
        frame[14:] = b"?" * len(payload)  # the buffer is used again at once

    def run(self) -> None:
        while (due := self.switch.due) is not None:
            self.now = max(self.now, due)
            self.switch.deliver(self.now)

    def payloads(self, name: str) -> list[bytes]:
        return [payload for _, payload in self.got[name]]


@pytest.mark.parametrize(
    ("to", "receivers"), [(B, "b"), (C, "c"), (EVERYBODY, "bc"), (b"\x01\x00\x5e\0\0\1", "bc"), (NOBODY, "bc"), (A, "")]
)
def test_a_frame_goes_where_a_switch_sends_it(to: bytes, receivers: str) -> None:
    lan = Lan()
    lan.send("a", to)
    assert "".join(name for name in "abc" if lan.got[name]) == receivers


def test_a_mac_is_learned_from_the_frames_that_it_sends() -> None:
    lan = Lan()
    lan.switch.segments["lan"].table.clear()
    lan.send("b", NOBODY)
    lan.send("a", B)
    assert (len(lan.got["b"]), len(lan.got["c"])) == (1, 1)


def test_a_frame_takes_the_delay_and_none_overtakes_another() -> None:
    lan = Lan(Link(delay=0.02, jitter=0.01))
    for number in range(200):
        lan.send("a", B, bytes([number]))
        lan.now += 0.001
    lan.run()
    late = [at - number * 0.001 for number, (at, _) in enumerate(lan.got["b"])]
    assert lan.payloads("b") == [bytes([number]) for number in range(200)]
    assert min(late) >= 0.01
    assert max(late) <= 0.0301
    assert max(late) - min(late) > 0.005


def test_a_rate_spaces_frames_and_its_queue_has_an_end() -> None:
    lan = Lan(Link(rate=8000))  # a byte a millisecond
    for _ in range(30):
        lan.send("a", B, bytes(86))  # 100 bytes with the header
    lan.run()
    assert [at for at, _ in lan.got["b"]] == [round(0.1 * n, 6) for n in range(1, 12)]
    assert lan.ports["b"].overflowed == 19


@pytest.mark.parametrize(("loss", "least", "most"), [(0.0, 0, 0), (0.1, 60, 140), (1.0, 1000, 1000)])
def test_losses_are_as_many_as_said_and_the_same_in_every_run(loss: float, least: int, most: int) -> None:
    arrived = []
    for seed in ("s", "s", "other"):
        lan = Lan(Link(loss=loss), seed)
        for number in range(1000):
            lan.send("a", B, number.to_bytes(2, "big"))
        assert lan.ports["a"].lost == 1000 - len(lan.got["b"])
        assert least <= lan.ports["a"].lost <= most
        arrived.append(lan.payloads("b"))
    assert arrived[0] == arrived[1]
    assert (arrived[0] == arrived[2]) == (loss in (0.0, 1.0))


@pytest.mark.parametrize(
    ("action", "received"),
    [("drop", [b"1", b"3"]), ("duplicate", [b"1", b"2", b"2", b"3"]), ("hold", [b"1", b"3", b"2"])],
)
def test_the_nth_frame_that_fits_is_struck(action: str, received: list[bytes]) -> None:
    lan = Lan()
    rule = {"id": "f", "action": action, "packets": f"eth.dst == {B.hex(':')}", "nth": [2], "seconds": 0.1}
    lan.switch.add_rule("lan", rule)
    for payload in (b"1", b"2", b"3"):
        lan.send("c", A)
        lan.send("a", B, payload)
    lan.run()
    told = lan.switch.report()["rules"]["f"]
    assert lan.payloads("b") == received
    assert (told["seen"], [each["nth"] for each in told["struck"]]) == (3, [2])
    assert told["struck"][0]["point"] == "a"


def test_a_dropped_frame_meets_no_further_rule() -> None:
    lan = Lan()
    lan.switch.add_rule("lan", DROP)
    lan.switch.add_rule("lan", {**DROP, "id": "g", "action": "duplicate"})
    lan.send("a", B, b"1")
    lan.send("a", B, b"2")
    assert lan.payloads("b") == [b"2", b"2"]


def test_a_cut_link_carries_nothing_either_way_until_it_is_restored() -> None:
    lan = Lan(Link(delay=0.02))
    lan.send("a", B, b"on its way")
    lan.switch.cut(["b"], 0.05, lan.now)
    for to, source in ((B, "a"), (A, "b"), (C, "a")):
        lan.send(source, to)
    lan.run()
    assert {name: len(got) for name, got in lan.got.items()} == {"a": 0, "b": 1, "c": 1}
    assert lan.now == pytest.approx(100.05)
    lan.send("a", B, b"again")
    lan.run()
    assert lan.payloads("b") == [b"on its way", b"again"]


def test_the_packet_that_a_cut_waits_for_still_passes() -> None:
    lan = Lan()
    lan.switch.add_rule("lan", {**DROP, "action": "cut", "nth": [2], "points": ["b"], "seconds": 1.0})
    for payload in (b"1", b"2", b"3"):
        lan.send("a", B, payload)
    assert lan.payloads("b") == [b"1", b"2"]
    assert lan.ports["b"].blocked == 1


def test_a_flood_cannot_fill_the_memory() -> None:
    lan = Lan(Link(delay=1.0))
    for _ in range(20_005):
        lan.send("a", B)
    assert lan.ports["b"].overflowed == 5
    lan.switch.segments["lan"].table.clear()
    for number in range(5000):
        lan.switch.frame(lan.ports["a"], memoryview(B + b"\2\0\0\0" + number.to_bytes(2, "big") + b"\0\0"), lan.now)
    assert len(lan.switch.segments["lan"].table) == 4096


def test_an_interface_that_is_down_is_counted() -> None:
    lan = Lan()

    def refuse(_: memoryview | bytes) -> None:
        raise OSError(100, "Network is down")

    lan.ports["b"].send = refuse
    lan.send("a", B)
    assert lan.switch.report()["networks"]["lan"]["ports"]["b"]["failed"] == 1
