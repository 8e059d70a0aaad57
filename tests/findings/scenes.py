"""What the reference servers are made to do, and what has to be found in it.

A scene is a server, healthy or with a fault, and its visitors. `count` is the number in the
finding that must equal the server's own in its last line.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from tests.findings import visits
from tests.findings.visits import Address
from uringtrace.targets.catalogue import ARCHITECTURES


@dataclass(frozen=True)
class Scene:
    server: str
    visit: Callable[[Address], None]
    fault: str | None = None
    tag: str | None = None
    """What has to be found; None: nothing above info."""
    count: str | None = None
    """The value that equals the count of faults."""
    options: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.server}-{self.fault}" if self.fault else self.server

    @property
    def arguments(self) -> tuple[str, ...]:
        return (*(("--fault", self.fault) if self.fault else ()), *self.options)


_ROUNDS = partial(visits.in_rounds, connections=8, rounds=40)
_FEW = partial(visits.in_rounds, connections=4, rounds=20)
_BLOCKED = ("blocked-loop", "blocks")

FAULTS = (
    *(
        Scene(server, _FEW, f"blocking-{what}", *_BLOCKED)
        for server in ("epoll", "asyncio")
        for what in ("sleep", "file")
    ),
    *(Scene(server, visits.mostly_one, "blocking-getaddrinfo", *_BLOCKED) for server in ("epoll", "asyncio")),
    Scene("epoll", visits.firehose, "starvation", "starved-connections"),
    Scene("epoll", visits.one_after_another, "accept-spin", "eagain-storm", "eagain"),
    Scene("epoll", visits.leave_first, "leaked-connections", "leaked-connections", "leaked"),
    *(Scene(server, _ROUNDS, "tiny-writes", "tiny-writes", "writes") for server in ("epoll", "asyncio")),
    Scene(
        "epoll-workers", visits.at_once, "thundering-herd", "thundering-herd", "eagain", ("--workers", "4")
    ),
    Scene("executor", visits.ask_to_sleep, "futurelock", "stuck-request"),
    Scene("executor", partial(visits.give_up, paths=["/"] * 40), "lost-waker", "stuck-request", "unanswered"),
    Scene("uring", _ROUNDS, "one-by-one", "one-submission-per-call", "alone"),
    Scene("uring", _ROUNDS, "cq-overflow", "cq-overflow", "overflows"),
    Scene("uring", _ROUNDS, "io-wq-writes", "io-wq-punts", "punts"),
    Scene("uring", visits.stay, "worker-storm", "worker-storm", "at_once"),
    Scene("uring", visits.too_much_at_once, "unarmed-recv", "multishot-ended", "ended"),
)


def _healthy() -> tuple[Scene, ...]:
    found = []
    for name, architecture in ARCHITECTURES.items():
        visit: Callable[[Address], None] = partial(_ROUNDS, tls=architecture.tls)
        options: tuple[str, ...] = ()
        if name == "iterative":
            visit = visits.one_after_another
        elif architecture.binds_workers:
            options = ("--workers", "8")
        found.append(Scene(name, visit, options=options))
    return tuple(found)


HEALTHY = _healthy()

ARCHITECTURE_WORDS = {
    "iterative": "iterative",
    "fork": "a process for each connection",
    "prefork": "processes that accept",
    "thread": "a thread for each connection",
    "threadpool": "one acceptor and a pool of threads",
    "select": "single loop over select",
    "poll": "single loop over poll",
    "epoll": "single reactor (epoll)",
    "epoll-workers": "processes with an epoll each",
    "executor": "tasks on several threads (M:N)",
    "asyncio": "single reactor (epoll)",
    "uvloop": "single reactor (epoll)",
    "greenlet": "single reactor (epoll)",
    "uring": "io_uring",
    "uring-sqpoll": "io_uring with SQPOLL",
    "uring-ktls": "io_uring with SQPOLL",
    "sendfile": "a thread for each connection",
}
"""Green threads on one thread are a reactor to the kernel."""
