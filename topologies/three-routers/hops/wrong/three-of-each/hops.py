"""Prints the address of each router on the way to a host, and the host's own. Arguments: the host, an unused port."""

import select
import socket
import struct
import sys

IP_RECVERR = 11  # Linux: keep ICMP errors for the socket that they are about

host, port = socket.gethostbyname(sys.argv[1]), int(sys.argv[2])


def who_complained(sender):
    """The address of the node whose ICMP error came for this socket, or nothing within half a second."""
    waiting = select.poll()
    waiting.register(sender, select.POLLERR)
    if not waiting.poll(500):
        return None
    _, ancillary, _, _ = sender.recvmsg(512, 512, socket.MSG_ERRQUEUE)
    for _, kind, data in ancillary:
        if kind == IP_RECVERR:  # struct sock_extended_err of 16 bytes, then struct sockaddr_in
            return socket.inet_ntoa(struct.unpack_from("4s", data, 20)[0])
    return None


with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
    sender.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
    for ttl in range(1, 10):
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
        for _ in range(3):
            sender.sendto(b"who are you?", (host, port))
            complaint = who_complained(sender)
            port += 1
        print(ttl, complaint or "*")
        if complaint == host:
            break
