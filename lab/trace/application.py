"""What a program sent, explained as far as one frame shows it: DNS messages, heads of HTTP/1, records of TLS."""

from __future__ import annotations

from collections.abc import Iterator

from lab.dns import message as dns
from lab.trace import http, tls
from lab.trace.explained import Field, Layer
from lab.trace.numbers import TCP, UDP
from lab.trace.packets import Packet

DNS_PORT = 53


def application(packet: Packet) -> list[Layer]:
    """The layers above TCP and UDP; none where the payload begins in the middle of something, is cut or not known."""
    data = packet.payload
    if not data or len(data) < packet.payload_length or packet.more_fragments:
        return []
    if packet.protocol in (TCP, UDP) and DNS_PORT in (packet.sport, packet.dport):
        return _dns(packet, data)
    if packet.protocol == TCP:
        head = http.head(data)
        return [_http(head)] if head else _tls(data)
    return []


def _dns(packet: Packet, data: bytes) -> list[Layer]:
    fields: list[Field] = []
    if packet.protocol == TCP:
        size = int.from_bytes(data[:2], "big")
        fields.append(Field("dns.length", str(size), "over TCP the length of a message precedes it (RFC 1035 §4.2.2)"))
        if len(data) != size + 2:
            return []  # not one message alone
        data = data[2:]
    name = "Domain Name System"
    try:
        message = dns.decode(data)
    except dns.MalformedError as error:
        refusal = Field("refusal", str(error), "a resolver would not understand it")
        return [Layer(f"{name}: no message", (*fields, refusal), "", "RFC 1035 §4.1")]
    asked = ", ".join(f"{each.name or '.'} {dns.type_name(each.type)}" for each in message.questions)
    fields += _dns_fields(message)
    what = "response to" if message.response else "query for"
    return [Layer(f"{name}: {what} {asked or 'nothing'}", tuple(fields), "C21", "RFC 1035 §4.1")]


def _dns_fields(message: dns.Message) -> Iterator[Field]:
    kind = "an answer to the query with the same identifier" if message.response else "a query"
    yield Field("dns.id", f"0x{message.id:04x}", "query and response have the same (RFC 1035 §4.1.1)")
    yield Field("dns.flags.response", str(int(message.response)), kind)
    if message.response:
        yield Field("dns.flags.rcode", dns.rcode_name(message.rcode), "how it went (RFC 1035 §4.1.1)")
        if message.flags & dns.AUTHORITATIVE:
            yield Field("dns.flags.authoritative", "1", "from the server that is in charge of the name")
    if message.flags & dns.TRUNCATED:
        yield Field("dns.flags.truncated", "1", "cut short: it is to be asked for again over TCP (RFC 7766 §5)")
    for each in message.questions:
        yield Field("dns.qry.name", each.name or ".", f"asked for: its {dns.type_name(each.type)} (RFC 1035 §4.1.2)")
    sections = ("answer", message.answers), ("authority", message.authorities), ("additional", message.additionals)
    for section, records in sections:
        for record in records:
            yield _dns_record(section, record)


def _dns_record(section: str, record: dns.Record) -> Field:
    if record.type == dns.OPT:
        return Field("dns.opt", "", f"the sender takes {record.klass} bytes over UDP (RFC 6891 §6.1.2)")
    kind = dns.type_name(record.type)
    meaning = f"{section}: the {kind} of {record.name or '.'}, good for {record.ttl} s (RFC 1035 §4.1.3)"
    return Field(f"dns.{kind.lower()}", record.value or record.data[:30].hex(), meaning)


_HEADER_FIELDS = {
    "host": "which of the server's sites is meant (RFC 9112 §3.2)",
    "content-length": "bytes of the body (RFC 9112 §6.2)",
    "transfer-encoding": "how the body's end is told (RFC 9112 §6.1)",
    "connection": "whether the connection stays open (RFC 9112 §9.3)",
    "content-type": "what the body is (RFC 9110 §8.3)",
    "location": "where it is instead (RFC 9110 §10.2.2)",
    "user-agent": "the client's program (RFC 9110 §10.1.5)",
    "server": "the server's program (RFC 9110 §10.2.4)",
    "accept": "what the client can read (RFC 9110 §12.5.1)",
    "date": "when the response was made (RFC 9110 §6.6.1)",
}
_STATUS = {
    1: "informational: the answer is yet to come",
    2: "success",
    3: "redirection: more is to be done",
    4: "the client's mistake",
    5: "the server's failure",
}


def _http(head: http.Head) -> Layer:
    message = head.message
    if isinstance(message, http.Request):
        name, standard = f"{message.version} request: {message.method} {message.target}", "RFC 9112 §3"
        fields = [
            Field("http.request.method", message.method, "what is to be done (RFC 9110 §9)"),
            Field("http.request.uri", message.target, "with what (RFC 9112 §3.2)"),
            Field("http.request.version", message.version, "the version that the client speaks (RFC 9112 §2.3)"),
        ]
    else:
        name, standard = f"{message.version} response: {message.status} {message.reason}".rstrip(), "RFC 9112 §4"
        fields = [
            Field("http.response.version", message.version, "the version that the server speaks (RFC 9112 §2.3)"),
            Field("http.response.code", str(message.status), f"{_STATUS[message.status // 100]} (RFC 9110 §15)"),
            Field("http.response.phrase", message.reason, "for people only (RFC 9112 §4)"),
        ]
    for each, value in message.fields:
        meaning = _HEADER_FIELDS.get(each.lower(), "a header field (RFC 9112 §5)")
        fields.append(Field(f"http.header: {each}", value, meaning))
    if head.problem:
        fields.append(Field("refusal", head.problem, "a receiver may refuse it"))
    elif not head.whole:
        fields.append(Field("http.header", "…", "the head goes on in a later segment: an empty line ends it"))
    return Layer(name, tuple(fields), "C22", standard)


_RECORDS = {
    tls.CHANGE_CIPHER_SPEC: "what the sender sends from here on is encrypted, in TLS 1.2 (RFC 5246 §7.1)",
    tls.ALERT: "a warning, or why the connection ends (RFC 8446 §6)",
    tls.HANDSHAKE: "the two agree on versions, ciphers and keys (RFC 8446 §4)",
    tls.APPLICATION_DATA: "encrypted: the program's bytes, and in TLS 1.3 the handshake's rest (RFC 8446 §5.2)",
    tls.HEARTBEAT: "asks whether the other is still there (RFC 6520 §3)",
}


def _tls(data: bytes) -> list[Layer]:
    """A layer for each record that begins in the payload; the last may go on in a later segment."""
    found = tls.records(data)
    layers, clear = [], True
    for record in found.records:
        layers.append(_record(record.kind, record.version, len(record.content), record.content, clear))
        clear = clear and record.kind != tls.CHANGE_CIPHER_SPEC
    rest = data[found.rest :]
    if found.unfinished and len(rest) >= tls.HEADER:
        size, version = (int.from_bytes(rest[at : at + 2], "big") for at in (3, 1))
        layers.append(_record(rest[0], version, size, rest[tls.HEADER :], clear))
    return layers


def _record(kind: int, version: int, size: int, content: bytes, clear: bool) -> Layer:
    length = "bytes of its content"
    if len(content) < size:
        length += f"; {len(content)} of them here, the others in later segments"
    fields = [
        Field("tls.record.content_type", str(kind), _RECORDS[kind]),
        Field("tls.record.version", tls.version_name(version), "an old one also in TLS 1.3 (RFC 8446 §5.1)"),
        Field("tls.record.length", str(size), length),
    ]
    names: list[str] = []
    if kind == tls.HANDSHAKE:
        messages = tls.handshake_messages(content, size) if clear else ()
        names = [tls.HANDSHAKES[each] for each, _ in messages] or ["encrypted"]
        for each, body in messages:
            fields += _handshake(each, body)
    elif kind == tls.ALERT and size == len(content) == 2:
        names = [tls.ALERTS.get(content[1], f"alert {content[1]}")]
        level = "it ends the connection" if content[0] == 2 else "a warning"
        fields.append(Field("tls.alert_message.desc", names[0], f"{level} (RFC 8446 §6)"))
    name = f"Transport Layer Security: {tls.KINDS[kind]}" + (f", {', '.join(names)}" if names else "")
    return Layer(name, tuple(fields), "C23" if kind == tls.HANDSHAKE else "", "RFC 8446 §5.1")


def _handshake(kind: int, body: bytes | None) -> Iterator[Field]:
    section = tls.SECTIONS[kind]
    yield Field("tls.handshake.type", str(kind), f"{tls.HANDSHAKES[kind]} ({section})")
    if body is None:
        return
    try:
        if kind == tls.CLIENT_HELLO:
            client = tls.client_hello(body)
            if client.server_name:
                meaning = "whom the client asks for, in the clear (RFC 6066 §3)"
                yield Field("tls.handshake.extensions_server_name", client.server_name, meaning)
            versions = ", ".join(tls.version_name(each) for each in client.versions)
            yield Field("tls.handshake.version", versions, "what the client offers (RFC 8446 §4.2.1)")
            if client.protocols:
                meaning = "protocols that the client offers (RFC 7301 §3.1)"
                yield Field("tls.handshake.extensions_alpn_str", ", ".join(client.protocols), meaning)
        elif kind == tls.SERVER_HELLO:
            server = tls.server_hello(body)
            meaning = "another ClientHello is asked for (RFC 8446 §4.1.4)" if server.retry else "what the server chose"
            yield Field("tls.handshake.version", tls.version_name(server.version), meaning)
            yield Field("tls.handshake.ciphersuite", f"0x{server.cipher:04x}", "how is encrypted (RFC 8446 §B.4)")
    except tls.MalformedError as error:
        yield Field("refusal", str(error), "a receiver would answer it with an alert")
