"""What is worked out from records as they are converted: readiness, interest, connections, threads.

The same code answers `log` and the screens, so that SQL says nothing else. It follows a
capture: it must be given all records once and in order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.connections import ConnectionTracker, connection_rows
from uringtrace.tracer.readiness.calls import calls_of
from uringtrace.tracer.readiness.causes import CAUSE
from uringtrace.tracer.readiness.explain import Explainer
from uringtrace.tracer.readiness.interest import changes_of
from uringtrace.tracer.readiness.waits import readiness_of
from uringtrace.tracer.record import FIRST_CALL
from uringtrace.tracer.recording.layout import CONNECTIONS, INTERESTS, READY, SOCKET_EVENTS, THREADS
from uringtrace.tracer.records import READINESS, Records
from uringtrace.tracer.source import Context, File, Interest, OpenSocket, Thread
from uringtrace.tracer.threads import ThreadTracker, thread_rows

EXPLAINED = np.dtype([*READINESS.descr, *((f"cause_{name}", CAUSE[name]) for name in CAUSE.names or ())])
"""Readiness with its cause."""


def holds_calls(context: Context) -> bool:
    """Whether system calls were recorded at all."""
    return "sys_enter" in context.probes


class Derivation:
    """Follows one recording from its first record."""

    def __init__(
        self, context: Context, interests: tuple[Interest, ...], open_sockets: tuple[OpenSocket, ...]
    ) -> None:
        """`open_sockets` are those known by now."""
        self._calls = calls_of(context)
        self._open_sockets = open_sockets
        self._explainer: Explainer | None = Explainer(context, interests)
        self._connections = ConnectionTracker(context)
        self._threads = ThreadTracker(context)

    def break_off(self) -> None:
        """Records are missing: from here on nothing is said that depends on what came before."""
        self._explainer = None

    def add(self, records: Records, files: Mapping[int, File]) -> dict[str, NDArray[np.void]]:
        """Take in the next records; rows of the tables that have parts, by table name."""
        if self._explainer is not None:
            self._threads.add(records, files)
        if _says_nothing(records):
            return {}
        if self._explainer is not None:
            self._connections.add(records, files, self._open_sockets)
        return {
            READY: self._readiness(records, files),
            INTERESTS: changes_of(records, self._calls),
            SOCKET_EVENTS: records.socket_events,
        }

    def _readiness(self, records: Records, files: Mapping[int, File]) -> NDArray[np.void]:
        causes = np.zeros(0, CAUSE)
        if self._explainer is None:
            found = readiness_of(records, self._calls)
        else:
            explained = self._explainer.add(records, files)
            found, causes = explained.located.readiness, explained.causes
        readiness = np.zeros(found.size, EXPLAINED)
        for name in READINESS.names or ():
            readiness[name] = found[name]
        if causes.size:
            for name in CAUSE.names or ():
                readiness[f"cause_{name}"] = causes[name]
        return readiness

    def results(
        self,
        files: Mapping[int, File],
        threads: Mapping[int, Thread],
        open_sockets: tuple[OpenSocket, ...],
    ) -> dict[str, list[dict[str, Any]]]:
        """Rows of `connections` and `threads` at the end; none of either when records were missing."""
        if self._explainer is None:
            return {}
        return {
            CONNECTIONS: connection_rows(self._connections.connections(open_sockets)),
            THREADS: thread_rows(self._threads.threads(threads)),
        }


def _says_nothing(records: Records) -> bool:
    """Whether no operation is a call or has to do with a file, as at full speed those of a benchmark."""
    operations = records.operations
    if records.memory.size or records.socket_events.size:
        return False
    return not any((operations[name] > bound).any() for name, bound in _BOUNDS)


_BOUNDS = (("opcode", FIRST_CALL - 1), ("file", 0), ("result_file", 0), ("fd", -1))
