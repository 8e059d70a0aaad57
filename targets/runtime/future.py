"""Futures: what a coroutine waits for, asked by polling.

A future does nothing by itself. `poll` either gives its result or says PENDING, and then
the future has kept the waker and calls it when polling again is worth while. Whoever has a
future must poll it on or drop it; nothing checks that. Invariant: after `poll` gave a
result it is not called again.
"""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from enum import Enum, auto
from typing import Any, Final, Generic, Literal, TypeVar

from uringtrace.targets.runtime.waker import Waker

T_co = TypeVar("T_co", covariant=True)


class Pending(Enum):
    """The type of PENDING."""

    PENDING = auto()


PENDING: Final = Pending.PENDING
"""Not yet: the waker will be called."""


class Future(Generic[T_co]):
    """Something that will have a result. `await` hands it to whoever polls the coroutine."""

    __slots__ = ()

    def poll(self, waker: Waker) -> T_co | Literal[Pending.PENDING]:
        """The result, or PENDING with the waker kept; a later call replaces it. Only `Steps` raises."""
        raise NotImplementedError

    def drop(self) -> None:
        """Nobody is interested any more: give up places in queues. Harmless after the result."""

    def __await__(self) -> Generator[Future[Any], Any, T_co]:
        try:
            result: T_co = yield self
            return result
        finally:
            self.drop()


class Steps(Future[T_co]):
    """A coroutine as a future: each poll takes it as far as it gets.

    The state that Rust's compiler would put into a structure is the coroutine's frame; what
    it yields is the future it waits for. `poll` raises what the coroutine raises.
    """

    __slots__ = ("_awaited", "_coroutine")

    def __init__(self, coroutine: Coroutine[Future[Any], Any, T_co]) -> None:
        self._coroutine = coroutine
        self._awaited: Future[Any] | None = None

    def poll(self, waker: Waker) -> T_co | Literal[Pending.PENDING]:
        result = None
        while True:
            if self._awaited is not None:
                result = self._awaited.poll(waker)
                if result is PENDING:
                    return PENDING
            try:
                self._awaited = self._coroutine.send(result)
            except StopIteration as end:
                value: T_co = end.value
                return value

    def drop(self) -> None:
        """Cancel: the coroutine ends where it waits, through its `finally` clauses."""
        self._coroutine.close()


class FirstOf(Future[int]):
    """Wait for several futures; the result is the position of the first that is ready.

    The others are dropped, as `select!` drops what it owns. One that is to survive is passed
    as `Borrowed`, which is `&mut future` in Rust and the way into a futurelock: it keeps what
    it was promised, and is polled only if somebody remembers to.
    """

    __slots__ = ("_futures",)

    def __init__(self, *futures: Future[Any]) -> None:
        self._futures = futures

    def poll(self, waker: Waker) -> int | Literal[Pending.PENDING]:
        for position, future in enumerate(self._futures):
            if future.poll(waker) is not PENDING:
                return position
        return PENDING

    def drop(self) -> None:
        for future in self._futures:
            future.drop()


class Borrowed(Future[T_co]):
    """A future that somebody else keeps: polled through this, but not dropped with it."""

    __slots__ = ("_owned",)

    def __init__(self, owned: Future[T_co]) -> None:
        self._owned = owned

    def poll(self, waker: Waker) -> T_co | Literal[Pending.PENDING]:
        return self._owned.poll(waker)


class GiveWay(Future[None]):
    """Let the other tasks have their turn."""

    __slots__ = ("_given",)

    def __init__(self) -> None:
        self._given = False

    def poll(self, waker: Waker) -> Literal[Pending.PENDING] | None:
        if self._given:
            return None
        self._given = True
        waker.wake()
        return PENDING
