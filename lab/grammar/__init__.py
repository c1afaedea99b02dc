"""Declarations from which the loader and the JSON Schema are both derived, so that they agree by construction.

A grammar is a value made of combinators. `Context.take(grammar, node)` loads a node and gathers every problem with
its place; `grammar.schema(templates)` writes the JSON Schema of the same thing.

A check is a frozen dataclass whose parameters carry their grammar:

    from lab.grammar import List, NodeName, Payload, Port, param

    @dataclass(frozen=True)
    class TcpData:
        '''The bytes that both sides sent arrived, whole and in order.'''

        kind: ClassVar[str] = "tcp-data"
        claims: ClassVar[tuple[str, ...]] = ("C11",)

        from_: str = param(NodeName(), "the client", key="from")      # a key that is a word of Python's
        to: str = param(NodeName(), "the server")
        port: int = param(Port(), "the server's port")
        via: tuple[str, ...] = param(List(NodeName()), "the routers, in order", default=())
        server_sends: bytes | None = param(Payload(), "what the server must send", default=None)

`param` fields are keyword-only, and required unless they have a default. The keys `id`, `check`, `points`, `needs`,
`hint` and `visible` belong to the exercise and cannot be parameters. A rule between several parameters goes into an
optional method `problems(self) -> Iterable[tuple[str, str, str]]` of the check: (key, what is wrong, hint).

Scalars, with what they load to:
`Text` str; `Name` str; `Pattern` str (a regular expression); `Int(least, most)` int; `Port` int; `Number` float;
`Bool` bool; `Choice("a", "b")` str; `Duration` float seconds; `Size` int bytes; `Rate` int bits/s;
`Share` float 0 to 1; `Filter` str (see `lab.trace.filter`); `Address` IPv4Address|IPv6Address;
`Prefix` IPv4Network|IPv6Network; `Mac` str; `FilePath` str.
References, which must be known and get the nearest name otherwise:
`NodeName`, `StepName`, `CheckId`, `Point` ("client:eth0"), all str.
Others: `Payload` bytes; `Command` tuple[str, ...]; `List(item, single=True)` tuple (with `single`, one item may stand
alone); `Either(NodeName(), Address())` whichever fits first.
`${name}` is replaced in every scalar of an exercise before it is parsed.
"""

from lab.grammar.base import Context, Grammar, Parameter, Refused, ScalarGrammar, Schema, nearest, param, parameters
from lab.grammar.containers import At, Either, Entry, Key, Later, List, NamedMap, Placed, Record, Struct, Variant
from lab.grammar.drawn import NOBODY, Drawn, Value, as_value, draw_all
from lab.grammar.files import beside
from lab.grammar.filters import Filter
from lab.grammar.links import Rate, Share
from lab.grammar.nets import Address, HostAddress, Mac, NodePath, Prefix, Sysctl
from lab.grammar.refs import CheckId, Command, FaultId, NetworkName, NodeName, Payload, Point, StepName
from lab.grammar.scalars import (
    Bool,
    Choice,
    Duration,
    FilePath,
    ImageName,
    Int,
    InterfaceName,
    Name,
    Number,
    Pattern,
    Port,
    Size,
    Text,
)

__all__ = [
    "NOBODY",
    "Address",
    "At",
    "Bool",
    "CheckId",
    "Choice",
    "Command",
    "Context",
    "Drawn",
    "Duration",
    "Either",
    "Entry",
    "FaultId",
    "FilePath",
    "Filter",
    "Grammar",
    "HostAddress",
    "ImageName",
    "Int",
    "InterfaceName",
    "Key",
    "Later",
    "List",
    "Mac",
    "Name",
    "NamedMap",
    "NetworkName",
    "NodeName",
    "NodePath",
    "Number",
    "Parameter",
    "Pattern",
    "Payload",
    "Placed",
    "Point",
    "Port",
    "Prefix",
    "Rate",
    "Record",
    "Refused",
    "ScalarGrammar",
    "Schema",
    "Share",
    "Size",
    "StepName",
    "Struct",
    "Sysctl",
    "Text",
    "Value",
    "Variant",
    "as_value",
    "beside",
    "draw_all",
    "nearest",
    "param",
    "parameters",
]
