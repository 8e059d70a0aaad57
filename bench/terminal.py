"""The terminal application: how soon it answers a key, what it costs, and what it loses.

Each row is one target: a program at full speed, a reference server under load, one that does
nothing. A key is answered when the heading of the pane that it chose has been drawn.
"""

from __future__ import annotations

import json
import re
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.application import Application, application
from bench.launch import URINGTRACE, Failed, run
from bench.processes import running

SERVER = "uring-sqpoll"
RATE = 1_000_000
"""Operations each second of the program that makes as many as the goals speak of."""
KEYS = 60
"""Per target: enough for a 95th percentile."""
SECONDS = 6.0
"""For which a target is watched without a key."""
_WARM_SECONDS = 2.0
_FOREVER = 1_000_000_000_000
_PANES = ((b"2", b"PEER"), (b"4", b"WAKES"), (b"3", b"SQ FILL"), (b"1", b"OPERATION"))
"""Keys, and a heading that only their pane has."""
_FIRST_DATA = b"unseen by strace"
_LOST = re.compile(r"lost (\d[\d,]*\d|\d)")
_LONGEST_SECONDS = 300


@dataclass(frozen=True, slots=True)
class TerminalRow:
    """One target; numbers are None where it could not be measured, and `skipped` says why."""

    name: str
    first_data_seconds: float | None = None
    """From the start of `uringtrace` to the first picture on the screen."""
    key_p50_seconds: float | None = None
    key_p95_seconds: float | None = None
    ui_share: float | None = None
    """Of one processor, of the thread that draws, while no key is pressed."""
    capture_share: float | None = None
    """The same of the thread that drains and counts."""
    lost: str = ""
    """As the header says it in the end."""
    lost_alone: str = ""
    """The same of `uringtrace record`, which draws nothing, in as much time."""
    skipped: str = ""


def measure_terminal(program: Path, batch: int, progress: Callable[[str], None]) -> tuple[TerminalRow, ...]:
    """A row for each target; `program` is that of the NOP operations."""
    targets: dict[str, Callable[[], Iterator[int]]] = {
        f"nop, {RATE:,}/s": lambda: _nop(program, batch, str(RATE)),
        "nop, full speed": lambda: _nop(program, batch),
        SERVER: _server,
        "idle": _idle,
    }
    rows = []
    for name, target in targets.items():
        progress(f"terminal: {name}")
        try:
            with contextmanager(target)() as pid:
                rows.append(replace(_measure(name, pid), lost_alone=_lost_alone(pid)))
        except Failed as failure:
            rows.append(TerminalRow(name, skipped=failure.reason))
    return tuple(rows)


def _nop(program: Path, batch: int, *rate: str) -> Iterator[int]:
    with running([str(program), str(_FOREVER), str(batch), *rate]) as process:
        yield process.pid


def _server() -> Iterator[int]:
    with ExitStack() as stack:
        server = stack.enter_context(running([*URINGTRACE, "serve", SERVER]))
        server.wait_for("\n")
        first = json.loads(server.text().splitlines()[0])
        seconds = str(round(10 * SECONDS + KEYS))
        stack.enter_context(running([*URINGTRACE, "load", f"http://{first['listening']}/", "-d", seconds]))
        yield first["pid"]


def _idle() -> Iterator[int]:
    with running(["sleep", "1000"]) as process:
        yield process.pid


def _measure(name: str, pid: int) -> TerminalRow:
    with application(pid) as app:
        first_data = app.until(_FIRST_DATA)
        app.watch(_WARM_SECONDS)
        before, began = app.processor_seconds(), time.monotonic()
        app.watch(SECONDS)
        used, took = app.processor_seconds(), time.monotonic() - began
        shares = {thread: (used[thread] - before.get(thread, 0)) / took for thread in used}
        pressed = sorted(_press(app, number) for number in range(KEYS))
        return TerminalRow(
            name,
            first_data,
            statistics.median(pressed),
            pressed[round(0.95 * (len(pressed) - 1))],
            shares.pop(app.pid),
            max(shares.values(), default=None),
            app.lost,
        )


def _lost_alone(pid: int) -> str:
    with TemporaryDirectory() as folder:
        seconds = str(round(SECONDS + KEYS * 0.1))
        words = ["record", "-p", str(pid), "-d", seconds, "--max-size", "2G", "-o", f"{folder}/recording"]
        done = run([*URINGTRACE, *words], _LONGEST_SECONDS)
    found = _LOST.search(done.stderr)
    if not found:
        raise Failed("said nothing about what was lost")
    return found[1]


def _press(app: Application, number: int) -> float:
    took = app.press(*_PANES[number % len(_PANES)])
    # Keys do not come in step with the pictures.
    app.watch(0.05 + 0.013 * (number % 10))
    return took
