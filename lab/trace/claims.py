"""The course's claims in a few words each, as far as a single frame can show one."""

from __future__ import annotations

CLAIMS = {
    "C3": "source and destination address stay the same from end to end",
    "C4": "a frame goes to the next machine on its link, the gateway or the peer itself, by MAC",
    "C5": "an unknown MAC is asked for before the first packet leaves",
    "C8": "the client opens a connection with SYN and its own initial sequence number",
    "C9": "the server answers with SYN and ACK, or refuses with RST",
    "C11": "N bytes move the sequence number by N, and are acknowledged",
    "C12": "each side ends its direction with FIN, which is acknowledged; RST breaks off instead",
    "C17": "UDP has no connection: its checksum finds errors, and nothing repairs a loss",
    "C21": "a name is turned into an address first",
    "C22": "HTTP asks and answers on the connection",
    "C23": "with https, a TLS handshake comes first",
}
