"""How checks name things: nodes rather than addresses, payloads as escaped text. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

from lab.plan import Plan, PlannedInterface
from lab.topology import Address
from lab.trace.packets import mac_text

LONGEST = 60


def address_of(raw: bytes) -> Address | None:
    """An address from its 4 or 16 bytes; None for anything else."""
    return ip_address(raw) if len(raw) in (4, 16) else None


def mac_bytes(text: str) -> bytes:
    """The six bytes of a MAC written with colons."""
    return bytes.fromhex(text.replace(":", ""))


def addresses_of(plan: Plan, node: str) -> frozenset[bytes]:
    """Every address of a node, as raw bytes."""
    known = plan.by_name.get(node)
    return frozenset(a.ip.packed for each in known.interfaces for a in each.addresses) if known else frozenset()


def interfaces_of(plan: Plan, node: str) -> tuple[PlannedInterface, ...]:
    """A node's interfaces; none for an unknown node."""
    known = plan.by_name.get(node)
    return known.interfaces if known else ()


def who(plan: Plan, raw: bytes) -> str:
    """The node that an address belongs to, else the address itself."""
    address = address_of(raw)
    if address is None:
        return "no address"
    owner = plan.owners.get(address)
    return owner.node if owner else str(address)


def whose_mac(plan: Plan, raw: bytes) -> str:
    """The node that a MAC belongs to, with the MAC; "everyone" for the broadcast address."""
    if raw == b"\xff" * 6:
        return "everyone"
    owner = plan.macs.get(mac_text(raw))
    return f"{owner.node} ({mac_text(raw)})" if owner else mac_text(raw) or "no MAC"


def quoted(payload: bytes, limit: int = LONGEST) -> str:
    """A payload as escaped text in double quotes, at most `limit` characters of it, and its size where it was cut."""
    out = ""
    for byte in payload:
        piece = _ESCAPES.get(byte) or (chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}")
        if len(out) + len(piece) > limit:
            return f'"{out}…" ({len(payload)} bytes)'
        out += piece
    return f'"{out}"'


_ESCAPES = {0x0A: "\\n", 0x0D: "\\r", 0x09: "\\t", 0x22: '\\"', 0x5C: "\\\\", 0x00: "\\0"}


def count(number: int, noun: str) -> str:
    """A number with its noun: "1 byte", "2 bytes"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def listed(words: Sequence[str], last: str = "and") -> str:
    """Words as in a sentence: "a, b and c"."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}" if words else "nothing"
