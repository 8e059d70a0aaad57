"""A busy moment for the timeline, the log and the detail: rows of both interfaces over seven seconds.

The same rows every time; threads and connections are those of `pictures`.
"""

from __future__ import annotations

import numpy as np

from tests.fakes import STARTED_NS, call, row, rows
from tests.terminal.pictures import MILLISECOND, TGID, picture
from uringtrace.tracer.live.picture import Picture
from uringtrace.tracer.record import Batch, Path, Wake


def busy_rows() -> Batch:
    """An event loop, a busy worker and a writer; the ring of the writer is 6."""
    parts = [_loop(step) for step in range(60)]
    step = MILLISECOND
    parts += [
        row(
            "READ", after_ns=6_000 * step + 3 * step * number, took_ns=step * (1 + number % 17), tid=TGID + 1,
            tgid=TGID, fd=5, file=2, len=4096, result=4096,
        )
        for number in range(180)
    ]  # fmt: skip
    parts += [
        row(
            "FSYNC", after_ns=6_100 * step + 250 * step * number, took_ns=180 * step, tid=TGID + 2, tgid=TGID,
            ring=6, fd=5, file=2, path=Path.IO_WQ, result=-5 if number == 2 else 0,
        )
        for number in range(3)
    ]  # fmt: skip
    parts.append(
        row(
            "RECV", after_ns=6_150 * step, took_ns=700 * step, tid=TGID, tgid=TGID, fd=7, file=4, len=4096,
            result=78, path=Path.POLL,
        )
    )  # fmt: skip
    batch = rows(*parts)
    ordered: Batch = batch[np.argsort(batch["completed_ns"], kind="stable")]
    return ordered


def _loop(number: int) -> Batch:
    """One turn of an epoll loop: wait, read, answer."""
    begin, step = number * 115 * MILLISECOND, MILLISECOND
    woken = STARTED_NS + begin + 80 * step
    failed = number % 20 == 10
    wake = Wake.TIMER if number % 4 == 0 else Wake.NETWORK
    return rows(
        call(
            "epoll_wait", 4, 0x7F00, 64, 100, after_ns=begin, took_ns=80 * step + 9_000, fd=4, tid=TGID,
            result=1, slept=True, wake=wake, wakes=1, woken_ns=woken,
        ),
        call(
            "recvfrom", 7, 0x7F00, 4096, 0, 0, 0, after_ns=begin + 81 * step, took_ns=40_000, fd=7, file=4,
            tid=TGID, result=-104 if failed else 78,
        ),
        call(
            "sendto", 9, 0x7F00, 1058, 0x4000, 0, 0, after_ns=begin + 90 * step, took_ns=20 * step, fd=9,
            file=1, tid=TGID, result=1058,
        ),
    )  # fmt: skip


def busy_picture(**changes: object) -> Picture:
    return picture(batch=busy_rows(), **changes)
