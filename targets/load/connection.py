"""One connection that sends requests and judges their answers; never blocks.

Its requests are answered in order, so that `outstanding` needs only the time from
which each one's latency counts. A connection that is lost opens again when there is
something to send; the requests it took with it have failed.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import ssl
import time
from collections import deque

from uringtrace.targets.load.answers import Framing
from uringtrace.targets.load.crew import Crew, State
from uringtrace.targets.load.tls import Session

_RECEIVE = 65536
_REST_NS = 100_000_000
"""How long a connection that did not come about waits before it tries again."""

_READABLE = select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR


class Connection:
    """See the module. `work` and `ready` are what the reactor calls."""

    __slots__ = (
        "_awaits_room", "_crew", "_framing", "_idle", "_outgoing", "_plain_sent", "_queued", "_resting",
        "_session", "_since_ns", "_socket", "_unwritable", "outstanding", "state",
    )  # fmt: skip

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self.state = State.CLOSED
        self.outstanding: deque[int] = deque()
        self._idle = False
        self._resting = False
        self._reset()

    def _reset(self) -> None:
        self._socket: socket.socket | None = None
        self._framing = Framing(self._crew.heads)
        self._session: Session | None = None
        self._outgoing = b""
        self._queued = 0
        self._plain_sent = 0
        self._unwritable = False
        self._awaits_room = False
        self._since_ns = 0

    def work(self, now_ns: int) -> None:
        """Take as many requests as fit, open the connection if need be, and send them."""
        crew = self._crew
        times = crew.schedule.take(crew.plan.pipeline - len(self.outstanding), now_ns)
        if times:
            if crew.plan.rate is not None and not crew.idle:
                crew.waited += len(times)
            self._begin(times, now_ns)
        self.offer()

    def offer(self) -> None:
        """In an open loop: stand ready for a request, where there is room for one."""
        crew = self._crew
        room = len(self.outstanding) < crew.plan.pipeline
        if crew.plan.rate is not None and room and not self._idle and not self._resting:
            self._idle = True
            crew.idle.append(self)

    def called(self, now_ns: int) -> None:
        """In an open loop: taken out of those that are idle, for the one request that is due."""
        self._idle = False
        if times := self._crew.schedule.take(1, now_ns):
            self._begin(times, now_ns)
        self.offer()

    def rested(self, now_ns: int) -> None:
        """Try again, some time after no connection came about."""
        self._resting = False
        self.work(now_ns)

    def _begin(self, times: list[int], now_ns: int) -> None:
        if not self.outstanding:
            self._since_ns = now_ns
        self.outstanding.extend(times)
        if self.state is State.OPEN:
            self._send(len(times), now_ns)
        elif self.state is State.CLOSED:
            self.open(now_ns)

    def open(self, now_ns: int) -> None:
        """Begin to connect."""
        crew = self._crew
        place = crew.plan.endpoint
        self._reset()
        self._since_ns = now_ns
        self._socket = connection = socket.socket(place.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.state = State.CONNECTING
        crew.by_descriptor[connection.fileno()] = self
        error = connection.connect_ex((place.address, place.port))
        if error not in (0, errno.EINPROGRESS):
            self._refused(os.strerror(error), now_ns)
            return
        crew.epoll.register(connection.fileno(), select.EPOLLIN | select.EPOLLOUT)

    def ready(self, mask: int) -> None:
        """Go on with what epoll says is possible."""
        if self._socket is None:
            return  # closed by what an event before this one led to
        if self.state is State.CONNECTING:
            error = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error:
                self._refused(os.strerror(error), time.monotonic_ns())
            else:
                self._connected(time.monotonic_ns())
            return
        if mask & select.EPOLLOUT and self._outgoing:
            self._flush()
        if mask & _READABLE:
            self._receive()

    def expire(self, now_ns: int) -> None:
        """Give up where nothing came in time."""
        if self.state is State.CLOSED or now_ns - self._since_ns <= self._crew.plan.timeout_ns:
            return
        if self.state is not State.OPEN:
            self._refused("no answer in time", now_ns)
        elif self.outstanding:
            self._lose("timeout", now_ns)

    def close(self) -> None:
        """Close, without a judgement of what is outstanding, and add up what was sent."""
        if self._socket is None:
            return
        crew = self._crew
        if self._session is not None and self.state is State.OPEN and not self._outgoing:
            self._write(self._session.close())
        crew.by_descriptor.pop(self._socket.fileno(), None)
        self._socket.close()
        self._socket = None
        self.state = State.CLOSED
        if self._session is None:
            self._plain_sent = self._queued - len(self._outgoing)
        crew.tally.bytes_out += self._plain_sent
        crew.tally.sent += self._plain_sent // len(crew.request)

    def _connected(self, now_ns: int) -> None:
        crew = self._crew
        crew.tally.opened += 1
        assert self._socket is not None
        crew.epoll.modify(self._socket.fileno(), select.EPOLLIN)
        if crew.context is None:
            self._established(now_ns)
            return
        self.state = State.HANDSHAKE
        self._session = Session(crew.context)
        self._handshake(self._session, b"", now_ns)

    def _handshake(self, session: Session, data: bytes, now_ns: int) -> bool:
        """Go on with the handshake; returns whether it is over and has succeeded."""
        try:
            session.handshake(data)
        except ssl.SSLError as error:
            self._write(session.outgoing())
            self._refused(f"no TLS 1.3: {error.reason or error}", now_ns)
            return False
        self._write(session.outgoing())
        if session.established:
            self._established(now_ns)
        return session.established

    def _established(self, now_ns: int) -> None:
        crew = self._crew
        crew.reached = True
        self.state = State.OPEN
        self._since_ns = now_ns
        if self.outstanding:
            if crew.plan.measured_from == "send":
                self.outstanding = deque([now_ns] * len(self.outstanding))
            self._send(len(self.outstanding), now_ns)
            self.offer()
        else:
            self.work(now_ns)

    def _send(self, number: int, now_ns: int) -> None:
        """Send requests for the last `number` of those outstanding."""
        crew = self._crew
        if crew.plan.rate is not None:
            # They are due in order, so the first of them has waited longest.
            crew.max_delay_ns = max(crew.max_delay_ns, now_ns - self.outstanding[-number])
        data = crew.request * number
        self._queued += len(data)
        self._write(data if self._session is None else self._session.encrypt(data))

    def _write(self, data: bytes) -> None:
        waiting = bool(self._outgoing)
        self._outgoing += data
        if data and not waiting:
            self._flush()

    def _flush(self) -> None:
        crew = self._crew
        if self._unwritable or self._socket is None:
            return
        try:
            sent = self._socket.send(self._outgoing)
        except BlockingIOError:
            sent = 0
        except OSError:
            # What came before the connection broke is still to be read: epoll reports it.
            self._unwritable = True
            return
        crew.tally.wire_out += sent
        self._outgoing = self._outgoing[sent:]
        if not self._outgoing:
            self._plain_sent = self._queued
        if bool(self._outgoing) != self._awaits_room:
            self._awaits_room = not self._awaits_room
            interest = select.EPOLLIN | (select.EPOLLOUT if self._awaits_room else 0)
            crew.epoll.modify(self._socket.fileno(), interest)

    def _receive(self) -> None:
        assert self._socket is not None
        tally = self._crew.tally
        try:
            data = self._socket.recv(_RECEIVE)
        except BlockingIOError:
            return
        except OSError as error:
            now_ns = time.monotonic_ns()
            if self.state is State.HANDSHAKE:
                self._refused(f"no TLS 1.3: {error.strerror}", now_ns)
            else:
                self._lose("reset", now_ns)
            return
        now_ns = time.monotonic_ns()
        tally.wire_in += len(data)
        if self._session is not None:
            plain = self._through_tls(self._session, data, now_ns)
            if plain is None:
                return
            ended = not data or self._session.ended
            data = plain
        else:
            ended = not data
        tally.bytes_in += len(data)
        if data:
            self._judge(self._framing.receive(data), now_ns)
        if ended and self.state is State.OPEN:
            self._ended(bool(self._session is None or self._session.ended), now_ns)

    def _through_tls(self, session: Session, data: bytes, now_ns: int) -> bytes | None:
        """What can be read of `data`; None where the connection is not open, or no longer."""
        if self.state is State.HANDSHAKE:
            if not data:
                self._refused("no TLS 1.3: the connection ended", now_ns)
                return None
            if not self._handshake(session, data, now_ns):
                return None
            data = b""
        try:
            plain = session.decrypt(data)
        except ssl.SSLError:
            self._lose("malformed", now_ns)
            return None
        if reply := session.outgoing():
            self._write(reply)
        return plain

    def _judge(self, answers: list[tuple[int, int, bool]], now_ns: int) -> None:
        crew = self._crew
        for status, length, keeps_alive in answers:
            if not self.outstanding:
                self._stray()
                return
            crew.tally.answered(status, length, now_ns - self.outstanding.popleft())
            self._since_ns = now_ns
            if not keeps_alive or crew.plan.new_connections:
                if not self.outstanding and (self._framing.broken or self._framing.within):
                    crew.tally.stray += 1
                self._lose("reset", now_ns)
                return
        if self._framing.broken:
            self._lose("malformed", now_ns)
        elif self._framing.within and not self.outstanding:
            self._stray()
        elif len(self.outstanding) < crew.plan.pipeline:
            self.work(now_ns)

    def _ended(self, in_order: bool, now_ns: int) -> None:
        """The other end has closed; `in_order` says that nothing can be missing without a trace."""
        answers = self._framing.finish() if in_order else []
        if answers and self.outstanding:
            self._judge(answers, now_ns)
        else:
            self._lose("length" if self._framing.within else "reset", now_ns)

    def _stray(self) -> None:
        self._crew.tally.stray += 1
        self._lose("malformed", time.monotonic_ns())

    def _refused(self, reason: str, now_ns: int) -> None:
        crew = self._crew
        crew.tally.unopened += 1
        if not crew.reached:
            crew.failure = crew.failure or reason
        self._fail("connect")
        self._resting = True
        crew.resting.append((now_ns + _REST_NS, self))

    def _lose(self, kind: str, now_ns: int) -> None:
        """Close; the oldest request outstanding has failed by `kind`, the others with it."""
        self._fail(kind)
        self.work(now_ns)

    def _fail(self, kind: str) -> None:
        self.close()
        if self.outstanding:
            self._crew.tally.failed(kind)
            others = kind if kind in ("timeout", "connect") else "reset"
            self._crew.tally.failed(others, len(self.outstanding) - 1)
            self.outstanding.clear()
