"""A call that has to end with an error, as an exercise writes it."""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass

from lab.checks.call_order import NAMES
from lab.grammar import Context, Refused, ScalarGrammar, Schema
from lab.grammar.base import close
from lab.yaml.text import show

_ERRORS = [name for name in dir(errno) if name.startswith("E")]
_ALSO = {"EWOULDBLOCK": "EAGAIN", "ENOTSUP": "EOPNOTSUPP", "EDEADLOCK": "EDEADLK"}  # as a record has them


@dataclass(frozen=True)
class Failure:
    """A call that has to end with an error."""

    name: str
    error: str

    def __str__(self) -> str:
        return f"{self.name} with {self.error}"


class FailureText(ScalarGrammar[Failure]):
    """A call and its error."""

    expected = "a call and its error, such as bind with EADDRINUSE"
    sample = "bind with EADDRINUSE"
    _form = rf"({'|'.join(NAMES)}) with (E[A-Z0-9]{{2,20}})"

    def parse(self, text: str, context: Context) -> Failure:
        """The call and the errno's name; raises `Refused`."""
        found = re.fullmatch(self._form, text)
        if not found:
            raise Refused(f"{show(text)} is not {self.expected}", f"the calls are {', '.join(NAMES)}")
        error = _ALSO.get(found[2], found[2])
        if error not in _ERRORS:
            meant = close(error, _ERRORS)
            hint = f"did you mean {found[1]} with {meant}?" if meant else "errno(3) names them, such as ECONNREFUSED"
            raise Refused(f"Linux has no error {error}", hint)
        return Failure(found[1], error)

    def plain_schema(self) -> Schema:
        """The form."""
        return {"type": "string", "pattern": f"^{self._form}$"}
