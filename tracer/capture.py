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
from uringtrace.probes.program import Filter, Interface, Mode, Program, Settings
from uringtrace.probes.setup_flags import SETUP_FLAG_NAMES
from uringtrace.probes.slots import (
    ARGUMENTS_ENTRY,
    CALL_ENTRY,
    CALL_LIMIT,
    CALL_TRAITS,
    OPEN,
    RING,
    STREAM_ENTRY,
    Counter,
    Slots,
)
from uringtrace.tracer.bcc_import import load_bcc
from uringtrace.tracer.decode import decode_records
from uringtrace.tracer.environment import pid_namespace_inode, require_capture
from uringtrace.tracer.in_flight import (
    sitting_calls,
    split_calls,
    unfinished_call_slots,
    unfinished_slots,
    waiting_entries,
)
from uringtrace.tracer.launch import Launched
from uringtrace.tracer.liveness import Liveness
from uringtrace.tracer.procfs import current_calls, process_rings
from uringtrace.tracer.record import FIRST_CALL, UNKNOWN_OPCODE, Batch
from uringtrace.tracer.records import Records
from uringtrace.tracer.rings import join_rings, rings_from_table
from uringtrace.tracer.source import Context, File, Interest, Losses, OpenSocket, Ring, Socket, Thread
from uringtrace.tracer.statistics import BUCKETS, CALL_COUNTS, COUNTERS, Counters, empty_counters
from uringtrace.tracer.surroundings import Surroundings
from uringtrace.tracer.syscalls.numbers import system_call_names
from uringtrace.tracer.syscalls.traits import call_traits
from uringtrace.tracer.target import Target

RING_BYTES = 64 << 20
"""Operations ring buffer: a million completions."""
OTHER_CALLS = "other_calls"
"""Name of the last opcode: calls of foreign tables, such as i386, and numbers beyond the last row."""
_IDLE_PAUSE = 0.01
_SETTLE_SECONDS = 0.5
"""How long after the target's end cancelled requests may still complete."""
_LOST_NAMES = {
    Counter.LOST_OPERATIONS: "operations",
    Counter.LOST_FACTS: "facts",
    Counter.LOST_TABLE: "requests in flight",
    Counter.LOST_INDEX: "open multishot operations",
    Counter.LOST_RINGS: "rings",
    Counter.LOST_MEMORY: "arguments",
}


class _Capture:
    """What both modes share: the target, the probes, the rings and the losses."""

    def __init__(self, target: Target, mode: Mode, ring_bytes: int, interface: Interface) -> None:
        self._target = target
        self._interface = interface
        self._mode = mode
        self._ring_bytes = ring_bytes
        self._stopped = False
        self._finished = False
        self._launched: Launched | None = None
        self._files: dict[int, File] = {}
        self._listed: dict[tuple[int, int | None], Ring] = {}
        self.ended_ns = 0

    def __enter__(self) -> Self:
        require_capture()
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
            # What a launched process does before its command is not seen: it is chosen at the last moment.
            chosen = Filter.ONE if len(pids) == 1 and not self._launched else Filter.BITS
        return Settings(
            self._mode,
            chosen,
            os.getpid() if self._target.everything else pids[0],
            self._ring_bytes,
            self._interface,
            pid_namespace_inode() or 0,
        )

    def _open(self, pids: tuple[int, ...]) -> None:
        program = self._program
        self._ring_table = program.shared("rings", RING)
        self._event_counters = program.shared("counters", np.dtype("<u8"))
        self._facts = program.ring_buffer("facts")
        if not self._launched:
            self._choose(pids)
        self._list_rings()
        machine = os.uname().machine
        if program.has_map("call_traits"):
            program.shared("call_traits", CALL_TRAITS, writable=True)[:] = call_traits(machine)
        probes = program.attach()
        if self._launched:
            self._launched.call()
            self._choose(pids)
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
            operation_names={**program.layout.operation_names, **call_names(uname.machine)},
            setup_flag_names=SETUP_FLAG_NAMES,
            probes=probes,
        )

    def _choose(self, pids: tuple[int, ...]) -> None:
        """From now on the probes see these processes; of a single one and of all they know already."""
        if self._program.settings.filter not in (Filter.BITS, Filter.FOLLOW):
            return
        # -f follows what is forked from now on; threads share their process's byte.
        targets = self._program.shared("targets", np.dtype("u1"), writable=True)
        for pid in pids:
            targets[pid] = 1

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
    def limits(self) -> tuple[str, ...]:
        """Which of the interfaces that were asked for this kernel does not let us see, and why."""
        interfaces = self._program.interfaces
        lacks = (
            ("io_uring operations", Interface.SYSCALL, interfaces.lacks_io_uring),
            ("system calls", Interface.IO_URING, interfaces.lacks_calls),
        )
        return tuple(
            f"{what} are not captured: {why}"
            for what, other, why in lacks
            if why and self._interface is not other
        )

    @property
    def rings(self) -> tuple[Ring, ...]:
        self._list_rings()
        return join_rings(rings_from_table(self._ring_table), self._listed.values())

    @property
    def losses(self) -> Losses:
        skipped = self._program.skipped()
        totals = self._event_counters.reshape(self._program.cpus, len(Counter)).sum(axis=0)
        lost = {name: int(totals[row]) for row, name in _LOST_NAMES.items() if totals[row]}
        skipped -= int(totals[Counter.TWIN_EVENTS])
        if skipped > 0:
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
                self._files[fact.file] = _file(fact)
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


def call_names(machine: str) -> dict[int, str]:
    """Opcode → name of every system call; those without a known name are called by their number."""
    names = system_call_names(machine)
    numbered = {number: names.get(number, f"syscall_{number}") for number in range(CALL_LIMIT - 1)}
    return {FIRST_CALL + number: name for number, name in {**numbered, CALL_LIMIT - 1: OTHER_CALLS}.items()}


def _file(fact: FileFact) -> File:
    seen = fact.socket
    known = Socket(seen.family, seen.protocol, seen.local, seen.remote, seen.listening) if seen else None
    return File(fact.file, fact.description, fact.device, fact.inode, known)


class CountingCapture(_Capture):
    """Totals kept in the kernel; implements `CountingSource`."""

    def __init__(self, target: Target, interface: Interface, mode: Mode = Mode.COUNT) -> None:
        super().__init__(target, mode, RING_BYTES, interface)

    def _open(self, pids: tuple[int, ...]) -> None:
        super()._open(pids)
        if self._mode is Mode.COUNT:
            self._totals = self._program.shared("totals", COUNTERS)
            if self._program.has_map("call_counts"):
                self._call_counts = self._program.shared("call_counts", CALL_COUNTS)
                self._call_histograms = self._program.shared("call_histograms", COUNTERS["histogram"].base)
                self._call_rows = self._program.shared("call_rows", np.dtype("<u8"))

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
        result = empty_counters()
        operations = self._sums(self._totals)
        rows = len(operations) - 1
        result[:rows] = operations[:rows]
        result[UNKNOWN_OPCODE] = operations[rows]
        if self._program.has_map("call_counts"):
            self._add_calls(result[FIRST_CALL:])
        return result

    def _add_calls(self, rows: Counters) -> None:
        """Fill in the rows of system calls, by number; those without a histogram have none."""
        counts = self._sums(self._call_counts)
        for name in CALL_COUNTS.names or ():
            rows[name] = counts[name]
        histograms = self._call_histograms.reshape(self._program.cpus, -1, BUCKETS).sum(axis=0)
        numbers = np.flatnonzero((self._call_rows > 0) & (self._call_rows <= len(histograms)))
        rows["histogram"][numbers] = histograms[self._call_rows[numbers] - 1]

    def _sums(self, totals: NDArray[Any]) -> NDArray[Any]:
        """Rows of one processor after another, added up; shape (rows,)."""
        cpus = self._program.cpus
        words = totals.view("<u8").reshape(cpus, -1, totals.itemsize // 8)
        rows: NDArray[Any] = words.sum(axis=0, dtype=np.uint64).reshape(-1).view(totals.dtype)
        rows["max_ns"] = totals["max_ns"].reshape(cpus, -1).max(axis=0)
        return rows


class StreamingCapture(_Capture):
    """Every operation; implements `Source`."""

    def __init__(self, target: Target, interface: Interface, *, arguments: bool, ring_bytes: int) -> None:
        mode = Mode.STREAM_ARGUMENTS if arguments else Mode.STREAM
        super().__init__(target, mode, ring_bytes, interface)

    def _open(self, pids: tuple[int, ...]) -> None:
        super()._open(pids)
        self._operations = self._program.ring_buffer("operations")
        self._calls = self._program.has_map("call_traits")
        entry = ARGUMENTS_ENTRY if self._mode is Mode.STREAM_ARGUMENTS else STREAM_ENTRY
        # Without operations on rings the hash map behind the table holds all.
        has_table = self._program.has_map("in_flight")
        self._table = self._program.shared("in_flight", entry) if has_table else np.zeros(0, entry)
        self._surroundings = Surroundings(self.context.operation_names)
        if self._calls and not self._target.everything:
            self._surroundings.begin(pids)

    @property
    def threads(self) -> Mapping[int, Thread]:
        return self._surroundings.threads

    @property
    def interests(self) -> tuple[Interest, ...]:
        return self._surroundings.interests

    @property
    def open_sockets(self) -> tuple[OpenSocket, ...]:
        return self._surroundings.open_sockets

    def batches(self) -> Iterator[Batch]:
        """Yield batches until the target ends or `stop` is called; empty ones when idle."""
        return (records.operations for records in self.records())

    def records(self) -> Iterator[Records]:
        """Yield everything that was observed; see `batches`."""
        return (decode_records(chunk) for chunk in self.chunks())

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
        yield self._unfinished()

    def _read(self) -> Slots:
        slots = self._operations.read_slots()
        self._read_facts()
        if len(slots):
            self._surroundings.note(slots, self._files)
        return slots

    def _unfinished(self) -> Slots:
        entries = self._table
        if not self._calls:
            return unfinished_slots(self._requests(entries), self.ended_ns)
        requests, calls = split_calls(entries[entries["tag"] != 0])
        spilled = split_calls(np.frombuffer(self._program.hash_values("spilled"), entries.dtype))
        calls = np.concatenate([calls, spilled[1]])
        under_way = calls[calls["submitted_ns"] != 0]
        slots = unfinished_call_slots(np.concatenate([self._sitting(calls["tid"]), under_way]), self.ended_ns)
        return np.concatenate([unfinished_slots(self._requests(requests, spilled[0]), self.ended_ns), slots])

    def _requests(self, entries: NDArray[Any], spilled: NDArray[Any] | None = None) -> NDArray[Any]:
        if spilled is None:
            spilled = np.frombuffer(self._program.hash_values("spilled"), entries.dtype)
        opens = np.frombuffer(self._program.hash_values("by_user_data"), OPEN)
        under_way = entries[entries["request"]["submitted_ns"] != 0]
        return np.concatenate([under_way, spilled, waiting_entries(opens, entries.dtype)])

    def _sitting(self, active: NDArray[Any]) -> NDArray[Any]:
        """Calls of threads that neither began nor ended one since the capture began."""
        entries = [np.zeros(0, CALL_ENTRY)]
        if not self._target.everything:
            descriptors = call_traits(self.context.machine)["descriptor"]
            busy = set(active.tolist())
            for pid in self._liveness.pids:
                calls = [call for call in current_calls(pid) if call.tid not in busy]
                entries.append(sitting_calls(calls, pid, descriptors))
        return np.concatenate(entries)


def start_counting(target: Target, interface: str = "all") -> CountingCapture:
    """Counting mode for `target`; nothing is attached before the context is entered.

    `interface` is the value of an `Interface`: all, io_uring or syscall.
    """
    return CountingCapture(target, Interface(interface))


def start_streaming(
    target: Target, interface: str = "all", *, arguments: bool = True, ring_bytes: int = RING_BYTES
) -> StreamingCapture:
    """Streaming mode; without `arguments` of io_uring's operations no more than what completed."""
    return StreamingCapture(target, Interface(interface), arguments=arguments, ring_bytes=ring_bytes)


def start_floor(target: Target, interface: str = "io_uring") -> CountingCapture:
    """The probes doing nothing but counting events: what attaching alone costs."""
    return CountingCapture(target, Interface(interface), Mode.FLOOR)
