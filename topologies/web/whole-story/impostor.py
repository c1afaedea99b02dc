"""Says that it is www. Arguments: the port, and a certificate with its key. It tells whether it is believed."""

import socket
import ssl
import sys

HANDSHAKE = b"\x16"  # the first byte of a TLS record with a ClientHello (RFC 8446 section 5.1)


def told(accepted):
    """What the client said of the certificate, or what it told us."""
    begun = accepted.recv(1, socket.MSG_PEEK) == HANDSHAKE
    try:
        with context.wrap_socket(accepted, server_side=True) as secured:
            request = secured.recv(4096)
            return "was told " + (request.partition(b"\r\n")[0].decode(errors="replace") or "nothing")
    except OSError as error:  # ssl's errors are such too
        # Who goes once he has seen the certificate has refused it as well, if without a word.
        gone = isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionError))
        return "refused" if "ALERT" in str(error).upper() or (begun and gone) else f"no TLS: {error}"


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2])
last = ""
with socket.create_server(("", int(sys.argv[1]))) as listening:
    while True:
        accepted, _ = listening.accept()
        with accepted:
            now = told(accepted)
        if now != last:  # a second try that ends like the first is no news
            print(now, flush=True)
        last = now
