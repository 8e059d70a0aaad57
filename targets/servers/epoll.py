"""Epoll: one reactor; the kernel keeps the list of descriptors and reports what is ready.

A connection is registered once (Linux 2.6, 2003), and a wait costs what is ready, not what
is open: that made 10,000 connections on one thread possible. Everything else is this one
thread's to do, in turns that must be short. A busy connection gets 64 answers or 256 KiB and
then lets the others have theirs; deadlines (`/sleep/MS`) are a heap whose first entry is the
timeout of `epoll_wait`; an answer that the kernel has no room for waits for EPOLLOUT.
Regular files have no readiness (epoll_ctl says EPERM): `/file/NAME` is read in this thread,
64 KiB at a time, and a cold disk stops everybody. That is what io_uring is for.

In the trace of `--mode level`, the default:

    uringtrace log -p PID
    … epoll_wait(3<anon_inode:[eventpoll]>, [{events=EPOLLIN, …}], 1023, -1) = 1 <0.000347>
      slept woken-by=network ready=5<TCP …>:EPOLLIN(arrived 16.1µs before)
    … recvfrom(5<TCP …>, …, 65536, 0, NULL, NULL) = 68
    … sendto(5<TCP …>, …, 95, 0, NULL, 0) = 95

Three calls for each request when there is little to do. Under load one `epoll_wait` reports
several connections: `uringtrace stat -d 3 -p PID` counted 8,251 `recvfrom` and `sendto`, but
4,350 `epoll_wait`. Readiness is told as long as it lasts: one `recvfrom` and one `accept4`
for each report, and `epoll_ctl` whenever the loop wants to be told of something else, as
around a delay or a full socket. `--mode edge` tells it once, when it begins: one `epoll_ctl`
for each connection in its life (EPOLLIN, EPOLLOUT, EPOLLET), and reading goes on until EAGAIN,
so that about half of all `recvfrom` fail (2,745 of 5,660), and the last `accept4` of each turn.
For a new connection Python adds `getsockname` and `ioctl` (FIONBIO).

With `--fault`, counted in the last line:

- `blocking-sleep`, `blocking-file`, `blocking-getaddrinfo` (`targets/faults/blocking.py`): every
  tenth request. `uringtrace stat --threads -d 2 -p PID` says in what the thread of the loop
  waited beside epoll_wait: `waited in clock_nanosleep 2.26s (43×), epoll_wait 1.35s (241×)`, or
  in `read`, or in `poll`. Everybody's answer is late, not only that of the tenth request.
- `starvation`: no turn is short. Many `sendto` to one connection between two `epoll_wait`, and
  the next one reports others as `arrived … before`, many milliseconds. The `poll` with timeout 0
  in between is this fault's own: it looks whether others are ready, to count only then.
- `accept-spin`: 50 calls of accept too many each time: of 10,353 `accept4` 10,008 were errors.
- `leaked-connections`: what the peer has closed stays open. `uringtrace stat --connections -d 1
  -p PID`: `6,311 opened, 1,686 from before, 0 closed`; in `log` the `recvfrom` that returns 0
  is followed by an `epoll_ctl` (EPOLL_CTL_DEL) in place of `close`.
- `tiny-writes`: a `sendto` for each line of an answer, without TCP_NODELAY. The first leaves at
  once, the rest after the peer's acknowledgement: the next `epoll_wait` takes 40 ms.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from uringtrace.targets.faults.blocking import BLOCKING_FAULTS, Blocking
from uringtrace.targets.faults.reactor import Leaking, Piecemeal, Spinning, Starving
from uringtrace.targets.http.service import Service
from uringtrace.targets.readiness.loop import Loop
from uringtrace.targets.readiness.mechanisms import Epoll
from uringtrace.targets.serving import House, Options

_FAULTY: Mapping[str | None, type[Loop]] = MappingProxyType(
    {
        "starvation": Starving,
        "accept-spin": Spinning,
        "leaked-connections": Leaking,
        "tiny-writes": Piecemeal,
    }
)


def serve(options: Options, house: House) -> None:
    mode = options.mode or "level"
    tally = house.truth.tally()
    blocking = Blocking(options.fault, tally) if options.fault in BLOCKING_FAULTS else None
    loop = _FAULTY.get(options.fault, Loop)(
        Epoll(edge=mode == "edge"),
        house.listen(blocking=False),
        Service(options.documents),
        tally,
        house.stop,
        blocking.in_request if blocking else None,
    )
    house.announce(mode)
    loop.run()
