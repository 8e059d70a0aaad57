"""Epoll workers: a reactor for each processor, which leaves one question: who accepts?

Each worker is a process with an epoll of its own and the loop of the `epoll` server. The parent
only forks, passes SIGTERM on and waits for them; a worker that dies ends the run. Three
ways to share the port:

- `--mode reuseport`, the default: a listener for each worker (SO_REUSEPORT, Linux 3.9). The
  kernel spreads connections by a hash of their addresses; what is in the queue of a worker that
  is busy stays there.
- `--mode herd` or `--herd`: one inherited listener in every epoll. For one connection the kernel
  wakes every worker that sleeps. One gets it, and the others hear EAGAIN or, when they come
  too late even for that, go back to sleep inside `epoll_wait`. `--fault thundering-herd` is the
  same and counts the EAGAINs in the last line.
- `--mode exclusive`: the same listener with EPOLLEXCLUSIVE (Linux 4.5). The kernel wakes at least one that
  sleeps, always beginning with the same one: hardly a herd, and no balance.

In the trace (`worker_pids` is in the first line; `-f` would follow only workers that are forked
later), with four workers and a connection for each request:

    uringtrace stat --threads -d 1 -p WORKER,WORKER,WORKER,WORKER

reuseport: 3,598 `accept4`, no error; the workers were `woken by network` 1,205, 1,140, 1,140 and
1,138 times. herd: 2,448 `accept4`, of them 464 errors; woken 1,174, 1,047, 919 and 692 times.
exclusive: 1,923 `accept4`, 77 errors; woken 1,590, 616, 366 and 282 times.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

from uringtrace.errors import Error, UsageError
from uringtrace.targets.children import Children
from uringtrace.targets.faults.reactor import Herding
from uringtrace.targets.http.service import Service
from uringtrace.targets.readiness.loop import Loop
from uringtrace.targets.readiness.mechanisms import READ, Epoll
from uringtrace.targets.serving import House, Options
from uringtrace.targets.truth import Tally


class _Exclusive(Loop):
    """Watches a listener that others watch too, and lets the kernel choose whom to wake."""

    mechanism: Epoll

    def watch_listener(self) -> None:
        self.mechanism.add_exclusively(self.listener.fileno(), READ)


_LOOPS: Mapping[str, type[Loop]] = MappingProxyType(
    {"reuseport": Loop, "herd": Herding, "exclusive": _Exclusive}
)


def serve(options: Options, house: House) -> None:
    mode = _mode(options)
    own = mode == "reuseport"
    # All of them before the first worker: what comes in between waits at its listener.
    listeners = [house.listen(reuse_port=own, blocking=False) for _ in range(options.workers if own else 1)]
    children = Children(house)
    service = Service(options.documents)

    def work(number: int, tally: Tally) -> None:
        listener = listeners[number % len(listeners)]
        for each in listeners:
            if each is not listener:
                each.close()
        house.stop.listener(listener)
        _LOOPS[mode](Epoll(), listener, service, tally, house.stop).run()

    workers = [children.start(partial(work, number)) for number in range(options.workers)]
    for listener in listeners:
        listener.close()
    house.announce(mode, workers=options.workers, worker_pids=workers)
    worker, code = children.wait_for_one()
    children.end()
    if not house.stop.requested:
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
        raise Error(f"worker {worker} {how}, and the others were told to end")


def _mode(options: Options) -> str:
    if options.fault is None:
        return options.mode or "reuseport"
    if options.mode not in (None, "herd"):
        raise UsageError(f"{options.fault} needs one listener for all: not --mode {options.mode}")
    return "herd"
