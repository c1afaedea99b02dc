"""A lab's name server as a process: of the keeper's or the agent's, in its node's network, out of the nodes' sight."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn

from lab.dns.server import PORT, listen, serve
from lab.dns.zone import Zone
from lab.runtime.netns.syscalls import die_with_parent, set_process_name


def start(
    node: str, addresses: Sequence[str], names: Iterable[tuple[str, str]], fork: Callable[[Callable[[], NoReturn]], int]
) -> None:
    """Start the server of a node with these addresses; it ends with the calling process.

    The caller is in the node's network namespace. Once this returns, queries are answered. Raises OSError.
    """
    sockets = listen(addresses)
    kept = sorted(each.fileno() for each in sockets)

    def child() -> NoReturn:
        die_with_parent()
        set_process_name("lab-nameserver")
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for before, after in zip([2, *kept], [*kept, os.sysconf("SC_OPEN_MAX")], strict=True):
            os.closerange(before + 1, after)
        serve(sockets, Zone(names, node))

    fork(child)
    for each in sockets:
        each.close()


def is_nameserver(found: Mapping[str, Any], addresses: Iterable[str]) -> bool:
    """Whether a socket, as the kernel tells of it, is that of the server of a node with these addresses.

    Nobody else can have one there: the server holds port 53 of each address as long as the lab lives.
    """
    return found["port"] == PORT and found["local"] in addresses
