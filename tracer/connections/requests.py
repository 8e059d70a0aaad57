"""How long requests waited for their answers, measured without knowing the protocol.

On a connection, reads that got data (R) and writes that sent data (S), in the order of
their completion, form runs. For a server a *request* is a run of R and the run of S after
it. It is received when the last byte of the run of R was: at the last arrival of data that
the kernel reported for the socket until the last R completed or, where none is known, when
that R completed. From there the first S of the answer ends the *first* time and the last S
of it the *last* time. For a client the sides are swapped: a run of S and the run of R after
it, from the completion of the last S until the first byte arrived, and until the last did.

What follows from this: partial reads and segments belong to one request; an answer may
take several writes; requests that are read before any of them is answered (pipelining)
count as one, and those left in the socket while an earlier one is answered are measured
from their arrival, so that waiting in line counts. A request that is read while an older
answer is being sent starts a run of its own, and what is sent next counts as its answer.
Bytes that a server sends before it received any are no answer.

An arrival is no use when it came before the previous read and that read emptied the
socket: the one that belongs to the data was not observed. Then the read's completion counts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.connections.by_slot import dense, groups
from uringtrace.tracer.connections.request_line import (
    ARRIVED,
    RECEIVED,
    SENT,
    STATE,
    Items,
    Line,
    line_of,
)
from uringtrace.tracer.connections.request_times import ASKS, SERVES, RequestTimes

TIMES = np.dtype(
    [
        ("requests", "<i8"),
        ("from_arrival", "<i8"),
        ("first_sum_ns", "<i8"),
        ("first_max_ns", "<i8"),
        ("first_latest_ns", "<i8"),
        ("finished", "<i8"),
        ("last_sum_ns", "<i8"),
        ("last_max_ns", "<i8"),
        ("last_latest_ns", "<i8"),
    ]
)
"""Of one socket. `requests` have a first time, `finished` of them a last time."""

Received = tuple[NDArray[np.int64], NDArray[np.bool_]]
"""Of the reads of a line: when the last byte was received, and whether that is an arrival."""

ANSWERED = np.dtype(
    [
        ("slot", "<i8"),
        ("request", "<i8"),  # of this socket, from 1
        ("received_ns", "<i8"),
        ("from_arrival", "?"),  # received_ns is an arrival, else the completion of the read
        ("read_ns", "<i8"),  # completion of the last read of the request
        ("answered_ns", "<i8"),  # completion of the first write of the answer
    ]
)
"""One request that this side answered."""


class RequestTimer:
    """Times requests over stretches of items, one state per socket."""

    def __init__(self, *, noting: bool = False) -> None:
        """`noting`: keep every request that this side answered, for `taken`."""
        self._state = np.zeros(0, STATE)
        self._times = np.zeros(0, TIMES)
        self._whole = RequestTimes.empty()
        self._answered: list[NDArray[np.void]] | None = [] if noting else None

    def taken(self) -> NDArray[np.void]:
        """The requests that were answered since the last time, dtype ANSWERED; none without `noting`."""
        noted, none = self._answered, np.zeros(0, ANSWERED)
        if noted is None:
            return none
        self._answered = []
        return np.concatenate([none, *noted])

    def grow(self, slots: int) -> None:
        """Make room for sockets 0 to `slots` - 1."""
        if slots > len(self._state):
            more = max(slots, 2 * len(self._state), 64) - len(self._state)
            self._state = np.concatenate([self._state, np.zeros(more, STATE)])
            self._times = np.concatenate([self._times, np.zeros(more, TIMES)])

    def forget(self, slots: Sequence[int]) -> None:
        """Begin again with these; their times stay in those of all requests."""
        self._state[list(slots)] = np.zeros(1, STATE)
        self._times[list(slots)] = np.zeros(1, TIMES)

    def add(self, items: Items, roles: NDArray[np.uint8]) -> None:
        """`roles` has NO_ROLE, SERVES or ASKS for each slot."""
        if not len(items.slot):
            return
        slots, local = dense(items.slot, len(self._state))
        line = line_of(self._state[slots], local, items)
        received = line.reads_received()
        self._answer(slots, line, roles, received)
        self._state[slots] = line.state(received, len(slots))

    def _answer(
        self, slots: NDArray[np.int64], line: Line, roles: NDArray[np.uint8], received: Received
    ) -> None:
        """Look at the items at which a run of S after R begins, or one of R after S."""
        new = np.flatnonzero(line.new & (line.kind != ARRIVED) & (line.previous >= 0))
        before, kind = line.previous[new], line.kind[new]
        turned = line.kind[before] != kind
        new, before, to_sent = new[turned], before[turned], kind[turned] == SENT
        role = roles[slots[line.local[new]]]
        for side, follow in ((SERVES, self._serve), (ASKS, self._ask)):
            chosen = role == side
            if chosen.all():
                follow(slots, line, received, new, before, to_sent)
            elif chosen.any():
                follow(slots, line, received, new[chosen], before[chosen], to_sent[chosen])

    def _serve(
        self,
        slots: NDArray[np.int64],
        line: Line,
        received: Received,
        new: NDArray[np.intp],
        before: NDArray[np.intp],
        to_sent: NDArray[np.bool_],
    ) -> None:
        """A server's first S after R, and the end of its answer at the next R."""
        moment, known = received
        at, start = new[to_sent], before[to_sent]
        if self._answered is not None and len(at):
            self._answered.append(self._noted(slots[line.local[at]], line, at, start, received))
        self._first(slots, line.local[at], SERVES, line.ns[at] - moment[start], known[start])
        at, last, asked = _known(new[~to_sent], before[~to_sent], line.last_read)
        self._last(slots, line.local[at], SERVES, line.ns[last] - moment[asked])

    def _ask(
        self,
        slots: NDArray[np.int64],
        line: Line,
        received: Received,
        new: NDArray[np.intp],
        before: NDArray[np.intp],
        to_sent: NDArray[np.bool_],
    ) -> None:
        """A client's first R after S: only arrivals stand between the two."""
        moment, _ = received
        at, start = new[~to_sent], before[~to_sent]
        arrived = at > start + 1
        first = np.where(arrived, line.ns[np.minimum(start + 1, len(line.ns) - 1)], line.ns[at])
        self._first(slots, line.local[at], ASKS, first - line.ns[start], arrived)
        at, last, asked = _known(new[to_sent], before[to_sent], line.last_write)
        self._last(slots, line.local[at], ASKS, _answered_ns(line.ns[last], moment[last], line.ns[asked]))

    def _noted(
        self,
        slot: NDArray[np.int64],
        line: Line,
        at: NDArray[np.intp],
        start: NDArray[np.intp],
        received: Received,
    ) -> NDArray[np.void]:
        """Requests that were received at `start` of the line and answered `at`; `slot` ascends by socket."""
        rows = np.zeros(len(at), ANSWERED)
        place = np.arange(len(at))
        fresh = np.concatenate([[True], slot[1:] != slot[:-1]])
        rank = place - np.maximum.accumulate(np.where(fresh, place, 0))
        moment, known = received
        rows["slot"] = slot
        rows["request"] = self._times["requests"][slot] + rank + 1
        rows["received_ns"], rows["from_arrival"] = moment[start], known[start]
        rows["read_ns"], rows["answered_ns"] = line.ns[start], line.ns[at]
        return rows

    def _first(
        self,
        slots: NDArray[np.int64],
        local: NDArray[np.intp],
        role: int,
        times: NDArray[np.int64],
        from_arrival: NDArray[np.bool_],
    ) -> None:
        if not len(local):
            return
        times = np.maximum(times, 0)
        begin = groups(local)
        slot, table = slots[local[begin]], self._times
        table["requests"][slot] += np.diff(begin, append=len(local))
        table["from_arrival"][slot] += np.add.reduceat(from_arrival.astype(np.int64), begin)
        _sum_up(table, "first", slot, times, begin)
        self._whole.of(role)[0].add(times)

    def _last(
        self, slots: NDArray[np.int64], local: NDArray[np.intp], role: int, times: NDArray[np.int64]
    ) -> None:
        """`local` ascends, as in a line."""
        if len(local):
            _finish(self._times, slots[local], times)
        self._whole.of(role)[1].add(np.maximum(times, 0))

    def result(self, roles: NDArray[np.uint8]) -> tuple[NDArray[np.void], NDArray[np.int64], RequestTimes]:
        """Times per slot (dtype TIMES), since when each waits for an answer, and all times.

        Shape (slots,) each, 0 for those that do not wait. An answer counts as finished with
        what was sent so far, which the next item may correct: nothing is changed here.
        """
        size = min(len(self._state), len(roles))
        state, times, roles = self._state[:size], self._times[:size].copy(), roles[:size]
        whole = self._whole.copy()
        serving = (roles == SERVES) & (state["read_ns"] > 0)
        asking = (roles == ASKS) & (state["sent_ns"] > 0)
        answered = np.flatnonzero(serving & (state["latest"] == SENT))
        took = state["sent_ns"][answered] - state["received_ns"][answered]
        _finish(times, answered, took)
        whole.served_last.add(np.maximum(took, 0))
        answered = np.flatnonzero(asking & (state["latest"] == RECEIVED))
        took = _answered_ns(
            state["read_ns"][answered], state["received_ns"][answered], state["sent_ns"][answered]
        )
        _finish(times, answered, took)
        whole.asked_last.add(np.maximum(took, 0))
        waits = np.where(serving & (state["latest"] == RECEIVED), state["received_ns"], 0)
        waits = np.where(asking & (state["latest"] == SENT), state["sent_ns"], waits)
        return times, waits, whole


def _known(
    at: NDArray[np.intp], last: NDArray[np.intp], latest: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Those of which `latest` says what they answered, and what."""
    asked = latest[last]
    has = asked >= 0
    return at[has], last[has], asked[has]


def _answered_ns(
    read_ns: NDArray[np.int64], received_ns: NDArray[np.int64], sent_ns: NDArray[np.int64]
) -> NDArray[np.int64]:
    """From the last S to the last byte; what arrived while S still ran counts as read."""
    return np.where(received_ns > sent_ns, received_ns, read_ns) - sent_ns


def _finish(table: NDArray[np.void], slot: NDArray[np.int64], times: NDArray[np.int64]) -> None:
    """Those of one slot stand together."""
    if not len(slot):
        return
    begin = groups(slot)
    table["finished"][slot[begin]] += np.diff(begin, append=len(slot))
    _sum_up(table, "last", slot[begin], np.maximum(times, 0), begin)


def _sum_up(
    table: NDArray[np.void],
    name: str,
    slot: NDArray[np.int64],
    times: NDArray[np.int64],
    begin: NDArray[np.intp],
) -> None:
    """Times in groups, one for each of `slot`, which are all different."""
    table[f"{name}_sum_ns"][slot] += np.add.reduceat(times, begin)
    longest = np.maximum.reduceat(times, begin)
    table[f"{name}_max_ns"][slot] = np.maximum(table[f"{name}_max_ns"][slot], longest)
    table[f"{name}_latest_ns"][slot] = times[np.append(begin[1:], len(times)) - 1]
