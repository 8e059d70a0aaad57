"""io_uring with one call per turn: io_uring_enter submits a batch and waits for completions.

What came in a turn is answered into the submission queue without a call; then one
io_uring_enter hands over all of it and sleeps until something is complete. Multishot
ACCEPT and RECV stay armed, so a request costs a SEND and a share of a call. The more
connections are busy, the larger the batch: calls per request fall with the load.

What to look for: `strace -c` shows hardly anything but io_uring_enter, fewer calls than
requests; `uringtrace` shows the operations inside. With `--fault`:
- `one-by-one`: as many calls as operations, and more.
- `cq-overflow`: completions on the path `overflow`; late, but none is lost.
- `io-wq-writes`: WRITE on the path `io-wq`, and threads `iou-wrk-PID`.
- `worker-storm`: SPLICE in flight for each connection, and as many threads `iou-wrk-PID`.
- `unarmed-recv`: a RECV ends with ENOBUFS, and its connection is silent from then on.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from uringtrace.targets.serving import House, Options
from uringtrace.targets.uring import constants as c
from uringtrace.targets.uring.descriptors import Descriptors
from uringtrace.targets.uring.documents import KnownDocuments
from uringtrace.targets.uring.faults import (
    LoggingServer,
    MirroringServer,
    OneByOne,
    UnarmedRecv,
    reap_late,
)
from uringtrace.targets.uring.probing import demand, provided_buffers, try_multishot_receive
from uringtrace.targets.uring.ring import Ring, first_ring
from uringtrace.targets.uring.server import NEEDED, NOBODY, RingServer

FLAGS = (
    c.SETUP_SUBMIT_ALL | c.SETUP_SINGLE_ISSUER | c.SETUP_DEFER_TASKRUN,
    c.SETUP_SUBMIT_ALL | c.SETUP_COOP_TASKRUN,
    0,
)
"""The best that this kernel takes: completions are worked on when we ask, or at least without an
interrupt."""
SMALLEST = 2


def serve(options: Options, house: House) -> None:
    """Serve from one ring, submitting in batches."""
    ring = _ring(options.fault)
    try:
        demand(ring, NEEDED)
        few = options.fault == "unarmed-recv"
        buffers = provided_buffers(ring, 4 if few else 1024, 512 if few else 4096)
        server = _server(options.fault)(
            ring, buffers, KnownDocuments(options.documents), house, Descriptors(direct=False)
        )
        server.completed[c.OP_RECV] += try_multishot_receive(ring, buffers, c.OP_RECV << 32 | NOBODY)
        more = {"writes": server.open_log()} if isinstance(server, LoggingServer) else {}
        if isinstance(server, MirroringServer):
            server.open_mirror()
        with house.listen(blocking=False) as listener:
            server.start(listener)
            ring.submit()
            if isinstance(ring, OneByOne):
                ring.tally = house.truth.tally()
            house.announce(setup=c.setup_flag_names(ring.flags), **more)
            if options.fault == "cq-overflow":
                _turns_too_late(ring, server, house)
            else:
                _turns(ring, server, house)
        server.close()
        house.truth.extra["operations"] = dict(server.operations())
        house.truth.extra["enters"] = ring.calls
    finally:
        ring.close()


def _ring(fault: str | None) -> Ring:
    if fault == "cq-overflow":
        return first_ring(SMALLEST, FLAGS, completions=SMALLEST, kind=Ring)
    if fault == "one-by-one":
        return first_ring(1024, FLAGS, completions=16384, kind=OneByOne)
    return first_ring(1024, FLAGS, completions=16384, kind=Ring)


def _server(fault: str | None) -> type[RingServer]:
    return _FAULTY.get(fault, RingServer)


_FAULTY: Mapping[str | None, type[RingServer]] = MappingProxyType(
    {"unarmed-recv": UnarmedRecv, "io-wq-writes": LoggingServer, "worker-storm": MirroringServer}
)


def _turns(ring: Ring, server: RingServer, house: House) -> None:
    """One call per turn: submit what the last turn pushed, wait, answer all that is complete."""
    while not server.ended:
        if house.stop.requested:
            server.end()
            ring.wait(timeout_ns=100_000_000)
        else:
            ring.enter(1)
        while (completion := ring.pop()) is not None:
            server.dispatch(completion)


def _turns_too_late(ring: Ring, server: RingServer, house: House) -> None:
    tally = house.truth.tally()
    while not server.ended:
        if house.stop.requested:
            server.end()
            ring.wait(timeout_ns=100_000_000)
        else:
            ring.enter(1)
        for completion in reap_late(ring, tally):
            server.dispatch(completion)
