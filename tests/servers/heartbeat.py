"""A connection that keeps a server from falling asleep while others look at it."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

REQUEST = b"GET / HTTP/1.1\r\nHost: heart\r\n\r\n"
_END = b"It works.\n"
_PAUSE_SECONDS = 0.05
"""Far less than what a polling server takes for idleness, also where everything is slow."""


class Heartbeat:
    """What was asked in the background."""

    def __init__(self) -> None:
        self.requests = 0
        self.failed = ""


@contextmanager
def heartbeat(client: ssl.SSLSocket) -> Iterator[Heartbeat]:
    """Within this there is a request on `client` every now and then; it is closed at the end."""
    heart, over, begun = Heartbeat(), threading.Event(), threading.Event()

    def beat() -> None:
        try:
            while not over.wait(_PAUSE_SECONDS):
                client.sendall(REQUEST)
                heart.requests += 1
                answer = b""
                while not answer.endswith(_END):
                    piece = client.recv(1000)
                    assert piece, "the server closed"
                    answer += piece
                begun.set()
        except (OSError, AssertionError) as error:
            heart.failed = repr(error)
        finally:
            begun.set()
            client.close()

    thread = threading.Thread(target=beat)
    thread.start()
    begun.wait()
    try:
        yield heart
    finally:
        over.set()
        thread.join()
    assert not heart.failed, heart.failed
