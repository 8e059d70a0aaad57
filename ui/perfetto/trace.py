"""The whole trace: clocks, what is true of the capture, connections, operations, readiness."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import duckdb

from uringtrace.errors import UsageError
from uringtrace.tracer.recording.interruption import interruptible
from uringtrace.tracer.recording.layout import CONNECTIONS, OPERATIONS, READY
from uringtrace.tracer.recording.parts import first_line
from uringtrace.tracer.recording.selection import Selection, select, selected
from uringtrace.ui.perfetto.operations import CONNECTION, Operations, columns
from uringtrace.ui.perfetto.packets import (
    BEGIN,
    INSTANT,
    INTEGER,
    INTERNED,
    TEXT,
    Annotations,
    Packets,
)
from uringtrace.ui.perfetto.tracks import Connection, Tracks

if TYPE_CHECKING:
    from uringtrace.tracer.recording.reader import Recording

READINESS, CAPTURE = "readiness", "capture"
"""Categories of events that are no operations."""

_FETCH_ROWS = 4096

_READY: Annotations = (
    ("operation", INTERNED),
    ("epoll_fd", INTEGER),
    ("fd", INTEGER),
    ("file", INTERNED),
    ("cause", INTERNED),
    ("cause_tid", INTEGER),
    ("cause_operation", INTERNED),
)
_LIFE: Annotations = (
    ("role", TEXT),
    ("listener", TEXT),
    ("began_by", TEXT),
    ("closed_by", TEXT),
    ("bytes_in", INTEGER),
    ("bytes_out", INTEGER),
    ("requests", INTEGER),
    ("upper_layer", TEXT),
)


@dataclass(frozen=True, slots=True)
class Written:
    """How much a trace has."""

    operations: int
    readiness: int
    connections: int


def write_trace(recording: Recording, selection: Selection, file: IO[bytes]) -> Written:
    """Write the recording, or the operations of it that are selected, with what belongs to them.

    Raises UsageError for a condition that is wrong, OSError where `file` cannot be written.
    """
    statement = select(recording, OPERATIONS, selection)
    with selected(recording, selection, (OPERATIONS, CONNECTIONS, READY)) as database:
        trace = _Trace(recording, selection, database, Packets(file))
        trace.start()
        operations = trace.operations(statement)
        readiness = trace.readiness(statement)
        connections = trace.finish()
    return Written(operations, readiness, connections)


class _Trace:
    def __init__(
        self,
        recording: Recording,
        selection: Selection,
        database: duckdb.DuckDBPyConnection,
        packets: Packets,
    ) -> None:
        pseudonyms = selection.pseudonyms
        self._recording = recording
        self._selection = selection
        self._database = database
        self._packets = packets
        self._context = pseudonyms.context(recording.context) if pseudonyms else recording.context
        threads = list(recording.threads.values())
        if pseudonyms:
            threads = [pseudonyms.thread(thread) for thread in threads]
        self._tracks = Tracks(
            packets,
            {thread.tid: (thread.tgid, thread.name and _valid(thread.name)) for thread in threads},
            {ring.ring: (ring.tgid, ring.fd) for ring in recording.rings},
        )
        everything = Selection(pseudonyms=pseudonyms)
        self._files = dict(
            self._rows(f"SELECT file, description FROM ({select(recording, 'files', everything)})")
        )
        self._lives = self._rows(
            "SELECT number, tgid, local, remote, protocol, inode, began_ns, ended_ns, "
            + ", ".join(name for name, _ in _LIFE)
            + f" FROM ({select(recording, CONNECTIONS, everything)}) ORDER BY number"
        )
        self._connections: dict[int, tuple[Connection, tuple[Any, ...]]] = {}
        """By number, those that have not been met yet."""

    def start(self) -> None:
        context, losses = self._context, self._recording.losses
        self._packets.start(context.started_ns, context.started_unix_ns)
        facts: dict[str, str | int] = {
            "target": context.target,
            "command": " ".join(context.command),
            "status": self._recording.status,
            "lost": losses.total_lost,
            **{f"lost {kind}": number for kind, number in losses.lost.items()},
            "untracked": losses.untracked,
            "selection": "everything" if self._selection.everything else "some of the operations",
        }
        facts = {
            key: _valid(value) if isinstance(value, str) else value
            for key, value in facts.items()
            if value != ""
        }
        named = {f"uringtrace {key}": value for key, value in facts.items()}
        self._packets.attributes(named, context.kernel, context.machine)
        track = self._tracks.capture()
        annotations = tuple(
            (key, INTEGER if isinstance(value, int) else TEXT) for key, value in facts.items()
        )
        self._packets.event(
            BEGIN, context.started_ns, track, "capture", CAPTURE, annotations, list(facts.values())
        )
        self._packets.end(max(self._recording.ended_ns, context.started_ns), track)

    def operations(self, statement: str) -> int:
        by_socket = {}
        for row in self._lives:
            number, tgid, local, remote, protocol, inode, began_ns, ended_ns = row[:8]
            title = f"connection {number}: {protocol} {local or '?'} – {remote or '?'}"
            connection = Connection(number, tgid, title, began_ns, ended_ns)
            self._connections[number] = connection, row[8:]
            by_socket[inode, protocol] = connection
        by_file = {
            file.file: by_socket[file.inode, file.socket.protocol]
            for file in self._recording.files.values()
            if file.socket is not None
            and not file.socket.listening
            and (file.inode, file.socket.protocol) in by_socket
        }
        operations = Operations(self._packets, self._tracks, self._files, by_file, self._live)
        return operations.write(self._streamed(f"SELECT {columns()} FROM ({statement})"))

    def readiness(self, statement: str) -> int:
        """What the waits reported, with a selection those of it."""
        source = f"FROM ({select(self._recording, READY, Selection(pseudonyms=self._selection.pseudonyms))})"
        if not self._selection.everything:
            # The callers of what is selected: a wait is known by its thread and its end.
            source += f" SEMI JOIN (SELECT tid, completed_ns FROM ({statement})) USING (tid, completed_ns)"
        names = ", ".join(name for name, _ in _READY)
        written = 0
        for row in self._streamed(f"SELECT completed_ns, tid, tgid, events, {names} {source}"):
            completed_ns, tid, tgid, events = row[:4]
            annotations, values = self._present(_READY, row[4:])
            track = self._tracks.readiness(tid, tgid)
            self._packets.event(INSTANT, completed_ns, track, events, READINESS, annotations, values)
            written += 1
        return written

    def finish(self) -> int:
        """The rest: with everything selected also the connections over which nothing was seen to move."""
        if self._selection.everything:
            for connection, _ in list(self._connections.values()):
                self._live(connection)
        self._packets.flush()
        return len(self._lives) - len(self._connections)

    def _live(self, connection: Connection) -> None:
        """The life of a connection, once: it is before everything that is on its track."""
        known = self._connections.pop(connection.number, None)
        if known is None:
            return
        started_ns, ended_ns = self._context.started_ns, self._recording.ended_ns
        began = started_ns if connection.began_ns is None else connection.began_ns
        ended = max(ended_ns, began) if connection.ended_ns is None else connection.ended_ns
        annotations, values = self._present(_LIFE, known[1])
        track = self._tracks.connection(connection, began, ended)
        name = "connection"
        self._packets.event(BEGIN, began, track, name, CONNECTION, annotations, values)
        self._packets.end(ended, track)

    def _present(
        self, annotations: Annotations, given: tuple[Any, ...]
    ) -> tuple[Annotations, list[int | str]]:
        """Without what is NULL."""
        shown, values = [], []
        for annotation, value in zip(annotations, given, strict=True):
            name, field = annotation
            if name == "file":
                value = self._files.get(value)
            if value is not None:
                shown.append(annotation)
                values.append(self._packets.interned(value) if field == INTERNED else value)
        return tuple(shown), values

    def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        return interruptible(self._database, lambda: self._database.execute(sql).fetchall())

    def _streamed(self, sql: str) -> Iterator[tuple[Any, ...]]:
        """Rows as they are asked for; none but this is read meanwhile."""
        parameters = {"started_ns": self._context.started_ns} if "$started_ns" in sql else {}
        try:
            interruptible(self._database, lambda: self._database.execute(sql, parameters))
            while rows := interruptible(self._database, lambda: self._database.fetchmany(_FETCH_ROWS)):
                yield from rows
        except duckdb.Error as error:
            raise UsageError(f"SQL: {first_line(error)}") from None


def _valid(text: str) -> str:
    """The text with escapes for what is not UTF-8, as the columns of a recording have it."""
    return text.encode("utf-8", "backslashreplace").decode()
