"""The layers that programs make, of one frame: whole, cut, and not what they seem."""

import random
import ssl

import pytest
from tls_forge import tls_streams
from trace_forge import ACK, ethernet, ipv4, one, tcp, udp

from lab.dns.message import AAAA, CNAME, IN, OPT, RESPONSE, TRUNCATED, A, Message, Question, Record, encode, encode_name
from lab.trace.application import application
from lab.trace.explain import explain
from lab.trace.explained import Layer
from lab.trace.packets import decode


def segment(payload: bytes, port: int = 80) -> list[Layer]:
    return application(one(ethernet(ipv4(tcp(40000, port, 1, 1, ACK, payload)))))


def datagram(payload: bytes, port: int = 53) -> list[Layer]:
    return application(one(ethernet(ipv4(udp(40000, port, payload), 17))))


def told(layer: Layer) -> dict[str, str]:
    return {field.name: field.value for field in layer.fields}


ASKED = Message(0x1234, 0x0100, (Question("www.lab", A),))
ANSWERED = Message(
    0x1234,
    RESPONSE | TRUNCATED | 3,
    (Question("www.lab", AAAA),),
    (Record("www.lab", CNAME, IN, 60, encode_name("web.lab")), Record("web.lab", A, IN, 5, bytes((10, 0, 2, 80)))),
    additionals=(Record("", OPT, 1232, 0, b""),),
)


def test_a_query_over_udp():
    (layer,) = datagram(encode(ASKED))
    assert (layer.name, layer.claim) == ("Domain Name System: query for www.lab A", "C21")
    assert layer.standard == "RFC 1035 §4.1"
    assert told(layer) == {"dns.id": "0x1234", "dns.flags.response": "0", "dns.qry.name": "www.lab"}


def test_a_response_with_records_of_several_kinds():
    (layer,) = datagram(encode(ANSWERED))
    assert layer.name == "Domain Name System: response to www.lab AAAA"
    found = told(layer)
    assert (found["dns.flags.rcode"], found["dns.flags.truncated"]) == ("NXDOMAIN", "1")
    assert (found["dns.cname"], found["dns.a"]) == ("web.lab", "10.0.2.80")
    meanings = {field.name: field.meaning for field in layer.fields}
    assert meanings["dns.a"] == "answer: the A of web.lab, good for 5 s (RFC 1035 §4.1.3)"
    assert meanings["dns.opt"] == "the sender takes 1232 bytes over UDP (RFC 6891 §6.1.2)"


def test_dns_over_tcp_has_its_length_before_it():
    data = encode(ASKED)
    (layer,) = segment(len(data).to_bytes(2, "big") + data, 53)
    assert told(layer)["dns.length"] == str(len(data))
    assert segment(len(data).to_bytes(2, "big") + data[:9], 53) == []


def test_what_comes_to_the_port_of_dns_and_is_none():
    (layer,) = datagram(b"hello")
    assert (layer.name, layer.claim) == ("Domain Name System: no message", "")
    assert told(layer) == {"refusal": "a DNS header has 12 bytes, and here are 5"}
    assert datagram(encode(ASKED), 7000) == []


def test_a_request_and_a_response():
    (layer,) = segment(b"POST /a HTTP/1.1\r\nHost: www\r\nContent-Length: 100\r\n\r\nthe body goes on")
    assert (layer.name, layer.claim) == ("HTTP/1.1 request: POST /a", "C22")
    assert layer.standard == "RFC 9112 §3"
    assert told(layer) == {"http.request.method": "POST", "http.request.uri": "/a", "http.request.version": "HTTP/1.1",
                           "http.header: Host": "www", "http.header: Content-Length": "100"}  # fmt: skip
    (layer,) = segment(b"HTTP/1.0 404 Not Found\r\nServer: x\r\n\r\n")
    assert (layer.name, layer.standard) == ("HTTP/1.0 response: 404 Not Found", "RFC 9112 §4")
    code = next(field for field in layer.fields if field.name == "http.response.code")
    assert (code.value, code.meaning) == ("404", "the client's mistake (RFC 9110 §15)")


@pytest.mark.parametrize("kept", [16, 17, 18, 25, 29])
def test_a_head_that_goes_on_in_the_next_segment(kept):
    head = b"GET / HTTP/1.1\r\nHost: www\r\n\r\n"
    (layer,) = segment(head[:kept])
    whole = kept == len(head)
    assert ("http.header" in told(layer)) is not whole
    assert ("http.header: Host" in told(layer)) is (kept >= 27)


def test_a_head_without_fields_ends_at_once():
    (layer,) = segment(b"HTTP/1.1 204 \r\n\r\n")
    assert "http.header" not in told(layer)


def test_a_head_with_a_line_that_is_no_field():
    (layer,) = segment(b"GET / HTTP/1.1\r\nHost\r\n\r\n")
    assert "is no header field" in told(layer)["refusal"]


@pytest.mark.parametrize(
    "data", [b"hello\r\n", b"GET /", b"GET / HTTP/1.1\n\n", b"HTTP/1.1 999 \r\n\r\n", b"\x16\x03", b"\x16\x03\x01\0"]
)
def test_other_bytes_have_no_layer(data):
    assert segment(data) == []
    assert explain(one(ethernet(ipv4(tcp(40000, 80, 1, 1, ACK, data)))))[-1].name == "Payload"


@pytest.mark.parametrize(
    ("version", "chosen"), [(ssl.TLSVersion.TLSv1_3, "TLS 1.3"), (ssl.TLSVersion.TLSv1_2, "TLS 1.2")]
)
def test_a_handshake(version, chosen):
    sent, returned = tls_streams(version=version)
    (hello, *_) = segment(sent, 443)
    assert hello.name == "Transport Layer Security: handshake, ClientHello"
    assert (hello.claim, hello.standard) == ("C23", "RFC 8446 §5.1")
    assert told(hello)["tls.handshake.extensions_server_name"] == "www"
    answer = segment(returned, 443)
    assert answer[0].name.startswith("Transport Layer Security: handshake, ServerHello")
    assert told(answer[0])["tls.handshake.version"] == chosen
    names = [layer.name.removeprefix("Transport Layer Security: ") for layer in answer]
    if chosen == "TLS 1.2":
        shown = [name for name in names if name.startswith("handshake")]
        assert any("Certificate" in name for name in shown)
        assert any("ServerHelloDone" in name for name in shown)
        after = names[names.index("change cipher spec") + 1]
        assert after == "handshake, encrypted"  # Finished
    else:
        assert names[1] == "change cipher spec"
        assert set(names[2:]) == {"application data"}


def test_a_record_that_goes_on_in_the_next_segment():
    sent, _ = tls_streams()
    (layer,) = segment(sent[:100], 443)
    assert layer.name == "Transport Layer Security: handshake, ClientHello"
    length = next(field for field in layer.fields if field.name == "tls.record.length")
    assert length.meaning == "bytes of its content; 95 of them here, the others in later segments"
    assert segment(sent[100:200], 443) == []


def test_an_alert_is_named():
    (layer,) = segment(b"\x15\x03\x03\0\2\2\x30", 443)
    assert layer.name == "Transport Layer Security: alert, unknown_ca"


def test_a_handshake_record_that_is_encrypted():
    (layer,) = segment(b"\x16\x03\x03\0\x28" + bytes(8) + b"\x9c" * 32, 443)
    assert layer.name == "Transport Layer Security: handshake, encrypted"


def test_what_the_capture_cut_off_is_not_judged():
    frame = ethernet(ipv4(udp(40000, 53, encode(ASKED)), 17))
    assert application(decode(1, 0, len(frame), frame[:-3])) == []


def test_no_mutation_raises():
    chance = random.Random(1)
    sent, returned = tls_streams(version=ssl.TLSVersion.TLSv1_2)
    seeds = [
        (encode(ANSWERED), 53),
        (sent[:600], 443),
        (returned[:900], 443),
        (b"GET / HTTP/1.1\r\nHost: w\r\n\r\n", 80),
    ]
    found = 0
    for _ in range(20_000):
        seed, port = chance.choice(seeds)
        data = bytearray(seed[: chance.randrange(1, len(seed) + 1)])
        for _ in range(chance.randrange(4)):
            data[chance.randrange(len(data))] = chance.choice((0, 1, 0xFF, 0x16, chance.randrange(256)))
        payload = bytes(data)
        found += bool(datagram(payload) if port == 53 else segment(payload, port))
    assert found > 10_000
