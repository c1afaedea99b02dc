"""TLS records and the hellos in them (RFC 8446 §4.1, §5.1; RFC 5246 §6.2, §7.4), read from a byte stream. Pure.

Only what is sent in the clear is read: the handshake up to where its keys are used.
"""

from __future__ import annotations

from dataclasses import dataclass

CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA, HEARTBEAT = 20, 21, 22, 23, 24
KINDS = {CHANGE_CIPHER_SPEC: "change cipher spec", ALERT: "alert", HANDSHAKE: "handshake",
         APPLICATION_DATA: "application data", HEARTBEAT: "heartbeat"}  # fmt: skip
CLIENT_HELLO, SERVER_HELLO, CERTIFICATE = 1, 2, 11
HANDSHAKES = {
    CLIENT_HELLO: "ClientHello", SERVER_HELLO: "ServerHello", 4: "NewSessionTicket", 8: "EncryptedExtensions",
    CERTIFICATE: "Certificate", 12: "ServerKeyExchange", 13: "CertificateRequest", 14: "ServerHelloDone",
    15: "CertificateVerify", 16: "ClientKeyExchange", 20: "Finished", 22: "CertificateStatus", 24: "KeyUpdate",
}  # fmt: skip
SECTIONS = {  # where each is described; of those in both, RFC 5246 has it in the clear
    CLIENT_HELLO: "RFC 8446 §4.1.2", SERVER_HELLO: "RFC 8446 §4.1.3", 4: "RFC 5077 §3.3", 8: "RFC 8446 §4.3.1",
    CERTIFICATE: "RFC 5246 §7.4.2", 12: "RFC 5246 §7.4.3", 13: "RFC 5246 §7.4.4", 14: "RFC 5246 §7.4.5",
    15: "RFC 5246 §7.4.8", 16: "RFC 5246 §7.4.7", 20: "RFC 5246 §7.4.9", 22: "RFC 6066 §8", 24: "RFC 8446 §4.6.3",
}  # fmt: skip
HEADER = 5  # bytes
LONGEST = 2**14 + 2048  # bytes of a record's content, encrypted (RFC 5246 §6.2.3); RFC 8446 allows less
LONGEST_HANDSHAKE = 1 << 17
SERVER_NAME, SUPPORTED_VERSIONS, ALPN = 0, 43, 16
TLS_1_2, TLS_1_3 = 0x0303, 0x0304
VERSIONS = {0x0300: "SSL 3.0", 0x0301: "TLS 1.0", 0x0302: "TLS 1.1", TLS_1_2: "TLS 1.2", TLS_1_3: "TLS 1.3"}
ALERTS = {
    0: "close_notify", 10: "unexpected_message", 20: "bad_record_mac", 22: "record_overflow", 40: "handshake_failure",
    42: "bad_certificate", 43: "unsupported_certificate", 44: "certificate_revoked", 45: "certificate_expired",
    46: "certificate_unknown", 47: "illegal_parameter", 48: "unknown_ca", 49: "access_denied", 50: "decode_error",
    51: "decrypt_error", 70: "protocol_version", 71: "insufficient_security", 80: "internal_error",
    86: "inappropriate_fallback", 90: "user_canceled", 109: "missing_extension", 110: "unsupported_extension",
    112: "unrecognized_name", 116: "certificate_required", 120: "no_application_protocol",
}  # fmt: skip
_RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")  # RFC 8446 §4.1.3


class MalformedError(ValueError):
    """Bytes that are no TLS, with the reason."""


@dataclass(frozen=True)
class Record:
    """A record: its type, the version that its header says, its content, and where it lies in the stream."""

    kind: int
    version: int
    content: bytes
    start: int

    @property
    def end(self) -> int:
        """The offset behind it."""
        return self.start + HEADER + len(self.content)


@dataclass(frozen=True)
class Records:
    """The records of a stream; `problem` says why what follows, from offset `rest` on, is none.

    `unfinished` is set where a record is right so far and the stream ends in it.
    """

    records: tuple[Record, ...]
    rest: int
    problem: str = ""
    unfinished: bool = False


@dataclass(frozen=True)
class ClientHello:
    """What a client offers, in its order; `server_name` is whom it asks for, "" for nobody in particular."""

    server_name: str
    versions: tuple[int, ...]
    protocols: tuple[str, ...]
    ciphers: tuple[int, ...]


@dataclass(frozen=True)
class ServerHello:
    """What a server chose; `retry` where it asks for another ClientHello (RFC 8446 §4.1.4)."""

    version: int
    cipher: int
    retry: bool


def records(stream: bytes) -> Records:
    """The records of one side's stream, however it was cut into segments; never raises."""
    found: list[Record] = []
    at = 0
    while at < len(stream):
        head = stream[at : at + HEADER]
        kind, version = head[0], int.from_bytes(head[1:3], "big")
        size = int.from_bytes(head[3:5], "big")
        problem = ""
        if kind not in KINDS:
            problem = f"no record begins with 0x{kind:02x}"
        elif (len(head) > 1 and head[1] != 3) or (len(head) > 2 and version not in VERSIONS):
            problem = f"a record's version is 0x{head[1:3].hex()}"
        elif len(head) == HEADER and size > LONGEST:
            problem = f"a record says that it is {size} bytes long; {LONGEST} is the most"
        elif len(head) == HEADER and not size and kind != APPLICATION_DATA:
            problem = f"a record of type {KINDS[kind]} is empty"
        if problem:
            return Records(tuple(found), at, problem)
        if at + HEADER + size > len(stream) or len(head) < HEADER:
            return Records(tuple(found), at, "the stream ends inside a record", unfinished=True)
        found.append(Record(kind, version, stream[at + HEADER : at + HEADER + size], at))
        at = found[-1].end
    return Records(tuple(found), at)


def handshake(found: tuple[Record, ...]) -> tuple[tuple[int, bytes], ...]:
    """The handshake messages in the clear, each (type, body): those of the records before any other than an alert.

    A message may lie in several records, and a record may hold several (RFC 8446 §5.1).
    """
    data = bytearray()
    for record in found:
        if record.kind == ALERT:  # such as the warning that a server knows no such name (RFC 6066 §3)
            continue
        if record.kind != HANDSHAKE or len(data) > LONGEST_HANDSHAKE:
            break
        data += record.content
    messages = []
    at = 0
    while at + 4 <= len(data) and (end := at + 4 + int.from_bytes(data[at + 1 : at + 4], "big")) <= len(data):
        messages.append((data[at], bytes(data[at + 4 : end])))
        at = end
    return tuple(messages)


def handshake_messages(content: bytes, size: int) -> tuple[tuple[int, bytes | None], ...]:
    """The messages of one handshake record, each (type, body), of whose `size` bytes `content` is there.

    A body is None where it goes on behind these. There are none where the record is encrypted: what looks like a type
    and a length is then neither.
    """
    messages: list[tuple[int, bytes | None]] = []
    at = 0
    while at < size and at + 4 <= len(content):
        kind, end = content[at], at + 4 + int.from_bytes(content[at + 1 : at + 4], "big")
        if kind not in HANDSHAKES or end - at > LONGEST_HANDSHAKE or (end > size and kind != CERTIFICATE):
            return ()  # only certificates are so long that they take several records
        messages.append((kind, content[at + 4 : end] if end <= len(content) else None))
        at = end
    return tuple(messages)


def client_hello(body: bytes) -> ClientHello:
    """A ClientHello's body, without its type and length; raises `MalformedError`."""
    reader = _Reader(body)
    version = reader.number(2)
    reader.take(32)
    reader.block(1)
    ciphers = reader.block(2)
    if len(ciphers) % 2 or not ciphers:
        raise MalformedError("the cipher suites of a ClientHello are no list")
    if not reader.block(1):
        raise MalformedError("a ClientHello without compression methods")
    extensions = _extensions(reader)
    name = ""
    versions: tuple[int, ...] = (version,)
    protocols: list[str] = []
    if SERVER_NAME in extensions:
        names = _Reader(_Reader(extensions[SERVER_NAME]).block(2))
        while names.left:
            kind, value = names.number(1), names.block(2)
            if kind == 0:
                name = value.decode("latin-1")
    if SUPPORTED_VERSIONS in extensions:
        listed = _Reader(extensions[SUPPORTED_VERSIONS]).block(1)
        versions = tuple(int.from_bytes(listed[i : i + 2], "big") for i in range(0, len(listed) - 1, 2))
    if ALPN in extensions:
        offered = _Reader(_Reader(extensions[ALPN]).block(2))
        while offered.left:
            protocols.append(offered.block(1).decode("latin-1"))
    suites = tuple(int.from_bytes(ciphers[i : i + 2], "big") for i in range(0, len(ciphers), 2))
    return ClientHello(name, versions, tuple(protocols), suites)


def server_hello(body: bytes) -> ServerHello:
    """A ServerHello's body, without its type and length; raises `MalformedError`."""
    reader = _Reader(body)
    version = reader.number(2)
    random = reader.take(32)
    reader.block(1)
    cipher = reader.number(2)
    reader.take(1)
    extensions = _extensions(reader)
    chosen = extensions.get(SUPPORTED_VERSIONS)
    if chosen is not None:
        if len(chosen) != 2:
            raise MalformedError("a ServerHello chose no single version")
        version = int.from_bytes(chosen, "big")
    return ServerHello(version, cipher, random == _RETRY)


def version_name(number: int) -> str:
    """A version in words; those reserved by RFC 8701 are called so."""
    if number & 0x0F0F == 0x0A0A and number >> 8 == number & 0xFF:
        return "reserved"
    return VERSIONS.get(number, f"0x{number:04x}")


def _extensions(reader: _Reader) -> dict[int, bytes]:
    """Extensions by their type; of one that is repeated the first counts."""
    found: dict[int, bytes] = {}
    if not reader.left:
        return found
    inner = _Reader(reader.block(2))
    if reader.left:
        raise MalformedError(f"{reader.left} bytes follow a hello's extensions")
    while inner.left:
        kind = inner.number(2)
        found.setdefault(kind, inner.block(2))
    return found


class _Reader:
    """Reads a hello from front to back."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def take(self, size: int) -> bytes:
        if size > self.left:
            raise MalformedError(f"a hello ends too early: {self.left} of {size} bytes")
        self._at += size
        return self._data[self._at - size : self._at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def block(self, size: int) -> bytes:
        """Bytes behind their length, which itself has `size` bytes."""
        return self.take(self.number(size))
