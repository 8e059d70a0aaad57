"""Follows records for the sake of one request, which may be known only at the end.

The requests are those of `connections`, with the same numbers and times as in `stat --connections`. What a
chain is made of is kept for a while; of the request that is the best so far it is kept until a better one
comes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from uringtrace.tracer.connections.tracker import ConnectionTracker
from uringtrace.tracer.records import Records
from uringtrace.tracer.source import Context, FilesAndFacts
from uringtrace.tracer.wakes.build import Asked, chain_of
from uringtrace.tracer.wakes.chain import WakeChain
from uringtrace.tracer.wakes.kept import MOST_ROWS, Kept, Piece
from uringtrace.tracer.wakes.request import RequestName


@dataclass(frozen=True, slots=True)
class _Best:
    slot: int
    request: int
    received_ns: int
    from_arrival: bool
    read_ns: int
    answered_ns: int

    @property
    def took_ns(self) -> int:
        return self.answered_ns - self.received_ns


class WakeFollower:
    """Of one capture."""

    def __init__(self, context: Context, name: RequestName, most_rows: int = MOST_ROWS) -> None:
        self._context = context
        self._name = name
        self._most = most_rows
        self._tracker = ConnectionTracker(context, noting=True)
        self._kept: Kept | None = None
        self._best: _Best | None = None
        self._piece: Piece | None = None
        """What `_best` is made of, once newer rows push it out."""
        self.requests = 0
        """That could have been chosen."""
        self.left_out = 0
        """Requests that reach back further than what is kept: they could not be chosen."""

    def add(self, records: Records, facts: FilesAndFacts) -> None:
        """Take one drain."""
        records = records.sorted_by_completion()
        if self._kept is None:
            self._kept = Kept(self._context, facts, self._most)
        if not len(records.operations) and not len(records.socket_events):
            return
        self._tracker.add(records, facts.files, facts.open_sockets)
        self._kept.add(records, facts)
        if self._kept.full:
            self._choose()
            self._keep_best()
            self._kept.drop()

    def chain(self, facts: FilesAndFacts) -> WakeChain | None:
        """Of the request that was asked for; None where there was none. Nothing may be added after this."""
        connections = {each.number: each for each in self._tracker.connections(facts.open_sockets)}
        self._choose()
        self._keep_best()
        best, piece = self._best, self._piece
        if best is None or piece is None:
            return None
        connection = connections[self._tracker.connection_number(best.slot)]
        asked = Asked(
            connection=connection,
            request=best.request,
            received_ns=best.received_ns,
            from_arrival=best.from_arrival,
            read_ns=best.read_ns,
            answered_ns=best.answered_ns,
        )
        return chain_of(asked, piece, facts)

    def _choose(self) -> None:
        """Look at the requests that were answered since the last time."""
        rows = self._tracker.answered()
        slots, inverse = np.unique(rows["slot"], return_inverse=True)
        numbers = np.array([self._tracker.connection_number(slot) for slot in slots.tolist()], int)[inverse]
        wanted = self._name.connection
        # A socket that nobody was seen to accept or connect, and that names no peer, is no connection.
        rows = rows[numbers > 0 if wanted is None else numbers == wanted]
        if self._name.request is not None:
            rows = rows[rows["request"] == self._name.request]
        there = rows["received_ns"] >= (self._kept.since_ns if self._kept is not None else 0)
        self.left_out += int((~there).sum())
        rows = rows[there]
        self.requests += len(rows)
        if len(rows):
            slowest = rows[int(np.argmax(rows["answered_ns"] - rows["received_ns"]))]
            best = _Best(*slowest.item())
            if self._best is None or best.took_ns > self._best.took_ns:
                self._best, self._piece = best, None

    def _keep_best(self) -> None:
        if self._best is not None and self._piece is None and self._kept is not None:
            self._piece = self._kept.during(self._best.received_ns, self._best.answered_ns)
