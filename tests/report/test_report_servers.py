"""Reports of real servers under load, recorded here: what the browser shows is what SQL answers."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.report.browsing import Opened, needs_browser
from tests.servers.running import running
from uringtrace.targets.catalogue import ARCHITECTURES
from uringtrace.targets.support import support
from uringtrace.tracer.recording import open_recording
from uringtrace.tracer.report import read_report
from uringtrace.ui.report.page import page

pytestmark = [pytest.mark.bpf, pytest.mark.timeout(300), *needs_browser()]
URINGTRACE = (sys.executable, "-m", "uringtrace")
SLICE = ("uring-sqpoll",)
"""In every run of the tests; all servers take minutes: `make test-reports`."""
SERVERS = [name if name in SLICE else pytest.param(name, marks=pytest.mark.long) for name in ARCHITECTURES]


def recorded(name: str, path: Path) -> Path:
    """The server under load, with all its processes, from before the first connection.

    So many requests, not so long: how long a conversion takes, which is of the lowest priority, depends
    on how much there is.
    """
    with running(name) as server:
        workers = [child.pid for child in psutil.Process(server.pid).children(recursive=True)]
        pids = ",".join(map(str, (server.pid, *workers)))
        record = [*URINGTRACE, "record", "-f", "-p", pids, "-o", str(path)]
        # One after the other is all that an iterative server can do.
        connections = "1" if name == "iterative" else "8"
        load = [*URINGTRACE, "load", server.first["listening"], "--connections", connections]
        load += ["--requests", "2000"]
        load += ["--tls"] if ARCHITECTURES[name].tls else []
        with subprocess.Popen(record, stderr=subprocess.PIPE, text=True) as recording:
            assert recording.stderr is not None
            begun = recording.stderr.readline()
            assert begun.startswith("uringtrace: recording"), begun + recording.stderr.read()
            subprocess.run(load, capture_output=True, check=True, timeout=60)
            recording.send_signal(signal.SIGINT)
            _, errors = recording.communicate(timeout=120)
        assert recording.returncode == 0, errors
    return path


@pytest.mark.parametrize("name", SERVERS)
def test_the_page_tells_what_the_server_did(
    name: str, visit: Callable[..., Opened], tmp_path: Path, ask: Any
) -> None:
    here = support(ARCHITECTURES[name])
    if here.lacks:
        pytest.skip(f"{name}: {here.lacks}")
    path = recorded(name, tmp_path / "run")
    report = read_report(open_recording(path))
    html = page(report)
    assert len(html) < 6_000_000
    opened = visit(html)
    ((results, errors),) = ask(
        path,
        "SELECT count(*), count(*) FILTER (result < 0) FROM operations "
        "WHERE kind = 'COMPLETION' AND COALESCE(cqe_flags & 8, 0) = 0",
    )
    assert results > 0
    cards = dict(
        opened.page.evaluate(
            "[...document.querySelectorAll('.cards > div')]"
            ".map(each => [each.querySelector('dt'), each.querySelector('dd').firstChild])"
            ".map(each => each.map(part => part.textContent))"
        )
    )
    assert cards["operations"] == f"{results:,}"
    assert cards["errors"] == f"{errors:,}"
    ((connections,),) = ask(path, "SELECT count(*) FROM connections")
    assert cards["connections"] == f"{connections:,}"
    cells = opened.run("report.data.timeline.lanes.map(lane => lane.count)")
    assert cells == [lane.count for lane in report.lanes.lanes]
    window = report.lanes.windows[len(report.lanes.windows) // 2]
    middle = (window.began_ns + window.ended_ns) / 2e9
    opened.show(middle, middle + 0.0005)
    began, ended = round(middle * 1e9), round((middle + 0.0005) * 1e9)
    ((rows,),) = ask(
        path,
        f"""SELECT count(*) FROM operations, meta WHERE kind IN ('COMPLETION', 'UNFINISHED')
            AND completed_ns - started_ns >= {began}
            AND COALESCE(CASE kind WHEN 'COMPLETION' THEN previous_ns END, submitted_ns, 0)
                <= started_ns + {ended}""",
    )
    assert abs(opened.run("report.state.bars") - rows) <= 2  # a row that ends within the rounding
    opened.innocent()
    opened.keep(f"server-{name}")
