"""Scalars that are not about networks: text, numbers, durations, sizes, names."""

from __future__ import annotations

import re

from lab.grammar.base import Context, Refused, ScalarGrammar, Schema, close
from lab.yaml.text import show

SECONDS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0}
BYTES = {"B": 1, "kB": 10**3, "KiB": 2**10, "MB": 10**6, "MiB": 2**20, "GB": 10**9, "GiB": 2**30}


class Text(ScalarGrammar[str]):
    """Any text; numbers and booleans are taken as they are written."""

    def __init__(
        self, expected: str = "text", *, pattern: str | None = None, hint: str = "", longest: int = 65536
    ) -> None:
        self.expected = expected
        self.pattern = pattern
        self.hint = hint
        self.longest = longest

    def parse(self, text: str, context: Context) -> str:
        """The text itself; raises `Refused` where it is too long or does not fit the pattern."""
        if len(text) > self.longest:
            raise Refused(f"{show(text, 20)} has {len(text)} characters; at most {self.longest} are allowed", self.hint)
        if self.pattern and not re.fullmatch(self.pattern, text):
            raise Refused(f'"{show(text)}" is not {self.expected}', self.hint)
        return text

    def plain_schema(self) -> Schema:
        """A string by its pattern, or any scalar."""
        if self.pattern:
            return {"type": "string", "pattern": f"^(?:{self.pattern})$", "maxLength": self.longest}
        return {"type": ["string", "number", "boolean"], "maxLength": self.longest}


class Name(Text):
    """A name of a node, a network, a step …: a letter, then letters, digits, - and _, 31 at most."""

    def __init__(self, expected: str = "a name") -> None:
        super().__init__(
            expected,
            pattern="[A-Za-z][A-Za-z0-9_-]{0,30}",
            hint="a name begins with a letter and has up to 31 letters, digits, - and _",
        )


class InterfaceName(Text):
    """A name that Linux allows for an interface and that no other use of the word takes."""

    def __init__(self) -> None:
        super().__init__(
            "an interface's name",
            pattern="(?!(?:lo|all|default)$)[A-Za-z][A-Za-z0-9_-]{0,14}",
            hint="up to 15 letters, digits, - and _, a letter first, such as eth0; not lo, all or default",
        )


class ImageName(Text):
    """A container image as `docker run` names it: [HOST[:PORT]/]PATH[:TAG][@DIGEST]."""

    def __init__(self) -> None:
        part = "[a-z0-9]+(?:(?:[.]|_|__|-+)[a-z0-9]+)*"
        host = "(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?(?::[0-9]+)?/)?"
        super().__init__(
            "the name of a container image",
            pattern=f"{host}{part}(?:/{part})*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?(?:@sha256:[0-9a-f]{{64}})?",
            hint="such as web:1 or registry.example.org/course/web:1, in lower case but for the tag",
            longest=255,
        )


class FilePath(Text):
    """A path below the folder of the file that names it; returned with plain slashes."""

    def __init__(self, expected: str = "a file's path beside this file") -> None:
        super().__init__(expected, longest=255)

    def parse(self, text: str, context: Context) -> str:
        """The path; raises `Refused` where it is absolute or leaves the folder."""
        text = super().parse(text, context)
        parts = text.split("/")
        if text.startswith(("/", "~")) or "\\" in text or ".." in parts or not text.strip("./ ") or "\0" in text:
            raise Refused(f'"{show(text)}" is not a path below this folder', "write it relative, without .. and with /")
        return "/".join(part for part in parts if part not in ("", "."))

    def plain_schema(self) -> Schema:
        """A string without a beginning slash, a step upwards or a backslash."""
        return {**super().plain_schema(), "pattern": r"^(?![/~])(?!(.*/)?\.\.(/|$))[^\\]+$"}


class Pattern(ScalarGrammar[str]):
    """A regular expression of Python's."""

    expected = "a regular expression"

    def parse(self, text: str, context: Context) -> str:
        """The expression; raises `Refused` where it does not compile."""
        try:
            re.compile(text)
        except (re.error, OverflowError, RecursionError) as error:
            raise Refused(f'"{show(text)}" is not a regular expression: {error}') from None
        return text

    def plain_schema(self) -> Schema:
        """Any text; that it compiles is the loader's to say."""
        return {"type": ["string", "number", "boolean"]}


class Int(ScalarGrammar[int]):
    """A whole number in a range, both ends included; decimal, without quotes."""

    quotable = False

    def __init__(self, least: int, most: int, expected: str | None = None) -> None:
        self.least = least
        self.most = most
        self.expected = expected or (str(least) if least == most else f"a whole number from {least} to {most}")

    def parse(self, text: str, context: Context) -> int:
        """The number; raises `Refused`."""
        if not re.fullmatch("-?(0|[1-9][0-9]*)", text):
            hint = "write it with decimal digits, without leading zeros" if text[:1].isdigit() else ""
            raise Refused(f"{show(text)} is not {self.expected}", hint)
        if len(text) > 20 or not self.least <= int(text) <= self.most:
            if self.least == self.most:
                raise Refused(f"{show(text)} is not {self.expected}")
            raise Refused(f"{show(text)} is out of range", f"expected: {self.expected}")
        return int(text)

    def plain_schema(self) -> Schema:
        """An integer in the range."""
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


class Port(Int):
    """A TCP or UDP port."""

    def __init__(self) -> None:
        super().__init__(1, 65535, "a port from 1 to 65535")


class Number(ScalarGrammar[float]):
    """A number that is not negative, such as points; whole ones stay whole."""

    quotable = False

    def __init__(self, expected: str = "a number, 0 or more", most: int = 1_000_000) -> None:
        self.expected = expected
        self.most = most

    def parse(self, text: str, context: Context) -> float:
        """The number; raises `Refused`."""
        if not re.fullmatch(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?", text):
            raise Refused(f"{show(text)} is not {self.expected}")
        if len(text) > 20 or not 0 <= float(text) <= self.most:
            raise Refused(f"{show(text)} is out of range", f"expected: {self.expected}, at most {self.most}")
        return float(text) if "." in text else int(text)

    def plain_schema(self) -> Schema:
        """A number in the range."""
        return {"type": "number", "minimum": 0, "maximum": self.most}


class Bool(ScalarGrammar[bool]):
    """`true` or `false`, without quotes; YAML 1.1's `yes` and `on` are asked back."""

    expected = "true or false"
    quotable = False

    def parse(self, text: str, context: Context) -> bool:
        """The truth; raises `Refused`."""
        if text.lower() in ("true", "false") and text in (text.lower(), text.upper(), text.capitalize()):
            return text.lower() == "true"
        meant = {"yes": "true", "on": "true", "no": "false", "off": "false"}.get(text.lower())
        raise Refused(f"{show(text)} is not true or false", f"write {meant}" if meant else "")

    def plain_schema(self) -> Schema:
        """A boolean."""
        return {"type": "boolean"}


class Choice(ScalarGrammar[str]):
    """One of a few words; those in `later` belong to the grammar and do not work yet."""

    def __init__(self, *words: str, later: tuple[str, ...] = (), expected: str = "") -> None:
        self.words = words
        self.later = later
        self.expected = expected or words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"

    def parse(self, text: str, context: Context) -> str:
        """The word; raises `Refused` with the nearest one."""
        if text in self.later:
            raise Refused(f"{text} is not supported yet", f"expected: {self.expected}")
        if text not in self.words:
            meant = close(text, self.words)
            raise Refused(f"{show(text)} is not {self.expected}", f"did you mean {meant}?" if meant else "")
        return text

    def plain_schema(self) -> Schema:
        """The words."""
        return {"enum": list(self.words)}


class Duration(ScalarGrammar[float]):
    """A time with its unit; in seconds."""

    expected = "a time with its unit, such as 5s, 200ms or 2min"

    def __init__(self, most: float = 3600.0) -> None:
        self.most = most

    def parse(self, text: str, context: Context) -> float:
        """Seconds; raises `Refused`."""
        found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|min|h)", text)
        if not found:
            bare = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) *(ms|s|min|h)?", text)
            hint = f"did you mean {bare[1]}{bare[2] or 's'}?" if bare else ""
            raise Refused(f"{show(text)} is not {self.expected}", hint)
        seconds = float(found[1]) * SECONDS[found[2]]
        if seconds > self.most:
            raise Refused(f"{text} is too long", f"at most {self.most:g}s")
        return seconds

    def plain_schema(self) -> Schema:
        """A string of number and unit."""
        return {"type": "string", "pattern": r"^[0-9]{1,9}(\.[0-9]{1,9})?(ms|s|min|h)$"}


class Size(ScalarGrammar[int]):
    """A number of bytes with its unit."""

    expected = "a size with its unit, such as 10B, 64KiB or 1MiB"

    def __init__(self, most: int = 64 * 2**20) -> None:
        self.most = most

    def parse(self, text: str, context: Context) -> int:
        """Bytes; raises `Refused`."""
        found = re.fullmatch(rf"([0-9]{{1,12}})({'|'.join(BYTES)})", text)
        if not found:
            bare = re.fullmatch(rf"([0-9]{{1,12}}) *({'|'.join(BYTES)})?", text)
            hint = f"did you mean {bare[1]}{bare[2] or 'B'}?" if bare else ""
            raise Refused(f"{show(text)} is not {self.expected}", hint)
        size = int(found[1]) * BYTES[found[2]]
        if size > self.most:
            raise Refused(f"{text} is too large", f"at most {self.most // 2**20}MiB")
        return size

    def plain_schema(self) -> Schema:
        """A string of number and unit."""
        return {"type": "string", "pattern": rf"^[0-9]{{1,12}}({'|'.join(BYTES)})$"}
