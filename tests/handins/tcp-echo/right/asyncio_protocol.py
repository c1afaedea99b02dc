"""asyncio with a protocol and callbacks."""

import asyncio
import sys


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)

    def eof_received(self):
        return False


async def main():
    server = await asyncio.get_running_loop().create_server(Echo, None, int(sys.argv[1]))
    await server.serve_forever()


asyncio.run(main())
