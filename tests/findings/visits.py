"""Clients of the reference servers: exactly so many requests, and no more time than they take."""

from __future__ import annotations

import select
import socket
import ssl
import threading
from collections.abc import Iterable
from contextlib import ExitStack, suppress

Address = tuple[str, int]


def request(path: str, *, close: bool = False) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: test\r\n{'Connection: close' if close else 'X: y'}\r\n\r\n".encode()


def read_answers(peer: socket.socket, count: int = 1) -> None:
    """Read so many answers with a Content-Length; raises OSError where they do not come."""
    data = b""
    while count:
        head, found, rest = data.partition(b"\r\n\r\n")
        if found:
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            if len(rest) >= length:
                data, count = rest[length:], count - 1
                continue
        piece = peer.recv(1 << 16)
        if not piece:
            raise ConnectionError("the server closed")
        data += piece


def connected(
    stack: ExitStack, address: Address, count: int, timeout: float = 20, *, tls: bool = False
) -> list[socket.socket]:
    peers = [stack.enter_context(socket.create_connection(address, timeout)) for _ in range(count)]
    if not tls:
        return peers
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # The server made its own certificate.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return [stack.enter_context(context.wrap_socket(peer)) for peer in peers]


def in_rounds(
    address: Address, *, connections: int = 8, rounds: int = 8, path: str = "/", tls: bool = False
) -> None:
    """All connections ask at once, and again when all have their answers."""
    with ExitStack() as stack:
        peers = connected(stack, address, connections, tls=tls)
        for _ in range(rounds):
            for peer in peers:
                peer.sendall(request(path))
            for peer in peers:
                read_answers(peer)


def mostly_one(address: Address, *, connections: int = 4, requests: int = 24) -> None:
    """Each connection asks once, and the first one for the rest, so that the server waits each time."""
    with ExitStack() as stack:
        peers = connected(stack, address, connections)
        for peer in [*peers, *peers[:1] * (requests - connections)]:
            peer.sendall(request("/"))
            read_answers(peer)


def one_after_another(address: Address, *, count: int = 60) -> None:
    """A connection for each request."""
    for _ in range(count):
        with socket.create_connection(address, 20) as peer:
            peer.sendall(request("/", close=True))
            read_answers(peer)


def at_once(address: Address, *, count: int = 120, together: int = 4) -> None:
    """Connections come several at a time."""
    for _ in range(count // together):
        with ExitStack() as stack:
            peers = connected(stack, address, together)
            for peer in peers:
                peer.sendall(request("/", close=True))
            for peer in peers:
                read_answers(peer)


def leave_first(address: Address) -> None:
    """Clients that close; and one that waits until the others are long gone."""
    in_rounds(address, connections=8, rounds=2)
    with socket.create_connection(address, 20) as peer:
        peer.sendall(request("/sleep/1400", close=True))
        read_answers(peer)


def stay(address: Address, *, connections: int = 48) -> None:
    """All connections stay, after one request each, until one of them has waited for its answer."""
    with ExitStack() as stack:
        peers = connected(stack, address, connections)
        for peer in peers:
            peer.sendall(request("/"))
            read_answers(peer)
        peers[0].sendall(request("/sleep/800"))
        read_answers(peers[0])


def give_up(address: Address, paths: Iterable[str]) -> None:
    """Clients that ask once each, all at once, and go when no answer has come for a while."""
    with ExitStack() as stack:
        peers = [(peer, path) for path in paths for peer in connected(stack, address, 1, 2.5)]
        for peer, path in peers:
            peer.sendall(request(path))
        for peer, _ in peers:
            with suppress(TimeoutError):
                read_answers(peer)


def ask_to_sleep(address: Address) -> None:
    """Enough /sleep to run into a futurelock, and others who are served all the time."""
    in_rounds(address, connections=4, rounds=5)
    give_up(address, ["/sleep/5"] * 14)
    in_rounds(address, connections=4, rounds=5)


def too_much_at_once(address: Address) -> None:
    """More than the server's buffers hold, on every connection; then time to find out."""
    with ExitStack() as stack:
        peers = connected(stack, address, 4, 1.5)
        for peer in peers:
            peer.sendall(request("/") * 200)
        for peer in peers:
            with suppress(TimeoutError):
                read_answers(peer, 200)


def firehose(address: Address) -> None:
    """One connection that always has more requests, and three that ask in turn."""
    stopped = threading.Event()

    def pour() -> None:
        with socket.create_connection(address, 20) as peer:
            peer.setblocking(False)
            while not stopped.is_set():
                readable, writable, _ = select.select([peer], [peer], [], 0.1)
                with suppress(BlockingIOError):
                    if writable:
                        peer.send(request("/") * 256)
                    if readable:
                        peer.recv(1 << 20)

    thread = threading.Thread(target=pour)
    thread.start()
    try:
        in_rounds(address, connections=3, rounds=12)
    finally:
        stopped.set()
        thread.join()
