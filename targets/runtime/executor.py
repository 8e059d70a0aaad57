"""The executor: worker threads that poll tasks, and a reactor that waits for all of them.

The reactor has a thread of its own, the one that calls `run`. In tokio a worker that has
nothing to do takes the poller over, which saves a hand-over for every event; with a thread
of its own nobody has to decide who polls, and the trace shows the roles apart: one thread
in epoll_wait, the others in recvfrom and sendto or parked on a futex.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

from uringtrace.targets.runtime.future import Future
from uringtrace.targets.runtime.poller import Poller
from uringtrace.targets.runtime.queue import Queues
from uringtrace.targets.runtime.task import Task
from uringtrace.targets.runtime.timers import Sleep, Timers


class Executor:
    """M tasks on N threads."""

    def __init__(self, workers: int) -> None:
        self.poller = Poller()
        self.timers = Timers(self.poller.interrupt)
        self.queues: Queues[Task] = Queues(workers)
        self._tasks: set[Task] = set()
        self._failed: BaseException | None = None
        self._threads = [
            threading.Thread(target=self._work, args=(worker,), name=f"worker {worker}")
            for worker in range(workers)
        ]

    def spawn(self, coroutine: Coroutine[Future[Any], Any, None]) -> Task:
        """A new task, which is polled as soon as a worker is free. From any thread."""
        task = Task(coroutine, self.queues.push, self._on_end)
        self._tasks.add(task)
        task.begin()
        return task

    def sleep(self, seconds: float) -> Sleep:
        """A future that is ready after that time, counted from now."""
        return self.timers.sleep(seconds)

    def run(self, stop_requested: Callable[[], bool], grace_ns: int) -> None:
        """Serve until all tasks have ended, or until the grace is over after a stop was requested.

        Whatever makes `stop_requested` true must also make a source ready. From then on no
        reading waits; what is left in the end is cancelled. Raises what a task raised.
        """
        for thread in self._threads:
            thread.start()
        ends_ns: int | None = None
        while self._tasks and not self._failed:
            now_ns = self.timers.now_ns()
            if ends_ns is None and stop_requested():
                ends_ns = now_ns + grace_ns
                self.poller.end()
            if ends_ns is not None and now_ns >= ends_ns:
                break
            due_ns = min(
                (each for each in (self.timers.next_due_ns(), ends_ns) if each is not None), default=None
            )
            self.poller.wait(None if due_ns is None else due_ns - now_ns)
            self.timers.go_off()
        self.queues.close()
        for thread in self._threads:
            thread.join()
        for task in list(self._tasks):
            task.cancel()
        self.poller.close()
        if self._failed:
            raise self._failed

    def _work(self, worker: int) -> None:
        # Python names its threads for itself only (before 3.14); this is for the kernel and the trace.
        with suppress(OSError):
            Path(f"/proc/self/task/{threading.get_native_id()}/comm").write_text(f"worker {worker}")
        self.queues.adopt(worker)
        while (task := self.queues.next(worker)) is not None:
            task.poll()

    def _on_end(self, task: Task) -> None:
        self._tasks.discard(task)
        self._failed = self._failed or task.error
        if self._failed or not self._tasks:
            self.poller.interrupt()
