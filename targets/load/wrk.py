"""The same run by wrk, which is faster, where wrk can do what is asked.

wrk's own report is rounded for people, so a script of three lines has it print the
exact figures as JSON. What it does not tell stays None in the result. Its latencies are
not raw: it adds invented ones after each long one, in the manner of a correction for
coordinated omission (wrk.c, `stats_correct`), so they are not to be compared with those
of this project's engine.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from uringtrace.errors import Error, UsageError
from uringtrace.targets.load.plan import TIMEOUT_NS, Plan
from uringtrace.targets.load.result import (
    Bytes,
    Connections,
    Latency,
    Requests,
    Result,
    WrkDetails,
    asked,
)
from uringtrace.targets.load.schedule import SECOND_NS
from uringtrace.targets.load.tally import ERRORS

INSTALL = "install it (`apt-get install wrk` on Debian and Ubuntu), or use --engine own"

_MARK = "uringtrace-result "
_SCRIPT = """\
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('%s{"duration_us":%%d,"requests":%%d,"bytes":%%d,'
    .. '"connect":%%d,"read":%%d,"write":%%d,"status":%%d,"timeout":%%d,'
    .. '"min_us":%%.0f,"mean_us":%%.3f,"p50_us":%%.0f,"p90_us":%%.0f,"p99_us":%%.0f,'
    .. '"p999_us":%%.0f,"max_us":%%.0f}\\n',
    summary.duration, summary.requests, summary.bytes,
    e.connect, e.read, e.write, e.status, e.timeout,
    latency.min, latency.mean, latency:percentile(50), latency:percentile(90),
    latency:percentile(99), latency:percentile(99.9), latency.max))
end
""".replace("%s", _MARK).replace("%%", "%")


@dataclass(frozen=True, slots=True)
class Report:
    """What wrk said; the latencies are whole numbers save for the mean, in microseconds."""

    duration_us: int
    requests: int
    bytes: int
    connect: int
    read: int
    write: int
    status: int
    timeout: int
    min_us: int
    mean_us: float
    p50_us: int
    p90_us: int
    p99_us: int
    p999_us: int
    max_us: int


def obstacle(plan: Plan) -> str:
    """Why wrk cannot do what is asked, in words that follow "wrk"; empty where it can."""
    able = {
        "cannot send at a rate": plan.rate is None,
        "cannot send a number of requests": plan.requests is None,
        "runs for whole seconds": plan.duration_ns is not None and plan.duration_ns % SECOND_NS == 0,
        "does not pipeline by itself": plan.pipeline == 1,
        "has no slow clients": plan.slow_clients == 0,
        "cannot take a connection for each request": not plan.new_connections,
        "does not look at the length of answers": plan.length is None,
        "knows one right status only": plan.status == 200,
        "knows timeouts of whole seconds": plan.timeout_ns % SECOND_NS == 0,
    }
    return next((words for words, met in able.items() if not met), "")


def installed() -> str | None:
    """The path of wrk, if it is installed."""
    return shutil.which("wrk")


class WrkRun:
    """Runs a plan once. `stop` may be called from a signal handler."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._process: subprocess.Popen[str] | None = None
        self._interrupted = False

    def stop(self) -> None:
        """Have wrk end, which still reports."""
        self._interrupted = True
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)

    def run(self) -> Result:
        """Raises `UsageError` where wrk is missing or cannot connect, and `Error` where it fails."""
        program = installed()
        if program is None:
            raise UsageError("wrk is not installed", INSTALL)
        with tempfile.TemporaryDirectory(prefix="uringtrace-") as folder:
            script = Path(folder) / "report.lua"
            script.write_text(_SCRIPT, encoding="ascii")
            self._process = subprocess.Popen(
                command(program, self.plan, script, os.cpu_count() or 1),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            output, errors = self._process.communicate()
        if self._process.returncode != 0:
            reason = (errors.strip() or output.strip() or f"status {self._process.returncode}").splitlines()[
                -1
            ]
            if "unable to connect" in reason:
                raise UsageError(f"wrk: {reason}", "is the server running there?")
            raise Error(f"wrk failed: {reason}")
        return outcome(self.plan, parse(output), threads(self.plan, os.cpu_count() or 1), self._interrupted)


def command(program: str, plan: Plan, script: Path, processors: int) -> list[str]:
    """The command line that does what the plan asks."""
    place = plan.endpoint
    assert plan.duration_ns is not None
    return [
        program,
        f"-t{threads(plan, processors)}",
        f"-c{plan.connections}",
        f"-d{plan.duration_ns // SECOND_NS}s",
        "--timeout",
        f"{(plan.timeout_ns or TIMEOUT_NS) // SECOND_NS}s",
        "-H",
        f"Host: {place.host}",
        "-s",
        str(script),
        f"{'https' if place.tls else 'http'}://{place}{place.path}",
    ]


def threads(plan: Plan, processors: int) -> int:
    """As many as leave the server half of the processors, and divide the connections evenly.

    wrk gives every thread the same number of connections and leaves out the rest.
    """
    most = max(1, min(processors // 2, plan.connections))
    return next(number for number in range(most, 0, -1) if plan.connections % number == 0)


def parse(output: str) -> Report:
    """The report in what wrk printed. Raises `Error` where there is none, or it is incomplete."""
    lines = [line for line in output.splitlines() if line.startswith(_MARK)]
    try:
        (line,) = lines
        return Report(**json.loads(line.removeprefix(_MARK)))
    except (ValueError, TypeError) as error:
        raise Error(f"wrk's report is not as expected: {error}", "use --engine own") from None


def outcome(plan: Plan, report: Report, number_of_threads: int, interrupted: bool) -> Result:
    """wrk's figures as a result; what wrk does not tell is None."""
    place = plan.endpoint
    errors: dict[str, int | None] = dict.fromkeys(ERRORS)
    errors |= {"connect": report.connect, "timeout": report.timeout, "status": report.status}
    return Result(
        engine="wrk",
        url=place.url,
        address=str(place),
        tls=place.tls,
        loop="closed",
        asked=asked(plan),
        ended_by="interruption" if interrupted else "time",
        elapsed_ns=report.duration_us * 1000,
        rate=(report.requests - report.status) / report.duration_us * 1e6,
        requests=Requests(
            started=None,
            sent=None,
            answered=report.requests,
            right=None,
            failed=None,
            unfinished=None,
            unsent=0,
        ),
        errors=errors,
        statuses=None,
        connections=Connections(None, None, None),
        bytes=Bytes(None, report.bytes, None, None),
        latency=_latency(report) if report.requests else None,
        schedule=None,
        slow=None,
        wrk=WrkDetails(number_of_threads, report.read, report.write),
    )


def _latency(report: Report) -> Latency:
    return Latency(
        since="wrk",
        resolution=None,
        count=None,
        min_ns=report.min_us * 1000,
        mean_ns=round(report.mean_us * 1000),
        p50_ns=report.p50_us * 1000,
        p90_ns=report.p90_us * 1000,
        p99_ns=report.p99_us * 1000,
        p999_ns=report.p999_us * 1000,
        max_ns=report.max_us * 1000,
    )
