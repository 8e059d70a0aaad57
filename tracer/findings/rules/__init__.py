"""The rules, each a module of its own; `RULES` is their order in every output."""

from __future__ import annotations

from uringtrace.tracer.findings.rule import Rule
from uringtrace.tracer.findings.rules.accept_queue import AcceptQueueFull
from uringtrace.tracer.findings.rules.balance import UnbalancedWorkers
from uringtrace.tracer.findings.rules.blocked_loop import BlockedLoop
from uringtrace.tracer.findings.rules.broken_links import BrokenLinks
from uringtrace.tracer.findings.rules.buffer_overlap import BufferOverlap
from uringtrace.tracer.findings.rules.buffers_exhausted import BuffersExhausted
from uringtrace.tracer.findings.rules.cpu_starvation import ProcessorStarvation
from uringtrace.tracer.findings.rules.cq_overflow import CompletionQueueOverflow
from uringtrace.tracer.findings.rules.eagain_storm import EagainStorm
from uringtrace.tracer.findings.rules.error_flood import ErrorFlood
from uringtrace.tracer.findings.rules.head_of_line import HeadOfLine
from uringtrace.tracer.findings.rules.herd import ThunderingHerd
from uringtrace.tracer.findings.rules.io_wq import WorkerPunts
from uringtrace.tracer.findings.rules.leaked_connections import LeakedConnections
from uringtrace.tracer.findings.rules.lock_convoy import LockConvoy
from uringtrace.tracer.findings.rules.multishot_ended import MultishotEnded
from uringtrace.tracer.findings.rules.never_completed import NeverCompleted
from uringtrace.tracer.findings.rules.one_by_one import OneByOne
from uringtrace.tracer.findings.rules.ready_spin import ReadySpin
from uringtrace.tracer.findings.rules.ring_unused import RingUnused
from uringtrace.tracer.findings.rules.sqpoll import PollingThreadAsleep, PollingThreadBurning
from uringtrace.tracer.findings.rules.starvation import StarvedConnections
from uringtrace.tracer.findings.rules.stuck_request import StuckRequest
from uringtrace.tracer.findings.rules.taken_away import MemoryUnmapped, UnregisteredInUse
from uringtrace.tracer.findings.rules.tiny_writes import TinyWrites
from uringtrace.tracer.findings.rules.worker_storm import WorkerStorm

RULES: tuple[type[Rule], ...] = (
    WorkerPunts,
    WorkerStorm,
    OneByOne,
    CompletionQueueOverflow,
    PollingThreadAsleep,
    PollingThreadBurning,
    ErrorFlood,
    NeverCompleted,
    MultishotEnded,
    BuffersExhausted,
    BrokenLinks,
    BufferOverlap,
    MemoryUnmapped,
    UnregisteredInUse,
    RingUnused,
    BlockedLoop,
    ProcessorStarvation,
    ThunderingHerd,
    EagainStorm,
    ReadySpin,
    UnbalancedWorkers,
    LockConvoy,
    StarvedConnections,
    StuckRequest,
    LeakedConnections,
    HeadOfLine,
    AcceptQueueFull,
    TinyWrites,
)
