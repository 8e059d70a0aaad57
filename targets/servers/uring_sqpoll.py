"""io_uring with a kernel thread that takes submissions: no system call in steady state.

Requests are written into memory shared with the kernel (SQPOLL: its thread `iou-sqp-PID`
reads them), answers are read from it. Connections and files are direct descriptors, slots
of the ring instead of numbers in the process's table, so even accept and close are
operations. Files: OPENAT, READ, SEND, CLOSE; sleeping: TIMEOUT.

What to look for: `strace -f` shows nothing at all, not for a request and not for a new
connection, while `uringtrace` shows each ACCEPT, RECV, SEND and CLOSE, all of them
submitted by `iou-sqp-PID`. The price is a processor that polls: only after a second
without a completion the server sleeps in io_uring_enter.

The last line's `operations` are the CQEs that the server took from the ring, by operation;
a multishot operation counts once for each of its CQEs.
"""

from __future__ import annotations

import errno
import socket
import time

from uringtrace.errors import UsageError
from uringtrace.targets.serving import House, Options
from uringtrace.targets.uring import constants as c
from uringtrace.targets.uring.documents import KnownDocuments
from uringtrace.targets.uring.heap import reserve
from uringtrace.targets.uring.probing import demand, provided_buffers, try_multishot_receive
from uringtrace.targets.uring.ring import Ring
from uringtrace.targets.uring.server import NEEDED, NOBODY, Descriptors, RingServer

SUBMISSIONS = 4096
COMPLETIONS = 32768
"""So many that no burst of the connections that are possible finds the queue full."""
IDLE_SECONDS = 1.0
"""Without a completion for so long the server goes to sleep."""
_SPINS = 256
"""Looks at the queue between two looks at the clock, which is the vDSO's and no call."""
_LONGEST_LOOK_SECONDS = 0.01
"""Of a time between two looks at the clock that was longer, the scheduler had the rest."""
_RELEASE_SECONDS = 2.0


def serve(options: Options, house: House) -> None:
    """Serve from one ring that a kernel thread polls."""
    ring = Ring(SUBMISSIONS, c.SETUP_SQPOLL | c.SETUP_SINGLE_ISSUER, completions=COMPLETIONS, idle_ms=2000)
    try:
        demand(ring, NEEDED)
        buffers = provided_buffers(ring, 4096, 4096)
        server = RingServer(ring, buffers, KnownDocuments(options.documents), house, Descriptors(direct=True))
        server.completed[c.OP_RECV] += try_multishot_receive(ring, buffers, c.OP_RECV << 32 | NOBODY)
        with _listen(options, house) as listener:
            server.start(listener)
            ring.publish()
            reserve(small=32 << 20, large=64 << 20)
            house.announce()
            _poll(ring, server, house)
        house.truth.extra["operations"] = dict(server.operations())
        house.truth.extra["enters"] = ring.calls
    finally:
        ring.close()


def _poll(ring: Ring, server: RingServer, house: House) -> None:
    """Take CQEs and submit what follows from them, until the server has ended."""
    looked, quiet, spins = time.monotonic(), 0.0, 0
    while not server.ended:
        completion = ring.pop()
        if completion is not None:
            server.dispatch(completion)
            ring.publish()
            quiet = 0.0
            continue
        if house.stop.requested:
            server.end()
            ring.publish()
        if ring.sq_flags & c.SQ_CQ_OVERFLOW:
            ring.flush()
        spins += 1
        if spins % _SPINS == 0:
            now = time.monotonic()
            quiet += min(now - looked, _LONGEST_LOOK_SECONDS)
            looked = now
            if quiet > IDLE_SECONDS:
                ring.wait()
                quiet = 0.0


def _listen(options: Options, house: House) -> socket.socket:
    """A listener. One that a killed ring still held is let go by the kernel some time later."""
    deadline = time.monotonic() + _RELEASE_SECONDS
    while True:
        try:
            return house.listen(blocking=False)
        except UsageError as error:
            cause = error.__context__
            in_use = isinstance(cause, OSError) and cause.errno == errno.EADDRINUSE
            if not in_use or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
