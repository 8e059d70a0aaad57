"""greenlet: green threads, code that looks blocking on one thread of the kernel.

The oldest way out of callbacks, as in gevent and eventlet: each connection has a stack of its own,
and a call that would block switches to another stack instead (`targets/green`). The code below
reads like that of the `thread` server. A switch costs no system call, so there are ten thousand
threads for the program and one for the kernel: `uringtrace stat --threads -p PID` shows one line.

`uringtrace log -p PID` (shortened, two requests):

    recvfrom(5<TCP …>, …) = 87
    sendto(5<TCP …>, …) = 91
    recvfrom(5<TCP …>, …) = -1 EAGAIN
    epoll_wait(3<…>, [{events=EPOLLIN|EPOLLOUT, …}], 1024, -1) = 1 slept woken-by=network ready=5<TCP …>…
    recvfrom(5<TCP …>, …) = 87
    sendto(5<TCP …>, …) = 91
    recvfrom(5<TCP …>, …) = -1 EAGAIN

- Three calls a request: it is tried first, and the EAGAIN is where the green thread switched away.
  `asyncio` has two calls, since it asks epoll first.
- Under load the hub's epoll_wait becomes rare: between two of them all green threads that can go
  on have their turn.
- A `mmap` of 16 KiB for each connection, and a `munmap` at its end: the frames of its green thread.
- Nothing takes the processor from a green thread. One that computes, or reads a file from a slow
  disk, stops all others; here each of them gives way after 64 answers.
"""

from __future__ import annotations

import errno
import time
from functools import partial
from itertools import count

from uringtrace.targets.green.hub import Hub
from uringtrace.targets.green.sockets import GreenSocket
from uringtrace.targets.http.exchange import Exchange
from uringtrace.targets.http.service import Answer, Service
from uringtrace.targets.serving import House, Options

_GRACE_NS = 2_000_000_000
_PIECE = 64 << 10
_BUDGET = 64
"""Answers that a green thread may give before it lets the others have their turn."""
_OUT_OF_RESOURCES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_PAUSE_SECONDS = 0.01


def serve(options: Options, house: House) -> None:
    server = _Server(options, house)
    listener = GreenSocket(server.hub, house.listen(blocking=False))
    server.hub.spawn(lambda: server.accept(listener))
    house.announce()
    server.hub.run(lambda: server.ends_ns)
    server.hub.close()


class _Server:
    """To be read as if every call blocked its thread, and threads cost nothing."""

    def __init__(self, options: Options, house: House) -> None:
        self.hub = Hub()
        self.ends_ns: int | None = None
        """When the grace is over that answers under way have."""
        self._service = Service(options.documents)
        self._tally = house.truth.tally()
        self._stop = house.stop

    def accept(self, listener: GreenSocket) -> None:
        """A green thread for each connection."""
        while not self._stop.requested:
            try:
                connection = listener.accept()
            except ConnectionAbortedError:
                continue
            except OSError as error:
                if error.errno not in _OUT_OF_RESOURCES:
                    break
                self.hub.sleep(_PAUSE_SECONDS)
            else:
                self._tally.accepted()
                self.hub.spawn(partial(self._attend, connection))
        self.ends_ns = time.monotonic_ns() + _GRACE_NS
        self.hub.end_reading()

    def _attend(self, connection: GreenSocket) -> None:
        exchange = Exchange(self._service)
        try:
            while not exchange.closing and (data := connection.recv(_PIECE)):
                self._tally.received(len(data))
                exchange.receive(data)
                for number in count(1):
                    answer = exchange.next()
                    if answer is None:
                        break
                    self._answer(connection, answer)
                    if number % _BUDGET == 0:
                        self.hub.give_way()
            if exchange.closing:
                connection.end()
        except OSError:
            pass  # the peer has gone, and nobody is left to be told
        finally:
            connection.close()
            self._tally.closed()

    def _answer(self, connection: GreenSocket, answer: Answer) -> None:
        if answer.delay_ms:
            self.hub.sleep(answer.delay_ms / 1000)
        self._send(connection, answer.head + answer.body)
        if answer.document is not None:
            # No switch here: a file is always ready, and a slow disk stops all green threads.
            with answer.document.path.open("rb", buffering=0) as file:
                left = answer.document.size
                while left:
                    data = file.read(min(left, _PIECE))
                    if not data:
                        raise OSError(f"{answer.document.path} became shorter")
                    self._send(connection, data)
                    left -= len(data)
        self._tally.answered(answer.status)

    def _send(self, connection: GreenSocket, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            number = connection.send(rest)
            self._tally.sent(number)
            rest = rest[number:]
