"""A statement of DuckDB that Ctrl-C ends.

DuckDB looks for signals between two pieces of work of the thread that asked. What its other threads
run then goes on until it is through, which may be hours, and the thread that asked waits for them
where Python cannot reach it. So the statement is given to a thread of its own, and the one that
handles signals waits in Python and has DuckDB break off what it does.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

import duckdb

_Answer = TypeVar("_Answer")
_AGAIN_SECONDS = 0.05
"""What comes before the statement has begun is forgotten when it begins."""


def interruptible(connection: duckdb.DuckDBPyConnection, work: Callable[[], _Answer]) -> _Answer:
    """`work()`, statements on this connection. Raises what it raises, and KeyboardInterrupt at once where
    SIGINT does that; the connection can be used again then."""
    if threading.current_thread() is not threading.main_thread():
        return work()
    with ThreadPoolExecutor(1, thread_name_prefix="statement") as pool:
        answer = pool.submit(work)
        try:
            return answer.result()
        except KeyboardInterrupt:
            _break_off(connection, answer)
            raise


def _break_off(connection: duckdb.DuckDBPyConnection, answer: Future[_Answer]) -> None:
    while not answer.done():
        connection.interrupt()
        wait([answer], timeout=_AGAIN_SECONDS)
