"""Operations that were begun before the capture, each case alone."""

from __future__ import annotations

import pytest

from tests.fakes import OPCODES
from tests.probes.engine import Engine
from tests.probes.fake_kernel import Attached, FakeKernel
from tests.probes.truth import POLL_ADD_MULTI, RECV_MULTISHOT, SEND_BUNDLE, Cqe, Operation
from uringtrace.probes.slots import Counter
from uringtrace.tracer.decode import decode
from uringtrace.tracer.record import CQE_F_MORE, SQE_CQE_SKIP_SUCCESS, Batch, Kind, Path
from uringtrace.tracer.rings import rings_from_table


@pytest.fixture
def kernel(arguments: Engine) -> FakeKernel:
    """Not attached yet."""
    kernel = FakeKernel(arguments)
    kernel.create_ring(0)
    kernel.attach(Attached.NOT)
    return kernel


def emitted(kernel: FakeKernel) -> Batch:
    return decode(kernel.engine.slots())


def receive(kernel: FakeKernel, user_data: int = 7) -> Operation:
    return kernel.submit(kernel.rings[0], "RECV", user_data, request_flags=RECV_MULTISHOT)


def forget_ring(kernel: FakeKernel) -> None:
    """As if it had been created before the capture, too."""
    for name in ("rings", "ring_numbers"):
        kernel.engine.table(name)[:] = 0


def test_its_request_tells_all_but_when_it_was_submitted(kernel: FakeKernel) -> None:
    operation = kernel.submit(kernel.rings[0], "READ", 9, flags=1, fields={"len": 5})
    kernel.mark(operation, "io_uring_poll_arm", Path.POLL)
    kernel.attach(Attached.ALL)
    kernel.flush([Cqe(operation, 5)])
    (row,) = emitted(kernel)
    assert (row["kind"], row["opcode"], row["user_data"]) == (Kind.COMPLETION, OPCODES["READ"], 9)
    assert (row["tgid"], row["tid"], row["sqe_flags"], row["path"]) == (700, 701, 1, Path.POLL)
    assert (row["submitted_ns"], row["fd"], row["has_arguments"], row["len"]) == (0, -1, False, 0)
    (ring,) = rings_from_table(kernel.engine.rings)
    assert (ring.submitted, ring.completions, ring.in_flight, ring.untracked) == (0, 1, 0, 0)


def test_a_request_of_somebody_else_on_the_ring_stays_untracked(kernel: FakeKernel) -> None:
    """A ring may be shared with a process that is no target."""
    kernel.attach(Attached.ALL)
    kernel.stranger(kernel.rings[0], 4)
    kernel.engine.fire("io_uring_task_add", kernel.strangers, 1)
    kernel.stranger(kernel.rings[0], 4)
    assert emitted(kernel)["kind"].tolist() == [Kind.UNTRACKED] * 2


def test_a_multishot_operation_is_known_from_its_first_wake_on(kernel: FakeKernel) -> None:
    operation = receive(kernel)
    kernel.attach(Attached.ALL)
    kernel.shot(operation, 10)
    for _ in range(2):
        kernel.wake(operation)
        kernel.shot(operation, 10)
    kernel.flush([Cqe(operation, 0)])
    batch = emitted(kernel)
    assert batch["kind"].tolist() == [Kind.UNTRACKED] + [Kind.COMPLETION] * 3
    assert batch["sequence"].tolist() == [0, 1, 2, 3]
    assert batch["submitted_ns"].tolist() == [0] * 4
    assert len(kernel.engine.hash_values("by_user_data")) == 0


@pytest.mark.parametrize(
    ("name", "fields", "repeated"),
    [
        ("POLL_ADD", POLL_ADD_MULTI, True),
        ("POLL_ADD", {}, False),
        ("SEND", SEND_BUNDLE, True),
        ("SEND", {}, False),
    ],
)
def test_its_request_tells_whether_it_posts_many(
    kernel: FakeKernel, name: str, fields: dict[str, int], repeated: bool
) -> None:
    operation = kernel.submit(kernel.rings[0], name, 7, fields=fields)
    kernel.attach(Attached.ALL)
    kernel.wake(operation)
    assert bool(kernel.engine.hash_values("by_user_data")) == repeated
    kernel.flush([Cqe(operation, 1)])
    assert emitted(kernel)["sequence"].tolist() == [int(repeated)]


def test_a_wake_may_be_the_first_thing_that_is_seen_of_a_ring(kernel: FakeKernel) -> None:
    operation = receive(kernel)
    forget_ring(kernel)
    kernel.attach(Attached.ALL)
    kernel.wake(operation)
    kernel.shot(operation, 10)
    (row,) = emitted(kernel)
    assert (row["ring"], row["opcode"]) == (1, OPCODES["RECV"])
    (ring,) = rings_from_table(kernel.engine.rings)
    assert (ring.tgid, ring.completions) == (700, 1)


def test_what_is_woken_before_the_capture_has_started_is_not_entered(kernel: FakeKernel) -> None:
    """It might end before its completions count."""
    operation = receive(kernel)
    kernel.attach(Attached.ENDS)
    kernel.wake(operation)
    kernel.shot(operation, 10)
    kernel.flush([Cqe(operation, 0)])
    assert len(emitted(kernel)) == 0
    assert len(kernel.engine.hash_values("by_user_data")) == 0
    (ring,) = rings_from_table(kernel.engine.rings)
    assert ring.completions == 0


def test_what_may_end_without_a_completion_is_not_entered(kernel: FakeKernel) -> None:
    """Else it would be taken for in flight until its request is used again."""
    operation = kernel.submit(kernel.rings[0], "SEND", 7, flags=SQE_CQE_SKIP_SUCCESS)
    kernel.attach(Attached.ALL)
    kernel.wake(operation)
    kernel.flush([Cqe(operation, 5)])
    kernel.submit(kernel.rings[0], "NOP", 8)
    assert len(emitted(kernel)) == 0


def test_its_request_is_used_again(kernel: FakeKernel) -> None:
    operation = receive(kernel)
    kernel.attach(Attached.ALL)
    kernel.wake(operation)
    kernel.flush([Cqe(operation, -125)])
    again = kernel.submit(kernel.rings[0], "READ", 7)
    assert again.address == operation.address
    kernel.flush([Cqe(again, 5)])
    batch = emitted(kernel)
    assert batch["opcode"].tolist() == [OPCODES["RECV"], OPCODES["READ"]]
    assert batch["submitted_ns"].tolist() == [0, again.submitted_ns]
    assert batch["fd"].tolist() == [-1, 5]


def test_one_that_ends_unknown_leaves_another_with_its_user_data_alone(kernel: FakeKernel) -> None:
    old = receive(kernel)
    kernel.attach(Attached.ALL)
    new = receive(kernel)
    kernel.flush([Cqe(old, -125)])
    kernel.shot(new, 10)
    batch = emitted(kernel)
    assert batch["kind"].tolist() == [Kind.COMPLETION] * 2
    assert batch["submitted_ns"].tolist() == [0, new.submitted_ns]
    assert not batch["path"][1] & Path.AMBIGUOUS


def test_its_zero_copy_notification_belongs_to_it(kernel: FakeKernel) -> None:
    operation = kernel.submit(kernel.rings[0], "SEND_ZC", 7)
    kernel.attach(Attached.ALL)
    kernel.flush([Cqe(operation, 5, CQE_F_MORE)])
    kernel.notify(operation)
    batch = emitted(kernel)
    assert batch["opcode"].tolist() == [OPCODES["SEND_ZC"]] * 2
    assert batch["submitted_ns"].tolist() == [0, 0]
    (ring,) = rings_from_table(kernel.engine.rings)
    assert (ring.untracked, ring.in_flight) == (0, 0)


def test_a_place_that_there_is_not_is_not_missed_again_and_again(kernel: FakeKernel) -> None:
    """What finds no room in the table is known at its completion all the same, and lost once."""
    kernel.attach(Attached.ALL)
    operations = [kernel.submit(kernel.rings[0], "READ", number) for number in range(30)]
    lost = kernel.engine.losses()
    left_out = next(each for each in operations if not each.remembered)
    for _ in range(3):
        kernel.wake(left_out)
    assert kernel.engine.losses() == lost == {Counter.LOST_TABLE: 6}
    kernel.flush([Cqe(left_out, 5)])
    (row,) = emitted(kernel)
    assert (row["opcode"], row["user_data"], row["submitted_ns"]) == (OPCODES["READ"], left_out.user_data, 0)


def test_counting_gives_it_no_latency(counting: Engine) -> None:
    kernel = FakeKernel(counting)
    kernel.create_ring(0)
    kernel.attach(Attached.NOT)
    old = kernel.submit(kernel.rings[0], "READ", 1)
    kernel.attach(Attached.ALL)
    new = kernel.submit(kernel.rings[0], "READ", 2)
    kernel.flush([Cqe(old, 5), Cqe(new, 5)])
    totals = counting.totals()[OPCODES["READ"]]
    assert (totals["completions"], totals["bytes"], totals["ended"]) == (2, 10, 2)
    assert (totals["submitted"], totals["timed"], totals["histogram"].sum()) == (1, 1, 1)
