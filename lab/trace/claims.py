"""The course's claims in a few words each, those of the table in topologies/README.md."""

from __future__ import annotations

CLAIMS = {
    "C1": "the application asks the system for a stream socket",
    "C2": "the destination port is given, the source port comes from the kernel's dynamic range",
    "C3": "the IP addresses stay the same end to end",
    "C4": "a frame goes to the gateway's MAC for a peer off-link, to the peer's own on-link",
    "C5": "an unknown MAC is asked for by broadcast, by IPv6 at a group, and only then the first packet leaves",
    "C6": "the frame may travel over Ethernet, Wi-Fi or a cellular link",
    "C7": "each router passes the packet to the next hop: TTL down by one, MACs rewritten",
    "C8": "the client picks an initial sequence number and sends SYN",
    "C9": "the server answers with SYN and ACK; or it refuses, or nobody answers",
    "C10": "the client confirms",
    "C11": "N bytes move the sequence number by N, and are acknowledged",
    "C12": "FIN and its acknowledgement in both directions; a reset is no close",
    "C13": "a socket is a descriptor, numbered in order",
    "C14": "two processes cannot hold the same port; TCP's and UDP's ports are separate",
    "C15": "the port says which program gets the bytes",
    "C16": "a connection is named by five things",
    "C17": "UDP has no connection and repairs nothing, and needs fewer packets",
    "C18": "TCP repairs loss, and controls flow and congestion",
    "C19": "socket(domain, type, protocol): stream, datagram, raw, packet, local",
    "C20": "the order of calls: socket, bind, listen, accept, …, close",
    "C21": "before all this the name became an address",
    "C22": "HTTP asks and answers on the connection",
    "C23": "with https, a TLS handshake comes first",
}
