"""What counting and streaming share: the target, the probes, the rings and the losses.

A context manager; leaving it detaches everything. The target is never stopped, signalled
or written to.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from uringtrace.probes.facts import FileFact, parse_fact
from uringtrace.probes.program import Filter, Interface, Mode, Program, Settings
from uringtrace.probes.setup_flags import SETUP_FLAG_NAMES
from uringtrace.probes.slots import (
    CALL_TRAITS,
    RING,
    SEEN_FILE,
    Counter,
)
from uringtrace.tracer.bcc_import import load_bcc
from uringtrace.tracer.environment import pid_namespace_inode, require_capture
from uringtrace.tracer.launch import Launched
from uringtrace.tracer.liveness import Liveness
from uringtrace.tracer.procfs import process_rings
from uringtrace.tracer.rings import join_rings, rings_from_table
from uringtrace.tracer.source import Context, File, Losses, Ring, Socket
from uringtrace.tracer.syscalls.opcodes import call_names
from uringtrace.tracer.syscalls.traits import call_traits
from uringtrace.tracer.target import Target

RING_BYTES = 64 << 20
"""Operations ring buffer: a million completions."""
IDLE_PAUSE = 0.01
"""Seconds between two looks at a target that does nothing."""
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


class Capture:
    """A target under probes, from entering the context on; what is read of it is up to the mode."""

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
        # One right after the other: the two clocks are compared.
        self.ended_ns, started_unix_ns = time.monotonic_ns(), time.time_ns()
        uname = os.uname()
        self.context = Context(
            kernel=uname.release,
            machine=uname.machine,
            target=str(self._target),
            command=self._target.command,
            started_ns=self.ended_ns,
            started_unix_ns=started_unix_ns,
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
    def pids(self) -> frozenset[int] | None:
        """The target's processes that are alive; None for the whole machine."""
        return None if self._target.everything else self._liveness.pids

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

    def numbered_files(self) -> NDArray[np.uint32]:
        """The numbers that the probes have for files at this moment, in any order.

        What is in `files` and not here is named by no record from now on, but of a call that has
        begun already. It is read while it changes.
        """
        if not self._program.has_map("seen_files"):
            return np.zeros(0, np.uint32)
        numbers: NDArray[np.uint32] = np.frombuffer(self._program.hash_values("seen_files"), SEEN_FILE)[
            "file"
        ]
        return numbers

    def forget_files(self, numbers: Iterable[int]) -> None:
        """Leave these out of `files`: nothing names them any more."""
        for number in numbers:
            self._files.pop(number, None)

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
            time.sleep(IDLE_PAUSE)
        # The probes go one by one, submissions first: what completes from here on without
        # a known submission is no longer part of the capture.
        self._started[0] = 0
        self._program.detach()
        self.ended_ns = time.monotonic_ns()
        self._finished = True


def _file(fact: FileFact) -> File:
    seen = fact.socket
    known = Socket(seen.family, seen.protocol, seen.local, seen.remote, seen.listening) if seen else None
    return File(fact.file, fact.description, fact.device, fact.inode, known)
