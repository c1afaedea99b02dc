"""The relay's process: raw sockets at the segment's side of each interface, one timer, one channel to its owner."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import socket
import struct
import time
from collections.abc import Iterable
from typing import Any, NoReturn

from lab.runtime.netns import netlink as nl
from lab.runtime.netns.channel import Channel
from lab.runtime.netns.syscalls import CLONE_NEWNET, die_with_parent, set_process_name, unshare
from lab.runtime.netns.wiring import NO_IPV6, set_sysctls
from lab.runtime.relay.ring import Ring, share
from lab.runtime.relay.switch import Port, Switch
from lab.topology.links import link_from_json

_BURST = 64  # frames that are read from one interface before the next has its turn
_ABSOLUTE = 1  # TFD_TIMER_ABSTIME
_libc = ctypes.CDLL(None, use_errno=True)


class Relay:
    """Serves the segments that it was told to take, of a lab with so many `ports`, until its owner is gone."""

    def __init__(self, channel: Channel, apart: bool, ports: int) -> None:
        self._channel = channel
        self._ports = ports
        self._outside = nl.Netlink() if apart else None
        if apart:
            unshare(CLONE_NEWNET)
            set_sysctls(NO_IPV6)
        self._switch = Switch()
        self._rings: dict[int, tuple[Ring, Port]] = {}
        self._dropped = 0
        self._netlink = nl.Netlink()
        self._poll = select.epoll()
        self._timer = _libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._timer < 0:
            raise OSError(ctypes.get_errno(), "this kernel has no timer descriptors")
        self._set = 0.0
        for fd in (self._timer, channel.fileno()):
            self._poll.register(fd, select.EPOLLIN)

    def run(self) -> NoReturn:
        """Forward, and obey."""
        while True:
            for fd, _ in self._poll.poll():
                if fd in self._rings:
                    ring, port = self._rings[fd]
                    for frame in ring.frames(_BURST):
                        self._switch.frame(port, frame, time.monotonic())
                elif fd == self._timer:
                    with contextlib.suppress(BlockingIOError):
                        os.read(self._timer, 8)
                    self._set = 0.0
                    self._switch.deliver(time.monotonic())
                else:
                    self._obey()
            due = self._switch.due
            if due is not None and due != self._set:
                self._set = due
                whole = int(due)
                setting = struct.pack("@4l", 0, 0, whole, int((due - whole) * 1e9) or 1)
                _libc.timerfd_settime(self._timer, _ABSOLUTE, setting, None)

    def _obey(self) -> None:
        received = self._channel.receive()
        if received is None:
            os._exit(0)
        message, _ = received
        try:
            answer = self._carry_out(message)
        except (OSError, KeyError, ValueError, TypeError) as error:
            answer = {"failed": str(error) or type(error).__name__}
        self._channel.send(answer)

    def _carry_out(self, order: dict[str, Any]) -> dict[str, Any]:
        """Take networks, change links, set rules, cut, restore: what the order says, in this sequence; then report."""
        now = time.monotonic()
        # After an order that failed its owner does not know which it has.
        if take := {name: told for name, told in order.get("take", {}).items() if name not in self._switch.segments}:
            rings = self._new_rings({point: index for told in take.values() for point, index in told["ports"].items()})
            for network, told in take.items():
                self._take(network, told["seed"], told["ports"], rings)
        for network, link in order.get("links", {}).items():
            self._switch.segments[network].link = link_from_json(link)
        if "rules" in order:
            self._switch.set_rules(order["rules"])
        self._switch.cut(order.get("cut", ()), order.get("seconds"), now)
        self._switch.restore(order.get("restore", ()))
        self._dropped += sum(ring.dropped() for ring, _ in self._rings.values())
        return {**self._switch.report(), "dropped": self._dropped}

    def _new_rings(self, interfaces: dict[str, int]) -> dict[str, Ring]:
        """A ring for each of these, while their networks are as they were: there may be no memory for one."""
        mtus = _mtus(self._outside or self._netlink)
        room = share(len(interfaces), sum(ring.size for ring, _ in self._rings.values()), self._ports)
        rings: dict[str, Ring] = {}
        try:
            for point, index in interfaces.items():
                rings[point] = Ring(mtus[index], room)
        except OSError:
            for ring in rings.values():
                ring.close()
            raise
        return rings

    def _take(self, network: str, seed: str, interfaces: dict[str, int], rings: dict[str, Ring]) -> None:
        """Take a network from its bridge. From here on the kernel of this namespace has no part in it."""
        if self._outside is not None:
            _fetch(self._outside, interfaces.values())
        names = {point: socket.if_indextoname(index) for point, index in interfaces.items()}
        set_sysctls((f"net.ipv4.conf.{name}.arp_ignore", "8") for name in names.values())
        free = nl.number(nl.IFLA_MASTER, 0)
        self._netlink.send((nl.RTM_NEWLINK, 0, nl.link(index, free)) for index in interfaces.values())
        for point, name in names.items():
            rings[point].bind(name)
        for port in self._switch.add(network, seed, {point: rings[point].socket.send for point in interfaces}):
            ring = rings[port.point]
            self._rings[ring.socket.fileno()] = (ring, port)
            self._poll.register(ring.socket, select.EPOLLIN)


def _mtus(netlink: nl.Netlink) -> dict[int, int]:
    """The MTU of each interface, by its index."""
    found = {}
    for body in netlink.dump(nl.RTM_GETLINK, bytes(16)):
        (index,) = struct.unpack_from("=i", body, 4)
        (found[index],) = struct.unpack("=I", nl.attributes(body[16:])[nl.IFLA_MTU])
    return found


def _fetch(outside: nl.Netlink, indices: Iterable[int]) -> None:
    """Move interfaces from another network namespace into this one, where they keep their index: it has but one."""
    here = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        moved = nl.number(nl.IFLA_NET_NS_FD, here)
        outside.send((nl.RTM_NEWLINK, 0, nl.link(index, moved, up=False)) for index in indices)
    finally:
        os.close(here)


def serve(channel: Channel, apart: bool, ports: int) -> NoReturn:
    """Be a relay, in the child that was forked for it: everything else that its owner had open is let go."""
    die_with_parent()
    set_process_name("lab-relay")
    kept = channel.fileno()
    os.closerange(0, kept)
    os.closerange(kept + 1, min(int(os.sysconf("SC_OPEN_MAX")), 1 << 20))
    try:
        relay = Relay(channel, apart, ports)
        relay.run()
    except OSError as error:
        with contextlib.suppress(OSError):
            channel.send({"failed": error.strerror or str(error)})
    os._exit(1)
