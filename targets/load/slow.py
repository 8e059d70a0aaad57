"""Clients that send a request byte by byte and read its answer in small pieces.

They need no epoll: each acts when its time has come, once every `TICK_NS`. With TLS
the handshake goes on at that pace, and it is the records that are sent byte by byte.
"""

from __future__ import annotations

import errno
import heapq
import socket
import ssl
from dataclasses import dataclass, field

from uringtrace.targets.load.answers import Framing, Head
from uringtrace.targets.load.plan import Plan
from uringtrace.targets.load.tally import ERRORS
from uringtrace.targets.load.tls import Session

TICK_NS = 20_000_000
PIECE = 256
"""Bytes that one reading takes at most."""

_RECEIVE_BUFFER = 4096
_REST_NS = 500_000_000
_HANDSHAKE = 65536


@dataclass(slots=True)
class SlowTally:
    """What all slow clients together did; bytes are those of the network, TLS included."""

    clients: int
    opened: int = 0
    sent: int = 0
    right: int = 0
    errors: dict[str, int] = field(default_factory=lambda: dict.fromkeys(ERRORS, 0))
    unfinished: int = 0
    """Requests of which at least a byte was sent, and that the run's end cut off."""
    bytes_in: int = 0
    bytes_out: int = 0


class SlowClients:
    """All of them; `next_ns` says when `act` has something to do again."""

    def __init__(self, plan: Plan, context: ssl.SSLContext | None, now_ns: int) -> None:
        self.tally = SlowTally(plan.slow_clients)
        number = plan.slow_clients
        clients = (SlowClient(plan, context, self.tally) for _ in range(number))
        # Spread over the tick, so that they do not all act at once.
        self._due = [(now_ns + TICK_NS * place // number, place, one) for place, one in enumerate(clients)]

    def next_ns(self) -> int | None:
        """When the first of them is due; None where there are none."""
        return self._due[0][0] if self._due else None

    def act(self, now_ns: int) -> None:
        """Let everyone act who is due."""
        while self._due and self._due[0][0] <= now_ns:
            _, place, client = self._due[0]
            heapq.heapreplace(self._due, (now_ns + client.act(), place, client))

    def close(self) -> None:
        """Close all, wherever they are."""
        for _, _, client in self._due:
            client.close()


class SlowClient:
    """One of them."""

    def __init__(self, plan: Plan, context: ssl.SSLContext | None, tally: SlowTally) -> None:
        self._plan = plan
        self._request = plan.request()
        self._context = context
        self._tally = tally
        self._heads: dict[bytes, Head | None] = {}
        self._socket: socket.socket | None = None
        self._reset()

    def _reset(self) -> None:
        self._framing = Framing(self._heads)
        self._session = Session(self._context) if self._context else None
        self._connected = False
        self._asking = False
        self._outgoing = b""

    def act(self) -> int:
        """Do one step; returns the nanoseconds until the next."""
        try:
            if self._socket is None:
                self._open()
            elif not self._connected:
                self._check()
            elif self._session is not None and not self._session.established:
                self._handshake(self._session, self._socket)
            else:
                self._read(self._socket)
                self._send()
        except _Over as over:
            self._give_up(over.kind)
            return _REST_NS
        except ssl.SSLError:
            self._give_up("malformed" if self._asking else "connect")
            return _REST_NS
        except OSError:
            self._give_up("reset" if self._connected else "connect")
            return _REST_NS
        return TICK_NS

    def close(self) -> None:
        """Close without a judgement; a request that has begun is unfinished."""
        if self._socket is None:
            return
        self._tally.unfinished += self._asking
        self._socket.close()
        self._socket = None

    def _open(self) -> None:
        place = self._plan.endpoint
        self._reset()
        self._socket = socket.socket(place.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # What is not read must soon fill the server's side.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        error = self._socket.connect_ex((place.address, place.port))
        if error not in (0, errno.EINPROGRESS):
            raise _Over("connect")

    def _check(self) -> None:
        """Whether the connection has come about; connecting again asks for the state, see connect(2)."""
        assert self._socket is not None
        place = self._plan.endpoint
        error = self._socket.connect_ex((place.address, place.port))
        if error in (0, errno.EISCONN):
            self._connected = True
            self._tally.opened += 1
        elif error not in (errno.EALREADY, errno.EINPROGRESS):
            raise _Over("connect")

    def _handshake(self, session: Session, connection: socket.socket) -> None:
        try:
            data = connection.recv(_HANDSHAKE)
            if not data:
                raise _Over("connect")
        except BlockingIOError:
            data = b""
        self._tally.bytes_in += len(data)
        session.handshake(data)
        # The few records of a client's handshake always fit into an empty socket.
        self._tally.bytes_out += connection.send(session.outgoing())

    def _read(self, connection: socket.socket) -> None:
        try:
            data = connection.recv(PIECE)
        except BlockingIOError:
            return
        ended = not data
        self._tally.bytes_in += len(data)
        if self._session is not None:
            data = self._session.decrypt(data)
            ended = ended or self._session.ended
        answers = self._framing.receive(data) if data else []
        if ended:
            answers += self._framing.finish()
        for status, length, keeps_alive in answers:
            if not self._asking or self._outgoing:
                raise _Over("malformed")
            self._judge(status, length)
            ended = ended or not keeps_alive or self._plan.new_connections
        if self._framing.broken:
            raise _Over("malformed")
        if ended:
            raise _Over("length" if self._framing.within else "reset")

    def _judge(self, status: int, length: int) -> None:
        self._asking = False
        if status != self._plan.status:
            self._tally.errors["status"] += 1
        elif self._plan.length is not None and length != self._plan.length:
            self._tally.errors["length"] += 1
        else:
            self._tally.right += 1

    def _send(self) -> None:
        if self._socket is None:
            return
        if not self._asking:
            self._outgoing = self._request if self._session is None else self._session.encrypt(self._request)
            self._asking = True
        if not self._outgoing:
            return
        try:
            sent = self._socket.send(self._outgoing[:1])
        except BlockingIOError:
            return
        self._tally.bytes_out += sent
        self._outgoing = self._outgoing[sent:]
        if not self._outgoing:
            self._tally.sent += 1

    def _give_up(self, kind: str) -> None:
        """Close; what was asked has failed, and an end between two requests is none."""
        if self._asking or kind == "connect":
            self._tally.errors[kind] += 1
        self._asking = False
        self.close()


class _Over(Exception):
    """The connection is of no more use, for a kind of error."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind
