"""Streaming mode: every operation, as it completes or returns."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uringtrace.probes.program import Interface, Mode
from uringtrace.probes.slots import ARGUMENTS_ENTRY, CALL_ENTRY, OPEN, STREAM_ENTRY, Slots
from uringtrace.tracer.capture.shared import IDLE_PAUSE, Capture
from uringtrace.tracer.decode import decode_records
from uringtrace.tracer.in_flight import (
    sitting_calls,
    split_calls,
    unfinished_call_slots,
    unfinished_slots,
    waiting_entries,
)
from uringtrace.tracer.procfs import current_calls
from uringtrace.tracer.record import Batch
from uringtrace.tracer.records import Records
from uringtrace.tracer.source import Interest, OpenSocket, Thread
from uringtrace.tracer.surroundings import Surroundings
from uringtrace.tracer.syscalls.traits import call_traits
from uringtrace.tracer.target import Target


class StreamingCapture(Capture):
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
                time.sleep(IDLE_PAUSE)
        self._finish()
        while len(slots := self._read()):
            yield slots
        yield self._unfinished()

    def under_way_slots(self) -> Slots:
        """What has begun and not ended, as the slots that would end the capture now.

        The table is read while the kernel changes it: each was under way at some moment of that.
        """
        return self._unfinished()

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
