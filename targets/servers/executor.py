"""Executor: tasks that are polled, wakers over an eventfd, worker threads that steal (M:N).

What a runtime of async Rust does, by hand (`targets/runtime`). Every connection is a task, cheap
as a green thread; a few worker threads poll whichever tasks can go on, and steal them from each
other. One thread, the reactor, does nothing but wait in epoll for all of them. A task's thread
may be another one after each wait. In Python the interpreter lock lets one worker run at a time,
so that more of them are no faster, but the hand-overs are those of a real runtime.

`uringtrace log -p PID` while a client asks for /sleep/50 (here without times, and shortened):

    [17438] recvfrom(6<TCP …>, …) = 87
    [17438] write(4<anon_inode:[eventfd]>, …, 8) = 8 wakes=17420
    [17420] epoll_wait(3<…>, [{events=EPOLLIN, data={u32=2147483648, …}}], …, -1) = 1 slept
            ready=4<anon_inode:[eventfd]>:EPOLLIN(written by thread 17438 "worker 1" 37.6µs before)
    [17420] epoll_wait(3<…>, [], …, 50) = 0 slept woken-by=timer ended-by=timeout
    [17420] futex(0x5650052f6b40, FUTEX_WAKE_PRIVATE, 1) = 1 wakes=17437
    [17437] futex(0x5650052f6b40, FUTEX_WAIT_BITSET_PRIVATE|…) = 0 slept woken-by=thread 17420
    [17437] sendto(6<TCP …>, …) = 91

- Who wrote the eventfd with token 2147483648? `written by`: the worker whose task has to sleep.
  The reactor was to wait for ever (-1) and has to be told; then it waits 50 ms.
- Which thread does this futex wake? `wakes=`: a parked worker, to poll the task. A futex word like
  0x5650… belongs to one worker; the other futex calls are Python's interpreter lock changing
  hands.
- Why does epoll_wait return twice after one sendto? The second is the client's next step: its
  request or its close. After `epoll_ctl` a connection is reported at once: it is writable.
- Who answers? Not who read: 17438 took the request, 17437 sent the answer.

With `--fault futurelock` every tenth /sleep request polls a future that waits for a lock once, by
hand, and then waits for the same lock behind it: the lock is handed to the future that nobody
polls. From then on every request for /sleep hangs, and others are served. With `--fault
lost-waker` every tenth request waits without having left a waker, and it alone hangs. Nothing is
wrong in any single call; `uringtrace stat --connections -p PID` shows requests that came and were
never answered, while all threads are parked:

    PEER            FD     STATE REQUESTS  IN OUT  FIRST    MAX  IDLE    AGE
    127.0.0.1:39594  6 peer left        0 86B  0B      –      – 5.02s  5.02s

The last line counts faults (a futurelock: each time the lock was handed to a future that is not
polled), writes of the eventfd, stolen tasks, and how often a worker parked.
"""

from __future__ import annotations

import errno
import socket
import threading
from itertools import count
from typing import Literal

from uringtrace.targets.http.exchange import Exchange
from uringtrace.targets.http.service import Answer, Document, Service
from uringtrace.targets.runtime.executor import Executor
from uringtrace.targets.runtime.future import PENDING, Borrowed, FirstOf, Future, GiveWay, Pending
from uringtrace.targets.runtime.lock import Acquire, Lock
from uringtrace.targets.runtime.stream import Listening, Stream
from uringtrace.targets.runtime.waker import Waker
from uringtrace.targets.serving import House, Options
from uringtrace.targets.truth import Truth

_GRACE_NS = 2_000_000_000
_PIECE = 256 << 10
_BUDGET = 64
"""Answers that a task may give before it lets the others have their turn."""
_FAULT_EVERY = 10
_OUT_OF_RESOURCES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_PAUSE_SECONDS = 0.01


def serve(options: Options, house: House) -> None:
    executor = Executor(options.workers)
    server = _Server(executor, options, house)
    executor.spawn(server.accept(house.listen(blocking=False)))
    house.announce(workers=options.workers)
    executor.run(lambda: house.stop.requested, _GRACE_NS)
    house.truth.extra.update(
        most_asleep=server.most_asleep,
        eventfd_writes=executor.poller.interruptions,
        stolen=sum(each.stolen for each in executor.queues.counts),
        parked=sum(each.parked for each in executor.queues.counts),
    )


class _Tallies(threading.local):
    """A tally for each thread: whoever polls a task at the moment counts."""

    def __init__(self, truth: Truth) -> None:
        self.own = truth.tally()


class _Server:
    def __init__(self, executor: Executor, options: Options, house: House) -> None:
        self._executor = executor
        self._service = Service(options.documents)
        self._stop = house.stop
        self._tallies = _Tallies(house.truth)
        self._fault = options.fault
        self._requests = count(1)
        self._sleepers = count(1)
        self._book = Lock()
        """Guards the two figures below."""
        self._asleep = 0
        self.most_asleep = 0

    async def accept(self, listener: socket.socket) -> None:
        """The task that turns each connection into a task."""
        listening = Listening(self._executor.poller, listener)
        while not self._stop.requested:
            try:
                connection = await listening.accept()
            except ConnectionAbortedError:
                continue
            except OSError as error:
                if error.errno not in _OUT_OF_RESOURCES:
                    break
                await self._executor.sleep(_PAUSE_SECONDS)
            else:
                self._tallies.own.accepted()
                self._executor.spawn(self._attend(Stream(self._executor.poller, connection)))

    async def _attend(self, stream: Stream) -> None:
        exchange = Exchange(self._service)
        try:
            while not exchange.closing and (data := await stream.receive()):
                self._tallies.own.received(len(data))
                exchange.receive(data)
                for number in count(1):
                    answer = exchange.next()
                    if answer is None:
                        break
                    await self._answer(stream, answer)
                    if number % _BUDGET == 0:
                        await GiveWay()
            if exchange.closing:
                stream.end()
        except OSError:
            pass  # the peer has gone, and nobody is left to be told
        finally:
            stream.close()
            self._tallies.own.closed()

    async def _answer(self, stream: Stream, answer: Answer) -> None:
        if self._fault == "lost-waker" and next(self._requests) % _FAULT_EVERY == 0:
            self._tallies.own.fault()
            await _Forgetful()
        if answer.delay_ms:
            await self._sleep(answer.delay_ms / 1000)
        await self._send(stream, answer.head + answer.body)
        if answer.document is not None:
            await self._send_document(stream, answer.document)
        self._tallies.own.answered(answer.status)

    async def _sleep(self, seconds: float) -> None:
        if self._fault == "futurelock" and next(self._sleepers) % _FAULT_EVERY == 0:
            await self._futurelock()
        async with self._book:
            self._asleep += 1
            self.most_asleep = max(self.most_asleep, self._asleep)
        await self._executor.sleep(seconds)
        async with self._book:
            self._asleep -= 1

    async def _futurelock(self) -> None:
        """Take the lock, hand-poll a future for the next turn, then wait behind it for ever."""
        await self._book.acquire()
        place = self._book.acquire()
        await FirstOf(Borrowed(place), self._executor.sleep(0.005))
        # The timer was first. `place` stands in the queue and is not polled from here on.
        self._executor.spawn(self._leave(place))
        await self._book.acquire()

    async def _leave(self, place: Acquire) -> None:
        self._book.release()
        if place.granted:
            self._tallies.own.fault()

    async def _send_document(self, stream: Stream, document: Document) -> None:
        # Read by the worker itself: a file is always ready, so that no poller helps.
        with document.path.open("rb", buffering=0) as file:
            left = document.size
            while left:
                data = file.read(min(left, _PIECE))
                if not data:
                    raise OSError(f"{document.path} became shorter")
                await self._send(stream, data)
                left -= len(data)

    async def _send(self, stream: Stream, data: bytes) -> None:
        # The thread may be another after each wait, and with it the tally.
        await stream.send(data, lambda number: self._tallies.own.sent(number))


class _Forgetful(Future[None]):
    """Says that it is not ready and keeps no waker."""

    def poll(self, waker: Waker) -> Literal[Pending.PENDING]:
        return PENDING
