"""The text of a comparison: two columns that fit, gaps, reasons in words, and what is certain."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from tests.compare.scene import Done, capture, log
from tests.compare.test_matching import life
from tests.fakes import STARTED_NS, context, row
from uringtrace.tracer.compare import OnlyOurs, OnlyTheirs, compare
from uringtrace.tracer.compare.excerpt import entries
from uringtrace.tracer.compare.phases import Cost, Phase, costs
from uringtrace.tracer.compare.report import CompareReport, Strace
from uringtrace.tracer.latency import LatencySummary
from uringtrace.tracer.source import Losses
from uringtrace.ui.text.compare_columns import GAP, Texts, columns, fitted
from uringtrace.ui.text.compare_json import compare_object
from uringtrace.ui.text.compare_summary import WHY_OURS, WHY_THEIRS, compare_lines
from uringtrace.ui.text.style import Style

PLAIN = Style()
MANUAL = (Path(__file__).parents[2] / "docs" / "compare.md").read_text()


def latency(p50_ns: float) -> LatencySummary:
    return LatencySummary(10, p50_ns, p50_ns, p50_ns, p50_ns * 4, p50_ns * 5, None, None)


def phase(observers: str, requests: int, p50_ns: float) -> Phase:
    return Phase(observers, 2.0, requests * 3, 1000, requests, latency(p50_ns), 0.5, None)


PHASES = (phase("bpf", 1000, 50_000), phase("bpf and strace", 100, 500_000), phase("bpf", 1000, 70_000))


def report() -> CompareReport:
    """A thread of calls, of which the log lacks one and the capture another, beside a ring."""
    done = life(10, 12, 1)
    ours = capture(
        *(each.row() for each in done if each is not done[6]),
        *(row("RECV", after_ns=n * 1_000_000, result=100, tid=11) for n in (2, 3, 4)),
    )
    written = [*(each for each in done[:-1] if each is not done[3]), done[-1]]
    theirs = log(each.line() for each in written)
    comparison = compare(theirs, ours)
    return CompareReport(
        context(),
        Losses(),
        Strace("6.1", ("-f", "-ttt"), theirs.lines, 0),
        comparison,
        "",
        PHASES,
        costs(PHASES),
        entries(theirs, ours, comparison, 100),
        theirs,
        ours,
        10.0,
    )


def texts(found: CompareReport) -> Texts:
    left = {entry.line: f"call_{entry.line}(3) = 0" for entry in found.entries if entry.line is not None}
    right = {entry.row: f"row_{entry.row}(3) = 0" for entry in found.entries if entry.row is not None}
    return Texts(left, right)


def test_each_call_has_one_line_in_time_order_with_gaps_where_a_side_has_nothing() -> None:
    found = report()
    times = [entry.at_ns for entry in found.entries]
    assert times == sorted(times)
    assert [entry.line for entry in found.entries if entry.line] == list(range(1, 12))
    assert sorted(entry.row for entry in found.entries if entry.row is not None) == list(range(14))
    lines = columns(found.entries, texts(found), found.comparison.window_ns[0], 80, PLAIN)[1:]
    for entry, line in zip(found.entries, lines, strict=True):
        left, right = re.split(" │ ", line.split(maxsplit=2)[2])
        assert (left.strip() == GAP) == (entry.line is None)
        assert (right.strip() == GAP) == (entry.row is None)
        assert (entry.line is None) == (entry.only_ours is not OnlyOurs.MATCHED)
        assert (entry.row is None) == (entry.only_theirs is not OnlyTheirs.MATCHED)


@pytest.mark.parametrize("width", [80, 100, 200])
def test_columns_use_the_width_and_no_more(width: int) -> None:
    found = report()
    long = Texts(
        {entry.line: "recvfrom(5<TCP>, " + "x" * 300 + ", 0) = 49" for entry in found.entries if entry.line},
        {entry.row: "é" * 400 for entry in found.entries if entry.row is not None},
    )
    lines = columns(found.entries, long, 0, width, PLAIN)
    assert width - 1 <= max(map(len, lines)) <= width
    lines = compare_lines(found, texts(found), PLAIN)
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("read(3) = 5", "read(3) = 5"),
        ("brk(NULL)          = 0x5", "brk(NULL) = 0x5"),
        ("recvfrom(5<TCP:[127.0.0.1:80]>, 10) = 49 <0.000010>", "recvfrom(5<TCP:…) = 49"),
        ('openat(AT_FDCWD, "/a/long/path") = -1 ENOENT (No such file)', "openat(A…) = -1 ENOENT"),
        ("accept4(3<TCP>, NULL, NULL) = 5<TCP:[127.0.0.1:80->127.0.0.1:4000]>", "accept4(3<TCP>, …) = 5"),
        ("exit_group(0) <unfinished …> and more text", "exit_group(0) <unfini…"),
        ("a\x1b[31m\n", r"a\x1b[31m\x0a"),
    ],
)
def test_what_is_too_long_keeps_its_result(text: str, shown: str) -> None:
    assert fitted(text, 22) == shown


def test_every_reason_has_words_and_the_counts_add_up() -> None:
    assert set(WHY_OURS) == set(OnlyOurs) - {OnlyOurs.MATCHED}
    assert set(WHY_THEIRS) == set(OnlyTheirs) - {OnlyTheirs.MATCHED}
    text = "\n".join(compare_lines(report(), texts(report()), PLAIN))
    assert "operations" in text
    assert re.search(r"^operations +14 +10 ", text, re.M)
    assert re.search(r"^io_uring: a call may say .* +3$", text, re.M)
    assert text.count("unexplained") == 2
    assert re.search(r"^strace +– +300 +10\.0× +requests +8\.33× +10\.0×$", text, re.M)


def test_the_cost_is_that_of_the_phases() -> None:
    """By hand: 2000 requests in 4 s against 100 in 2 s; 60 µs against 500; 0.5 ms against 5 ms each."""
    (found,) = costs(PHASES)
    assert (found.observer, found.happened, found.told) == ("strace", 300, None)
    assert found.slowdown == pytest.approx(10)
    assert found.latency_factor == pytest.approx(500 / 60)
    assert found.cpu_factor == pytest.approx((0.5 / 100) / (1.0 / 2000))
    assert costs(PHASES[:1]) == costs(PHASES[1:2]) == ()
    nothing = replace(PHASES[1], requests=0, operations=0, latency=None, target_cpu_s=None)
    assert costs((PHASES[0], nothing)) == (Cost("strace", 0, None, None, True, None, None),)
    unknown = [replace(each, requests=None) for each in PHASES]
    factors = pytest.approx(10), False, pytest.approx(500 / 60), pytest.approx(10)
    assert costs(unknown) == (Cost("strace", 300, None, *factors),)
    other = replace(PHASES[1], observers="bpf and bpftrace", told=7)
    assert [each.observer for each in costs((*PHASES, other))] == ["strace", "bpftrace"]


def test_lines_without_times_are_said_to_be_paired_by_order() -> None:
    done = [
        Done(10, "read", 0, STARTED_NS + n * 1_000_000, STARTED_NS + n * 1_000_000 + 5_000)
        for n in range(1, 9)
    ]
    ours = capture(*(each.row() for each in done))
    theirs = log(each.line(times=False) for each in done)
    found = replace(report(), comparison=compare(theirs, ours), log=theirs, ours=ours, entries=())
    assert "paired by order in each thread: the log has no times (strace -ttt)" in " ".join(
        compare_lines(found, Texts({}, {}), PLAIN)
    )


def fields_of(heading: str) -> dict[str, str]:
    section = MANUAL.split(f"\n### {heading}\n")[1].split("\n#")[0]
    return dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", section, re.M))


def test_the_json_is_documented() -> None:
    """Each object has exactly the fields that docs/compare.md lists, in its order."""
    found = json.loads(json.dumps(compare_object(report())))
    objects = {
        "comparison object": found,
        "strace": found["strace"],
        "comparison": found["comparison"],
        "parts": found["comparison"]["operations"],
        "names": found["comparison"]["names"][0],
        "phases": found["phases"][0],
        "costs": found["costs"][0],
    }
    for heading, value in objects.items():
        assert list(value) == list(fields_of(heading)), heading
    assert set(fields_of("only_uringtrace")) == {why.name.lower() for why in WHY_OURS}
    assert set(fields_of("only_strace")) == {why.name.lower() for why in WHY_THEIRS}
    assert found["phases"][0]["latency"] == asdict(latency(50_000))
    assert found["comparison"]["only_uringtrace"] == {"io_uring": 3, "unexplained": 1}


def test_what_was_before_and_after_is_said_apart_and_is_no_gap() -> None:
    """Of two files the log may begin later, and end earlier, than the recording, or the other way round."""
    done = life(10, 60, 1)
    theirs, ours = log(each.line() for each in done[3:-2]), capture(*(each.row() for each in done))
    found = replace(report(), comparison=compare(theirs, ours), log=theirs, ours=ours, entries=())
    text = "\n".join(compare_lines(found, Texts({}, {}), PLAIN))
    said = "not compared: 3 operations before strace was there, 2 operations after it had gone"
    assert said in " ".join(text.split())
    assert text.count("\nnothing ") == 2
    later_ns = done[20].submitted_ns - ours.started_ns
    late = replace(ours, started_ns=done[20].submitted_ns, started_unix_ns=ours.started_unix_ns + later_ns)
    assert found.comparison is not None
    only = compare(log(each.line() for each in done), replace(late, rows=ours.rows[20:]))
    text = "\n".join(compare_lines(replace(found, comparison=only), Texts({}, {}), PLAIN))
    assert "lines before the capture began" in text
    assert re.search(r"ONLY STRACE +COUNT\nnothing", text)
