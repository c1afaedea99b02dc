"""The course's claims in a few words each."""

from __future__ import annotations

CLAIMS = {
    "C1": "the application asks the system for a stream socket",
    "C2": "the destination port is given, the source port comes from the kernel's dynamic range",
    "C3": "source and destination address stay the same from end to end",
    "C4": "a frame goes to the next machine on its link, the gateway or the peer itself, by MAC",
    "C5": "an unknown MAC is asked for before the first packet leaves",
    "C6": "the frame may travel over Ethernet, Wi-Fi or a cellular link",
    "C7": "each router passes the packet to the next hop: TTL down by one, MACs rewritten",
    "C8": "the client opens a connection with SYN and its own initial sequence number",
    "C9": "the server answers with SYN and ACK, or refuses with RST",
    "C10": "the client confirms",
    "C11": "N bytes move the sequence number by N, and are acknowledged",
    "C12": "each side ends its direction with FIN, which is acknowledged; RST breaks off instead",
    "C13": "a socket is a descriptor, numbered in order",
    "C14": "two processes cannot hold the same port; TCP's and UDP's ports are separate",
    "C15": "the port says which program gets the bytes",
    "C16": "a connection is named by five things",
    "C17": "UDP has no connection: its checksum finds errors, and nothing repairs a loss",
    "C18": "TCP repairs loss, and controls flow and congestion",
    "C19": "socket(domain, type, protocol): stream, datagram, raw, packet, local",
    "C20": "the order of calls: socket, bind, listen, accept, …, close",
    "C21": "a name is turned into an address first",
    "C22": "HTTP asks and answers on the connection",
    "C23": "with https, a TLS handshake comes first",
}
