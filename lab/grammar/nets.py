"""Scalars of the field: addresses, prefixes, MACs, sysctls."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

from lab.grammar.base import Context, Refused, ScalarGrammar, Schema
from lab.yaml.text import show

AnyAddress = IPv4Address | IPv6Address
AnyPrefix = IPv4Network | IPv6Network
_ADDRESS = r"([0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*)"


class Address(ScalarGrammar[AnyAddress]):
    """An IPv4 or IPv6 address, without a prefix length."""

    expected = "an address such as 10.0.1.2 or fd00::2"

    def parse(self, text: str, context: Context) -> AnyAddress:
        """The address; raises `Refused`."""
        alone, slash, _ = text.partition("/")
        try:
            address = _address(alone)
        except ValueError as error:
            raise Refused(f"{show(text)} is not {self.expected}", _reason(error)) from None
        if slash:
            raise Refused(f"{show(text)} has a prefix length; only the address stands here", f"did you mean {address}?")
        return address

    def plain_schema(self) -> Schema:
        """A string in the form of an address."""
        return {"type": "string", "pattern": f"^{_ADDRESS}$"}


class HostAddress(ScalarGrammar[tuple[AnyAddress, int | None]]):
    """An address of an interface, with or without its prefix length: (address, length or None)."""

    expected = "an address such as 10.0.1.2, 10.0.1.2/24 or fd00::2"

    def parse(self, text: str, context: Context) -> tuple[AnyAddress, int | None]:
        """The address and its prefix length; raises `Refused`."""
        alone, slash, length = text.partition("/")
        try:
            address = _address(alone)
        except ValueError as error:
            raise Refused(f"{show(text)} is not {self.expected}", _reason(error)) from None
        if not slash:
            return address, None
        if not re.fullmatch("[0-9]{1,3}", length) or int(length) > address.max_prefixlen:
            raise Refused(f"/{show(length)} is not a prefix length", f"from 0 to {address.max_prefixlen}")
        return address, int(length)

    def plain_schema(self) -> Schema:
        """A string in the form of an address."""
        return {"type": "string", "pattern": f"^{_ADDRESS}(/[0-9]{{1,3}})?$"}


class Prefix(ScalarGrammar[AnyPrefix]):
    """A prefix whose host bits are zero."""

    expected = "a prefix such as 10.0.1.0/24 or fd00:1::/64"

    def parse(self, text: str, context: Context) -> AnyPrefix:
        """The prefix; raises `Refused`, with the prefix that was meant where host bits are set."""
        if text == "default":
            raise Refused("default names no prefix", "write 0.0.0.0/0 for IPv4, ::/0 for IPv6")
        if "/" not in text:
            try:
                length = _address(text).max_prefixlen
            except ValueError as error:
                raise Refused(f"{show(text)} is not {self.expected}", _reason(error)) from None
            hint = "10.0.1.0/24" if length == 32 else "fd00:1::/64"
            raise Refused(f"{show(text)} has no prefix length", f"write it with one, such as {hint}")
        address, _, length_text = text.partition("/")
        try:
            first = _address(address)
        except ValueError as error:
            raise Refused(f"{show(text)} is not {self.expected}", _reason(error)) from None
        if not re.fullmatch("[0-9]{1,3}", length_text) or int(length_text) > first.max_prefixlen:
            what = f"/{show(length_text)} is not a prefix length"
            raise Refused(what, _meant_by_netmask(text) or f"from 0 to {first.max_prefixlen}")
        prefix = ip_network(f"{first}/{int(length_text)}", strict=False)
        if prefix.network_address != first:
            raise Refused(f"{show(text)} has host bits set", f"did you mean {prefix}?")
        return prefix

    def plain_schema(self) -> Schema:
        """A string in the form of a prefix."""
        return {"type": "string", "pattern": f"^{_ADDRESS}/[0-9]{{1,3}}$"}


class Mac(ScalarGrammar[str]):
    """A unicast MAC, returned in lower case with colons."""

    expected = "a MAC such as 02:00:00:00:01:02"

    def parse(self, text: str, context: Context) -> str:
        """The MAC; raises `Refused` for a group address (lowest bit of the first byte) and for zero."""
        if not re.fullmatch("[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}", text):
            dashed = re.fullmatch("[0-9A-Fa-f]{2}(-[0-9A-Fa-f]{2}){5}", text)
            meant = f"did you mean {text.replace('-', ':').lower()}?" if dashed else "six pairs of hexadecimal digits"
            raise Refused(f"{show(text)} is not {self.expected}", meant)
        mac = text.lower()
        first = int(mac[:2], 16)
        if first & 1:
            what = f"{mac} is a group address, which no interface can have"
            raise Refused(what, f"make the first byte even: {first - 1:02x}")
        if not int(mac.replace(":", ""), 16):
            raise Refused(f"{mac} is no interface's address", f"expected: {self.expected}")
        return mac

    def plain_schema(self) -> Schema:
        """Six pairs of hexadecimal digits, the first even."""
        return {"type": "string", "pattern": "^[0-9A-Fa-f][02468ACEace](:[0-9A-Fa-f]{2}){5}$"}


class NodePath(ScalarGrammar[str]):
    """Where a file is put in a node: an absolute path outside the kernel's own trees."""

    expected = "an absolute path such as /etc/motd"

    def parse(self, text: str, context: Context) -> str:
        """The path; raises `Refused`."""
        parts = text.split("/")[1:]
        if not text.startswith("/") or any(part in ("", ".", "..") for part in parts) or len(text) > 255:
            raise Refused(f'"{show(text)}" is not {self.expected}')
        if parts[0] in ("proc", "sys", "dev"):
            hint = "sysctls: sets what lies below /proc/sys" if parts[0] == "proc" else ""
            raise Refused(f"{show(text)} lies in /{parts[0]}, which belongs to the kernel", hint)
        if text == "/etc/hosts":
            raise Refused("/etc/hosts is written by lab, from the names of the nodes")
        return text

    def plain_schema(self) -> Schema:
        """A string in the form of an absolute path."""
        return {"type": "string", "pattern": "^/(?!(proc|sys|dev)(/|$))[^/]+(/[^/]+)*$", "maxLength": 255}


class Sysctl(ScalarGrammar[str]):
    """The name of a setting that belongs to a network namespace, with dots."""

    expected = "a setting of a network namespace, such as net.ipv4.tcp_fin_timeout"

    def parse(self, text: str, context: Context) -> str:
        """The name; raises `Refused` for one that would change the whole machine."""
        if not re.fullmatch(r"[a-z0-9_]+(\.[A-Za-z0-9_-]+){1,7}", text) or len(text) > 128:
            raise Refused(f"{show(text)} is not a setting's name", f"expected: {self.expected}")
        if not text.startswith(NAMESPACED):
            families = ", ".join(f"{prefix}*" for prefix in NAMESPACED)
            raise Refused(f"{text} belongs to the whole machine, not to a node", f"a node can have {families}")
        return text

    def plain_schema(self) -> Schema:
        """A dotted name in one of the namespaced families."""
        families = "|".join(prefix.replace(".", r"\.") for prefix in NAMESPACED)
        return {"type": "string", "pattern": rf"^({families})[A-Za-z0-9_.-]+$", "maxLength": 128}


NAMESPACED = ("net.ipv4.", "net.ipv6.", "net.mptcp.", "net.netfilter.", "net.sctp.", "net.unix.")


def _address(text: str) -> AnyAddress:
    if "%" in text:
        raise ValueError("an address stands without a zone (%)")
    # Not ip_address: of the reason why a text is none it says nothing.
    return IPv6Address(text) if ":" in text else IPv4Address(text)


def _meant_by_netmask(text: str) -> str:
    try:
        return f"did you mean {ip_network(text, strict=False)}?"
    except ValueError:
        return ""


def _reason(error: ValueError) -> str:
    """What Python's library says of an address, where that helps."""
    said = str(error)
    if "Leading zeros" in said:
        return "numbers are written without leading zeros"
    if found := re.search(r"Octet (\d+) \(> 255\)", said):
        return f"{found[1][:12]} is more than 255"
    return said if "zone" in said else ""
