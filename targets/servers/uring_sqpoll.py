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

from uringtrace.targets.serving import House, Options
from uringtrace.targets.uring import constants as c
from uringtrace.targets.uring.descriptors import Descriptors
from uringtrace.targets.uring.documents import KnownDocuments
from uringtrace.targets.uring.heap import reserve
from uringtrace.targets.uring.polling import listen, poll
from uringtrace.targets.uring.probing import demand, provided_buffers, try_multishot_receive
from uringtrace.targets.uring.ring import Ring
from uringtrace.targets.uring.server import NEEDED, NOBODY, RingServer

SUBMISSIONS = 4096
COMPLETIONS = 32768
"""So many that no burst of the connections that are possible finds the queue full."""


def serve(options: Options, house: House) -> None:
    """Serve from one ring that a kernel thread polls."""
    ring = Ring(SUBMISSIONS, c.SETUP_SQPOLL | c.SETUP_SINGLE_ISSUER, completions=COMPLETIONS, idle_ms=2000)
    try:
        demand(ring, NEEDED)
        buffers = provided_buffers(ring, 4096, 4096)
        server = RingServer(ring, buffers, KnownDocuments(options.documents), house, Descriptors(direct=True))
        server.completed[c.OP_RECV] += try_multishot_receive(ring, buffers, c.OP_RECV << 32 | NOBODY)
        with listen(options, house) as listener:
            server.start(listener)
            ring.publish()
            reserve(small=32 << 20, large=64 << 20)
            house.announce()
            poll(ring, server, house)
        server.close()
        house.truth.extra["operations"] = dict(server.operations())
        house.truth.extra["enters"] = ring.calls
    finally:
        ring.close()
