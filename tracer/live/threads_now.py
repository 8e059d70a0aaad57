"""Puts together what is known of each thread: its records, the call it is in, and /proc's view."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from uringtrace.tracer.live.picture import ThreadNow
from uringtrace.tracer.live.thread_states import ENDED, RUNNING, UNKNOWN, WAITING, ThreadState
from uringtrace.tracer.live.under_way import UnderWay
from uringtrace.tracer.record import FIRST_CALL, Kind
from uringtrace.tracer.source import Context, File
from uringtrace.tracer.threads import ThreadActivity

_FUTEX = frozenset({"futex", "futex_wait", "futex_waitv"})


@dataclass(frozen=True, slots=True)
class Calls:
    """The call that each thread is in, in words."""

    context: Context
    files: Mapping[int, File]
    rows: Mapping[int, np.void]
    """By thread; see `UnderWay.calls`."""
    at_ns: int
    """The moment of which this is true."""

    def name(self, tid: int) -> str | None:
        row = self.rows.get(tid)
        if row is None:
            return None
        opcode = int(row["opcode"])
        return self.context.operation_names.get(opcode, f"call {opcode - FIRST_CALL}")

    def waits_for(self, tid: int) -> str | None:
        row = self.rows.get(tid)
        if row is None:
            return None
        file = self.files.get(int(row["file"]))
        if file is not None:
            return file.description
        if int(row["fd"]) >= 0:
            return f"descriptor {int(row['fd'])}"
        return f"{int(row['arg0']):#x}" if self.name(tid) in _FUTEX else None

    def in_call_ns(self, tid: int) -> int | None:
        row = self.rows.get(tid)
        if row is None:
            return None
        return max(0, self.at_ns - max(int(row["submitted_ns"]), self.context.started_ns))


def threads_now(
    activities: Iterable[ThreadActivity],
    calls: Calls,
    states: Mapping[int, ThreadState] | None,
    *,
    alive: Collection[int] | None,
    wakes: Callable[[int], int | None],
    asleep: Mapping[int, float] | None,
) -> tuple[ThreadNow, ...]:
    """By process and thread. `states` None: /proc was not looked at, as for a recording.

    `alive` are the target's processes, where that is known; `wakes` gives how often a thread was
    woken in the last second; `asleep` has shares of it from the records, for when /proc cannot say.
    """
    known = {activity.tid: activity for activity in activities}
    for tid, seen in (states or {}).items():
        if tid not in known:
            known[tid] = _without_records(tid, seen.tgid, seen.name)
    for tid, row in calls.rows.items():
        if tid not in known:
            known[tid] = _without_records(tid, int(row["tgid"]), None)
    listed = {seen.tgid for seen in states.values()} if states is not None else set()

    def now(tid: int, activity: ThreadActivity) -> ThreadNow:
        found = states.get(tid) if states is not None else None
        # A thread of another process has its number by now.
        state = found if found is not None and found.tgid == activity.tgid else None
        over = state is None and (
            activity.tgid in listed or (alive is not None and activity.tgid not in alive)
        )
        waiting = state.waiting if state else None
        if states is None and asleep is not None:
            waiting = asleep.get(tid, 0.0)
        return ThreadNow(
            activity=activity,
            call=None if over else calls.name(tid),
            waits_for=None if over else calls.waits_for(tid),
            in_call_ns=None if over else calls.in_call_ns(tid),
            state=ENDED if over else state.state if state else _recorded_state(tid, calls),
            wakes_now=_number(wakes(tid)),
            running_now=state.running if state else None,
            waiting_now=waiting,
            blocked_now=None,
        )

    shown = [now(tid, activity) for tid, activity in known.items()]
    return tuple(sorted(shown, key=lambda thread: (thread.activity.tgid, thread.activity.tid)))


def _recorded_state(tid: int, calls: Calls) -> str:
    """From the call that it is in, as that was recorded later."""
    row = calls.rows.get(tid)
    if row is None or row["kind"] != Kind.COMPLETION:
        return UNKNOWN
    return WAITING if row["slept"] and int(row["woken_ns"]) > calls.at_ns else RUNNING


def _number(count: int | None) -> float | None:
    return None if count is None else float(count)


def calls_of(context: Context, files: Mapping[int, File], under_way: UnderWay | None) -> Calls:
    if under_way is None:
        return Calls(context, files, {}, 0)
    return Calls(context, files, under_way.calls(), under_way.at_ns)


def _without_records(tid: int, tgid: int, name: str | None) -> ThreadActivity:
    return ThreadActivity(
        tid=tid,
        tgid=tgid,
        name=name,
        system_calls=0,
        operations=0,
        errors=0,
        slept_calls=0,
        slept_ns=0,
        running_ns=0,
        waits=(),
        woken_by_timer=0,
        woken_by_network=0,
        woken_by_thread=0,
        woken_by_interrupt=0,
        woken_by=(),
        woke=(),
        current=None,
    )
