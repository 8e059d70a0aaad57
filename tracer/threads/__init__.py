"""Threads: what each thread of the target did, waited on and for how long."""

from uringtrace.tracer.threads.thread import (
    THREAD_COLUMNS,
    CurrentCall,
    Partner,
    ThreadActivity,
    Wait,
    thread_rows,
)
from uringtrace.tracer.threads.tracker import ThreadTracker

__all__ = [
    "THREAD_COLUMNS",
    "CurrentCall",
    "Partner",
    "ThreadActivity",
    "ThreadTracker",
    "Wait",
    "thread_rows",
]
