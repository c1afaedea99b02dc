"""Gets a page by HTTPS and prints its body. Argument: the URL; on stdin the certificates of those whom to trust."""

import ssl
import sys
from urllib.parse import urlsplit

url = urlsplit(sys.argv[1])
context = ssl.create_default_context(cadata=sys.stdin.read())

# 1. Connect to the host of the URL, and its port: 443 if it names none.

# 2. Wrap the connection in TLS, and say whom you want to speak to.

# 3. Send the request, and read the answer to its end.

# 4. Print the body, and close.
