"""The standard library's own server."""

import shutil
import socketserver
import sys


class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        shutil.copyfileobj(self.rfile, self.wfile, 1)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True


with Server(("", int(sys.argv[1])), Echo) as server:
    server.serve_forever()
