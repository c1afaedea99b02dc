"""Says that it is www. Arguments: the port, and a certificate with its key. It tells whether it was believed."""

import socket
import ssl
import sys

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2])
with socket.create_server(("", int(sys.argv[1]))) as listening:
    accepted, _ = listening.accept()
    try:
        with context.wrap_socket(accepted, server_side=True) as secured:
            told = secured.recv(4096)
            print("was told", told.partition(b"\r\n")[0].decode(errors="replace") or "nothing", flush=True)
    except ssl.SSLError as error:
        print("refused" if "ALERT" in str(error).upper() else f"no TLS: {error}", flush=True)
    except OSError as error:
        print(f"no TLS: {error}", flush=True)
