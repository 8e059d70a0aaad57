"""Two threads on one epoll instance, each taking several events at once; its argument is how one misbehaves.

The first thread that is told of several connections blocks on the way of the first. Two lines frame the run.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
import threading
import time

BLOCKED_SECONDS = 0.15
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n"
_ONCE = select.EPOLLIN | select.EPOLLONESHOT


class Server:
    def __init__(self, way: str) -> None:
        self.way = way
        self.epoll = select.epoll()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setblocking(False)
        self.connections: dict[int, socket.socket] = {}
        self.epoll.register(self.listener.fileno(), _ONCE)
        self.faults = 0
        self.lock = threading.Lock()

    def work(self) -> None:
        while True:
            events = self.epoll.poll(maxevents=8)
            told = [descriptor for descriptor, _ in events]
            if self.listener.fileno() in told:
                told.remove(self.listener.fileno())
                self.accept()
            for place, descriptor in enumerate(told):
                self.attend(descriptor, last=place == len(told) - 1)

    def accept(self) -> None:
        connection, _ = self.listener.accept()
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connections[connection.fileno()] = connection
        self.epoll.register(connection.fileno(), _ONCE)
        self.epoll.modify(self.listener.fileno(), _ONCE)

    def attend(self, descriptor: int, *, last: bool) -> None:
        connection = self.connections[descriptor]
        if not connection.recv(4096):
            self.connections.pop(descriptor).close()
            return
        if self.way == "sleep" and not last and self.lock.acquire(blocking=False):
            time.sleep(BLOCKED_SECONDS)
            self.faults += 1
            self.lock.release()
        connection.send(ANSWER)
        self.epoll.modify(descriptor, _ONCE)


def main() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    server = Server(sys.argv[1])
    for _ in range(2):
        threading.Thread(target=server.work, daemon=True).start()
    host, port = server.listener.getsockname()
    print(json.dumps({"listening": f"{host}:{port}", "pid": os.getpid()}), flush=True)
    signal.sigwait({signal.SIGTERM})
    print(json.dumps({"faults": {server.way: server.faults}}), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
