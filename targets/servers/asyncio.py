"""asyncio: Python's own event loop, callbacks on one thread.

One selector (epoll, level-triggered) and a heap of timers; a protocol object gets called when
something arrived. The loop reads and writes for the protocol, so that there is no code here that
receives or sends.

`uringtrace log -p PID` (shortened; a new connection and its request for /sleep/50):

    accept4(6<TCP … listening>, …) = 7<TCP …>
    accept4(6<TCP … listening>, …) = -1 EAGAIN
    epoll_wait(3<…>, [], 2, 0) = 0
    epoll_wait(3<…>, [], 2, 0) = 0
    epoll_ctl(3<…>, EPOLL_CTL_ADD, 7<TCP …>, {events=EPOLLIN, …}) = 0
    epoll_wait(3<…>, [{events=EPOLLIN, data={u32=7, …}}], 3, 0) = 1 ready=7<TCP …>:EPOLLIN
    recvfrom(7<TCP …>, …, 262144, …) = 87
    epoll_wait(3<…>, [], 3, 50) = 0 slept woken-by=timer ended-by=timeout
    sendto(7<TCP …>, …) = 91

- One recvfrom and one sendto for a request, never an EAGAIN: the loop reads only what is ready.
- `epoll_wait` with a timeout of 0 is one turn of the loop: somebody called call_soon. A new
  connection takes three turns before it is read for the first time.
- A timeout of 50 is call_later of /sleep/50: no timer of the kernel, no thread.
- With 16 connections under load an epoll_wait brings several of them: `uringtrace stat -p PID`
  counts fewer of them than of recvfrom.

A connection gives way after 64 answers, but up to 256 KiB are read and parsed in one go: the loop
chooses how much. Whatever blocks blocks everybody. /file is read in the loop, on purpose:
run_in_executor would move the wait to another thread and with it what there is to see. The faults
`blocking-sleep`, `blocking-file` and `blocking-getaddrinfo` block in every tenth request; in the
trace, nobody is in epoll_wait for that time, and the call that the thread is in instead is the cause.
With `tiny-writes` a request costs a sendto for each line of its answer; asyncio sets TCP_NODELAY, so
that none of them waits.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections.abc import Callable, Iterator
from typing import Any, cast

from uringtrace.targets.faults.blocking import BLOCKING_FAULTS, Blocking
from uringtrace.targets.faults.pieces import lines_of
from uringtrace.targets.http.exchange import Exchange
from uringtrace.targets.http.service import Answer, Service
from uringtrace.targets.serving import House, Options

_GRACE_SECONDS = 2
_LINGER_SECONDS = 1
_PIECE = 256 << 10
_ACCEPTS_IN_A_ROW = 100
"""asyncio's backlog is also how often it calls accept before others have their turn."""
_BUDGET = 64
"""Answers that a connection may have before the others have their turn."""
_OUT_OF_RESOURCES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_TCP_INFO_BYTES = 216


def serve(options: Options, house: House) -> None:
    serve_on(None, options, house)


def serve_on(
    new_loop: Callable[[], asyncio.AbstractEventLoop] | None, options: Options, house: House
) -> None:
    """Serve on an event loop of that kind; None is asyncio's own."""
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(_Server(options, house).run())


class _Server:
    def __init__(self, options: Options, house: House) -> None:
        self.service = Service(options.documents)
        self.tally = house.truth.tally()
        self.blocking = Blocking(options.fault, self.tally) if options.fault in BLOCKING_FAULTS else None
        self.in_lines = options.fault == "tiny-writes"
        self.connections: set[_Connection] = set()
        self.none_open = asyncio.Event()
        self.stopping = False
        self._backlog = options.backlog
        self._house = house

    async def run(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.loop.set_exception_handler(self._on_error)
        stop = asyncio.Event()
        listener = self._house.listen(blocking=False)
        server = await self.loop.create_server(
            lambda: _Connection(self), sock=listener, backlog=_ACCEPTS_IN_A_ROW
        )
        listener.listen(self._backlog)

        def stop_loop() -> None:
            self.loop.call_soon_threadsafe(stop.set)

        self._house.stop.on_request(stop_loop)
        self._house.announce()
        await stop.wait()
        server.close()
        await self._end()

    async def _end(self) -> None:
        # Connections that were just accepted have not reached `connection_made` yet.
        being_accepted = asyncio.all_tasks() - {asyncio.current_task()}
        if being_accepted:
            await asyncio.wait(being_accepted)
        await asyncio.sleep(0)
        self.stopping = True
        for connection in list(self.connections):
            connection.go_on()
        if self.connections:
            self.loop.call_later(_GRACE_SECONDS, self._abort)
            await self.none_open.wait()

    def _abort(self) -> None:
        for connection in self.connections:
            connection.transport.abort()

    def _on_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        # Without descriptors asyncio tries again after a second; a listener that is shut
        # down refuses to accept.
        expected = isinstance(error, OSError) and (
            error.errno in _OUT_OF_RESOURCES or self._house.stop.requested
        )
        if not expected:
            loop.default_exception_handler(context)


class _Connection(asyncio.Protocol):
    """One client: its requests one after the other, each with its timer and its writes."""

    transport: asyncio.Transport

    def __init__(self, server: _Server) -> None:
        self._server = server
        self._exchange = Exchange(server.service)
        self._answer: Answer | None = None
        self._pieces: Iterator[bytes] = iter(())
        self._timer: asyncio.TimerHandle | None = None
        self._paused = False
        self._ended = False
        self._sent = 0
        self._handed_over = 0
        """Bytes given to the transport; beyond `_sent` it is not known what the kernel took."""
        self._left = 0
        """Bytes of the answer under way that the kernel has not taken."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports behave as asyncio.Transport but are not derived from it.
        self.transport = cast(asyncio.Transport, transport)
        # The limit of 0 has the transport say when all is with the kernel, which makes
        # counting exact and is the only brake against clients that do not read.
        self.transport.set_write_buffer_limits(high=0)
        self._server.tally.accepted()
        self._server.connections.add(self)
        self._server.none_open.clear()

    def data_received(self, data: bytes) -> None:
        self._server.tally.received(len(data))
        self._exchange.receive(data)
        self.go_on()

    def eof_received(self) -> bool:
        """The client sends nothing further, but may wait for what is due."""
        self._ended = True
        self.go_on()
        return self._answer is not None or not (self._exchange.idle or self._exchange.closing)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._settle(self._handed_over)
        # Not within this call: a transport that is closed from here closes twice.
        self._server.loop.call_soon(self._resume)

    def connection_lost(self, _error: Exception | None) -> None:
        server = self._server
        if self._timer is not None:
            self._timer.cancel()
        if self._handed_over > self._sent:
            self._settle(_written(self.transport.get_extra_info("socket")))
        self._pieces = iter(())
        server.tally.closed()
        server.connections.discard(self)
        if not server.connections:
            server.none_open.set()

    def go_on(self) -> None:
        """Answer what is due; close where nothing will be."""
        for _ in range(_BUDGET):
            if self._answer is not None or self.transport.is_closing():
                return
            answer = self._exchange.next()
            if answer is None:
                break
            self._begin(answer)
        else:
            self._server.loop.call_soon(self.go_on)
            return
        if self._ended or self._server.stopping:
            self.transport.close()
        elif self._exchange.closing and self._timer is None:
            self._linger()

    def _begin(self, answer: Answer) -> None:
        self._answer = answer
        self._left = len(answer.head) + len(answer.body) + (answer.document.size if answer.document else 0)
        self._pieces = _pieces(answer, in_lines=self._server.in_lines)
        if self._server.blocking is not None:
            self._server.blocking.in_request()
        if answer.delay_ms:
            self._timer = self._server.loop.call_later(answer.delay_ms / 1000, self._slept)
        else:
            self._write()

    def _slept(self) -> None:
        self._timer = None
        self._resume()

    def _resume(self) -> None:
        self._write()
        self.go_on()

    def _write(self) -> None:
        """Write the answer under way, piece after piece, as long as the kernel takes all of it."""
        while self._answer and not (self._timer or self._paused or self.transport.is_closing()):
            try:
                piece = next(self._pieces)
            except OSError:
                self.transport.abort()
                return
            self._handed_over += len(piece)
            self.transport.write(piece)
            if not (self._paused or self.transport.is_closing()):
                self._settle(self._handed_over)
                if self._server.in_lines:
                    self._server.tally.fault()

    def _settle(self, sent: int) -> None:
        """The kernel has taken so many bytes since the connection began."""
        self._server.tally.sent(sent - self._sent)
        self._left -= sent - self._sent
        self._sent = sent
        if self._answer is not None and self._left == 0:
            self._server.tally.answered(self._answer.status)
            self._answer = None

    def _linger(self) -> None:
        """Closing with unread bytes would reset the connection and could take the answer with it."""
        try:
            self.transport.write_eof()
        except OSError:
            self.transport.abort()
        else:
            self._timer = self._server.loop.call_later(_LINGER_SECONDS, self.transport.close)


def _pieces(answer: Answer, *, in_lines: bool) -> Iterator[bytes]:
    """The bytes of an answer. A file is read here, in the loop; raises OSError."""
    if in_lines:
        yield from lines_of(answer.head + answer.body)
    else:
        yield answer.head + answer.body
    if answer.document is not None:
        with answer.document.path.open("rb", buffering=0) as file:
            left = answer.document.size
            while left:
                data = file.read(min(left, _PIECE))
                if not data:
                    raise OSError(f"{answer.document.path} became shorter")
                yield data
                left -= len(data)


def _written(connection: socket.socket) -> int:
    """Bytes that the kernel has taken on a connection, from struct tcp_info (include/uapi/linux/tcp.h):
    those sent for the first time, and those that are not sent yet."""
    information = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
    (not_sent,) = struct.unpack_from("=I", information, 144)
    sent, repeated = struct.unpack_from("=QQ", information, 200)
    return int(sent - repeated + not_sent)
