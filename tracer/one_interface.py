"""A source as it would be if only one interface had been captured: a recording has both.

Files, threads, sockets and losses stay those of the whole source: what is lost has no interface.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from uringtrace.errors import RecordingError
from uringtrace.tracer.record import Batch, is_call
from uringtrace.tracer.records import Records
from uringtrace.tracer.source import Context, File, Interest, Losses, OpenSocket, Ring, Source, Thread

IO_URING, SYSCALL = "io_uring", "syscall"
_CALL_PROBES = frozenset({"sys_enter", "sys_exit"})
_RING_PROBES = "io_uring"
"""What the names of io_uring's tracepoints begin with."""


class OneInterface:
    """Implements `Source`; without io_uring there are no rings."""

    def __init__(self, source: Source, interface: str) -> None:
        """`interface` is `io_uring` or `syscall`; raises `RecordingError` where it was not captured."""
        self._source = source
        self._calls = interface == SYSCALL
        context = source.context
        of_calls = {probe for probe in context.probes if probe in _CALL_PROBES}
        of_rings = {probe for probe in context.probes if probe.startswith(_RING_PROBES)}
        if not (of_calls if self._calls else of_rings):
            other = IO_URING if self._calls else SYSCALL
            what = "system calls" if self._calls else "io_uring operations"
            raise RecordingError(f"no {what} were captured", f"this was taken with --interface {other}")
        hidden = of_rings if self._calls else of_calls
        probes = tuple(probe for probe in context.probes if probe not in hidden)
        self._context = replace(context, probes=probes)

    @property
    def context(self) -> Context:
        return self._context

    @property
    def rings(self) -> tuple[Ring, ...]:
        return () if self._calls else self._source.rings

    @property
    def losses(self) -> Losses:
        return self._source.losses

    @property
    def ended_ns(self) -> int:
        return self._source.ended_ns

    @property
    def files(self) -> Mapping[int, File]:
        return self._source.files

    @property
    def threads(self) -> Mapping[int, Thread]:
        return self._source.threads

    @property
    def interests(self) -> tuple[Interest, ...]:
        return self._source.interests

    @property
    def open_sockets(self) -> tuple[OpenSocket, ...]:
        return self._source.open_sockets

    def batches(self) -> Iterator[Batch]:
        return (records.operations for records in self.records())

    def records(self) -> Iterator[Records]:
        for records in self._source.records():
            yield records.select(is_call(records.operations) == self._calls)
