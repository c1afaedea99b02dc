"""Opens sockets of every family there is."""

from prelude import attempt, report_and_serve, socket

USUAL = {socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK}


def each(make, family):
    def act():
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):
            try:
                make(family, kind, 0)
                return f"type {kind}"
            except OSError as error:
                last = error
        raise last

    return act


for family in range(1, 64):
    if family not in USUAL:
        attempt(f"family {family}", each(socket.socket, family))
        attempt(f"pair of family {family}", each(socket.socketpair, family))
for protocol in (*range(1, 4), *range(5, 32)):  # 4 tells what sockets there are, on this node
    attempt(f"netlink {protocol}", socket.socket, socket.AF_NETLINK, socket.SOCK_RAW, protocol)
report_and_serve()
