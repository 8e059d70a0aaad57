"""The tables of `stat`: a golden report, its width, and what is said when there is nothing."""

from dataclasses import replace

import numpy as np
import pytest

from tests.fakes import (
    OPCODES,
    OPERATION_NAMES,
    RING,
    STARTED_NS,
    FakeSource,
    context,
    multishot_rows,
    row,
    rows,
)
from uringtrace.tracer.record import CQE_F_MORE, CQE_F_NOTIF, Kind, Path
from uringtrace.tracer.replayed_counting import ReplayedCounting
from uringtrace.tracer.source import Losses
from uringtrace.tracer.statistics import empty_counters
from uringtrace.tracer.summary import Summary, summarise, summary_of
from uringtrace.ui.text.style import Style, style_for
from uringtrace.ui.text.summary_table import summary_lines
from uringtrace.ui.text.table import shortened, table

PLAIN = Style()


def summary(*batches: np.ndarray, **changes: object) -> Summary:
    source = ReplayedCounting(FakeSource(batches, **changes))
    while not source.wait(3600):
        pass
    return summary_of(source)


def test_a_whole_report() -> None:
    reads = [
        row("READ", result=4096, took_ns=12_000 * n, path=Path.IO_WQ if n > 3 else 0) for n in range(1, 5)
    ]
    report = summary_lines(
        summary(
            rows(
                *reads,
                multishot_rows("RECV", [100, 50, -105], path=Path.POLL),
                row("SEND_ZC", result=1024, cqe_flags=CQE_F_MORE),
                row("SEND_ZC", cqe_flags=CQE_F_NOTIF),
                row("NOP", kind=Kind.SILENT),
            ),
            rings=(RING, replace(RING, ring=6, fd=None, flags=None, sq_thread=None, overflows=7)),
            losses=Losses({"operations": 3}, untracked=2),
        ),
        PLAIN,
    )
    assert (
        "\n".join(report)
        == """\
OPERATION  COUNT    RATE  ERRORS    BYTES  INLINE  POLL  IO-WQ
READ           4  0.40/s       0  16.0KiB   75.0%    0%  25.0%
RECV           3  0.30/s       1     150B      0%  100%     0%
SEND_ZC        1  0.10/s       0  1.00KiB    100%    0%     0%
NOP            0     0/s       0        –       –     –      –

LATENCY    MEAN     P50     P90     P99   P99.9     MAX
READ     30.0µs  24.1µs  48.0µs  48.0µs  48.0µs  48.0µs
RECV          –       –       –       –       –       –
SEND_ZC  12.0µs  12.0µs  12.0µs  12.0µs  12.0µs  12.0µs
NOP           –       –       –       –       –       –

total: 8 completions in 10.0 s, 0.80/s, 1 error, 17.1KiB, 6 in flight

RING   PID  FD   SQ   CQ  FILES  BUFFERS  OPS/BATCH  INFLIGHT  MOST  OVERFLOW
5     4242   4  128  256      8        0       25.0         3    64         0
      flags SQPOLL SINGLE_ISSUER · SQPOLL thread 4244
6     4242   –  128  256      8        0       25.0         3    64         7
      flags –
1 operation ended or still open without a completion (CQE_SKIP_SUCCESS)
1 zero-copy notification not counted as completion
7 completions that found the completion queue full
lost 3 (operations 3), untracked 2"""
    )


def full_counters() -> np.ndarray:
    """Every operation, with numbers as large as a long run on a large machine gives."""
    counters = empty_counters()
    for opcode in OPERATION_NAMES:
        row = counters[opcode]
        row["submitted"] = row["completions"] = row["timed"] = 20_000_000_000
        row["errors"] = 123_456
        row["bytes"] = 2**62
        row["inline"], row["poll"], row["io_wq"] = 10_000_000, 9_999_999, 1
        row["histogram"][300] = 20_000_000_000
        row["sum_ns"] = 2**60
    return counters


def test_large_numbers_still_fit_80_columns() -> None:
    ring = replace(
        RING,
        ring=123,
        tgid=4_194_303,
        fd=1023,
        flags=2**18 - 1,
        sq_entries=32768,
        cq_entries=65536,
        registered_files=65536,
        registered_buffers=16384,
        in_flight=100_000,
        in_flight_max=100_000,
        overflows=123_456,
        messages=1_000_000,
        dropped=12,
        submitted=10**9,
        batches=1000,
    )
    losses = Losses({"operations": 123_456}, 10**9)
    report = summary_lines(summarise(context(), full_counters(), [ring], losses, 10**13), PLAIN)
    assert len(report) > 2 * len(OPERATION_NAMES)
    assert max(map(len, report)) <= 80


def test_losses_are_always_said() -> None:
    assert summary_lines(summary(), PLAIN)[-1] == "lost 0, untracked 0"


@pytest.mark.parametrize(
    ("rings", "said"),
    [
        ((), "process 4242: no io_uring ring was used in 10.0 s"),
        ((RING,), "process 4242: 1 ring, but no operation in 10.0 s"),
        ((RING, RING), "process 4242: 2 rings, but no operation in 10.0 s"),
    ],
)
def test_nothing_is_said_in_words(rings: tuple, said: str) -> None:
    assert summary_lines(summary(rings=rings), PLAIN)[0] == said


def test_a_bounded_maximum_is_marked() -> None:
    counters = empty_counters()
    read = counters[OPCODES["READ"]]
    read["submitted"] = read["completions"] = read["timed"] = 1
    read["histogram"][200] = 1
    read["sum_ns"] = 24_600
    report = summary_lines(summarise(context(), counters, [], Losses(), 1), PLAIN)
    assert report[4].split()[-1].startswith("≤")


def test_only_headings_and_alarms_are_coloured_and_only_when_wanted() -> None:
    lost = summary(row("NOP"), losses=Losses({"operations": 1}), ended_ns=STARTED_NS + 1)
    coloured = summary_lines(lost, Style(colour=True))
    assert coloured[0].startswith("\x1b[1mOPERATION")
    assert "\x1b[31mlost 1" in coloured[-1]
    assert not any("\x1b" in line for line in summary_lines(lost, PLAIN))


class Terminal:
    def __init__(self, *, answer: bool) -> None:
        self.answer = answer

    def isatty(self) -> bool:
        return self.answer


@pytest.mark.parametrize(
    ("choice", "terminal", "environment", "coloured"),
    [
        ("auto", True, {}, True),
        ("auto", False, {}, False),
        ("auto", True, {"NO_COLOR": "1"}, False),
        ("auto", True, {"NO_COLOR": ""}, True),
        ("auto", True, {"TERM": "dumb"}, False),
        ("always", False, {"NO_COLOR": "1"}, True),
        ("never", True, {}, False),
    ],
)
def test_when_there_is_colour(
    choice: str, terminal: bool, environment: dict[str, str], coloured: bool
) -> None:
    assert style_for(choice, Terminal(answer=terminal), environment).colour is coloured


def test_columns_move_closer_only_when_they_must() -> None:
    assert table([("A", "B"), ("long", "1")]) == ["A     B", "long  1"]
    assert table([("A", "B"), ("long", "1")], width=6) == ["A    B", "long 1"]


def test_shortening() -> None:
    assert shortened("abcdef", 6) == "abcdef"
    assert shortened("abcdefg", 6) == "abcde…"
