"""What goes wrong with io_uring in real programs, done on purpose by `uring --fault`.

Each class replaces one thing of the healthy server and counts how often it did so.
"""

from __future__ import annotations

import errno
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from uringtrace.targets.http.service import Answer
from uringtrace.targets.truth import Tally
from uringtrace.targets.uring import constants as c
from uringtrace.targets.uring.answers import Sending
from uringtrace.targets.uring.connections import Connection, Steps
from uringtrace.targets.uring.ring import Completion, Ring
from uringtrace.targets.uring.server import NOBODY, RingServer

LATE_SECONDS = 0.002


class OneByOne(Ring):
    """`one-by-one`: an io_uring_enter for each SQE, as if there were no batches.

    Count: SQEs submitted alone.
    """

    tally: Tally | None = None

    def push(self, *arguments: Any, **options: Any) -> None:
        super().push(*arguments, **options)
        self.submit()
        if self.tally is not None:
            self.tally.fault()


def reap_late(ring: Ring, tally: Tally) -> list[Completion]:
    """`cq-overflow`: all completions of a ring whose queue was left to fill, none lost.

    Count: completions that found the queue full. The ring itself shows them: while its flag
    SQ_CQ_OVERFLOW is set, every new completion goes to the kernel's overflow list
    (io_uring/io_uring.c, io_cqring_add_overflow), so what io_uring_enter moves into the queue that was
    emptied before comes from there.
    """
    time.sleep(LATE_SECONDS)
    ring.flush()
    late = _all(ring)
    while ring.sq_flags & c.SQ_CQ_OVERFLOW:
        ring.flush()
        overflown = _all(ring)
        tally.fault(len(overflown))
        late += overflown
    return late


def _all(ring: Ring) -> list[Completion]:
    found = []
    while (completion := ring.pop()) is not None:
        found.append(completion)
    return found


class UnarmedRecv(RingServer):
    """`unarmed-recv`: a multishot RECV that ends for want of a buffer is not armed again.

    The connection stays open and hears nothing more. Count: RECVs so ended.
    """

    def _interrupted(self, connection: Connection, result: int) -> None:
        if result == -errno.ENOBUFS and not connection.leaving:
            self._tally.fault()
        else:
            super()._interrupted(connection, result)


class LoggingServer(RingServer):
    """`io-wq-writes`: an access log by buffered writes, which the kernel gives to worker threads.

    A write into the page cache may have to wait, and where the file system cannot promise
    that it will not (of ext4, tmpfs… FMODE_NOWAIT for buffered writes is missing; XFS and
    Btrfs have it) io_uring punts it to io-wq, one at a time for a file. Where a trial write
    was not punted, IOSQE_ASYNC asks for it. Count: lines written.
    """

    def open_log(self) -> str:
        """Make the log; returns why its writes are punted: `buffered` or `IOSQE_ASYNC`."""
        self._log = tempfile.TemporaryFile(prefix="uringtrace-log-", buffering=0)  # noqa: SIM115 (see close)
        self._log_flags = 0
        self._write(NOBODY, 0, b"begin\n")
        while (completion := self._ring.pop()) is None:
            self._ring.enter(1)
        self.completed[completion.user_data >> 32] += 1
        if not _has_worker():
            self._log_flags = c.SQE_ASYNC
        return "IOSQE_ASYNC" if self._log_flags else "buffered"

    def close(self) -> None:
        super().close()
        self._log.close()

    def _write(self, slot: int, offset: int, line: bytes) -> None:
        address = self._memory.write(offset, line)
        self._ring.push(
            c.OP_WRITE, c.OP_WRITE << 32 | slot, self._log.fileno(), address, len(line),
            flags=self._log_flags, offset=_AT_POSITION,
        )  # fmt: skip

    def _answer(self, connection: Connection, answer: Answer) -> Sending:
        whole = yield from super()._answer(connection, answer)
        self._write(connection.slot, connection.offset, b"%d %d\n" % (answer.status, len(answer.body)))
        self._tally.fault()
        yield
        return whole


class MirroringServer(RingServer):
    """`worker-storm`: a line for each answer goes through a pipe of the connection into a mirror, by SPLICE.

    SPLICE has no way but a worker thread (io_uring/splice.c), and one that waits for its pipe keeps it:
    as many workers as connections. Count: connections, each of which held one.
    """

    def open_mirror(self) -> None:
        """Make the mirror, which keeps nothing."""
        self._mirror = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        self._pipes: dict[int, int] = {}
        """The end to write to, by the connection's slot."""

    def close(self) -> None:
        super().close()
        os.close(self._mirror)

    def dispatch(self, completion: Completion) -> None:
        opcode, reading = completion.user_data >> 32, completion.user_data & 0xFFFFFFFF
        if opcode != c.OP_SPLICE:
            super().dispatch(completion)
            return
        self.completed[c.OP_SPLICE] += 1
        if completion.result > 0:
            self._splice(reading)
        else:
            os.close(reading)

    def _splice(self, reading: int) -> None:
        self._ring.push(
            c.OP_SPLICE, c.OP_SPLICE << 32 | reading, self._mirror, _AT_POSITION, _MOST_MIRRORED,
            offset=_AT_POSITION, file_index=reading,
        )  # fmt: skip

    def _converse(self, connection: Connection) -> Steps:
        reading, self._pipes[connection.slot] = os.pipe2(os.O_CLOEXEC)
        self._splice(reading)
        self._tally.fault()
        yield from super()._converse(connection)
        # Its other end hears of that.
        os.close(self._pipes.pop(connection.slot))

    def _answer(self, connection: Connection, answer: Answer) -> Sending:
        whole = yield from super()._answer(connection, answer)
        os.write(self._pipes[connection.slot], b"%d %d\n" % (answer.status, len(answer.body)))
        return whole


_MOST_MIRRORED = 4096
_AT_POSITION = (1 << 64) - 1
"""`offset` -1: at the file's position, and forward (io_uring_enter(2))."""


def _has_worker() -> bool:
    """Whether this process has an io-wq thread, by the name that io_uring/io-wq.c gives them."""
    names = (thread.joinpath("comm") for thread in Path("/proc/self/task").iterdir())
    return any(name.read_text().startswith("iou-wrk-") for name in names)
