"""What can be shown beside counts: connections and threads, from the same records."""

from __future__ import annotations

from uringtrace.tracer.connections import ConnectionTracker
from uringtrace.tracer.connections.summary import ConnectionsSummary, summarise_connections
from uringtrace.tracer.records import Records
from uringtrace.tracer.source import Context, FilesAndFacts
from uringtrace.tracer.threads import ThreadActivity, ThreadTracker


class Details:
    """Follows what was asked for through the records of one source."""

    def __init__(self, context: Context, *, connections: bool, threads: bool) -> None:
        self._context = context
        self._connections = ConnectionTracker(context) if connections else None
        self._threads = ThreadTracker(context) if threads else None

    def add(self, records: Records, facts: FilesAndFacts) -> None:
        """Take one drain of the source."""
        if self._connections is not None:
            self._connections.add(records, facts.files, facts.open_sockets)
        if self._threads is not None:
            self._threads.add(records, facts.files)

    def connections(self, facts: FilesAndFacts) -> ConnectionsSummary | None:
        """None when they were not asked for."""
        if self._connections is None:
            return None
        connections, times = self._connections.result(facts.open_sockets)
        return summarise_connections(connections, times, self._context.started_ns, facts.ended_ns)

    def threads(self, facts: FilesAndFacts) -> tuple[ThreadActivity, ...] | None:
        """None when they were not asked for."""
        return None if self._threads is None else self._threads.threads(facts.threads)
