"""Sends the text on standard input by five kinds of sockets. Arguments: a host, a port, an interface."""

import socket
import sys

host, port, interface = sys.argv[1], int(sys.argv[2]), sys.argv[3]
text = sys.stdin.buffer.read()
print("this system knows", ", ".join(kind.name for kind in socket.SocketKind))

# 1. A stream to the port of the host.

# 2. A datagram to the same port.

# 3. A stream to the Unix socket "\0greetings" of this machine.

# 4. An IP packet of protocol 253 to the host, with the text right behind the IP header.

# 5. An Ethernet frame of EtherType 0x88b5 to everyone on the interface's segment, with the text in it.
