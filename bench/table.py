"""The results as a table for people; every number is also in the JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bench.fio import FioRatio
from bench.following import GOAL_NS, Following
from bench.http import CONNECTIONS
from bench.nop import Row
from bench.report import ReportCost
from bench.servers import ServerRow
from bench.shares import Share
from bench.startup import Startup
from bench.streaming import Streaming
from bench.terminal import TerminalRow

FIO_GOAL = 0.97
ATTACHED_GOAL_SECONDS = 0.6
HELP_GOAL_SECONDS = 0.15
PRIVATE_GOAL_BYTES = 200_000_000
KEY_GOAL_SECONDS = 0.1
UI_GOAL, IDLE_GOAL = 0.2, 0.02
FIRST_DATA_GOAL_SECONDS = 1.5
REPORT_GOAL_SECONDS = 15
REPORT_GOAL_BYTES = 6_000_000
PAGE_GOAL_SECONDS = 2
FRAME_GOAL_MS = 33


def nop_lines(rows: Sequence[Row], batch: int, rounds: int) -> Iterator[str]:
    """Cost per NOP operation, cheapest tool first as listed."""
    yield f"NOP operations, {batch} at a time; median of {rounds} interleaved rounds"
    yield f"{'':<24}{'ns/op':>10}{'added':>10}{'ratio':>8}{'goal':>9}"
    for row in rows:
        if row.skipped:
            yield f"{row.name:<24}  – {row.skipped}"
            continue
        goal = "" if row.goal is None else f"≤ {row.goal:.2f}"
        line = (
            f"{row.name:<24}{_number(row.ns_per_operation, 1):>10}{_number(row.added_ns, 1):>10}"
            f"{_number(row.ratio, 2):>8}{goal:>9}"
        )
        yield line.rstrip()
    yield f"perf trace and strace see only system calls: one for every {batch} operations."


def fio_lines(result: FioRatio | str) -> Iterator[str]:
    """IOPS with and without the tracer."""
    if isinstance(result, str):
        yield f"fio: – {result}"
        return
    yield "fio, random 4 KiB reads, cached, depth 32"
    yield (
        f"  untraced {result.untraced_iops:,.0f} IOPS, counting {result.traced_iops:,.0f} IOPS: "
        f"{result.ratio:.3f} (goal ≥ {FIO_GOAL})"
    )


def epoll_lines(rows: Sequence[Share], rounds: int) -> Iterator[str]:
    """Requests per second of the epoll server, and the share that is left of them."""
    yield f"epoll server, {CONNECTIONS} connections; median of {rounds} interleaved rounds"
    yield f"{'':<24}{'requests/s':>12}{'share':>8}{'goal':>9}"
    for row in rows:
        if row.skipped:
            yield f"{row.name:<24}  – {row.skipped}"
            continue
        goal = "" if row.goal is None else f"≥ {row.goal:.2f}"
        yield f"{row.name:<24}{row.per_second:>12,.0f}{_number(row.share, 2):>8}{goal:>9}".rstrip()


def bystander_lines(kinds: Mapping[str, Sequence[Share]], rounds: int) -> Iterator[str]:
    """What is left of a bystander's speed, one column per kind of it."""
    yield f"share of its speed a process keeps beside an idle target; {rounds} rounds"
    yield f"{'':<32}" + "".join(f"{kind:>8}" for kind in kinds) + f"{'goal':>8}"
    for rows in zip(*kinds.values(), strict=True):
        untraced = rows[0].share is None and not rows[0].skipped
        name = "untraced: ns per call or request" if untraced else rows[0].name
        values = (_time(row.per_second) if untraced else _number(row.share, 2) for row in rows)
        skipped = next((row.skipped for row in rows if row.skipped), "")
        goal = "" if rows[0].goal is None else f"≥ {rows[0].goal:.2f}"
        line = f"{name:<32}" + (
            f"  – {skipped}" if skipped else "".join(f"{value:>8}" for value in values) + f"{goal:>8}"
        )
        yield line.rstrip()


def streaming_lines(result: Streaming | str) -> Iterator[str]:
    """Completeness and memory of a recording at full speed."""
    if isinstance(result, str):
        yield f"streaming: – {result}"
        return
    yield f"streaming {result.operations:,} NOP operations to a recording"
    yield f"  recorded {result.rows:,}, lost {result.lost:,} (goal 0), {result.seconds:.1f} s in all"
    yield (
        f"  private memory at most {result.private_bytes / 1e6:.0f} MB "
        f"(goal ≤ {PRIVATE_GOAL_BYTES / 1e6:.0f} MB), "
        f"while finishing {result.finishing_private_bytes / 1e6:.0f} MB"
    )


def servers_lines(rows: Sequence[ServerRow], rounds: int) -> Iterator[str]:
    """Every reference server under the same load, and what a request costs it."""
    yield f"reference servers, {CONNECTIONS} connections; median of {rounds} interleaved rounds"
    yield f"{'':<16}{'requests/s':>12}{'calls/request':>16}{'operations/request':>21}"
    for row in rows:
        if row.skipped:
            yield f"{row.name:<16}  – {row.skipped}"
            continue
        calls, operations = (row.cost.calls, row.cost.operations) if row.cost else (None, None)
        yield f"{row.name:<16}{row.per_second:>12,.0f}{_small(calls):>16}{_small(operations):>21}"
    yield "calls: system calls; operations: of io_uring"
    yield "iterative serves one connection at a time: there each request has its own"


def following_lines(rows: Sequence[Following], rounds: int) -> Iterator[str]:
    """What it costs to follow all findings."""
    yield f"following all findings, per operation; median of {rounds} interleaved rounds"
    yield f"{'':<20}{'ns':>8}{'decoding':>12}{'best round':>13}{'per second':>14}"
    for row in rows:
        numbers = f"{row.ns:>8,.0f}{row.decoding_ns:>12,.0f}{row.least_ns:>13,.0f}{row.per_second:>14,.0f}"
        yield f"{row.shape:<20}{numbers}"
    yield f"goal: ≤ {GOAL_NS:,} ns, {1e9 / GOAL_NS:,.0f} operations per second on one processor"


def terminal_lines(rows: Sequence[TerminalRow]) -> Iterator[str]:
    """How the terminal application answers, and what it costs."""
    yield "the terminal application; CPU as shares of one processor, while no key is pressed"
    headings = f"{'':<20}{'first data':>12}{'key p50':>10}{'key p95':>10}{'UI':>8}{'capture':>9}"
    yield f"{headings}{'lost':>12}{'record':>12}"
    for row in rows:
        if row.skipped:
            yield f"{row.name:<20}  – {row.skipped}"
            continue
        times = (row.first_data_seconds, row.key_p50_seconds, row.key_p95_seconds)
        first, middle, late = (f"{_number(value, 3)} s" for value in times)
        ui, capture = (_percent(share) for share in (row.ui_share, row.capture_share))
        line = f"{row.name:<20}{first:>12}{middle:>10}{late:>10}{ui:>8}{capture:>9}"
        yield f"{line}{row.lost:>12}{row.lost_alone:>12}"
    yield (
        f"goals: first data ≤ {FIRST_DATA_GOAL_SECONDS} s, key p95 ≤ {KEY_GOAL_SECONDS} s, "
        f"UI ≤ {UI_GOAL:.0%}, both together ≤ {IDLE_GOAL:.0%} when idle, no more lost than `record` loses"
    )


def report_lines(cost: ReportCost) -> Iterator[str]:
    """A report of a large recording."""
    yield f"report of {cost.operations:,} operations, a recording of {cost.recording_bytes / 1e6:.0f} MB"
    yield f"  {cost.seconds:.1f} s (goal ≤ {REPORT_GOAL_SECONDS} s), {cost.peak_bytes / 1e6:.0f} MB of memory"
    yield f"  the page: {cost.file_bytes / 1e6:.1f} MB (goal ≤ {REPORT_GOAL_BYTES / 1e6:.0f} MB)"
    if cost.browser_skipped:
        yield f"  in a browser: – {cost.browser_skipped}"
    else:
        yield (
            f"  opens in {_number(cost.open_seconds, 1)} s (goal ≤ {PAGE_GOAL_SECONDS} s), dragged with "
            f"{_number(cost.frame_ms, 0)} ms per frame (goal ≤ {FRAME_GOAL_MS} ms)"
        )


def startup_lines(result: Startup | str) -> Iterator[str]:
    """Start-up times."""
    if isinstance(result, str):
        yield f"start-up: – {result}"
        return
    if result.attached_seconds is None:
        yield f"start to attached: – {result.skipped}"
    else:
        yield f"start to attached {result.attached_seconds:.3f} s (goal ≤ {ATTACHED_GOAL_SECONDS} s)"
    yield f"uringtrace --help {result.help_seconds:.3f} s (goal ≤ {HELP_GOAL_SECONDS} s)"


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"


def _small(value: float | None) -> str:
    if value is not None and 0 < value < 0.005:
        return "<0.01"
    return _number(value, 2)


def _time(per_second: float | None) -> str:
    return "–" if not per_second else f"{1e9 / per_second:,.0f}"
