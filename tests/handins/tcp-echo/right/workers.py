"""Several processes that wait in accept() on one listening socket."""

import multiprocessing
import socket
import sys


def serve(listener):
    while True:
        connection, _ = listener.accept()
        with connection:
            while data := connection.recv(4096):
                connection.sendall(data)


if __name__ == "__main__":
    listener = socket.create_server(("", int(sys.argv[1])))
    workers = [multiprocessing.Process(target=serve, args=(listener,)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
