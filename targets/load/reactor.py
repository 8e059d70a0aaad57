"""One run, in one thread over one epoll.

A run ends when its requests are all settled, or when its time is over and the answers
that were outstanding have come: an answer is never cut off, so that counts are exact.
Only an interruption cuts off, after a second's patience.
"""

from __future__ import annotations

import select
import time

from uringtrace.errors import UsageError
from uringtrace.targets.load.connection import Connection
from uringtrace.targets.load.crew import Crew, State
from uringtrace.targets.load.plan import Plan, allow_descriptors, check
from uringtrace.targets.load.result import Result, outcome
from uringtrace.targets.load.schedule import SECOND_NS, ClosedLoop, OpenLoop, Schedule
from uringtrace.targets.load.slow import SlowClients
from uringtrace.targets.load.tally import Tally
from uringtrace.targets.load.tls import client_context

_LOOK_NS = 100_000_000
"""How often it looks for timeouts, and for whether it was interrupted."""

_PATIENCE_NS = SECOND_NS
_OPENING_NS = SECOND_NS
"""How long an open loop waits for its connections before the first request is due."""

_FINE_NS = 20_000_000
_SELECTABLE = 1024
"""FD_SETSIZE: select(2) takes no larger descriptor."""


class Reactor:
    """Runs a plan once. `stop` may be called from a signal handler."""

    def __init__(self, plan: Plan) -> None:
        check(plan)
        self.plan = plan
        self._interrupted = False
        self._ended_by = ""
        self._limit_ns: int | None = None

    def stop(self) -> None:
        """End soon: send nothing more, wait a second at most for what is outstanding."""
        self._interrupted = True

    def run(self) -> Result:
        """Do it all; raises `UsageError` when no connection ever comes about."""
        plan = self.plan
        allow_descriptors(plan)
        with select.epoll() as epoll:
            start_ns = time.monotonic_ns()
            context = client_context() if plan.endpoint.tls else None
            crew = Crew(
                plan=plan,
                request=plan.request(),
                schedule=_schedule(plan, start_ns),
                tally=Tally(plan.status, plan.length, plan.any_length),
                epoll=epoll,
                context=context,
            )
            connections = [Connection(crew) for _ in range(plan.connections)]
            slow = SlowClients(plan, context, start_ns)
            try:
                start_ns = self._begin(crew, connections, start_ns)
                unsent = self._loop(crew, connections, slow, start_ns)
                end_ns = time.monotonic_ns()
            finally:
                for connection in connections:
                    connection.close()
                slow.close()
        return outcome(plan, crew, slow.tally, self._ended_by, end_ns - start_ns, unsent)

    def _begin(self, crew: Crew, connections: list[Connection], start_ns: int) -> int:
        """Open what is to be open before the first request is due; returns when that is."""
        if isinstance(crew.schedule, ClosedLoop) or self.plan.new_connections:
            for connection in connections:
                connection.work(start_ns)
            return start_ns
        for connection in connections:
            connection.open(start_ns)
        while any(one.state in (State.CONNECTING, State.HANDSHAKE) for one in connections):
            now_ns = time.monotonic_ns()
            if now_ns > start_ns + _OPENING_NS or self._interrupted:
                break
            _events(crew, _LOOK_NS)
        start_ns = time.monotonic_ns()
        if isinstance(crew.schedule, OpenLoop):
            crew.schedule.start_ns = start_ns
        return start_ns

    def _loop(self, crew: Crew, connections: list[Connection], slow: SlowClients, start_ns: int) -> int:
        """Until the end; returns how many requests were due by then that nobody took."""
        schedule, tally, plan = crew.schedule, crew.tally, self.plan
        deadline_ns = None if plan.duration_ns is None else start_ns + plan.duration_ns
        if isinstance(schedule, OpenLoop):
            schedule.until_ns = deadline_ns
        look_ns = start_ns + _LOOK_NS
        unsent = 0
        while True:
            now_ns = time.monotonic_ns()
            if crew.failure and not crew.reached:
                raise _nobody(plan, crew.failure)
            if not self._ended_by:
                if self._interrupted:
                    unsent = self._end("interruption", schedule, now_ns)
                    self._limit_ns = now_ns + _PATIENCE_NS
                elif deadline_ns is not None and now_ns >= deadline_ns:
                    unsent = self._end("time", schedule, now_ns)
            elif self._interrupted and self._limit_ns is None:
                self._limit_ns = now_ns + _PATIENCE_NS
            if schedule.ended and schedule.taken == tally.settled:
                break
            if self._limit_ns is not None and now_ns >= self._limit_ns:
                break
            if now_ns >= look_ns:
                look_ns = now_ns + _LOOK_NS
                for connection in connections:
                    connection.expire(now_ns)
            while crew.resting and crew.resting[0][0] <= now_ns:
                crew.resting.popleft()[1].rested(now_ns)
            due_ns = schedule.next_due_ns()
            while due_ns is not None and due_ns <= now_ns and crew.idle:
                crew.idle.popleft().called(now_ns)
                due_ns = schedule.next_due_ns()
            slow.act(now_ns)
            # A request that is due waits for a connection, and that is an event.
            times = [look_ns, deadline_ns, slow.next_ns(), due_ns if crew.idle else None]
            soonest_ns = min(each for each in times if each is not None and each > now_ns)
            _events(crew, max(0, soonest_ns - time.monotonic_ns()))
        self._ended_by = self._ended_by or "requests"
        return unsent

    def _end(self, reason: str, schedule: Schedule, at_ns: int) -> int:
        self._ended_by = reason
        unsent = schedule.overdue(at_ns)
        schedule.end()
        return unsent


def _schedule(plan: Plan, start_ns: int) -> Schedule:
    if plan.rate is None:
        return ClosedLoop(plan.requests)
    return OpenLoop(
        plan.rate, plan.requests, start_ns + 2 * _OPENING_NS if not plan.new_connections else start_ns
    )


def _events(crew: Crew, wait_ns: int) -> None:
    """Wait for events and handle them."""
    by_descriptor = crew.by_descriptor
    for descriptor, mask in crew.epoll.poll(_epoll_timeout(crew.epoll, wait_ns)):
        if (connection := by_descriptor.get(descriptor)) is not None:
            connection.ready(mask)


def _epoll_timeout(epoll: select.epoll, wait_ns: int) -> float:
    """Wait for less than epoll_wait(2) can, whose unit is a millisecond, and say how long it is to."""
    seconds = wait_ns / SECOND_NS
    if wait_ns >= _FINE_NS or wait_ns == 0 or epoll.fileno() >= _SELECTABLE:
        return seconds
    select.select([epoll], [], [], seconds)
    return 0


def _nobody(plan: Plan, reason: str) -> UsageError:
    place = plan.endpoint
    others = f"; the name also stands for {', '.join(place.others)}" if place.others else ""
    return UsageError(f"no connection to {place}: {reason}", f"is the server running there?{others}")
