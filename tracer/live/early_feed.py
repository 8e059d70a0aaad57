"""Pictures of a target from a thread that has begun before there is a screen.

To attach probes and to draw the first screen both take about half a second, so they happen at the
same time; and what the target does meanwhile is drained, however long the screen takes. Whoever
leaves the context detaches, whatever became of the attaching.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from threading import Lock, Thread
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from uringtrace.tracer.live.capture_feed import CaptureFeed, RunningCapture
    from uringtrace.tracer.live.feed import Recorder
    from uringtrace.tracer.live.picture import Picture
    from uringtrace.tracer.source import Context


class EarlyFeed:
    """Implements `feed.Feed`, and is a context manager."""

    controls = None

    def __init__(
        self,
        capture: AbstractContextManager[RunningCapture],
        feed: Callable[[RunningCapture], CaptureFeed],
        stop: Callable[[], None],
    ) -> None:
        """Begins at once: enters `capture`, makes the feed of it and runs that.

        `stop` ends the capture, even before it was entered; it may be called in a signal handler.
        """
        self._capture = capture
        self._make = feed
        self._stop = stop
        self._feed: CaptureFeed | None = None
        self._failure: BaseException | None = None
        self._stopped = False
        self._lock = Lock()
        self._post: Callable[[Picture], None] | None = None
        self._newest: Picture | None = None
        self._thread = Thread(target=self._work, name="capture", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        try:
            with self._capture as entered:
                self._feed = self._make(entered)
                # A stop that came before had no feed to tell.
                if not self._stopped:
                    self._feed.run(self._keep)
        except BaseException as failure:  # raised again where it is waited for
            self._failure = failure

    def _keep(self, picture: Picture) -> None:
        with self._lock:
            self._newest = picture
            if self._post is not None:
                self._post(picture)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._thread.join()

    def raise_failure(self) -> None:
        """Raise what the attaching or the capture has failed with, when it has failed by now."""
        if self._failure is not None:
            raise self._failure

    @property
    def context(self) -> Context:
        """Of the target; raises `LookupError` before there is a picture."""
        if self._newest is None:
            raise LookupError("nothing was seen yet")
        return self._newest.context

    @property
    def recorder(self) -> Recorder | None:
        """None until the probes are attached."""
        return self._feed.recorder if self._feed is not None else None

    @property
    def aside(self) -> Recorder | None:
        """None until the probes are attached."""
        return self._feed.aside if self._feed is not None else None

    def run(self, post: Callable[[Picture], None]) -> None:
        """As of `feed.Feed`, beginning with the newest picture there is. Raises what attaching raises."""
        with self._lock:
            self._post = post
            if self._newest is not None:
                post(self._newest)
        self._thread.join()
        self.raise_failure()

    def stop(self) -> None:
        self._stopped = True
        self._stop()
        if self._feed is not None:
            self._feed.stop()
