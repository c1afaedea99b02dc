"""Expressions over packet fields, in the words of `lab.trace.filter`."""

from __future__ import annotations

from lab.grammar.base import Context, Refused, ScalarGrammar, Schema
from lab.yaml.text import show


class Filter(ScalarGrammar[str]):
    """An expression over packet fields with Wireshark's names."""

    expected = "a filter such as tcp.flags.syn == 1 && ip.ttl == 63"
    sample = '"tcp.flags.syn == 1 && ip.ttl == 63"'

    def parse(self, text: str, context: Context) -> str:
        """The expression as it is; raises `Refused` with the column where it cannot be read."""
        from lab.trace.filter import FilterError, parse_filter  # topologies have none, and come up sooner without it

        try:
            parse_filter(text)
        except FilterError as error:
            raise Refused(f'in the filter "{show(text)}", column {error.column}: {error.what}', error.hint) from None
        return text

    def plain_schema(self) -> Schema:
        """A text; that it can be read is the loader's to say."""
        from lab.trace.filter import LONGEST

        return {"type": "string", "minLength": 1, "maxLength": LONGEST}
