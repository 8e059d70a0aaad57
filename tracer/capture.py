"""Live capture: attaches the probes to a target and reads what they count or stream.

Two modes behind the seams of `uringtrace.tracer.source`: counting keeps totals in the
kernel, streaming yields every completion. Both are context managers; leaving one
detaches everything. The target is never stopped, signalled or written to.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from uringtrace.probes.facts import FileFact, parse_fact
from uringtrace.probes.program import Filter, Mode, Program, Settings
from uringtrace.probes.setup_flags import SETUP_FLAG_NAMES
from uringtrace.probes.slots import (
    ARGUMENTS_ENTRY,
    OPEN,
    RING,
    STREAM_ENTRY,
    Counter,
    Slots,
)
from uringtrace.tracer.bcc_import import load_bcc
from uringtrace.tracer.decode import decode
from uringtrace.tracer.environment import require_capture, require_machine_pids
from uringtrace.tracer.in_flight import unfinished_slots, waiting_entries
from uringtrace.tracer.launch import Launched
from uringtrace.tracer.liveness import Liveness
from uringtrace.tracer.procfs import process_rings
from uringtrace.tracer.record import UNKNOWN_OPCODE, Batch
from uringtrace.tracer.records import Records, only_operations
from uringtrace.tracer.rings import join_rings, rings_from_table
from uringtrace.tracer.source import Context, File, Interest, Losses, OpenSocket, Ring, Thread
from uringtrace.tracer.statistics import COUNTERS, Counters, empty_counters
from uringtrace.tracer.target import Target

RING_BYTES = 64 << 20
"""Operations ring buffer: a million completions."""
_IDLE_PAUSE = 0.01
_SETTLE_SECONDS = 0.5
"""How long after the target's end cancelled requests may still complete."""
_LOST_NAMES = {
    Counter.LOST_OPERATIONS: "operations",
    Counter.LOST_FACTS: "facts",
    Counter.LOST_TABLE: "requests in flight",
    Counter.LOST_INDEX: "open multishot operations",
    Counter.LOST_RINGS: "rings",
}


class _Capture:
    """What both modes share: the target, the probes, the rings and the losses."""

    def __init__(self, target: Target, mode: Mode, ring_bytes: int) -> None:
        self._target = target
        self._mode = mode
        self._ring_bytes = ring_bytes
        self._stopped = False
        self._finished = False
        self._launched: Launched | None = None
        self._files: dict[int, File] = {}
        self._threads: dict[int, Thread] = {}
        self._interests: tuple[Interest, ...] = ()
        self._open_sockets: tuple[OpenSocket, ...] = ()
        self._listed: dict[tuple[int, int | None], Ring] = {}
        self.ended_ns = 0

    def __enter__(self) -> Self:
        require_capture()
        if not self._target.everything:
            require_machine_pids()
        with ExitStack() as cleanup:
            if self._target.command:
                self._launched = Launched(self._target.command)
                cleanup.callback(self._launched.end)
            pids = (self._launched.pid,) if self._launched else self._target.pids
            self._liveness = Liveness(self._target.pids, self._launched, everything=self._target.everything)
            cleanup.callback(self._liveness.close)
            self._program = cleanup.enter_context(Program(self._settings(pids), load_bcc))
            self._open(pids)
            if self._launched:
                self._launched.release()
            self._cleanup = cleanup.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._cleanup.close()

    def _settings(self, pids: tuple[int, ...]) -> Settings:
        if self._target.everything:
            chosen = Filter.EVERYTHING
        elif self._target.follow:
            chosen = Filter.FOLLOW
        else:
            chosen = Filter.ONE if len(pids) == 1 else Filter.BITS
        return Settings(self._mode, chosen, pids[0] if pids else 0, self._ring_bytes)

    def _open(self, pids: tuple[int, ...]) -> None:
        program = self._program
        self._ring_table = program.shared("rings", RING)
        self._event_counters = program.shared("counters", np.dtype("<u8"))
        self._facts = program.ring_buffer("facts")
        if program.settings.filter in (Filter.BITS, Filter.FOLLOW):
            # -f follows what is forked from now on; threads share their process's bit.
            targets = program.shared("targets", np.dtype("<u8"), writable=True)
            for pid in pids:
                targets[pid >> 6] |= np.uint64(1 << (pid & 63))
        self._list_rings()
        probes = program.attach()
        self._started = program.shared("started", np.dtype("<u8"), writable=True)
        self._started[0] = 1
        self.ended_ns = time.monotonic_ns()
        uname = os.uname()
        self.context = Context(
            kernel=uname.release,
            machine=uname.machine,
            target=str(self._target),
            command=self._target.command,
            started_ns=self.ended_ns,
            started_unix_ns=time.time_ns(),
            operation_names=program.layout.operation_names,
            setup_flag_names=SETUP_FLAG_NAMES,
            probes=probes,
        )

    def stop(self) -> None:
        """End the capture; safe in a signal handler and from another thread."""
        self._stopped = True

    @property
    def launched(self) -> Launched | None:
        """The process started for a command; None when attached to running ones."""
        return self._launched

    @property
    def child_status(self) -> int | None:
        """The os.waitpid status of a launched command, None while it runs."""
        return self._launched.status if self._launched else None

    @property
    def files(self) -> Mapping[int, File]:
        return self._files

    @property
    def threads(self) -> Mapping[int, Thread]:
        return self._threads

    @property
    def interests(self) -> tuple[Interest, ...]:
        return self._interests

    @property
    def open_sockets(self) -> tuple[OpenSocket, ...]:
        return self._open_sockets

    @property
    def rings(self) -> tuple[Ring, ...]:
        self._list_rings()
        return join_rings(rings_from_table(self._ring_table), self._listed.values())

    @property
    def losses(self) -> Losses:
        totals = self._event_counters.reshape(self._program.cpus, len(Counter)).sum(axis=0)
        lost = {name: int(totals[row]) for row, name in _LOST_NAMES.items() if totals[row]}
        skipped = self._program.skipped()
        if skipped:
            lost["events skipped by the kernel"] = skipped
        return Losses(lost, int(totals[Counter.UNTRACKED]))

    def floor_events(self) -> int:
        """Events counted in floor mode."""
        counts = self._event_counters.reshape(self._program.cpus, len(Counter))
        return int(counts[:, Counter.FLOOR_EVENTS].sum())

    def _list_rings(self) -> None:
        if self._target.everything or self._finished:
            return
        for pid in self._liveness.pids:
            for ring in process_rings(pid):
                self._listed[ring.tgid, ring.fd] = ring

    def _read_facts(self) -> None:
        for record in self._facts.read_records():
            fact = parse_fact(record)
            if isinstance(fact, FileFact):
                self._files[fact.file] = File(fact.file, fact.description, fact.device, fact.inode)
            else:
                self._liveness.note(fact)

    def _over(self) -> bool:
        ended = self._liveness.ended()
        # Only facts read after a parent's end are sure to tell of its last child.
        self._read_facts()
        self.ended_ns = time.monotonic_ns()
        return self._stopped or (ended and self._liveness.ended())

    def _finish(self) -> None:
        """Detach; when the target ended by itself, first let its cancelled requests complete."""
        if self._finished:
            return
        deadline = time.monotonic() + _SETTLE_SECONDS
        while not self._stopped and time.monotonic() < deadline:
            if not any(ring.in_flight for ring in rings_from_table(self._ring_table)):
                break
            time.sleep(_IDLE_PAUSE)
        # The probes go one by one, submissions first: what completes from here on without
        # a known submission is no longer part of the capture.
        self._started[0] = 0
        self._program.detach()
        self.ended_ns = time.monotonic_ns()
        self._finished = True


class CountingCapture(_Capture):
    """Totals kept in the kernel; implements `CountingSource`."""

    def __init__(self, target: Target, mode: Mode = Mode.COUNT) -> None:
        super().__init__(target, mode, RING_BYTES)

    def _open(self, pids: tuple[int, ...]) -> None:
        super()._open(pids)
        if self._mode is Mode.COUNT:
            self._totals = self._program.shared("totals", COUNTERS)

    def wait(self, seconds: float) -> bool:
        """Wait until the target has ended, `stop` was called, or the time is over."""
        deadline = time.monotonic() + seconds
        while not self._over():
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return False
            time.sleep(min(remaining, _IDLE_PAUSE))
        self._finish()
        return True

    def counters(self) -> Counters:
        """Totals per opcode since the start, shape (OPCODES,)."""
        cpus = self._program.cpus
        words = self._totals.view("<u8").reshape(cpus, -1, COUNTERS.itemsize // 8)
        result = empty_counters()
        rows = words.shape[1] - 1
        per_opcode = words.sum(axis=0, dtype=np.uint64).reshape(-1).view(COUNTERS)
        per_opcode["max_ns"] = self._totals["max_ns"].reshape(cpus, -1).max(axis=0)
        result[:rows] = per_opcode[:rows]
        result[UNKNOWN_OPCODE] = per_opcode[rows]
        return result


class StreamingCapture(_Capture):
    """Every completion; implements `Source`."""

    def __init__(self, target: Target, *, arguments: bool, ring_bytes: int) -> None:
        super().__init__(target, Mode.STREAM_ARGUMENTS if arguments else Mode.STREAM, ring_bytes)

    def _open(self, pids: tuple[int, ...]) -> None:
        super()._open(pids)
        self._operations = self._program.ring_buffer("operations")
        entry = ARGUMENTS_ENTRY if self._mode is Mode.STREAM_ARGUMENTS else STREAM_ENTRY
        self._table = self._program.shared("in_flight", entry)

    def batches(self) -> Iterator[Batch]:
        """Yield batches until the target ends or `stop` is called; empty ones when idle."""
        return (records.operations for records in self.records())

    def records(self) -> Iterator[Records]:
        """Yield everything that was observed; see `batches`."""
        return (only_operations(decode(chunk)) for chunk in self.chunks())

    def chunks(self) -> Iterator[Slots]:
        """The same as slots, undecoded, for whoever stores them."""
        while not self._over():
            slots = self._read()
            yield slots
            if self._operations.fill < 0.25:
                time.sleep(_IDLE_PAUSE)
        self._finish()
        while len(slots := self._read()):
            yield slots
        yield unfinished_slots(self._unfinished(), self.ended_ns)

    def _read(self) -> Slots:
        slots = self._operations.read_slots()
        self._read_facts()
        return slots

    def _unfinished(self) -> NDArray[Any]:
        entries = self._table[self._table["request"]["submitted_ns"] != 0]
        spilled = np.frombuffer(self._program.hash_values("spilled"), entries.dtype)
        opens = np.frombuffer(self._program.hash_values("by_user_data"), OPEN)
        return np.concatenate([entries, spilled, waiting_entries(opens, entries.dtype)])


def start_counting(target: Target) -> CountingCapture:
    """Counting mode for `target`; nothing is attached before the context is entered."""
    return CountingCapture(target)


def start_streaming(
    target: Target, *, arguments: bool = True, ring_bytes: int = RING_BYTES
) -> StreamingCapture:
    """Streaming mode; `arguments` adds the SQE's fields, chains and files to each operation."""
    return StreamingCapture(target, arguments=arguments, ring_bytes=ring_bytes)


def start_floor(target: Target) -> CountingCapture:
    """The probes doing nothing but counting events: what attaching alone costs."""
    return CountingCapture(target, Mode.FLOOR)
