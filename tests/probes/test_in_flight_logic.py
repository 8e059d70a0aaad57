"""The probes' in-flight logic, compiled for user space, against a fake kernel's truth.

Random lives of requests: batches, chains, multishot, zero-copy, silent successes,
overflow, refused SQEs, messages, strangers, rings that come and go, tables that fill. The
probes are attached at any moment of it.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.fakes import OPERATION_NAMES
from tests.probes.engine import Engine
from tests.probes.fake_kernel import Attached, FakeKernel
from tests.probes.truth import (
    POLL_ADD_MULTI,
    RECV_MULTISHOT,
    SEND_BUNDLE,
    TIMEOUT_MULTISHOT,
    Cqe,
    Operation,
    RingTruth,
)
from uringtrace.probes.slots import ARGUMENTS_ENTRY, OPEN, STREAM_ENTRY
from uringtrace.tracer.decode import decode
from uringtrace.tracer.in_flight import unfinished_slots, waiting_entries
from uringtrace.tracer.record import (
    CQE_F_MORE,
    OPERATION,
    SQE_CQE_SKIP_SUCCESS,
    SQE_IO_LINK,
    Batch,
    Kind,
    Path,
)
from uringtrace.tracer.rings import rings_from_table
from uringtrace.tracer.statistics import COUNTERS, accumulate, empty_counters, operation_traits

TRAITS = operation_traits(OPERATION_NAMES)
FEW = 4
"""So few values of user_data that single operations share them with every other kind."""

_MULTISHOT = (
    ("POLL_ADD", POLL_ADD_MULTI, 0),
    ("TIMEOUT", TIMEOUT_MULTISHOT, 0),
    ("SEND", SEND_BUNDLE, 0),
    ("RECV", {"len": 4096}, RECV_MULTISHOT),
)
_SINGLE = ("NOP", "READ", "WRITE", "FSYNC", "POLL_ADD", "SEND")
_PATHS = (
    ("io_uring_poll_arm", Path.POLL),
    ("io_uring_queue_async_work", Path.IO_WQ),
    ("io_uring_defer", Path.DEFERRED),
)


Life = tuple[int, int, list[tuple[str, int, int]]]
"""The step at which attaching begins, how many it takes (0: the probes are there from the start),
and the steps."""


class Driver:
    """Turns numbers into things that may happen now; what may not happen is left out."""

    def __init__(self, engine: Engine) -> None:
        self.kernel = FakeKernel(engine)
        self.kernel.create_ring(0)
        self.kernel.create_ring(1, pid=800)
        self.cpu = 0

    def run(self, life: Life) -> FakeKernel:
        attaching, attached, steps = life
        if attached:
            self.kernel.attach(Attached.NOT)
        for number, (name, a, b) in enumerate(steps):
            if number == attaching and attached:
                self.kernel.attach(Attached.ENDS)
            if number == attaching + attached:
                self.kernel.attach(Attached.ALL)
            self.kernel.engine.set(current_cpu=a & 1)
            getattr(self, name)(a, b)
        self.kernel.attach(Attached.ALL)
        return self.kernel

    def end_all(self) -> None:
        """Every request ends, and every buffer is given back."""
        while self.kernel.open:
            operation = self.kernel.open[0]
            self.kernel.flush([Cqe(operation, -5, CQE_F_MORE if operation.zero_copy else 0)])
        while self.kernel.waiting:
            self.kernel.notify(self.kernel.waiting[0])

    def pause(self, a: int, b: int) -> None:
        self.kernel.tick()

    def ring(self, a: int) -> RingTruth:
        return self.kernel.rings[a % len(self.kernel.rings)]

    def some_open(self, a: int, *, multishot: bool | None = None) -> Operation | None:
        fitting = [each for each in self.kernel.open if multishot in (None, each.multishot)]
        return fitting[a % len(fitting)] if fitting else None

    def submit(self, a: int, b: int) -> None:
        ring = self.ring(a)
        for number in range(1 + a % 3):
            if len(self.kernel.free) > 1:
                fields = {"len": 0, "off": b, "addr3": a * b} if b % 3 else {}
                flags = SQE_CQE_SKIP_SUCCESS if (a + b + number) % 4 == 0 else 0
                name = _SINGLE[(a + number) % len(_SINGLE)]
                self.kernel.submit(ring, name, b % FEW, flags=flags, fields=fields)
        self.kernel.publish(ring)

    def submit_chain(self, a: int, b: int) -> None:
        ring = self.ring(a)
        if len(self.kernel.free) > 4:
            names = [_SINGLE[(b + number) % len(_SINGLE)] for number in range(2 + a % 3)]
            self.kernel.link([self.kernel.submit(ring, each, b % FEW, flags=SQE_IO_LINK) for each in names])
            self.kernel.publish(ring)

    def submit_multishot(self, a: int, b: int) -> None:
        ring = self.ring(a)
        taken = {each.user_data for each in self.kernel.open if each.multishot and each.ring is ring}
        if len(self.kernel.free) > 1 and b % FEW not in taken:
            name, fields, request_flags = _MULTISHOT[b % len(_MULTISHOT)]
            self.kernel.submit(ring, name, b % FEW, fields=fields, request_flags=request_flags)
            self.kernel.publish(ring)

    def submit_zero_copy(self, a: int, b: int) -> None:
        ring, user_data = self.ring(a), 100 + b % FEW
        taken = {each.user_data for each in (*self.kernel.open, *self.kernel.waiting) if each.ring is ring}
        if len(self.kernel.free) > 1 and user_data not in taken:
            self.kernel.submit(ring, ("SEND_ZC", "SENDMSG_ZC")[b % 2], user_data, fields={"len": b})
            self.kernel.publish(ring)

    def refuse(self, a: int, b: int) -> None:
        if len(self.kernel.free) > 1:
            ring = self.ring(a)
            self.kernel.submit(ring, _SINGLE[b % len(_SINGLE)], b % FEW, rejected=True, flags=b & 0x40)
            self.kernel.publish(ring)

    def overwritten(self, a: int, b: int) -> None:
        if len(self.kernel.free) > 1:
            ring = self.ring(a)
            self.kernel.submit(ring, "READ", b % FEW, overwritten=True)
            self.kernel.publish(ring)

    def mark(self, a: int, b: int) -> None:
        operation = self.some_open(a)
        if operation:
            self.kernel.mark(operation, *_PATHS[b % len(_PATHS)])

    def wake(self, a: int, b: int) -> None:
        operation = self.some_open(a)
        if operation:
            self.kernel.wake(operation)

    def flush(self, a: int, b: int) -> None:
        first = self.some_open(a)
        if first:
            count = 1 + b % 5
            mates = [each for each in self.kernel.open if each.ring is first.ring and each is not first]
            overflow_from = b % 7
            self.kernel.flush(
                Cqe(
                    each,
                    (-5, 0, 64)[(a + number) % 3],
                    CQE_F_MORE if each.zero_copy and (a + b) % 4 else 0,
                    # Which one overflowed is told from those in flight; a lost one is not among them.
                    overflow=each.remembered and number >= overflow_from,
                )
                for number, each in enumerate([first, *mates[: count - 1]])
            )

    def shot(self, a: int, b: int) -> None:
        operation = self.some_open(a, multishot=True)
        if operation:
            known = operation in self.kernel.index.values()
            self.kernel.shot(operation, b, overflow=known and b % 4 == 0)

    def notify(self, a: int, b: int) -> None:
        if self.kernel.waiting:
            operation = self.kernel.waiting[a % len(self.kernel.waiting)]
            overflow = b % 4 == 0 and self.kernel.attached is Attached.ALL
            self.kernel.notify(operation, overflow=overflow)

    def message(self, a: int, b: int) -> None:
        self.kernel.message(self.ring(a), b % FEW)

    def stranger(self, a: int, b: int) -> None:
        self.kernel.stranger(self.ring(a), b % FEW)

    def new_ring(self, a: int, b: int) -> None:
        slot = a % 4
        address = self.kernel.engine.base + 0x1000 * (slot + 1)
        old = [ring for ring in self.kernel.rings if ring.address == address]
        seen = self.kernel.attached is Attached.ALL  # rings are numbered as they are seen
        if seen and (not old or self.kernel.is_idle(old[0])):
            self.kernel.create_ring(slot)


# Submitting comes up often, so that the tables fill. A failing life shrinks towards "pause".
STEPS = (
    "pause",
    *["submit"] * 5,
    *["flush"] * 4,
    *["shot"] * 2,
    *["wake"] * 2,
    "submit_chain",
    "submit_multishot",
    "submit_multishot",
    "submit_zero_copy",
    "refuse",
    "overwritten",
    "mark",
    "notify",
    "message",
    "stranger",
    "new_ring",
)
NUMBER = st.integers(0, 255)
LIVES = st.tuples(
    st.integers(1, 60),
    st.integers(0, 10),
    st.lists(st.tuples(st.sampled_from(STEPS), NUMBER, NUMBER), min_size=40, max_size=120),
)
QUICK = settings(
    max_examples=100,
    derandomize=True,
    database=None,
    phases=[Phase.generate, Phase.shrink],  # explaining takes longer than a test may
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def assert_equal(actual: Batch, expected: Batch) -> None:
    assert actual["kind"].tolist() == expected["kind"].tolist()
    for name in OPERATION.names or ():
        assert actual[name].tolist() == expected[name].tolist(), name


def assert_rings(kernel: FakeKernel) -> None:
    compared = (
        "submitted",
        "completions",
        "batches",
        "in_flight",
        "in_flight_max",
        "overflows",
        "dropped",
        "messages",
        "untracked",
    )
    seen = {ring.ring: ring for ring in rings_from_table(kernel.engine.rings)}
    assert sorted(seen) == [ring.number for ring in kernel.all_rings]
    for truth in kernel.all_rings:
        ring = seen[truth.number]
        assert {name: getattr(ring, name) for name in compared} == {
            name: getattr(truth, name) for name in compared
        }


def unfinished(kernel: FakeKernel, dtype: np.dtype[np.void]) -> Batch:
    engine = kernel.engine
    table = engine.table("in_flight").view(dtype)
    spilled = np.frombuffer(engine.hash_values("spilled"), dtype)
    waiting = waiting_entries(np.frombuffer(engine.hash_values("by_user_data"), OPEN), dtype)
    entries = np.concatenate([table[table["request"]["submitted_ns"] != 0], spilled, waiting])
    return decode(unfinished_slots(entries, kernel.now))


@given(life=LIVES)
@QUICK
def test_streaming_with_arguments_tells_what_happened(arguments: Engine, life: Life) -> None:
    kernel = Driver(arguments).run(life)
    assert_equal(decode(arguments.slots()), kernel.batch(arguments=True))
    assert_equal(unfinished(kernel, ARGUMENTS_ENTRY), kernel.unfinished(arguments=True))
    assert arguments.losses() == kernel.lost
    assert_rings(kernel)


@given(life=LIVES)
@QUICK
def test_streaming_without_arguments_tells_what_happened(streaming: Engine, life: Life) -> None:
    kernel = Driver(streaming).run(life)
    assert_equal(decode(streaming.slots()), kernel.batch(arguments=False))
    assert_equal(unfinished(kernel, STREAM_ENTRY), kernel.unfinished(arguments=False))
    assert streaming.losses() == kernel.lost
    assert_rings(kernel)


@given(life=LIVES)
@QUICK
def test_counting_counts_what_happened(counting: Engine, life: Life) -> None:
    kernel = Driver(counting).run(life)
    expected = empty_counters()
    accumulate(expected, kernel.batch(arguments=True), TRAITS)
    accumulate(expected, kernel.unfinished(arguments=True), TRAITS)
    actual = counting.totals()
    for name in COUNTERS.names or ():
        assert actual[name].tolist() == expected[name].tolist(), name
    assert counting.losses() == kernel.lost
    assert_rings(kernel)


@given(life=LIVES)
@QUICK
def test_nothing_is_left_when_everything_has_ended(arguments: Engine, life: Life) -> None:
    """Whenever the probes were attached; but for what ended without a CQE, as nobody can tell."""
    driver = Driver(arguments)
    kernel = driver.run(life)
    driver.end_all()
    assert all(operation.hidden for operation in kernel.table.values())
    assert (unfinished(kernel, ARGUMENTS_ENTRY)["kind"] == Kind.SILENT).all()
    assert len(arguments.hash_values("by_user_data")) == 0
    assert all(ring.in_flight == 0 for ring in rings_from_table(arguments.rings))


def test_lives_reach_every_overflow(arguments: Engine) -> None:
    """The steps above can fill the sets, the spill and the index: else they prove little."""
    many = [("submit", number, 1) for number in range(40)]
    kernel = Driver(arguments).run((0, 0, many))
    assert len(kernel.spilled) == 8
    assert kernel.lost
    assert kernel.lost == arguments.losses()


@pytest.mark.parametrize("capacity", [0, 64, 128, 640])
def test_what_the_ring_buffer_cannot_take_is_counted(arguments: Engine, capacity: int) -> None:
    driver = Driver(arguments)
    arguments.limit("operations", capacity)
    kernel = driver.kernel
    for _ in range(20):
        operation = kernel.submit(kernel.rings[0], "READ", 1)
        kernel.flush([Cqe(operation, 5)])
    delivered = len(decode(arguments.slots()))
    assert delivered == capacity // 64
    assert list(arguments.losses().values()) == [20 - delivered]
