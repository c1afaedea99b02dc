"""TLS records and hellos, as OpenSSL writes them; and every damage to them is refused with a reason."""

import random
import ssl

import pytest

from lab.trace import tls
from lab.trace.tls import APPLICATION_DATA, HANDSHAKE
from tests.unit.tls_forge import tls_streams

SENT, RETURNED = tls_streams()


def hello(stream: bytes) -> tuple[int, bytes]:
    return tls.handshake(tls.records(stream).records)[0]


@pytest.mark.parametrize(
    ("version", "number"), [(ssl.TLSVersion.TLSv1_3, tls.TLS_1_3), (ssl.TLSVersion.TLSv1_2, tls.TLS_1_2)]
)
def test_hellos(version: ssl.TLSVersion, number: int) -> None:
    sent, returned = tls_streams(version=version)
    kind, body = hello(sent)
    assert kind == tls.CLIENT_HELLO
    offered = tls.client_hello(body)
    assert offered.server_name == "www"
    assert number in offered.versions
    assert offered.ciphers
    kind, body = hello(returned)
    assert kind == tls.SERVER_HELLO
    chosen = tls.server_hello(body)
    assert (chosen.version, chosen.retry) == (number, False)
    assert chosen.cipher in offered.ciphers


def test_no_name() -> None:
    assert tls.client_hello(hello(tls_streams(name=None)[0])[1]).server_name == ""


def test_records_cover_the_stream() -> None:
    for stream in (SENT, RETURNED):
        found = tls.records(stream)
        assert (found.problem, found.rest) == ("", len(stream))
        assert found.records[0].kind == HANDSHAKE
        assert found.records[-1].kind == APPLICATION_DATA
        assert [each.end for each in found.records[:-1]] == [each.start for each in found.records[1:]]


@pytest.mark.parametrize(
    ("stream", "problem", "unfinished"),
    [
        (b"GET / HTTP/1.1\r\n", "no record begins with 0x47", False),
        (b"\x16\x02\x00\x00\x01x", "a record's version is 0x0200", False),
        (b"\x16\x03\x09", "a record's version is 0x0309", False),
        (b"\x17\x03\x03\xff\xff", "65535 bytes long", False),
        (b"\x16\x03\x03\x00\x00", "of type handshake is empty", False),
        (b"\x16\x03\x03\x00\x02x", "ends inside a record", True),
        (b"\x16", "ends inside a record", True),
    ],
)
def test_what_is_no_record(stream: bytes, problem: str, unfinished: bool) -> None:
    found = tls.records(stream)
    assert problem in found.problem
    assert found.unfinished is unfinished
    assert not found.records


def test_a_message_over_several_records() -> None:
    body = SENT[5:5 + int.from_bytes(SENT[3:5], "big")]  # fmt: skip
    cut = b"".join(b"\x16\x03\x01" + len(part).to_bytes(2, "big") + part
                   for part in (body[at : at + 50] for at in range(0, len(body), 50)))  # fmt: skip
    assert hello(cut) == hello(SENT)


def test_versions_have_names() -> None:
    assert [tls.version_name(each) for each in (0x0304, 0x0303, 0x0300, 0x2A2A, 0x7F1C)] == [
        "TLS 1.3", "TLS 1.2", "SSL 3.0", "reserved", "0x7f1c",
    ]  # fmt: skip


def test_no_damage_raises_anything_but_the_refusal() -> None:
    chance, read, refused = random.Random(3), 0, 0
    bodies = [(tls.client_hello, hello(SENT)[1]), (tls.server_hello, hello(RETURNED)[1])]
    for _ in range(6_000):
        decode, whole = chance.choice(bodies)
        data = bytearray(whole)
        for _ in range(chance.randrange(4)):
            data[chance.randrange(len(data))] = chance.choice((0, 1, 2, 3, 43, 255, chance.randrange(256)))
        try:
            decode(bytes(data[: chance.randrange(len(data) + 1)] if chance.random() < 0.5 else data))
            read += 1
        except tls.MalformedError:
            refused += 1
        stream = bytearray(chance.choice((SENT, RETURNED)))
        for _ in range(chance.randrange(4)):
            stream[chance.randrange(len(stream))] = chance.randrange(256)
        found = tls.records(bytes(stream[: chance.randrange(len(stream) + 1)]))
        assert sum(len(each.content) for each in found.records) <= len(stream)
        tls.handshake(found.records)
    assert read > 500
    assert refused > 500
