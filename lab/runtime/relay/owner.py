"""The relay as the process sees it that owns the lab: started at the first need, asked, and missed when it is gone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from lab.runtime.netns.channel import Channel, pair
from lab.runtime.relay.process import serve

_ANSWER = 5.0  # seconds
_NOTHING: dict[str, Any] = {"networks": {}, "rules": {}, "waiting": 0, "dropped": 0}


class Owner:
    """`ports` says by network and capture point the index of the segment's side; `fork` runs a child's code.

    With `apart` the relay takes the segments' sides into a network namespace of its own, out of reach of this one.
    """

    def __init__(
        self,
        lab: str,
        ports: Mapping[str, Mapping[str, int]],
        fork: Callable[[Callable[[], NoReturn]], int],
        *,
        apart: bool = False,
    ) -> None:
        self._lab = lab
        self._ports = ports
        self._fork = fork
        self._apart = apart
        self._taken: set[str] = set()
        self._channel: Channel | None = None

    def ask(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """Have the relay carry out an order (see `lab.runtime.base.LiveLab.relay`); raises OSError where it cannot."""
        wanted = [network for network in order.get("networks", ()) if network not in self._taken]
        if self._channel is None:
            if not wanted:
                return _NOTHING
            self._channel, theirs = pair()
            self._channel.socket.settimeout(_ANSWER)
            ports = sum(map(len, self._ports.values()))
            self._fork(lambda: serve(theirs, self._apart, ports))
            theirs.close()
        # The seed is the lab's and the network's name: the nth frame of an interface meets the same fate in every run.
        take = {each: {"seed": f"{self._lab} {each}", "ports": dict(self._ports[each])} for each in wanted}
        try:
            self._channel.send({**order, "take": take})
            received = self._channel.receive()
        except TimeoutError:
            raise OSError(110, f"the relay did not answer within {_ANSWER:.0f} s") from None
        except BrokenPipeError:
            received = None
        if received is None:
            raise OSError(32, "the relay, which carries this lab's links, has ended")
        report, _ = received
        if "failed" in report:
            raise OSError(5, f"the relay: {report['failed']}")
        self._taken.update(wanted)
        return report
