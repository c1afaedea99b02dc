"""One thread, sockets that never block, and what could not be sent yet in a buffer."""

import selectors
import socket
import sys

selector = selectors.DefaultSelector()
listener = socket.create_server(("", int(sys.argv[1])))
listener.setblocking(False)
selector.register(listener, selectors.EVENT_READ, None)

while True:
    for key, events in selector.select():
        if key.data is None:
            connection, _ = listener.accept()
            connection.setblocking(False)
            selector.register(connection, selectors.EVENT_READ, {"buffer": b"", "end": False})
            continue
        connection, state = key.fileobj, key.data
        if events & selectors.EVENT_READ and not state["end"]:
            data = connection.recv(7)
            state["buffer"] += data
            state["end"] = not data
        if events & selectors.EVENT_WRITE and state["buffer"]:
            state["buffer"] = state["buffer"][connection.send(state["buffer"]) :]
        if state["end"] and not state["buffer"]:
            selector.unregister(connection)
            connection.close()
        else:
            waits = 0 if state["end"] else selectors.EVENT_READ
            waits |= selectors.EVENT_WRITE if state["buffer"] else 0
            selector.modify(connection, waits, state)
