"""Serving by looking at the ring again and again: no call as long as there is something to do.

The kernel's SQ thread polls the submissions, this loop the completions. The price is a
processor for each; so both go to sleep when nobody asks for anything.
"""

from __future__ import annotations

import errno
import socket
import time

from uringtrace.errors import UsageError
from uringtrace.targets.serving import House, Options
from uringtrace.targets.uring import constants as c
from uringtrace.targets.uring.ring import Ring
from uringtrace.targets.uring.server import RingServer

IDLE_SECONDS = 1.0
"""Without a completion for so long the server goes to sleep."""
_SPINS = 256
"""Looks at the queue between two looks at the clock, which is the vDSO's and no call."""
_LONGEST_LOOK_SECONDS = 0.01
"""Of a time between two looks at the clock that was longer, the scheduler had the rest."""
_RELEASE_SECONDS = 2.0


def poll(ring: Ring, server: RingServer, house: House) -> None:
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


def listen(options: Options, house: House) -> socket.socket:
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
