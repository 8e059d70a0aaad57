"""Very many connections at once: `python many_connections.py server COUNT`, `… client PORT COUNT`.

Connection number i carries 1 + i % 50 bytes to the server and 2 back. Both print {"ready": …} and
wait for a line: the server before it accepts, the client while all connections are open and
answered. Each prints what it did as one JSON line.
"""

from __future__ import annotations

import json
import os
import resource
import select
import socket
import sys
from typing import Any


def allow(count: int) -> None:
    """Room for as many descriptors and some more."""
    wanted = count + 200
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))


def ready(**facts: Any) -> None:
    print(json.dumps({"ready": os.getpid(), **facts}), flush=True)
    sys.stdin.readline()


def server(count: int) -> None:
    listening = socket.create_server(("127.0.0.1", 0), backlog=4096)
    ready(port=listening.getsockname()[1])
    epoll = select.epoll()
    epoll.register(listening, select.EPOLLIN)
    taken: dict[int, socket.socket] = {}
    accepted = most = received = sent = 0
    while accepted < count or taken:
        for fd, _ in epoll.poll():
            if fd == listening.fileno():
                connection, _ = listening.accept()
                taken[connection.fileno()] = connection
                epoll.register(connection, select.EPOLLIN)
                accepted += 1
                most = max(most, len(taken))
                continue
            part = taken[fd].recv(100)
            received += len(part)
            if part:
                sent += taken[fd].send(b"ok")
            else:
                taken.pop(fd).close()
    print(json.dumps({"accepted": accepted, "most": most, "received": received, "sent": sent}))


def client(port: int, count: int) -> None:
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
    sent = {}
    for number, each in enumerate(clients):
        size = 1 + number % 50
        each.sendall(bytes(size))
        sent["{}:{}".format(*each.getsockname())] = size
    for each in clients:
        assert each.recv(100) == b"ok"
    ready()
    for each in clients:
        each.close()
    print(json.dumps({"sent": sent}))


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[2:]]
    allow(numbers[-1])
    {"server": server, "client": client}[sys.argv[1]](*numbers)
