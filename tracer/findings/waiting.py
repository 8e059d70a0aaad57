"""Requests that wait for long, and connections that their peer has left, looked at again and again.

What is stuck may be gone at the end, because the peer gave up: so the connections are looked at
twice a second of the capture's own time. Invariant: what is kept was seen at two looks at least.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from uringtrace.tracer.connections import Connection
from uringtrace.tracer.connections.connection import REMOTE, SERVER
from uringtrace.tracer.connections.life import State as TcpState
from uringtrace.tracer.findings.step import Step
from uringtrace.tracer.live.connections_now import ConnectionsNow
from uringtrace.tracer.readiness.calls import ReadinessCalls, Role
from uringtrace.tracer.record import Batch, Kind
from uringtrace.tracer.records import SocketEventKind
from uringtrace.tracer.source import Context, OpenSocket

LONG_NS = 1_000_000_000
LOOK_NS = 500_000_000
_MOST_KEPT = 1 << 14


@dataclass(frozen=True, slots=True)
class Waited:
    """A connection in a state that lasted."""

    connection: Connection
    since_ns: int
    seen_ns: int
    """The last look at which it lasted still."""

    @property
    def ns(self) -> int:
        return self.seen_ns - self.since_ns


class Waiting:
    """Of one capture."""

    def __init__(self, context: Context, calls: ReadinessCalls) -> None:
        self._calls = calls
        self._followed = ConnectionsNow(context, time.thread_time_ns)
        self._next_ns = context.started_ns + LOOK_NS
        self.unanswered: dict[int, Waited] = {}
        """By the connection's number: a request was read and nothing was answered for `LONG_NS`."""
        self.left: dict[int, Waited] = {}
        """The peer has closed and this side has not, for `LONG_NS`."""
        self._left_since: dict[int, int] = {}
        """By the connection's number: the first look that found its peer gone."""
        self._half_closed: dict[int, int] = {}
        """By the socket's inode: when its peer closed, where the TCP states tell."""
        self.without_timer: dict[int, int] = {}
        """By process: when it last began to wait without a time limit, or such a limit passed."""
        self.evicted = 0

    def observe(self, step: Step) -> None:
        self._followed.add(step.records, step.facts, step.column)
        self._note_timers(step)
        self._note_states(step)
        if not len(step):
            return
        newest = int(step.column("completed_ns")[-1])
        if newest >= self._next_ns:
            self._next_ns = newest + LOOK_NS
            self.look(self._followed.take(step.facts.open_sockets, newest), newest)
            self._followed.forgotten_files()

    def connections(
        self, open_sockets: tuple[OpenSocket, ...], at_ns: int, *, ended: bool
    ) -> tuple[Connection, ...]:
        """All connections now; what waits now is looked at as well."""
        connections = self._followed.take(open_sockets, at_ns, ended=ended)
        self.look(connections, at_ns)
        return connections

    def look(self, connections: tuple[Connection, ...], at_ns: int) -> None:
        """Take note of what lasts."""
        for each in connections:
            waited = self.unanswered.get(each.number)
            if waited is not None and waited.since_ns != each.request_waiting_ns:
                # It was answered after all.
                del self.unanswered[each.number]
            if each.ended_ns is not None:
                self._left_since.pop(each.number, None)
                continue
            since = each.request_waiting_ns
            if each.role == SERVER and since is not None and at_ns - since >= LONG_NS:
                self._keep(self.unanswered, each, since, at_ns)
            if each.closed_by == REMOTE:
                since = self._half_closed.get(each.inode, 0)
                since = since or self._left_since.setdefault(each.number, at_ns)
                if at_ns - since >= LONG_NS:
                    self._keep(self.left, each, since, at_ns)

    def _keep(self, table: dict[int, Waited], connection: Connection, since_ns: int, at_ns: int) -> None:
        if connection.number not in table and len(table) >= _MOST_KEPT:
            self.evicted += 1
            return
        table[connection.number] = Waited(connection, since_ns, at_ns)

    def _note_states(self, step: Step) -> None:
        events = step.records.socket_events
        changes = events[events["kind"] == SocketEventKind.STATE]
        for file, after, ns in zip(
            *(changes[name].tolist() for name in ("file", "after", "ns")), strict=True
        ):
            known = step.files.get(file)
            if known is None:
                continue
            if after == TcpState.CLOSE_WAIT and len(self._half_closed) < _MOST_KEPT:
                self._half_closed[known.inode] = ns
            else:
                self._half_closed.pop(known.inode, None)

    def _note_timers(self, step: Step) -> None:
        role = self._calls.roles[step.column("opcode")]
        waits = step.returned & (role == Role.EPOLL_WAIT)
        if waits.any():
            self.note_waits(step.rows(waits))

    def note_waits(self, rows: Batch) -> None:
        """Waits on epoll instances: those without a time limit, and those whose limit has passed."""
        limit = (rows["arg3"] & np.uint64(0xFFFFFFFF)).astype(np.uint32).view(np.int32)
        endless = limit < 0
        passed = (rows["kind"] == Kind.COMPLETION) & (rows["result"] == 0) & (limit > 0)
        # A wait that others add nothing to for so long has no timer that it knows of.
        settled = rows["completed_ns"] - np.minimum(rows["completed_ns"], np.uint64(LOOK_NS))
        begun = np.maximum(rows["submitted_ns"], settled)
        moment = np.where(endless, begun, np.where(passed, rows["completed_ns"], 0))
        for tgid in np.unique(rows["tgid"]).tolist():
            latest = int(moment[rows["tgid"] == tgid].max())
            if latest > self.without_timer.get(tgid, 0):
                self.without_timer[tgid] = latest
