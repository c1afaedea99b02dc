"""`tls`: a handshake that names the server, and nothing to read after it."""

import ssl
from typing import Any

import pytest
from doctored import PORT, Story

from lab.checks.base import Outcome, Verdict
from lab.checks.tls import Tls
from lab.evidence import Gap
from tests.unit.tls_forge import ASKED, tls_streams

P, F, N = Outcome.PASSED, Outcome.FAILED, Outcome.NOT_MEASURED
ENDS: dict[str, Any] = {"source": "client", "to": "server", "port": PORT, "name": "www"}
TLS_1_2, TLS_1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
FATAL = b"\x15\x03\x03\x00\x02\x02\x28"


def said(streams: tuple[bytes, bytes] | None = None, **options: Any) -> Story:
    sent, returned = streams or tls_streams(**options)
    return Story().talk(asked=sent, answered=returned)


def judge(story: Story, **changes: Any) -> Verdict:
    parts = {key: changes.pop(key) for key in ("steps", "gaps", "without") if key in changes}
    check = Tls(**(ENDS | changes))
    return check.judge(story.evidence(check, **parts))


def kind(verdict: Verdict) -> str:
    assert verdict.outcome is F, verdict
    assert verdict.cause is not None
    return verdict.cause.kind


@pytest.mark.parametrize(("version", "text"), [(TLS_1_3, "TLS 1.3"), (TLS_1_2, "TLS 1.2")])
def test_a_handshake_and_what_it_hides(version: ssl.TLSVersion, text: str) -> None:
    verdict = judge(said(version=version), version=text[4:], hides=ASKED)
    assert verdict.outcome is P
    assert verdict.seen.startswith("ClientHello for www (offers TLS 1.")
    assert f"server chose {text}; then " in verdict.seen
    assert verdict.seen.endswith("nothing readable")
    assert [str(frame) for frame in verdict.frames] == ["client:eth0#4", "client:eth0#6"]


@pytest.mark.parametrize(
    ("options", "changes", "cause"),
    [
        ({"name": None}, {}, "no-server-name"),
        ({"name": "shop"}, {}, "wrong-server-name"),
        ({"version": TLS_1_2}, {"version": "1.3"}, "wrong-version"),
        ({"version": TLS_1_2, "least": TLS_1_3}, {}, "tls-alert"),
        ({"trusted": False}, {}, "tls-alert"),  # in the clear: its own keys are not yet in use
        ({"trusted": False, "version": TLS_1_2}, {}, "tls-alert"),
        ({"asked": b""}, {}, "nothing-sent"),
        ({"asked": b"", "version": TLS_1_2}, {}, "nothing-sent"),
    ],
)
def test_a_handshake_that_is_not_as_demanded(options: dict[str, Any], changes: dict[str, Any], cause: str) -> None:
    assert kind(judge(said(**options), **changes)) == cause


@pytest.mark.parametrize(
    ("before", "after", "cause"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b"", "not-tls"),
        (b"", b"GET / HTTP/1.1\r\n\r\n", "not-tls"),
        (b"", b"\x16\x03\x03\x00\x04\x01\x00\x00\x00", "readable"),
        (b"", b"\x17\x03\x03\x00\x28" + ASKED + b"  ", "readable"),
        (b"\x17\x03\x03\x00\x01x", b"", "bad-hello"),
        (b"\x16\x03\x03\x00\x04\x02\x00\x00\x00", b"", "bad-hello"),
        (b"\x16\x03\x03\x00\x04\x01\x00\x00\x00", b"", "bad-hello"),
    ],
)
def test_bytes_beside_the_handshake(before: bytes, after: bytes, cause: str) -> None:
    sent, returned = tls_streams()
    assert kind(judge(said((before + sent + after, returned)), hides=ASKED)) == cause


def test_a_version_that_nobody_knows_is_none() -> None:
    sent, returned = tls_streams()
    assert b"\x00\x2b\x00\x02\x03\x04" in returned
    forged = returned.replace(b"\x00\x2b\x00\x02\x03\x04", b"\x00\x2b\x00\x02\x03\x99", 1)
    assert kind(judge(said((sent, forged)))) == "wrong-version"


def test_what_is_cut_into_records_can_be_read_all_the_same() -> None:
    sent, returned = tls_streams()
    parts = b"".join(b"\x17\x03\x03\x00" + bytes([len(each)]) + each for each in (ASKED[:9], ASKED[9:]))
    assert kind(judge(said((sent + parts, returned)), hides=ASKED)) == "readable"


def test_a_warning_before_the_server_hello_breaks_nothing_off() -> None:
    sent, returned = tls_streams(version=TLS_1_2)
    assert judge(said((sent, b"\x15\x03\x03\x00\x02\x01\x70" + returned))).outcome is P
    assert kind(judge(said((sent, b"\x15\x03\x03\x00\x02\x02\x70" + returned)))) == "tls-alert"


@pytest.mark.parametrize("version", [TLS_1_3, TLS_1_2])
@pytest.mark.parametrize("words", [b"", b"hello", b"GET /story.txt HTTP/1.1\r\nHost: www\r\n\r\n"])
def test_a_record_that_only_says_that_it_is_encrypted(version: ssl.TLSVersion, words: bytes) -> None:
    sent, returned = tls_streams(version=version)
    made = b"\x17\x03\x03\x00" + bytes([len(words)]) + words
    assert kind(judge(said((sent + made, returned)))) == "readable"
    assert kind(judge(said((sent, returned + made)))) == "readable"


@pytest.mark.parametrize("version", [TLS_1_3, TLS_1_2])
def test_a_client_that_is_asked_for_a_certificate_and_has_none_goes_on(version: ssl.TLSVersion) -> None:
    assert judge(said(version=version, both_certified=True)).outcome is P
    assert kind(judge(said(version=version, both_certified=True, asked=b""))) == "nothing-sent"


@pytest.mark.parametrize(("hides", "wrong"), [(b"", True), (b"hi\n", True), (b"page", False), (None, False)])
def test_what_is_hidden_is_long_enough_not_to_be_found_by_chance(hides: bytes | None, wrong: bool) -> None:
    assert [each[0] for each in Tls(**ENDS, hides=hides).problems()] == ["hides"] * wrong


def test_plain_text_on_both_sides() -> None:
    assert kind(judge(said((ASKED, b"hello\n")))) == "not-tls"
    sent, returned = tls_streams()
    assert kind(judge(said((sent, b"SSH-2.0-x\r\n")))) == "not-tls"
    assert kind(judge(said((sent, FATAL)))) == "tls-alert"
    assert kind(judge(said((sent, b"")))) == "never-answered"
    assert kind(judge(said((b"", b"")))) == "nothing-sent"
    assert kind(judge(said((sent, b"\x16\x03\x03\x00\x04\x0b\x00\x00\x00")))) == "bad-hello"
    assert kind(judge(said((sent[:200], returned)))) == "not-tls"


def test_an_alert_that_is_encrypted_is_told_by_its_length() -> None:
    sent, returned = tls_streams(asked=b"")
    hello = 5 + int.from_bytes(sent[3:5], "big")
    broken = sent[:hello] + b"\x14\x03\x03\x00\x01\x01" + b"\x17\x03\x03\x00\x13" + bytes(19)
    assert kind(judge(said((broken, returned)))) == "handshake-broken"
    assert kind(judge(said((sent[:hello], returned)))) == "handshake-broken"


def _retried() -> tuple[bytes, bytes, bytes, bytes]:
    """A ClientHello and what follows it, and a HelloRetryRequest and what follows that."""
    sent, returned = tls_streams()
    size = 5 + int.from_bytes(sent[3:5], "big")
    random = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")  # RFC 8446 §4.1.3
    body = b"\x03\x03" + random + b"\0\x13\x01\0\0\x06\0\x2b\0\x02\x03\x04"
    retry = b"\x16\x03\x03\0" + bytes([len(body) + 4]) + b"\x02\0\0" + bytes([len(body)]) + body
    change = b"\x14\x03\x03\0\x01\x01"
    return sent[:size] + change, sent, retry + change, returned


def test_an_alert_behind_a_request_to_try_again_is_told() -> None:
    first, second, retry, returned = _retried()
    assert judge(said((first + second, retry + returned))).outcome is P
    size = len(first) - 6
    refused = judge(said((first + second[:size], retry + FATAL)))
    assert (kind(refused), refused.seen) == ("tls-alert", "server broke the handshake off: handshake_failure")
    distrusted = judge(said((first + second[:size] + FATAL, retry + returned)))
    assert (kind(distrusted), distrusted.seen) == ("tls-alert", "client broke the handshake off: handshake_failure")


_LIKE_AN_ALERT = b"\x17\x03\x03\x00\x13" + bytes(range(128, 147))


def test_a_word_as_short_as_an_alert_is_one_where_more_follows() -> None:
    assert judge(said(asked=b"a")).outcome is P
    sent, returned = tls_streams(asked=b"hi")
    assert judge(said((sent + _LIKE_AN_ALERT, returned))).outcome is P
    silent, returned = tls_streams(asked=b"")
    assert kind(judge(said((silent + _LIKE_AN_ALERT, returned)))) == "nothing-sent"
    empty = b"\x17\x03\x03\x00\x11" + bytes(range(128, 145))
    assert kind(judge(said((silent + empty, returned)))) == "nothing-sent"


def test_tls_1_2_says_itself_what_is_no_alert() -> None:
    sent, returned = tls_streams(asked=b"", version=TLS_1_2)
    assert judge(said((sent + _LIKE_AN_ALERT, returned))).outcome is P  # 3 bytes and a tag, as ChaCha20-Poly1305 has it
    alert = b"\x15" + _LIKE_AN_ALERT[1:]
    assert kind(judge(said((sent + alert, returned)))) == "nothing-sent"


def test_a_record_that_goes_over_the_end_of_a_running_connection() -> None:
    sent, returned = tls_streams()
    story = said((sent + b"\x17\x03\x03\x00\x40half", returned)).drop("client fin", "server fin", "last ack")
    assert judge(story).outcome is P


def test_gaps() -> None:
    assert judge(said(), gaps=(Gap("drops", "client:eth0", "lab"),)).outcome is N
    assert kind(judge(Story())) == "not-tried"
