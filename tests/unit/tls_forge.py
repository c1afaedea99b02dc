"""TLS streams as OpenSSL writes them, by two ends that talk in memory."""

from __future__ import annotations

import ssl
from pathlib import Path

CERTIFICATES = Path(__file__).parents[2] / "topologies" / "web" / "whole-story"
ASKED, ANSWERED = b"GET /story.txt HTTP/1.1\r\nHost: www\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


def tls_streams(
    name: str | None = "www", version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3, trusted: bool = True,
    asked: bytes = ASKED, least: ssl.TLSVersion | None = None, both_certified: bool = False,
) -> tuple[bytes, bytes]:  # fmt: skip
    """What client and server send: a handshake, a question and an answer, and both ends; as far as it comes."""
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(CERTIFICATES / "www.pem")
    server_context.minimum_version = least or ssl.TLSVersion.TLSv1_2
    if both_certified:  # asked for, and not demanded
        server_context.load_verify_locations(CERTIFICATES / "ca.pem")
        server_context.verify_mode = ssl.CERT_OPTIONAL
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_context.maximum_version = version
    client_context.check_hostname = False
    if trusted:
        client_context.load_verify_locations(CERTIFICATES / "ca.pem")
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    from_client, from_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, from_client, server_hostname=name)
    server = server_context.wrap_bio(to_server, from_server, server_side=True)
    sent, returned = b"", b""

    def carry() -> None:
        nonlocal sent, returned
        there, back = from_client.read(), from_server.read()
        sent, returned = sent + there, returned + back
        to_server.write(there)
        to_client.write(back)

    def turn(one: ssl.SSLObject) -> bool:
        try:
            one.do_handshake()
        except ssl.SSLWantReadError:
            return False
        finally:
            carry()
        return True

    try:
        done = [False, False]
        while not all(done):
            done = [turn(client), turn(server)]
        if asked:
            client.write(asked)
            carry()
            server.read()
            server.write(ANSWERED)
            carry()
            client.read()
    except ssl.SSLError:
        carry()
    return sent, returned
