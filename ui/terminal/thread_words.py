"""What a thread is doing, in words."""

from __future__ import annotations

from uringtrace.tracer.live.picture import ThreadNow
from uringtrace.ui.text import numbers


def now_words(thread: ThreadNow) -> str:
    """`epoll_wait <anon_inode:[eventpoll]>`; a dash where no call is known, which is not the same as none."""
    if thread.call is not None:
        return f"{thread.call} <{thread.waits_for}>" if thread.waits_for else thread.call
    return "" if thread.state == "ended" else numbers.UNKNOWN


def sentence(thread: ThreadNow) -> str:
    """`waiting 1.23s in epoll_wait <…>`"""
    if thread.call is None:
        return thread.state
    return f"{thread.state} {numbers.duration(thread.in_call_ns)} in {now_words(thread)}"


def activity_lines(thread: ThreadNow) -> list[str]:
    """What it did, last second and since the start; what it does now is the first line."""
    activity = thread.activity
    return [
        sentence(thread),
        f"last second: {numbers.share(thread.running_now)} running, "
        f"{numbers.share(thread.waiting_now)} waiting, {numbers.share(thread.blocked_now)} blocked; "
        f"woken {numbers.rate(thread.wakes_now)}",
        f"since the start: {numbers.count(activity.system_calls)} calls, "
        f"{numbers.count(activity.operations)} io_uring operations, {numbers.count(activity.errors)} errors",
        f"in calls: {numbers.duration(activity.slept_ns)} asleep, in {numbers.count(activity.slept_calls)} "
        f"of them, {numbers.duration(activity.running_ns)} awake",
    ]
