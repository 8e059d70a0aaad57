"""What is particular to executor, asyncio, uvloop and greenlet: faults, limits, exact counts, wakers."""

from __future__ import annotations

import resource
import selectors
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.servers.running import Line, Running, running
from tests.servers.visitor import PATIENCE_SECONDS, Visitors, request
from uringtrace.targets.servers.asyncio import _written


def test_futurelock_hangs_what_needs_the_lock_and_nothing_else() -> None:
    """Nine sleep, the tenth stays in the lock's queue; from then on none sleeps, and all else goes on."""
    with running("executor", "--fault", "futurelock") as server:
        visitors = Visitors(server.address)
        with visitors.visit() as visit:
            for _ in range(9):
                assert visit.get("/sleep/1").status == 200
        tenth = visitors.connect()
        tenth.send(request("/sleep/1"))
        late = visitors.connect()
        late.send(request("/sleep/1"))
        # Until the tenth has come so far, the lock is still to be had.
        until = time.monotonic() + PATIENCE_SECONDS
        while not late.silent(0.3):
            late.answer()
            late.send(request("/sleep/1"))
            assert time.monotonic() < until, "the lock is handed on"
        with visitors.visit() as visit:
            assert visit.get("/").status == 200
            assert visit.get("/bytes/1000").status == 200
        last = server.stop()
        assert tenth.ended()
        assert late.ended()
    assert last["faults"] == {"futurelock": 1}
    assert last["requests"] == visitors.books.requests
    assert last["closed"] == last["connections"] == visitors.books.connections


def test_a_lost_waker_hangs_every_tenth_request_alone() -> None:
    with running("executor", "--fault", "lost-waker") as server:
        visitors = Visitors(server.address)
        with visitors.visits(30) as visits, selectors.DefaultSelector() as selector:
            for visit in visits:
                visit.send(request("/"))
                selector.register(visit.socket, selectors.EVENT_READ, visit)
            while len(selector.get_map()) > 3:
                ready = selector.select(PATIENCE_SECONDS)
                assert ready, f"{len(selector.get_map())} requests hang"
                for key, _ in ready:
                    assert key.data.answer().status == 200
                    selector.unregister(key.fileobj)
            last = server.stop()
            assert all(key.data.ended() for key in selector.get_map().values())
    assert last["faults"] == {"lost-waker": 3}
    assert last["requests"] == 27


@pytest.mark.parametrize(
    ("fault", "requests", "seconds"),
    [("blocking-sleep", 20, 0.05), ("blocking-file", 20, 0.05), ("blocking-getaddrinfo", 10, 0.5)],
)
def test_a_blocking_call_stops_the_loop_in_every_tenth_request(
    fault: str, requests: int, seconds: float
) -> None:
    """The tenth and its successors take as long as the call, at least, and are counted."""
    with running("asyncio", "--fault", fault) as server:
        took = []
        with Visitors(server.address).visit() as visit:
            for _ in range(requests):
                begun = time.monotonic()
                assert visit.get("/").status == 200
                took.append(time.monotonic() - begun)
        last = server.stop()
    assert all(each >= seconds for each in took[9::10])
    assert last["faults"] == {fault: requests // 10}


@pytest.mark.parametrize("name", ["executor", "asyncio", "greenlet"])
def test_without_descriptors_connections_wait_until_there_are_some(name: str) -> None:
    with running(name) as server:
        visitors = Visitors(server.address)
        with visitors.visit() as first, visitors.visit() as second:
            for each in (first, second):
                assert each.get("/").status == 200
            allow_descriptors(server, 0)
            with visitors.visits(3) as waiting:
                for visit in waiting:
                    visit.send(request("/"))
                assert first.get("/bytes/10").status == 200, "those that are there are served"
                allow_descriptors(server, 3)
                for visit in waiting:
                    assert visit.answer().status == 200
        last = server.stop()
    assert (last["connections"], last["requests"]) == (5, 6)


def test_uvloop_without_descriptors_ends_connections_at_once() -> None:
    """libuv's way: accepted with a descriptor that it keeps for this, and closed."""
    with running("uvloop") as server:
        visitors = Visitors(server.address)
        with visitors.visit() as first:
            assert first.get("/").status == 200
            allow_descriptors(server, 0)
            with visitors.visit() as refused:
                assert refused.ended()
            allow_descriptors(server, 8)
            assert first.get("/").status == 200, "and has left off accepting"
            with visitors.visit() as served:
                assert served.get("/").status == 200
        last = server.stop()
    assert (last["connections"], last["requests"]) == (2, 3), "what libuv closes nobody counts"


@pytest.mark.parametrize("name", ["executor", "asyncio", "uvloop", "greenlet"])
def test_who_asks_much_and_says_goodbye_gets_all_answers(name: str) -> None:
    """More requests than one turn answers, then the end of sending: the answers are still due."""
    with running(name) as server:
        visitors = Visitors(server.address)
        with visitors.visit() as visit:
            visit.send(request("/") * 500 + request("/sleep/1") + request("/bytes/1000000"))
            visit.socket.shutdown(socket.SHUT_WR)
            for _ in range(502):
                assert visit.answer().status == 200
            assert visit.ended()
        last = server.stop()
    assert (last["requests"], last["bytes_out"]) == (502, visitors.books.bytes_out)


def test_the_kernel_says_how_much_was_written() -> None:
    """What asyncio's transports do not tell when a peer goes away in the middle of an answer."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = socket.create_connection(listener.getsockname())
        connection, _ = listener.accept()
        with connection, peer:
            connection.setblocking(False)
            written = 0
            try:
                while True:
                    written += connection.send(bytes(100_003))
            except BlockingIOError:
                pass
            assert _written(connection) == written
            peer.recv(50_000)
            assert _written(connection) == written
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            peer.close()
            assert _written(connection) == written, "also when the connection was reset"


@pytest.mark.bpf
def test_who_wrote_the_eventfd_with_token_2147483648() -> None:
    """A worker whose task sleeps; the readiness records name it, and the server counts as many writes."""

    def visit(visitors: Visitors) -> None:
        with visitors.visit() as visit:
            for _ in range(5):
                assert visit.get("/sleep/5").status == 200

    traced = Traced("executor", visit)
    woken = [ready for wait in traced.waits for ready in wait.ready if ready.data == 1 << 31]
    writers = {ready.cause.tid for ready in woken if ready.cause is not None}
    assert len(woken) >= 5
    assert writers
    assert traced.pid not in writers, "the reactor waits, and does not interrupt itself"
    assert {traced.threads[tid] for tid in writers} <= {"worker 0", "worker 1"}
    event = next(ready.fd for ready in woken)
    writes = traced.named("write")
    assert int(np.count_nonzero(writes["fd"] == event)) == traced.last["eventfd_writes"]


@pytest.mark.bpf
@pytest.mark.parametrize(
    ("name", "call"), [("asyncio", "sendto"), ("uvloop", "write"), ("greenlet", "sendto")]
)
def test_every_byte_is_counted_also_of_answers_that_nobody_reads(name: str, call: str) -> None:
    """The sum of what the kernel said it took is what the last line says."""

    def leave(visitors: Visitors) -> None:
        for _ in range(3):
            with visitors.visit(receive_buffer=4096) as visit:
                visit.send(request("/bytes/8000000"))
                visit.read_some()
            with visitors.visit() as visit:
                assert visit.get("/bytes/100000").status == 200

    traced = Traced(name, leave)
    results = traced.named(call)["result"].astype(np.int64)
    # uvloop writes to its own self-pipe and to standard output as well; those are no sockets.
    sockets = np.isin(traced.named(call)["fd"], traced.sockets)
    assert int(results[(results > 0) & sockets].sum()) == traced.last["bytes_out"]
    assert traced.last["requests"] >= 3


class Traced:
    """A server, what `visit` did with it, and what a capture saw from before that to its end."""

    def __init__(self, name: str, visit: Callable[[Visitors], None]) -> None:
        from uringtrace.tracer.capture import start_streaming
        from uringtrace.tracer.readiness.explain import Explainer, Wait
        from uringtrace.tracer.target import Target

        self.waits: list[Wait] = []
        operations = []
        with running(name) as server:
            self.pid = server.pid
            with start_streaming(Target(pids=(server.pid,))) as capture:
                self.threads = names_of_threads(server.pid)
                visit(Visitors(server.address))
                self.last: Line = server.stop()
                explainer = Explainer(capture.context, capture.interests)
                for records in capture.records():
                    explained = explainer.add(records, capture.files)
                    self.waits += [explained.wait(row) for row in range(len(records.operations))]
                    operations.append(records.operations.copy())
                assert capture.losses.total_lost == 0
                self._names = capture.context.operation_names
        self._operations = np.concatenate(operations)
        accepted = self.named("accept4")["result"]
        self.sockets = np.unique(accepted[accepted > 0])

    def named(self, call: str) -> np.ndarray:
        """The operations of one system call."""
        return self._operations[[self._names[int(each)] == call for each in self._operations["opcode"]]]


def names_of_threads(pid: int) -> dict[int, str]:
    threads = Path(f"/proc/{pid}/task").iterdir()
    return {int(each.name): (each / "comm").read_text().strip() for each in threads}


def allow_descriptors(server: Running, more: int) -> None:
    """Let the server open so many more than it has now: a limit is the first number that is refused."""
    used = {int(each.name) for each in Path(f"/proc/{server.pid}/fd").iterdir()}
    free = [number for number in range(len(used) + more + 1) if number not in used]
    _, hard = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (free[more], hard))
