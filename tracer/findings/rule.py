"""What a rule is: a small machine that takes every drain and can be asked at any time.

A rule keeps bounded state, costs numpy on batches while it observes, and makes objects only
when it judges. It never changes what it is given. What several rules need is followed once,
by a tracker in `Shared`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.findings.descriptor_ends import DescriptorEnds
from uringtrace.tracer.findings.finding import Subject, Verdict
from uringtrace.tracer.findings.step import Step
from uringtrace.tracer.findings.thread_looks import ThreadLooks
from uringtrace.tracer.record import OPCODES, Batch
from uringtrace.tracer.source import Context, FilesAndFacts, Ring

CALL_PROBES = frozenset({"sys_enter", "sys_exit"})
RING_PROBES = "io_uring"
"""What the names of io_uring's tracepoints begin with."""


class Shared:
    """What all rules of a diagnosis have in common; the trackers are filled before any rule observes."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._opcodes = {name: opcode for opcode, name in context.operation_names.items()}
        self.sees_calls = bool(CALL_PROBES & set(context.probes))
        self.ends = DescriptorEnds(self.opcode("close"), self.opcode("CLOSE"))
        self.looks = ThreadLooks()
        self.sees_operations = any(name.startswith(RING_PROBES) for name in context.probes)

    def observe(self, step: Step) -> None:
        """Follow a drain, before any rule sees it."""
        self.ends.observe(step)

    def name(self, opcode: int) -> str:
        """Of an operation or system call."""
        return self.context.operation_names.get(opcode, f"operation {opcode}")

    def opcode(self, name: str) -> int:
        """-1 where this kernel has no such operation."""
        return self._opcodes.get(name, -1)

    def mask(self, *names: str) -> NDArray[np.bool_]:
        """Which opcodes have one of these names, shape (OPCODES,)."""
        found = np.zeros(OPCODES, bool)
        found[[self._opcodes[name] for name in names if name in self._opcodes]] = True
        return found


@dataclass(frozen=True, slots=True)
class Moment:
    """When and of what a rule is to judge."""

    facts: FilesAndFacts
    at_ns: int
    """Everything until then has been observed, CLOCK_MONOTONIC."""
    under_way: Batch | None
    """Operations that have begun and not ended (UNFINISHED); None where that is not known."""
    ended: bool
    """The capture is over."""

    @property
    def duration_ns(self) -> int:
        return max(0, self.at_ns - self.facts.context.started_ns)

    def ring(self, number: int) -> Ring | None:
        """The ring of this number in the capture."""
        return next((ring for ring in self.facts.rings if ring.ring == number), None)

    def thread(self, tid: int, *, fd: int | None = None, file: int = 0) -> Subject:
        """A thread, with what it did it to."""
        known = self.facts.threads.get(tid)
        return Subject(
            tgid=known.tgid if known else None,
            tid=tid or None,
            thread=known.name if known else None,
            fd=fd if fd is not None and fd >= 0 else None,
            file=self.description(file),
        )

    def description(self, file: int) -> str | None:
        """What a file number stands for; None where that is not known."""
        known = self.facts.files.get(file)
        return known.description if known else None


class Rule(Protocol):
    """One rule. It is made once for a diagnosis."""

    tag: ClassVar[str]

    def __init__(self, shared: Shared) -> None: ...

    def observe(self, step: Step) -> None:
        """Take one drain."""
        ...

    def judge(self, moment: Moment) -> Verdict:
        """What there is to say of everything that was observed; changes nothing."""
        ...
