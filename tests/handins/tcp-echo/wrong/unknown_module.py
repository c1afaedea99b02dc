import sys

import sockets

sockets.serve(int(sys.argv[1]))
