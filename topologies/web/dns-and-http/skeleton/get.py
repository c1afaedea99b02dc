"""Gets a page by HTTP and prints its body. Arguments: host, port and path."""

import socket
import sys

host, port, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)

# 1. Connect to the host, which is a name, and its port.

# 2. Send the request: its line, the field Host, an empty line.

# 3. Read the head of the answer, and in it how long the body is; then read the body.

# 4. Print the body, and close the connection.

connection.close()
