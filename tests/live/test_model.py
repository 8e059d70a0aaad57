"""The model: what a picture says of the records that were added."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from tests.fakes import OPCODES, RING, STARTED_NS, FakeSource, call, context, row, rows
from tests.live.clock import Clock
from tests.live.peers import closed, files, reads
from uringtrace.tracer.live.model import LiveModel, Observed
from uringtrace.tracer.live.picture import OperationNow, Picture, Playback, ThreadNow
from uringtrace.tracer.live.ring_states import RingState
from uringtrace.tracer.live.thread_states import ThreadState
from uringtrace.tracer.live.under_way import UnderWay
from uringtrace.tracer.record import Batch, Kind
from uringtrace.tracer.records import only_operations
from uringtrace.tracer.source import File, Losses, Thread
from uringtrace.tracer.statistics import BUCKETS, bucket

BOTH = context(probes=("io_uring_complete", "sys_enter", "sys_exit"))
SECOND = 1_000_000_000
ENDPOINT = File(7, "TCP 127.0.0.1:80", 8, 70)


def source(**facts: object) -> FakeSource:
    return FakeSource([], **{"context": BOTH, **facts})  # type: ignore[arg-type]


def picture(
    *batches: Batch, at: float = 2.0, facts: FakeSource | None = None, live: bool = True, **options: object
) -> Picture:
    """So many seconds after the start."""
    facts = facts or source()
    model = LiveModel(facts.context, live=live, clock=Clock())
    for batch in batches:
        model.add(only_operations(batch), facts)
    return model.picture(facts, STARTED_NS + round(at * SECOND), **options)  # type: ignore[arg-type]


def operation(shown: Picture, name: str) -> OperationNow:
    [found] = [each for each in shown.operations if each.summary.name == name]
    return found


def thread(shown: Picture, tid: int) -> ThreadNow:
    [found] = [each for each in shown.threads if each.activity.tid == tid]
    return found


def under_way(*batches: Batch, all_calls: bool = True, at: float = 2.0) -> UnderWay:
    rows_of = rows(*batches)
    rows_of["kind"] = Kind.UNFINISHED
    return UnderWay(rows_of, STARTED_NS + round(at * SECOND), all_calls)


def test_a_capture_without_operations_has_a_picture() -> None:
    """Also before the first second is over: then nothing is said of seconds."""
    shown = picture(at=0.1)
    assert (shown.operations, shown.connections, shown.threads, shown.rings) == ((), (), (), ())
    assert (shown.operations_now, shown.calls_now, shown.unseen, shown.unseen_now) == (None,) * 4
    assert (shown.elapsed_ns, shown.live, shown.ended, shown.recent.rows) == (SECOND // 10, True, False, 0)
    idle = picture(at=1.0)
    assert (idle.operations_now, idle.calls_now, idle.unseen_now) == (0.0, 0.0, None)


def test_totals_and_last_second() -> None:
    first = [row(after_ns=each * 1000) for each in range(6)]
    second = [row(after_ns=SECOND + 1), call("read", after_ns=SECOND + 2), call("read", after_ns=SECOND + 3)]
    shown = picture(rows(*first), rows(*second), at=2.1)
    nop = operation(shown, "NOP")
    assert (nop.summary.count, nop.rate_now, nop.errors_now, nop.history) == (7, 1.0, 0, (6.0, 1.0))
    assert (shown.operations_now, shown.calls_now) == (1.0, 2.0)
    assert shown.unseen == pytest.approx(7 / 9)
    assert shown.unseen_now == pytest.approx(1 / 3)
    assert shown.recent.rows == 9


def test_the_histogram_is_of_all_since_the_start_and_of_its_moment() -> None:
    """Also of what is no longer in memory; and it does not change with what is added later."""
    facts = source()
    model = LiveModel(BOTH, 10, clock=Clock())
    took = [1_000, 3_000, 3_100, 250_000]
    model.add(only_operations(rows(*[row(took_ns=ns) for ns in took * 25])), facts)
    shown = model.picture(facts, STARTED_NS + SECOND)
    nop = operation(shown, "NOP")
    expected = np.bincount(bucket(np.array(took * 25, np.uint64)), minlength=BUCKETS)
    model.add(only_operations(rows(row(took_ns=5))), facts)
    assert nop.histogram.tolist() == expected.tolist()
    assert nop.summary.latency is not None
    assert nop.summary.latency.count == nop.histogram.sum() > shown.recent.rows


def test_an_interface_that_is_not_captured_is_absent() -> None:
    facts = source(context=context(probes=("io_uring_complete",)))
    shown = picture(rows(row()), facts=facts)
    assert (shown.operations_now, shown.calls_now) == (0.0, None)
    assert (shown.unseen, shown.unseen_now) == (None, None)


def test_in_flight_is_known_where_it_was_looked_at() -> None:
    begun = [row("NOP", after_ns=500), row("NOP", after_ns=600), call("read", after_ns=700)]
    batch = rows(row(), call("read"), row("RECV"))
    assert operation(picture(batch), "NOP").in_flight is None
    shown = picture(batch, observed=Observed(under_way=under_way(*begun)))
    flying = {each.summary.name: each.in_flight for each in shown.operations}
    assert flying == {"NOP": 2, "read": 1, "RECV": 0}
    partly = picture(batch, observed=Observed(under_way=under_way(*begun, all_calls=False)))
    assert (operation(partly, "read").in_flight, operation(partly, "NOP").in_flight) == (None, 2)


def states(*tids: int, state: str = "waiting", tgid: int = 4242) -> dict[int, ThreadState]:
    return {tid: ThreadState(tgid, f"thread-{tid}", state, 0.25, 0.75) for tid in tids}


def test_what_a_thread_is_doing() -> None:
    facts = source(files={7: ENDPOINT}, threads={4243: Thread(4243, 4242, "worker")})
    woken = [
        call("epoll_wait", 5, after_ns=each * SECOND // 4, slept=True, wakes=2, wake=2) for each in range(8)
    ]
    waiting = call("epoll_wait", 5, after_ns=SECOND + SECOND // 2, fd=5, file=7)
    observed = Observed(under_way=under_way(waiting), threads=states(4243), alive={4242})
    found = thread(picture(rows(*woken), facts=facts, observed=observed, at=2.0), 4243)
    assert (found.activity.name, found.activity.system_calls) == ("worker", 8)
    assert (found.call, found.waits_for, found.in_call_ns) == ("epoll_wait", "TCP 127.0.0.1:80", SECOND // 2)
    assert (found.state, found.running_now, found.waiting_now, found.blocked_now) == (
        "waiting",
        0.25,
        0.75,
        None,
    )
    assert found.wakes_now == 8.0


def test_a_lock_is_named_by_its_address_and_a_file_that_is_not_known_by_its_descriptor() -> None:
    calls = [call("futex", 0x7F00, tid=1), call("read", 9, tid=2, fd=9), call("nanosleep", 0x7F10, tid=3)]
    shown = picture(observed=Observed(under_way=under_way(*calls)))
    assert [each.waits_for for each in shown.threads] == ["0x7f00", "descriptor 9", None]


def test_a_call_older_than_the_capture_has_lasted_at_least_since_its_start() -> None:
    sitting = call("accept", 4, submitted_ns=0)
    [found] = picture(observed=Observed(under_way=under_way(sitting))).threads
    assert (found.call, found.in_call_ns) == ("accept", 2 * SECOND)


def test_threads_without_records_are_shown_and_threads_that_are_gone_have_ended() -> None:
    observed = Observed(threads=states(4244), alive={4242})
    shown = picture(rows(row(tid=4243)), observed=observed)
    assert [(each.activity.tid, each.state) for each in shown.threads] == [(4243, "ended"), (4244, "waiting")]
    assert thread(shown, 4244).activity.system_calls == 0
    assert thread(shown, 4243).running_now is None


@pytest.mark.parametrize(("alive", "state"), [(None, "unknown"), ({4242}, "unknown"), (set(), "ended")])
def test_a_process_that_cannot_be_read_is_not_taken_for_one_that_ended(
    alive: set[int] | None, state: str
) -> None:
    shown = picture(rows(row(tid=4243)), observed=Observed(threads={}, alive=alive))
    assert thread(shown, 4243).state == state


def test_a_number_that_another_process_has_now_says_nothing_of_the_thread() -> None:
    observed = Observed(threads=states(4243, tgid=777), alive={777})
    shown = picture(rows(row(tid=4243)), observed=observed)
    assert (thread(shown, 4243).state, thread(shown, 4243).running_now) == ("ended", None)


def test_a_ring_joins_its_counters_and_what_was_observed() -> None:
    seen = {(RING.tgid, RING.ring): RingState(3, 4, 0.5, 25.0, 10.0)}
    observed = Observed(rings=seen, workers={RING.tgid: 2})
    [ring] = picture(facts=source(rings=(RING,)), observed=observed).rings
    assert (ring.summary.submitted, ring.summary.batching) == (1000, 25.0)
    assert (ring.sq_fill, ring.cq_fill, ring.sq_thread_busy, ring.batching_now) == (3, 4, 0.5, 25.0)
    assert (ring.rate_now, ring.workers) == (10.0, 2)
    [unknown] = picture(facts=source(rings=(RING,))).rings
    assert (unknown.sq_fill, unknown.rate_now, unknown.workers) == (None, None, None)


def shown_at(second: float) -> Playback:
    return Playback(STARTED_NS + round(second * SECOND), STARTED_NS, STARTED_NS + 9 * SECOND, True, 1.0)


def test_rings_of_a_recording_count_up_to_the_moment_only() -> None:
    batch = rows(*(row(after_ns=each, ring=5) for each in range(4)), row(ring=5, kind=Kind.UNTRACKED))
    facts = source(rings=(replace(RING, untracked=9),), context=context())
    observed = Observed(under_way=under_way(row(ring=5, after_ns=100), row(ring=5, after_ns=101)))
    early = picture(batch, facts=facts, live=False, playback=shown_at(1.0), at=1.0, observed=observed)
    ring = early.rings[0].summary
    assert (ring.completions, ring.submitted, ring.in_flight, ring.untracked) == (5, 6, 2, 1)
    assert (ring.batching, early.rings[0].rate_now) == (None, 5.0)
    whole = picture(batch, facts=facts, live=False, playback=shown_at(9.0), ended=True)
    assert (whole.rings[0].summary.submitted, whole.rings[0].summary.untracked) == (1000, 9)


def test_on_a_recording_the_share_of_waiting_comes_from_the_records() -> None:
    """A quarter second slept in the last whole second, and half of one in a call that goes on."""
    ended = call("read", after_ns=SECOND, took_ns=SECOND // 4, slept=True, wakes=1)
    goes_on = call("read", after_ns=SECOND + SECOND // 2, took_ns=SECOND, slept=True)
    goes_on["woken_ns"] = goes_on["completed_ns"]
    at = UnderWay(goes_on, STARTED_NS + 2 * SECOND, True)
    shown = picture(ended, live=False, observed=Observed(under_way=at), playback=shown_at(2.0))
    found = thread(shown, 4243)
    assert found.waiting_now == pytest.approx(0.75)
    assert (found.state, found.call, found.in_call_ns) == ("waiting", "read", SECOND // 2)
    assert found.running_now is None


def test_losses_are_those_of_the_source() -> None:
    losses = Losses({"operations": 3}, 4)
    assert picture(facts=source(losses=losses)).losses == losses


def test_rows_that_are_not_kept_count_all_the_same() -> None:
    facts = source()
    model = LiveModel(facts.context, clock=Clock())
    model.add(only_operations(rows(*[row()] * 5)), facts, keep=False)
    shown = model.picture(facts, STARTED_NS + SECOND)
    assert (operation(shown, "NOP").summary.count, shown.recent.rows, shown.recent.dropped) == (5, 0, 5)


def test_dear_parts_have_their_share_of_the_time_and_are_whole_at_the_end() -> None:
    """Where everything takes a second, threads are not worked out for each picture."""
    facts = source()
    model = LiveModel(facts.context, clock=Clock(), cost=Clock(look_ns=SECOND))
    counts: list[Sequence[int]] = []
    for number in range(4):
        model.add(only_operations(row(tid=100 + number)), facts)
        shown = model.picture(facts, STARTED_NS + number * 1000, ended=number == 3)
        counts.append([len(shown.threads), shown.summary.totals.completions])
    assert counts == [[1, 1], [1, 2], [1, 3], [4, 4]]


def test_damaged_numbers_raise_nothing() -> None:
    random = np.random.default_rng(3)
    batch = np.frombuffer(random.bytes(row().itemsize * 500), row().dtype).copy()
    batch["opcode"] %= max(OPCODES.values())
    shown = picture(batch, live=False, playback=shown_at(1.0))
    assert shown.recent.rows == 500


def test_files_of_settled_connections_are_named_once_no_row_that_is_kept_has_them() -> None:
    """With room for ten rows: the files of old connections go, those of the kept rows stay."""
    count = 40
    facts = source(files=files(count))
    model = LiveModel(BOTH, 10, clock=Clock(), cost=Clock())
    unnamed: list[int] = []
    for number in range(1, count + 1):
        began_ns = number * SECOND
        model.add(only_operations(reads(range(number, number + 1), after_ns=began_ns)), facts)
        model.add(closed(number, STARTED_NS + began_ns + 2_000), facts)
        at_ns = STARTED_NS + began_ns + SECOND // 2
        model.picture(facts, at_ns)
        unnamed += model.unnamed_files(at_ns)
        kept = {int(file) for part in model._recent.view({}).parts for file in part.operations["file"]}
        assert not kept.intersection(unnamed)
    assert unnamed == list(range(1, len(unnamed) + 1))
    assert count - 20 < len(unnamed) < count
