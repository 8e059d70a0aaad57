"""Ground truth: what a reference server really did, counted by itself.

Counters live in anonymous shared memory, a row for each thread or process, so that they
survive fork, need no lock and cost no system call. Invariant: a row has one writer at a
time; rows are given back and used again, never cleared, so that their sum stays exact.
"""

from __future__ import annotations

import mmap
import threading

_ROWS = 1 << 14
_CONNECTIONS, _CLOSED, _REQUESTS, _REFUSED, _BYTES_IN, _BYTES_OUT, _FAULTS = range(7)
_COLUMNS = 8


class Tally:
    """One writer's counters."""

    __slots__ = ("_first", "_rows", "row")

    def __init__(self, rows: memoryview, row: int) -> None:
        self._rows = rows
        self._first = row * _COLUMNS
        self.row = row

    def accepted(self) -> None:
        """A connection was accepted."""
        self._rows[self._first + _CONNECTIONS] += 1

    def closed(self) -> None:
        """A connection's descriptor was closed."""
        self._rows[self._first + _CLOSED] += 1

    def received(self, count: int) -> None:
        """So many bytes were read from a connection."""
        self._rows[self._first + _BYTES_IN] += count

    def sent(self, count: int) -> None:
        """So many bytes were written to a connection."""
        self._rows[self._first + _BYTES_OUT] += count

    def answered(self, status: int) -> None:
        """A request was answered to its last byte; status 400 and above is also `refused`."""
        self._rows[self._first + _REQUESTS] += 1
        if status >= 400:
            self._rows[self._first + _REFUSED] += 1

    def fault(self, count: int = 1) -> None:
        """The server misbehaved on purpose."""
        self._rows[self._first + _FAULTS] += count


class Truth:
    """All rows, and what else a server says of itself at its end."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _ROWS * _COLUMNS * 8)
        self._rows = memoryview(self._memory).cast("Q")
        self._free = list(range(_ROWS - 1, -1, -1))
        self._lock = threading.Lock()
        self.extra: dict[str, object] = {}
        """Further figures for the last line; of the main process only."""

    def tally(self) -> Tally:
        """A row of one's own. In a server of several processes the parent asks, before it forks."""
        with self._lock:
            return Tally(self._rows, self._free.pop())

    def give_back(self, tally: Tally) -> None:
        """Nobody writes to this row any more; what was counted stays."""
        with self._lock:
            self._free.append(tally.row)

    def report(self, fault: str | None) -> dict[str, object]:
        """The figures of the last line."""
        total = [sum(self._rows[column::_COLUMNS]) for column in range(_COLUMNS)]
        return {
            "connections": total[_CONNECTIONS],
            "closed": total[_CLOSED],
            "requests": total[_REQUESTS],
            "refused": total[_REFUSED],
            "bytes_in": total[_BYTES_IN],
            "bytes_out": total[_BYTES_OUT],
            "faults": {fault: total[_FAULTS]} if fault else {},
            **self.extra,
        }
