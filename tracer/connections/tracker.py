"""Follows connections through records, however these were batched.

`ConnectionTracker` takes the records of a source in their order and gives, at any time, the
connections so far. The work per operation is that of numpy on whole stretches of time;
Python loops run only over what begins, ends or changes a connection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.connections.by_slot import order_of
from uringtrace.tracer.connections.columns import ColumnOf, Columns, Fields, columns_of
from uringtrace.tracer.connections.connection import Connection
from uringtrace.tracer.connections.descriptors import Descriptor
from uringtrace.tracer.connections.history import History
from uringtrace.tracer.connections.moves import MoveRules, Moves
from uringtrace.tracer.connections.request_line import ARRIVED, RECEIVED, SENT, Items
from uringtrace.tracer.connections.request_times import RequestTimes
from uringtrace.tracer.connections.requests import RequestTimer
from uringtrace.tracer.connections.result import Numbers, connection_of
from uringtrace.tracer.connections.sockets import Sockets, TrackedSocket
from uringtrace.tracer.connections.time_order import Stretch, TimeOrder
from uringtrace.tracer.connections.traffic import NOT_YET, Traffic
from uringtrace.tracer.connections.turning_points import TurningPoints
from uringtrace.tracer.record import FIRST_CALL, SQE_FIXED_FILE, Kind
from uringtrace.tracer.records import Records, SocketEventKind
from uringtrace.tracer.source import Context, File, OpenSocket

_NO_KEY = np.int64(-1)


@dataclass(frozen=True, slots=True)
class Standing:
    """The tracker's own tables, by slot: to be read before more is added."""

    sockets: Sequence[TrackedSocket]
    traffic: NDArray[np.void]
    """dtype TRAFFIC, like the next two at least as long as `sockets`."""
    times: NDArray[np.void]
    """dtype TIMES"""
    waits: NDArray[np.int64]
    tcp_states: bool
    touched: frozenset[int]
    """Slots of which something that is not in the tables may have changed since the last time; -1 stands
    for none."""


class ConnectionTracker:
    """Connections of one capture."""

    def __init__(self, context: Context, *, noting: bool = False) -> None:
        """`noting`: keep every request that the target answered, for `answered`."""
        names = context.operation_names
        self._states_attached = "inet_sock_set_state" in context.probes
        self._rules = MoveRules(names)
        self._turns = TurningPoints(names)
        self._order = TimeOrder()
        self._sockets = Sockets()
        self._traffic = Traffic()
        self._requests = RequestTimer(noting=noting)
        self._history = History(self._sockets, self._turns)
        self._files: Mapping[int, File] = {}
        self._open_sockets: Sequence[OpenSocket] = ()
        self._descriptor = np.full(64, _NO_KEY)
        """Key of the descriptor by which each socket was used last, see `_keys`."""
        self._started_ns = context.started_ns

    def add(
        self,
        records: Records,
        files: Mapping[int, File],
        open_sockets: Sequence[OpenSocket] = (),
        column: ColumnOf | None = None,
    ) -> None:
        """Take one drain. `files` and `open_sockets` are those of the source; both may have grown.

        Files are looked up a little later than here: `files` should be the source's own mapping.
        `column` gives fields of the operations, where somebody has made contiguous columns of them.
        """
        self._files = files
        self._note_open(open_sockets)
        batch, events = records.operations, records.socket_events
        fields: Fields = batch if column is None else _Shared(column, len(batch))
        newest = max(
            (int(times.max()) for times in (fields["completed_ns"], events["ns"]) if len(times)), default=0
        )
        known = self._sockets.irrelevant
        relevant = ~(known(fields["file"]) & known(fields["second_file"]) & known(fields["result_file"]))
        relevant |= self._turns.without_file(fields)
        self._history.keep_memory(records, relevant)
        operations = columns_of(batch, relevant, self._turns.possible(fields), column)
        stretch = self._order.add(operations, events[~known(events["file"])], newest)
        if stretch is not None:
            self._settle(stretch)

    def connections(self, open_sockets: Sequence[OpenSocket] = ()) -> tuple[Connection, ...]:
        """All connections so far, in the order of their numbers.

        What was added is settled by this: a record that is added later, but is older, counts
        as if it came now.
        """
        return self.result(open_sockets)[0]

    def result(self, open_sockets: Sequence[OpenSocket] = ()) -> tuple[tuple[Connection, ...], RequestTimes]:
        """The connections, see `connections`, and the times of all their requests."""
        self._note_open(open_sockets)
        self._settle(self._order.rest())
        sockets = self._sockets
        slots = len(sockets.all)
        self._grow()
        times, waits, whole = self._requests.result(sockets.roles)
        numbers = Numbers(
            self._traffic.rows[:slots].tolist(),
            times[:slots].tolist(),
            waits[:slots].tolist(),
            self._states_attached or self._history.states_seen,
        )
        chosen = sorted((each for each in sockets.all if each.number), key=lambda each: each.number)
        return tuple(connection_of(each, numbers) for each in chosen), whole

    def standing(self, open_sockets: Sequence[OpenSocket], until_ns: int) -> Standing:
        """What is known of all sockets up to `until_ns`, in place of `result` while more comes."""
        self._note_open(open_sockets)
        self._settle(self._order.until(until_ns))
        self._grow()
        times, waits, _ = self._requests.result(self._sockets.roles)
        seen = self._states_attached or self._history.states_seen
        touched = frozenset(self._sockets.touched)
        self._sockets.touched.clear()
        return Standing(self._sockets.all, self._traffic.rows, times, waits, seen, touched)

    def request_times(self, open_sockets: Sequence[OpenSocket], until_ns: int) -> RequestTimes:
        """The times of all requests that were answered up to `until_ns`, while more comes."""
        self._note_open(open_sockets)
        self._settle(self._order.until(until_ns))
        self._grow()
        return self._requests.result(self._sockets.roles)[2]

    def answered(self) -> NDArray[np.void]:
        """Requests of which it became certain since the last time that they were answered.

        dtype ANSWERED; the number of a slot's connection is that of `connection_number`.
        """
        return self._requests.taken()

    def connection_number(self, slot: int) -> int:
        """As in `Connection.number`; 0: it is none."""
        return self._sockets.all[slot].number

    def forget(self, slots: Sequence[int]) -> NDArray[np.int64]:
        """Give up sockets that have ended, so that memory does not grow with their number.

        What comes late for them is left out, and `connections` does not have them any more. Returns their
        file numbers.
        """
        self._history.forget(slots)
        self._traffic.forget(slots)
        self._requests.forget(slots)
        self._descriptor[list(slots)] = _NO_KEY
        return self._sockets.forget(slots)

    def _note_open(self, open_sockets: Sequence[OpenSocket]) -> None:
        if len(open_sockets) <= len(self._open_sockets):
            return
        added = open_sockets[len(self._open_sockets) :]
        # Listening sockets first: they tell which side of the others the target is.
        for opened in sorted(added, key=lambda opened: not opened.socket.listening):
            tracked, new = self._sockets.meet_open(opened)
            self._grow()
            if not new or opened.fd < 0:
                continue
            descriptor = Descriptor(opened.tgid, opened.fd)
            if opened.upper_layer is None:
                self._history.use(tracked.slot, descriptor, self._started_ns)
            else:
                # Perhaps told later, when the number may already have stood for another socket.
                self._sockets.touched.add(tracked.slot)
                tracked.descriptor = descriptor
                tracked.processes.add(opened.tgid)
        self._open_sockets = open_sockets

    def _grow(self) -> None:
        slots = len(self._sockets.all)
        self._traffic.grow(slots)
        self._requests.grow(slots)
        if slots > len(self._descriptor):
            more = max(slots, 2 * len(self._descriptor)) - len(self._descriptor)
            self._descriptor = np.concatenate([self._descriptor, np.full(more, _NO_KEY)])

    def _settle(self, stretch: Stretch) -> None:
        batch, events = stretch.operations, stretch.events
        if not len(batch) and not len(events):
            return
        self._meet(batch, events)
        sockets = self._sockets
        slot = sockets.slots(batch["file"])
        second_slot = sockets.slots(batch["second_file"])
        result_slot = sockets.slots(batch["result_file"])
        event_slot = sockets.slots(events["file"])

        moves = self._rules.moves(batch)
        move_slot = slot[moves.row]
        if moves.second.any():
            move_slot = np.where(moves.second, second_slot[moves.row], move_slot)
        moves, move_slot = _of_sockets(moves, move_slot)
        row, turn = self._turns.find(batch, slot, second_slot, result_slot)
        self._history.turn(batch, row, turn, slot, second_slot, result_slot)
        self._history.events(events, event_slot)
        self._history.use_all(batch, *self._uses(batch, slot, row))
        ends = moves.end & (move_slot >= 0)
        self._history.end_of_stream(batch["completed_ns"][moves.row[ends]], move_slot[ends])
        failed = np.flatnonzero((slot >= 0) & (batch["result"] < 0) & (batch["kind"] == Kind.COMPLETION))
        self._history.failures(batch, failed[~np.isin(-batch["result"][failed], NOT_YET)], slot)
        self._history.settle()

        self._traffic.add_moves(batch, moves, move_slot)
        self._traffic.add_errors(batch, slot)
        self._time_requests(batch, moves, move_slot, events, event_slot)

    def _meet(self, batch: Columns, events: NDArray[np.void]) -> None:
        """Learn files in the order in which they appear; the file of an operation before its result."""
        named = [events["file"], batch["file"], batch["second_file"], batch["result_file"]]
        fresh = [np.flatnonzero(self._sockets.unseen(numbers)) for numbers in named]
        if any(map(len, fresh)):
            moments = [events["ns"], *[batch["completed_ns"]] * 3]
            numbers = np.concatenate([part[rows] for part, rows in zip(named, fresh, strict=True)])
            times = np.concatenate([part[rows] for part, rows in zip(moments, fresh, strict=True)])
            rank = np.repeat(np.arange(4), [len(rows) for rows in fresh])
            self._sockets.meet(numbers[np.lexsort((rank, times))], self._files)
        self._grow()

    def _uses(
        self, batch: Columns, slot: NDArray[np.int64], turning: NDArray[np.intp]
    ) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
        """Rows in which a socket is used by another descriptor than before, and the sockets.

        After a turning point any use counts, since that may have closed the descriptor.
        """
        key = _keys(batch)
        of_socket = (slot >= 0) & (batch["fd"] >= 0) & ~self._sockets.listening[np.maximum(slot, 0)]
        used = np.flatnonzero(of_socket)
        order = used[order_of(slot[used])]
        if not len(order):
            return order, slot[order]
        key[turning] = _NO_KEY
        owner, keys = slot[order], key[order]
        before = np.concatenate([[_NO_KEY], keys[:-1]])
        first = np.concatenate([[True], owner[1:] != owner[:-1]])
        before[first] = self._descriptor[owner[first]]
        changed = (keys != before) & (keys != _NO_KEY)
        last = np.concatenate([first[1:], [True]])
        self._descriptor[owner[last]] = keys[last]
        rows = np.sort(order[changed])
        return rows, slot[rows]

    def _time_requests(
        self,
        batch: Columns,
        moves: Moves,
        move_slot: NDArray[np.int64],
        events: NDArray[np.void],
        event_slot: NDArray[np.int64],
    ) -> None:
        data = np.flatnonzero(moves.data)
        arrived = np.flatnonzero((events["kind"] == SocketEventKind.ARRIVAL) & (event_slot >= 0))
        slot = np.concatenate([event_slot[arrived], move_slot[data]])
        kind = np.concatenate(
            [np.full(len(arrived), ARRIVED), np.where(moves.direction[data] == 1, RECEIVED, SENT)]
        )
        ns = np.concatenate([events["ns"][arrived], batch["completed_ns"][moves.row[data]]]).astype(np.int64)
        left = np.concatenate([np.zeros(len(arrived), bool), moves.left[data]])
        order = np.argsort(ns, kind="stable")
        order = order[~self._sockets.listening[slot[order]]]
        items = Items(slot[order], ns[order], kind[order].astype(np.uint8), left[order])
        self._requests.add(items, self._sockets.roles)


def _of_sockets(moves: Moves, slot: NDArray[np.int64]) -> tuple[Moves, NDArray[np.int64]]:
    chosen = slot >= 0
    if chosen.all():
        return moves, slot
    parts = {name: getattr(moves, name)[chosen] for name in Moves.__slots__}
    return Moves(**parts), slot[chosen]


class _Shared:
    """Columns that somebody else keeps, as `Fields`."""

    def __init__(self, column: ColumnOf, length: int) -> None:
        self._column = column
        self._length = length

    def __getitem__(self, name: str, /) -> NDArray[Any]:
        return self._column(name)

    def __len__(self) -> int:
        return self._length


def _keys(batch: Columns) -> NDArray[np.int64]:
    """The descriptor of each row as one number: process, whether direct, number; shape (n,)."""
    direct = (batch["opcode"] < FIRST_CALL) & (batch["sqe_flags"] & SQE_FIXED_FILE != 0)
    process: NDArray[np.int64] = batch["tgid"].astype(np.int64) << 33
    keys: NDArray[np.int64] = process | direct.astype(np.int64) << 32 | batch["fd"].astype(np.int64)
    return keys
