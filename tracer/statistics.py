"""Counts and latency histograms per operation, in the shape the kernel keeps them.

The same arrays come from counting mode (kernel maps) and from batches
(`accumulate`), so `stat` prints one thing whatever it reads. The histogram is
log-linear: 16 buckets per power of two, values below 16 exact, so a quantile's
bucket is at most 1/16 of its value wide and the reported middle is within 1/32.

The bucket of a latency v is v itself below 16; else, with e = floor(log2(v)),
(e - 4 + 1) * 16 + ((v >> (e - 4)) & 15), and at most BUCKETS - 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uringtrace.probes.layout import BYTE_CALLS, BYTE_OPERATIONS
from uringtrace.tracer.record import (
    CQE_F_MORE,
    CQE_F_NOTIF,
    FIRST_CALL,
    OPCODES,
    Batch,
    Kind,
    Path,
)

SUBBUCKET_BITS = 4
SUBBUCKETS = 1 << SUBBUCKET_BITS
BUCKETS = (44 - SUBBUCKET_BITS + 1) * SUBBUCKETS
"""Covers up to 2**44 ns (4.9 hours); longer latencies fall into the last bucket."""
RESOLUTION = 1 / (2 * SUBBUCKETS)
"""Largest relative error of a reported quantile."""

COUNTERS = np.dtype(
    [
        ("submitted", "<u8"),
        ("completions", "<u8"),  # CQEs; equals `ended` unless multishot or zero-copy
        ("ended", "<u8"),  # operations whose last CQE was seen
        ("errors", "<u8"),  # CQEs with a negative result
        ("bytes", "<u8"),  # sum of positive results of operations that move bytes
        ("notifications", "<u8"),  # zero-copy notification CQEs
        ("silent", "<u8"),  # ended or still open without a CQE (CQE_SKIP_SUCCESS)
        ("timed", "<u8"),  # operations in the histogram: single-CQE ones, and the first CQE of zero-copy
        ("sum_ns", "<u8"),
        ("max_ns", "<u8"),
        ("inline", "<u8"),  # path of each completion; the three add up to `completions`
        ("poll", "<u8"),
        ("io_wq", "<u8"),
        ("slept", "<u8"),  # system calls in which the thread slept
        ("reserved", "<u8", (2,)),
        ("histogram", "<u8", (BUCKETS,)),
    ]
)
"""One row per opcode, shape (opcodes,). The C side declares the same layout."""

CALL_COUNTS = np.dtype(COUNTERS.descr[:-1])
"""The same without the histogram: what the kernel keeps for every system call."""

Counters = NDArray[np.void]

ZERO_COPY_OPERATIONS = frozenset({"SEND_ZC", "SENDMSG_ZC"})
"""Operations that post a second CQE with CQE_F_NOTIF when the buffer is free again."""


@dataclass(frozen=True, slots=True)
class OperationTraits:
    """What the counting rules need to know of each opcode; arrays of bool, shape (OPCODES,)."""

    moves_bytes: NDArray[np.bool_]
    zero_copy: NDArray[np.bool_]


def operation_traits(operation_names: Mapping[int, str]) -> OperationTraits:
    """Look the traits up by name, since a kernel's opcode numbers are its own."""
    moves_bytes = np.zeros(OPCODES, bool)
    zero_copy = np.zeros(OPCODES, bool)
    for opcode, name in operation_names.items():
        moves_bytes[opcode] = name in BYTE_OPERATIONS or name in BYTE_CALLS
        zero_copy[opcode] = name in ZERO_COPY_OPERATIONS
    return OperationTraits(moves_bytes, zero_copy)


def multishot(batch: Batch, traits: OperationTraits) -> NDArray[np.bool_]:
    """Rows that are one of many completions of their operation, shape (n,).

    The two CQEs of a zero-copy send are not: the second only frees the buffer.
    """
    repeats = (batch["sequence"] > 0) | (batch["cqe_flags"] & CQE_F_MORE != 0)
    mask: NDArray[np.bool_] = (
        (batch["kind"] == Kind.COMPLETION) & repeats & ~traits.zero_copy[batch["opcode"]]
    )
    return mask


_FRACTION_BITS = 52
_EXPONENT_BIAS = 1023


def empty_counters() -> Counters:
    """All zero, shape (OPCODES,)."""
    return np.zeros(OPCODES, COUNTERS)


def bucket(latency: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Histogram bucket of each latency in nanoseconds; same shape, 0 to BUCKETS - 1.

    The same integers as the C formula: every value is below 2**44 when it becomes a float,
    which is exact (IEEE 754 binary64).
    """
    value = np.minimum(latency, np.uint64(2**44 - 1))
    # Exponent and the first SUBBUCKET_BITS of the fraction stand together at the top of a double.
    top = value.astype(np.float64).view(np.int64) >> (_FRACTION_BITS - SUBBUCKET_BITS)
    log_linear = top - ((_EXPONENT_BIAS + SUBBUCKET_BITS - 1) << SUBBUCKET_BITS)
    return np.where(value < SUBBUCKETS, value.astype(np.int64), log_linear)


def bucket_edges() -> NDArray[np.int64]:
    """Smallest value of each bucket and, last, the first value beyond; shape (BUCKETS + 1,)."""
    number = np.arange(BUCKETS + 1, dtype=np.int64)
    shift = np.maximum(number // SUBBUCKETS - 1, 0)
    return np.where(number < SUBBUCKETS, number, (SUBBUCKETS + number % SUBBUCKETS) << shift)


_EDGES = bucket_edges()


def quantile_ns(histogram: NDArray[np.uint64], per_mille: int, max_ns: int = 0) -> float | None:
    """The latency that `per_mille` of the operations did not exceed, within RESOLUTION.

    `histogram` has shape (BUCKETS,). The rank is ceil(count * per_mille / 1000), the
    definition numpy calls `inverted_cdf`. `max_ns`, where known (not 0), caps the
    answer. None without operations, and in the last bucket, which has no upper edge.
    """
    cumulated = np.cumsum(histogram)
    count = int(cumulated[-1])
    if count == 0:
        return None
    rank = max(1, -(-count * per_mille // 1000))
    number = int(np.searchsorted(cumulated, rank))
    if number == BUCKETS - 1:
        return None
    middle = (int(_EDGES[number]) + int(_EDGES[number + 1]) - 1) / 2
    return min(middle, float(max_ns)) if max_ns else middle


def upper_bound_ns(histogram: NDArray[np.uint64]) -> int | None:
    """No operation took longer than this; None when empty or in the last, open bucket."""
    filled = np.flatnonzero(histogram)
    if filled.size == 0 or filled[-1] == BUCKETS - 1:
        return None
    return int(_EDGES[filled[-1] + 1]) - 1


def accumulate(counters: Counters, batch: Batch, traits: OperationTraits) -> None:
    """Add a batch to `counters` (shape (OPCODES,), changed in place) as the kernel does.

    - COMPLETION rows: `completions`, `errors` and `bytes`, except that a zero-copy
      notification counts in `notifications` only. Without CQE_F_MORE the operation
      has `ended`; for a zero-copy operation that is at its notification.
    - Latency: operations with one CQE and the first CQE of a zero-copy operation, where
      the submission was seen. A multishot operation has none.
    - Path: each completion of io_uring counts in exactly one of `io_wq`, `poll` and
      `inline`, in this order of precedence. System calls count in `slept` or not.
    - SILENT rows count in `silent`. UNTRACKED and MESSAGE rows belong to no operation.
    - `submitted` is what has ended, plus SILENT and UNFINISHED rows: equal to the
      kernel's own count once the source has ended and reported what was in flight. Of io_uring
      only what was seen being submitted counts there.
    """
    if not len(batch):
        return
    present, code = _codes(batch["opcode"])
    kind = batch["kind"].copy()
    completed = kind == Kind.COMPLETION
    flags = batch["cqe_flags"].copy()
    notification = completed & (flags & CQE_F_NOTIF != 0)
    completion = completed & ~notification
    ended = completed & (flags & CQE_F_MORE == 0)
    result = batch["result"].copy()
    silent = kind == Kind.SILENT
    submitted_ns = batch["submitted_ns"].copy()
    timed = completion & (submitted_ns != 0) & ~multishot(batch, traits)
    asked = (present < FIRST_CALL)[code]
    path = batch["path"].copy()
    io_wq = path & Path.IO_WQ != 0
    poll = (path & Path.POLL != 0) & ~io_wq

    counted = {
        "completions": completion,
        "ended": ended,
        "errors": completion & (result < 0),
        "notifications": notification,
        "silent": silent,
        "timed": timed,
        "io_wq": completion & io_wq & asked,
        "poll": completion & poll & asked,
        "inline": completion & ~io_wq & ~poll & asked,
        "slept": completion & batch["slept"],
        "submitted": (ended | silent | (kind == Kind.UNFINISHED)) & ((submitted_ns != 0) | ~asked),
    }
    for name, mask in counted.items():
        counters[name][present] += _counts(code, mask, len(present))

    moved = completion & (result > 0) & traits.moves_bytes[present][code]
    if moved.any():
        np.add.at(counters["bytes"], present[code[moved]], result[moved].astype(np.uint64))

    latency = (batch["completed_ns"] - submitted_ns)[timed]
    timed_code = code[timed]
    sums = np.zeros(len(present), np.uint64)
    longest = np.zeros(len(present), np.uint64)
    np.add.at(sums, timed_code, latency)
    np.maximum.at(longest, timed_code, latency)
    counters["sum_ns"][present] += sums
    counters["max_ns"][present] = np.maximum(counters["max_ns"][present], longest)
    cells = np.bincount(timed_code * BUCKETS + bucket(latency), minlength=len(present) * BUCKETS)
    counters["histogram"][present] += cells.reshape(len(present), BUCKETS).astype(np.uint64)


def _codes(opcode: NDArray[np.uint16]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The opcodes that are there, ascending, and for each row its place among them, shape (n,)."""
    opcode = opcode.astype(np.intp)
    present = np.flatnonzero(np.bincount(opcode, minlength=OPCODES))
    place = np.zeros(OPCODES, np.intp)
    place[present] = np.arange(len(present))
    return present, place[opcode]


def _counts(code: NDArray[np.intp], mask: NDArray[np.bool_], codes: int) -> NDArray[np.uint64]:
    """How often each code is where `mask` holds, shape (codes,)."""
    if codes == 1:
        return np.full(1, np.count_nonzero(mask), np.uint64)
    if not mask.any():
        return np.zeros(codes, np.uint64)
    return np.bincount(code[mask], minlength=codes).astype(np.uint64)


def difference(now: Counters, before: Counters) -> Counters:
    """What was added between two snapshots of the same counters; same shape.

    A maximum can only be told when it grew: then it belongs to the interval. Else
    `max_ns` is 0, which stands for not known whenever `timed` is not 0.
    """
    delta = now.copy()
    for name in COUNTERS.names or ():
        if name != "max_ns":
            delta[name] -= before[name]
    delta["max_ns"] = np.where(now["max_ns"] > before["max_ns"], now["max_ns"], 0)
    return delta
