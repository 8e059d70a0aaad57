"""What a log line says of a wait after its marks: what was ready, why, and what cut it short.

`ready=5<TCP …>:EPOLLIN(arrived 12.0µs before),?data=0x7:EPOLLIN` or `ended-by=timeout`. Who
woke whom is in the marks before. Times are before the return of the call. What is not known
is not said: a descriptor that cannot be told is `?`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.readiness.causes import CauseKind
from uringtrace.tracer.readiness.explain import Cause, Explained, Explainer, Ready, Wait
from uringtrace.tracer.readiness.wakers import Reason
from uringtrace.tracer.records import Records
from uringtrace.tracer.source import Context, File, Interest, Thread
from uringtrace.ui.text.call_values import quoted
from uringtrace.ui.text.flags import bit_names, decode
from uringtrace.ui.text.numbers import duration
from uringtrace.ui.text.operation_arguments import ArgumentsText

_SHOWN = 8
"""Descriptors in one line; the rest is `+N`."""
_NAMES = "IN PRI OUT ERR HUP NVAL RDNORM RDBAND WRNORM WRBAND MSG - - RDHUP"
_EPOLL = bit_names(" ".join(name if name == "-" else f"EPOLL{name}" for name in _NAMES.split()))
_POLL = bit_names(" ".join(name if name == "-" else f"POLL{name}" for name in _NAMES.split()))


class ReadinessText:
    """Follows a capture and words what its waits were about."""

    def __init__(self, context: Context, interests: Iterable[Interest], limit: int | None = None) -> None:
        """`interests` are those of the source; `limit` is the most characters between < and >."""
        self._explainer = Explainer(context, interests)
        self._words = ReadinessWords(context, limit)

    def lines(
        self,
        records: Records,
        files: Mapping[int, File],
        threads: Mapping[int, Thread],
        shown: NDArray[np.bool_] | None = None,
    ) -> dict[int, str]:
        """Index of the operation → its words, each with a space before; without what has none.

        All records have to be given, once and in order, also those that nobody looks at:
        `shown`, of shape (n,), says which rows are wanted.
        """
        return self._words.lines(self._explainer.add(records, files), files, threads, shown)


class ReadinessWords:
    """Words what is known already."""

    def __init__(self, context: Context, limit: int | None = None) -> None:
        """`limit` is the most characters between < and >."""
        self._descriptors = ArgumentsText(context.operation_names, {}, limit)
        self._threads: Mapping[int, Thread] = {}

    def lines(
        self,
        explained: Explained,
        files: Mapping[int, File],
        threads: Mapping[int, Thread],
        shown: NDArray[np.bool_] | None = None,
    ) -> dict[int, str]:
        """Index of the operation → its words, each with a space before; without what has none.

        `shown`, of shape (n,), says which rows are wanted.
        """
        self._descriptors.files = files
        self._threads = threads
        wanted = explained.told()
        if shown is not None:
            wanted &= shown
        return {row: self._words(explained.wait(row, _SHOWN)) for row in np.flatnonzero(wanted).tolist()}

    def _words(self, wait: Wait) -> str:
        words = ""
        if wait.ready:
            listed = ",".join(self._ready(each) for each in wait.ready)
            more = wait.reported - len(wait.ready)
            words = f" ready={listed},+{more}" if more > 0 else f" ready={listed}"
        reason = wait.ended_by.reason if wait.ended_by is not None else None
        return f"{words} ended-by={reason}" if reason in (Reason.SIGNAL, Reason.TIMEOUT) else words

    def _ready(self, ready: Ready) -> str:
        if ready.fd is not None:
            what = self._descriptors.descriptor(ready.fd, ready.file or 0, False)
        else:
            what = "?" if ready.data is None else f"?data={ready.data:#x}"
        mask = _epoll_mask(ready.mask) if ready.data is not None else _poll_mask(ready.mask)
        return f"{what}:{mask}{self._cause(ready.cause)}"

    def _cause(self, cause: Cause | None) -> str:
        if cause is None:
            return ""
        when = f"{duration(cause.before_ns)} before"
        if cause.kind is CauseKind.WRITTEN and cause.tid is not None:
            return f"(written by {self._thread(cause.tid)} {when})"
        return f"({_CAUSES[cause.kind]} {when})"

    def _thread(self, tid: int) -> str:
        """`thread 1234 "name"`, as the marks have it, or without the name."""
        thread = self._threads.get(tid)
        named = f" {quoted(thread.name.encode())}" if thread is not None and thread.name else ""
        return f"thread {tid}{named}"


_CAUSES = {
    CauseKind.NONE: "",
    CauseKind.WRITTEN: "written",
    CauseKind.ARRIVED: "arrived",
    CauseKind.ENDED: "ended by peer",
}


@lru_cache(4096)
def _epoll_mask(mask: int) -> str:
    return decode(mask, _EPOLL)


@lru_cache(4096)
def _poll_mask(mask: int) -> str:
    return decode(mask, _POLL)
