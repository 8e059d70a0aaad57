"""Clients that ask many things at once, so that a server that polls is not waited for in turn."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

Address = tuple[str, int]
_END_OF_HEAD = b"\r\n\r\n"


def ask(path: str, *fields: str) -> bytes:
    """One GET request."""
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: here", *fields, "", ""]).encode()


class Client:
    """One connection; `answer` gives one body."""

    def __init__(self, address: Address) -> None:
        self.socket = socket.create_connection(address, timeout=30)
        self._rest = b""

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self) -> bytes:
        """The body of the next answer, whose status must be 200."""
        while _END_OF_HEAD not in self._rest:
            self._more()
        head, _, self._rest = self._rest.partition(_END_OF_HEAD)
        assert head.startswith(b"HTTP/1.1 200 "), head
        length = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
        parts, missing = [self._rest[:length]], length - len(self._rest)
        self._rest = self._rest[length:]
        while missing > 0:
            data = self.socket.recv(min(missing, 1 << 20))
            assert data, "the connection ended in the middle of an answer"
            parts.append(data)
            missing -= len(data)
        return b"".join(parts)

    def _more(self) -> None:
        data = self.socket.recv(1 << 16)
        assert data, "the connection ended before the answer"
        self._rest += data

    def ended(self) -> bool:
        """Waits for what comes next: whether it is the connection's end."""
        return not self._rest and not self.socket.recv(1)


@contextmanager
def clients(address: Address, count: int) -> Iterator[Sequence[Client]]:
    """So many connections at the same time."""
    with ExitStack() as open_ones:
        made = [Client(address) for _ in range(count)]
        for client in made:
            open_ones.enter_context(client.socket)
        yield made


def keep_alive(address: Address, connections: int, rounds: int) -> None:
    """Ask on all connections at once, so many times; 1 request each."""
    with clients(address, connections) as each:
        for _ in range(rounds):
            for client in each:
                client.send(ask("/"))
            for client in each:
                client.answer()


def new_connections(address: Address, count: int, *, at_once: int = 100, path: str = "/") -> None:
    """New connections, each for one request that ends it."""
    for _ in range(count // at_once):
        with clients(address, at_once) as each:
            for client in each:
                client.send(ask(path, "Connection: close"))
            for client in each:
                client.answer()
                assert client.ended()
