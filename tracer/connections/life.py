"""The life of one socket: how it began, who closed it first and when it was over.

Two witnesses. The states of a TCP socket are exact: its connection is over when it leaves
for FIN_WAIT1 or LAST_ACK without a shutdown(2) of ours, which is the close of the last
descriptor, or when it becomes CLOSE. Where no states are seen (unix sockets, a kernel
without the tracepoint) the calls have to do: the end of the stream, ECONNRESET and EPIPE,
and the close of the last descriptor that was seen; then a later use of the socket takes
the end back. TCP states: include/net/tcp_states.h and tcp(7).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from errno import EPIPE

from uringtrace.tracer.connections.connection import BEFORE, CONNECT, FAILED, LOCAL, REMOTE, RESET


class State(IntEnum):
    """Of a TCP socket; those that matter here."""

    ESTABLISHED = 1
    SYN_SENT = 2
    FIN_WAIT1 = 4
    FIN_WAIT2 = 5
    CLOSE = 7
    CLOSE_WAIT = 8
    LAST_ACK = 9
    LISTEN = 10


@dataclass(slots=True)
class Life:
    """What was witnessed of one socket; 0 for moments that were not."""

    began_ns: int = 0
    began_by: str = BEFORE
    finished_ns: int = 0
    """Sent its own farewell: FIN_WAIT1 or LAST_ACK."""
    closed_ns: int = 0
    """Became CLOSE."""
    left_by: str | None = None
    """The side that left first, by the states."""
    shutdowns: list[tuple[int, int]] = field(default_factory=list)
    """Begin and end of each shutdown(2) that stopped sending."""
    end_of_stream_ns: int = 0
    broken_ns: int = 0
    broken_by: int = 0
    """The first error that tells of a lost peer, and which."""
    dropped_ns: int = 0
    """The last descriptor that was seen is closed."""
    failed_ns: int = 0
    """connect(2) failed."""

    def begin(self, how: str, ns: int) -> None:
        """Accepted, or a connect that was not refused at once."""
        self.failed_ns = 0
        if how == CONNECT and self.began_by == CONNECT:
            return  # a second connect only asks how the first one went
        self.began_by, self.began_ns = how, ns

    def fail(self, submitted_ns: int, ns: int) -> None:
        """A connect that did not succeed."""
        self.begin(CONNECT, submitted_ns)
        self.failed_ns = ns

    def change(self, before: int, after: int, ns: int) -> None:
        """The state of the TCP socket changed."""
        if after == State.SYN_SENT:
            # A socket may connect again after it failed, or after it was disconnected.
            self.finished_ns = self.closed_ns = self.failed_ns = self.dropped_ns = 0
            self.end_of_stream_ns = self.broken_ns = 0
            self.shutdowns.clear()
            self.left_by, self.began_by, self.began_ns = None, BEFORE, 0
        elif after in (State.FIN_WAIT1, State.LAST_ACK):
            self.finished_ns = ns
        elif after == State.CLOSE and before != State.LISTEN:
            self.closed_ns = ns
        if self.left_by is None:
            self.left_by = _who_left(before, after)

    def end_stream(self, ns: int) -> None:
        """A read told that nothing more comes."""
        self.end_of_stream_ns = self.end_of_stream_ns or ns

    def lose_peer(self, ns: int, error: int) -> None:
        if not self.broken_ns:
            self.broken_ns, self.broken_by = ns, error

    def ending(self, *, states_seen: bool) -> tuple[int | None, str | None]:
        """When it was over and who closed first; `states_seen`: the states are to be trusted."""
        by_shutdown = any(first <= self.finished_ns <= last for first, last in self.shutdowns)
        ends = [self.closed_ns] if self.closed_ns else []
        if self.finished_ns and not by_shutdown:
            ends.append(self.finished_ns)
        if not states_seen:
            ends += [ns for ns in (self.dropped_ns, self.failed_ns) if ns]
        ended_ns = min(ends, default=None)
        return ended_ns, self.left_by or self._who_closed(with_close=not states_seen)

    def _who_closed(self, *, with_close: bool) -> str | None:
        """By what the calls showed: the earliest sign counts."""
        broken = REMOTE if self.broken_by == EPIPE else RESET
        signs = [(self.end_of_stream_ns, REMOTE), (self.broken_ns, broken), (self.failed_ns, FAILED)]
        signs += [(last, LOCAL) for _, last in self.shutdowns]
        if with_close:
            signs.append((self.dropped_ns, LOCAL))
        return min((sign for sign in signs if sign[0]), default=(0, None))[1]


def _who_left(before: int, after: int) -> str | None:
    """Who closed first, if this change of state tells; also where an earlier one was missed."""
    if after == State.FIN_WAIT1 or before in (State.FIN_WAIT1, State.FIN_WAIT2):
        return LOCAL
    if after == State.CLOSE_WAIT or before == State.CLOSE_WAIT:
        return REMOTE
    if after == State.CLOSE:
        return FAILED if before == State.SYN_SENT else RESET if before == State.ESTABLISHED else None
    return None
