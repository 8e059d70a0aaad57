"""Cases of the in-flight logic that chance reaches seldom, each alone."""

from __future__ import annotations

import numpy as np
import pytest

from tests.fakes import OPCODES
from tests.probes.conftest import Build
from tests.probes.engine import Engine, compile_engine, constants, has_compiler
from tests.probes.fake_btf import LINUX_6_1, LINUX_6_3, FakeBtf
from tests.probes.fake_kernel import ENTRIES, FakeKernel
from tests.probes.truth import POLL_ADD_MULTI, Cqe, RingTruth, encode_sqe
from uringtrace.probes.program import Filter, Mode
from uringtrace.probes.slots import RING_LIMIT, Counter
from uringtrace.tracer.decode import decode
from uringtrace.tracer.record import CQE_F_MORE, SQE_IO_LINK, UNKNOWN_OPCODE, Batch, Kind, Path
from uringtrace.tracer.rings import rings_from_table

RING_ADDRESSES = 0x20000
"""Where these tests put rings that the fake kernel does not know."""


@pytest.fixture
def kernel(arguments: Engine) -> FakeKernel:
    kernel = FakeKernel(arguments)
    kernel.create_ring(0)
    return kernel


def emitted(kernel: FakeKernel) -> Batch:
    return decode(kernel.engine.slots())


def fire_complete(kernel: FakeKernel, req: int, user_data: int, result: int = 0, flags: int = 0) -> None:
    """A completion alone, without its flush."""
    kernel._post(kernel.rings[0], req, user_data, result, flags, False)


def test_completions_that_become_visible_together_share_their_time(kernel: FakeKernel) -> None:
    first, second, third = (kernel.submit(kernel.rings[0], "NOP", number) for number in range(3))
    kernel.tick()
    fire_complete(kernel, first.address, 0)
    kernel.tick()
    fire_complete(kernel, second.address, 1)
    kernel._move_tail(kernel.rings[0])
    kernel.tick()
    fire_complete(kernel, third.address, 2)
    a, b, c = emitted(kernel)["completed_ns"].tolist()
    assert a == b < c == kernel.now


def test_what_a_worker_completes_ran_in_it_although_it_was_never_queued(kernel: FakeKernel) -> None:
    """It goes on with what is linked to its request; the SQ thread is marked like a worker but is none."""
    engine = kernel.engine
    task = engine.base + 0x60000
    paths = []
    for worker in (0, engine.base + 0x61000):
        linked = kernel.submit(kernel.rings[0], "NOP")
        engine.write("task_struct", task, flags=0x10, worker_private=worker)
        engine.set(current_task=task)
        fire_complete(kernel, linked.address, 0)
        paths += emitted(kernel)["path"].tolist()
    assert paths == [0, Path.IO_WQ]


def test_a_submission_in_between_ends_that(kernel: FakeKernel) -> None:
    """No operation may seem to end before it began."""
    first = kernel.submit(kernel.rings[0], "NOP")
    fire_complete(kernel, first.address, 0)
    second = kernel.submit(kernel.rings[0], "NOP")
    kernel.tick()
    fire_complete(kernel, second.address, 0)
    batch = emitted(kernel)
    assert (batch["completed_ns"] >= batch["submitted_ns"]).all()
    assert batch["completed_ns"][1] == kernel.now


def test_two_multishots_with_one_user_data_are_marked_ambiguous(kernel: FakeKernel) -> None:
    ring = kernel.rings[0]
    first = kernel.submit(ring, "POLL_ADD", 7, fields=POLL_ADD_MULTI)
    second = kernel.submit(ring, "POLL_ADD", 7, fields=POLL_ADD_MULTI)
    for _ in range(2):
        fire_complete(kernel, 0, 7, 1, CQE_F_MORE)
    batch = emitted(kernel)
    assert batch["kind"].tolist() == [Kind.COMPLETION] * 2
    assert (batch["path"] & Path.AMBIGUOUS != 0).all()
    for operation in (first, second):
        fire_complete(kernel, operation.address, 7, -125)
    assert emitted(kernel)["submitted_ns"].tolist() == [first.submitted_ns, second.submitted_ns]
    assert len(kernel.engine.hash_values("by_user_data")) == 0
    assert rings_from_table(kernel.engine.rings)[0].in_flight == 0


def test_an_ambiguous_completion_is_never_given_to_a_request_that_reuses_the_memory(
    kernel: FakeKernel,
) -> None:
    ring = kernel.rings[0]
    first, _ = (kernel.submit(ring, "POLL_ADD", 7, fields=POLL_ADD_MULTI) for _ in range(2))
    fire_complete(kernel, first.address, 7, -125)
    kernel.free.append(first.address)
    reused = kernel.submit(ring, "READ", 1)
    assert reused.address == first.address
    fire_complete(kernel, 0, 7, 1, CQE_F_MORE)
    _, row = emitted(kernel)
    assert row["opcode"] == OPCODES["POLL_ADD"]
    assert row["path"] & Path.AMBIGUOUS
    fire_complete(kernel, reused.address, 1)
    assert emitted(kernel)["kind"].tolist() == [Kind.COMPLETION]


def test_a_poll_goes_on_under_another_user_data(kernel: FakeKernel) -> None:
    ring = kernel.rings[0]
    poll = kernel.submit(ring, "POLL_ADD", 7, fields=POLL_ADD_MULTI)
    kernel.submit(ring, "POLL_REMOVE", 1, fields={"addr": 7, "off": 8, "len": 1 << 2})
    fire_complete(kernel, 0, 8, 1, CQE_F_MORE)
    fire_complete(kernel, 0, 7, 1, CQE_F_MORE)
    batch = emitted(kernel)
    assert batch["kind"].tolist() == [Kind.COMPLETION, Kind.UNTRACKED]
    assert batch["submitted_ns"][0] == poll.submitted_ns


def test_a_refused_poll_update_changes_nothing(kernel: FakeKernel) -> None:
    kernel.submit(kernel.rings[0], "POLL_ADD", 7, fields=POLL_ADD_MULTI)
    update = {"addr": 7, "off": 8, "len": 1 << 2}
    kernel.submit(kernel.rings[0], "POLL_REMOVE", 1, fields=update, rejected=True)
    fire_complete(kernel, 0, 7, 1, CQE_F_MORE)
    assert emitted(kernel)["kind"].tolist() == [Kind.COMPLETION]


def test_a_poll_renamed_to_a_user_data_in_use_is_ambiguous_from_then_on(kernel: FakeKernel) -> None:
    ring = kernel.rings[0]
    polls = [kernel.submit(ring, "POLL_ADD", user_data, fields=POLL_ADD_MULTI) for user_data in (7, 8)]
    kernel.submit(ring, "POLL_REMOVE", 1, fields={"addr": 7, "off": 8, "len": 1 << 2})
    fire_complete(kernel, 0, 8, 1, CQE_F_MORE)
    (row,) = emitted(kernel)
    assert row["path"] & Path.AMBIGUOUS
    for poll in polls:
        fire_complete(kernel, poll.address, 8, -125)
    assert len(kernel.engine.hash_values("by_user_data")) == 0


def test_a_refused_request_stays_in_the_chain_that_is_assembled(kernel: FakeKernel) -> None:
    ring = kernel.rings[0]
    chain = [kernel.submit(ring, "NOP", number, flags=SQE_IO_LINK) for number in range(2)]
    kernel.link(chain)
    head, last = (operation.address for operation in chain)
    kernel.engine.write(
        "io_ring_ctx", ring.address, submit_state__link__head=head, submit_state__link__last=last
    )
    refused = kernel.submit(ring, "READ", 2, rejected=True)
    fire_complete(kernel, refused.address, 2, -22)
    (row,) = emitted(kernel)
    assert (row["chain"], row["chain_position"]) == (chain[0].submitted_ns, 2)
    assert row["path"] == Path.REJECTED


def test_nothing_is_untracked_before_all_probes_are_attached(kernel: FakeKernel) -> None:
    kernel.engine.table("started").view("<u8")[0] = 0
    fire_complete(kernel, kernel.strangers, 1)
    known = kernel.submit(kernel.rings[0], "NOP", 2)
    fire_complete(kernel, known.address, 2)
    assert emitted(kernel)["user_data"].tolist() == [2]
    assert kernel.engine.losses() == {}


@pytest.mark.parametrize(("flags", "stride"), [(1 << 16, 64), (1 << 10, 128), (1 << 16 | 1 << 10, 128)])
def test_queues_of_other_shapes_are_read(kernel: FakeKernel, flags: int, stride: int) -> None:
    """IORING_SETUP_NO_SQARRAY and IORING_SETUP_SQE128."""
    ring, engine = kernel.rings[0], kernel.engine
    engine.write("io_ring_ctx", ring.address, flags=flags, sq_entries=4)
    for index in range(4):
        engine.put(ring.address + 0x300 + 4 * index, 4, 3 - index)
    place = 0 if flags & 1 << 16 else 3
    values = {"opcode": OPCODES["READ"], "fd": 5, "user_data": 9, "len": 4096, "addr3": 77}
    engine.write_bytes(ring.sqes_address + stride * place, encode_sqe(values))
    engine.write("io_ring_ctx", ring.address, cached_sq_head=1)
    request = kernel.free[-1]
    engine.write(
        "io_kiocb", request, opcode=OPCODES["READ"], cqe__user_data=9, cqe__fd=5, ctx=ring.address, flags=0
    )
    engine.fire("io_uring_submit_req", request)
    fire_complete(kernel, request, 9, 4096)
    (row,) = emitted(kernel)
    assert (row["has_arguments"], row["len"], row["addr3"]) == (True, 4096, 77)


def test_what_the_application_has_overwritten_is_not_taken_for_arguments(kernel: FakeKernel) -> None:
    operation = kernel.submit(kernel.rings[0], "READ", 3, fields={"len": 9}, overwritten=True)
    kernel.flush([Cqe(operation, 1)])
    (row,) = emitted(kernel)
    assert (row["has_arguments"], row["len"], row["user_data"], row["fd"]) == (False, 0, 3, 5)


def test_an_opcode_the_kernel_does_not_name_is_counted_apart(counting: Engine) -> None:
    kernel = FakeKernel(counting)
    ring = kernel.create_ring(0)
    operation = kernel.submit(ring, "NOP", 1)
    counting.write("io_kiocb", operation.address, opcode=200)
    counting.fire("io_uring_submit_req", operation.address)
    fire_complete(kernel, operation.address, 1)
    totals = counting.totals()
    assert totals["completions"][UNKNOWN_OPCODE] == 1
    assert totals["completions"].sum() == 1


def test_facts_of_a_ring_that_was_there_before(arguments: Engine) -> None:
    """Its descriptor is searched among the submitter's, its sizes and thread read from the ring."""
    kernel = FakeKernel(arguments)
    ring = kernel.create_ring(0)
    base = arguments.base
    arguments.table("rings")[:] = 0
    arguments.table("ring_numbers")[:] = 0
    task, files, table, array = (base + 0xD0000 + 0x1000 * number for number in range(4))
    arguments.write("task_struct", task, files=files)
    arguments.write("files_struct", files, fdt=table)
    arguments.write("fdtable", table, fd=array, max_fds=64)
    file = base + 0xD8000
    arguments.write("file", file, private_data=ring.address)
    arguments.put(array + 8 * 17, 8, file)
    thread = base + 0xD9000
    arguments.write("task_struct", thread, pid=4321)
    arguments.write("io_sq_data", base + 0xDA000, thread=thread)
    arguments.write(
        "io_ring_ctx", ring.address, flags=2, sq_data=base + 0xDA000, file_table__data__nr=6, buf_table__nr=3
    )
    arguments.set(current_task=task)
    kernel.submit(ring, "NOP")
    (seen,) = rings_from_table(arguments.rings)
    assert (seen.fd, seen.flags, seen.sq_entries, seen.cq_entries) == (17, 2, ENTRIES, 2 * ENTRIES)
    assert (seen.sq_thread, seen.registered_files, seen.registered_buffers) == (4321, 6, 3)

    arguments.fire("io_uring_register", ring.address, 2, 8, 9, 0)
    (seen,) = rings_from_table(arguments.rings)
    assert (seen.registered_files, seen.registered_buffers) == (8, 9)


def place_of(ring_address: int) -> int:
    """Where a ring's search in the table begins (ring_hash in ring.h)."""
    return ((ring_address >> 6) * 0x9E3779B97F4A7C15 & (1 << 64) - 1) >> 52


def test_any_number_of_rings_can_follow_each_other_at_one_address(counting: Engine) -> None:
    kernel = FakeKernel(counting)
    for number in range(100):
        ring = kernel.create_ring(0)
        for _ in range(number % 3):
            live_once(kernel, ring)
    seen = rings_from_table(counting.rings)
    assert [ring.ring for ring in seen] == list(range(1, 101))
    assert [ring.completions for ring in seen] == [number % 3 for number in range(100)]
    assert [ring.submitted for ring in seen] == [number % 3 for number in range(100)]
    assert Counter.LOST_RINGS not in counting.losses()


def test_more_rings_than_have_numbers_are_counted_together(counting: Engine) -> None:
    kernel = FakeKernel(counting)
    for _ in range(RING_LIMIT + 5):
        ring = kernel.create_ring(0)
    live_once(kernel, ring)
    seen = rings_from_table(counting.rings)
    assert [ring.ring for ring in seen] == [0, *range(1, RING_LIMIT)]
    assert seen[0].completions == 1
    assert counting.losses()[Counter.LOST_RINGS] > 0


def live_once(kernel: FakeKernel, ring: RingTruth) -> None:
    """One operation from its submission to its completion."""
    kernel.flush([Cqe(kernel.submit(ring, "NOP"), 0)])


def colliding_rings(base: int) -> list[int]:
    """Four ring addresses that begin their search at one place, not near the table's end."""
    lines = range(base + RING_ADDRESSES, base + 0x80000, 64)
    line = next(each for each in lines if 0 < place_of(each) < RING_LIMIT - 16)
    return [line + 16 * number for number in range(4)]


@pytest.mark.parametrize("order", [1, -1])
def test_rings_that_find_no_place_are_counted_and_their_operations_still_are(
    counting: Engine, order: int
) -> None:
    kernel = FakeKernel(counting)
    addresses = colliding_rings(counting.base)
    # Occupy the rest of the places that a search tries.
    table = counting.rings
    first = place_of(addresses[0])
    for step in range(14):
        table["ctx"][first + step] = 2
    for number, address in enumerate(addresses[::order]):
        counting.write("io_ring_ctx", address, rings=counting.base + 0xF8000)
        counting.write("io_kiocb", kernel.free[number], ctx=address, opcode=0, cqe__user_data=number, flags=0)
        counting.set(clock_ns=kernel.now + number)
        counting.fire("io_uring_submit_req", kernel.free[number])
    for number, address in enumerate(addresses[::order]):
        cqe = counting.base + 0xF0000
        counting.put(cqe, 8, number)
        counting.fire("io_uring_complete", address, kernel.free[number], cqe)
    seen = rings_from_table(table)
    assert counting.losses()[Counter.LOST_RINGS] > 0
    assert counting.totals()["completions"].sum() == 4
    assert sum(ring.completions for ring in seen) == 4
    assert [ring.ring for ring in seen] == [0, 1, 2]


@pytest.mark.parametrize("available", [LINUX_6_3, LINUX_6_1], ids=["6.3", "6.1"])
def test_older_kernels_pass_scalars(
    available: dict[str, tuple[str, ...]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    if not has_compiler():
        pytest.skip("no C compiler (cc) or no kernel UAPI headers here")
    options = constants(Mode.STREAM_ARGUMENTS, Filter.EVERYTHING, FakeBtf(available))
    engine = compile_engine(tmp_path_factory.mktemp("older"), "older", options)
    kernel = FakeKernel(engine)
    operation = kernel.submit(kernel.create_ring(0), "READ", 9, fields={"len": 5})
    engine.fire("io_uring_complete", operation.ring.address, operation.address, 9, -5 & 0xFFFFFFFF, 2, 0, 0)
    (row,) = emitted(kernel)
    assert (row["user_data"], row["result"], row["cqe_flags"], row["len"]) == (9, -5, 2, 5)


def test_floor_mode_counts_events_and_nothing_else(build: Build) -> None:
    engine = build(Mode.FLOOR, Filter.EVERYTHING)
    engine.reset()
    for _ in range(3):
        engine.fire("io_uring_submit_req", 0)
        engine.fire("io_uring_complete", 0, 0, 0)
    assert engine.losses() == {Counter.FLOOR_EVENTS: 6}


def test_latency_lands_in_its_bucket(counting: Engine) -> None:
    kernel = FakeKernel(counting)
    ring = kernel.create_ring(0)
    for latency in (1, 1000, 123_456_789):
        operation = kernel.submit(ring, "READ", 1)
        kernel.now += latency - 1000  # flush() lets 1000 ns pass
        kernel.flush([Cqe(operation, 1)])
    totals = counting.totals()[OPCODES["READ"]]
    filled = np.flatnonzero(totals["histogram"]).tolist()
    assert filled == sorted(counting.bucket(latency) for latency in (1, 1000, 123_456_789))
    assert (totals["timed"], totals["sum_ns"], totals["max_ns"]) == (3, 123_457_790, 123_456_789)
