"""Summary: what is not known is None, shares and rates follow from the counters."""

from dataclasses import replace

from tests.fakes import OPCODES, RING, STARTED_NS, FakeSource, context, multishot_rows, row, rows
from uringtrace.tracer.record import CQE_F_MORE, CQE_F_NOTIF, Kind, Path
from uringtrace.tracer.replayed_counting import ReplayedCounting
from uringtrace.tracer.source import Losses
from uringtrace.tracer.statistics import accumulate, difference, empty_counters, operation_traits
from uringtrace.tracer.summary import flag_names, summarise, summary_of

SECOND = 1_000_000_000


def replayed(*batches, **changes):
    source = ReplayedCounting(FakeSource(batches, **changes))
    while not source.wait(3600):
        pass
    return source


def test_one_operation_in_full() -> None:
    source = replayed(
        rows(
            row("READ", result=100, took_ns=10),
            row("READ", result=-5, took_ns=14, path=Path.POLL),
            row("READ", result=300, took_ns=12, path=Path.IO_WQ),
            row("READ", result=0, took_ns=12, path=Path.IO_WQ),
        ),
        ended_ns=STARTED_NS + 2 * SECOND,
    )
    (read,) = summary_of(source).operations
    assert (read.name, read.submitted, read.count, read.rate) == ("READ", 4, 4, 2.0)
    assert (read.errors, read.bytes) == (1, 400)
    assert [read.share(count) for count in (read.inline, read.poll, read.io_wq)] == [0.25, 0.25, 0.5]
    latency = read.latency
    assert latency is not None
    assert (latency.mean_ns, latency.p50_ns, latency.p90_ns, latency.max_ns) == (12.0, 12.0, 14.0, 14)


def test_what_does_not_apply_is_none() -> None:
    summary = summary_of(replayed(multishot_rows("ACCEPT", [7, 8]), ended_ns=STARTED_NS))
    (accept,) = summary.operations
    assert accept.count == 2
    assert accept.bytes is None
    assert accept.latency is None
    assert accept.rate is None
    assert accept.share(accept.poll) == 0


def test_totals_are_the_sums_and_operations_come_by_count() -> None:
    summary = summary_of(
        replayed(
            rows(
                row("NOP", kind=Kind.SILENT),
                row("SEND_ZC", result=5, cqe_flags=CQE_F_MORE),
                row("SEND_ZC", cqe_flags=CQE_F_NOTIF),
                *[row("READ", result=7)] * 3,
            ),
            rings=(RING, replace(RING, ring=6, overflows=2, messages=1)),
            losses=Losses({"operation": 4}, untracked=2),
        )
    )
    assert [operation.name for operation in summary.operations] == ["READ", "SEND_ZC", "NOP"]
    totals = summary.totals
    assert (totals.submitted, totals.completions, totals.bytes) == (5, 4, 26)
    assert (totals.notifications, totals.silent) == (1, 1)
    assert (totals.in_flight, totals.overflows, totals.messages) == (6, 2, 1)
    assert summary.losses.total_lost == 4


def test_the_maximum_of_an_interval_is_known_or_bounded() -> None:
    traits = operation_traits(context().operation_names)
    counters = empty_counters()
    accumulate(counters, row("READ", took_ns=10_000), traits)
    before = counters.copy()
    accumulate(counters, row("READ", took_ns=1_000), traits)
    part = summarise(context(), difference(counters, before), (), Losses(), SECOND)
    latency = part.operations[0].latency
    assert latency is not None
    assert latency.max_ns is None
    assert latency.max_bound_ns in range(1_000, 1_064)


def test_an_opcode_the_kernel_gives_no_name_is_shown_by_number() -> None:
    summary = summary_of(replayed(row("NOP", opcode=200)))
    assert summary.operations[0].name == "OP_200"


def test_setup_flags_by_name_with_unknown_bits_kept() -> None:
    assert flag_names(0b1011, {1: "IOPOLL", 2: "SQPOLL"}) == ("IOPOLL", "SQPOLL", "0x8")
    ring = summary_of(replayed(rings=(RING,))).rings[0]
    assert ring.setup_flags == ("SQPOLL", "SINGLE_ISSUER")
    assert ring.batching == 25.0
    unseen = replace(RING, flags=None, batches=0)
    ring = summary_of(replayed(rings=(unseen,))).rings[0]
    assert (ring.setup_flags, ring.batching) == (None, None)


def test_recorded_time_is_cut_at_the_interval() -> None:
    early, late = row("READ", after_ns=0, took_ns=5), row("READ", after_ns=3 * SECOND, took_ns=5)
    source = ReplayedCounting(FakeSource([rows(early, late)], ended_ns=STARTED_NS + 4 * SECOND))
    read = OPCODES["READ"]
    seen = []
    while not source.wait(1):
        seen.append((source.ended_ns - STARTED_NS, int(source.counters()[read]["completions"])))
    assert seen == [(SECOND, 1), (2 * SECOND, 1), (3 * SECOND, 1)]
    assert source.counters()[read]["completions"] == 2
    assert source.ended_ns == STARTED_NS + 4 * SECOND
