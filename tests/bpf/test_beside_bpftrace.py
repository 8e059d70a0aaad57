"""bpftrace, an independent reader of tracepoints, counts the same operations and system calls."""

from __future__ import annotations

import os
import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.bpf.processes import Held, Json, Process, Tracer, json_lines, wait_for
from uringtrace.tracer.record import FIRST_CALL

pytestmark = [
    pytest.mark.bpf,
    pytest.mark.skipif(shutil.which("bpftrace") is None, reason="bpftrace is not installed"),
]

PROGRAM = """
BEGIN { printf("ready\\n"); }
tracepoint:io_uring:io_uring_create /comm == "COMM"/ { @ring[args->ctx] = 1; }
tracepoint:io_uring:io_uring_submit_req /@ring[args->ctx] || pid == PID/ {
    @ring[args->ctx] = 1; @submitted[args->opcode] = count();
}
tracepoint:io_uring:io_uring_req_failed /@ring[args->ctx]/ { @rejected[args->opcode] = count(); }
tracepoint:io_uring:io_uring_complete /@ring[args->ctx]/ { @completed = count(); }
tracepoint:io_uring:io_uring_cqe_overflow /@ring[args->ctx]/ { @overflowed = count(); }
tracepoint:raw_syscalls:sys_exit /pid == PID || comm == "COMM"/ {
    if (args->id >= 0 && !@born[tid]) { @returned[args->id] = count(); }
    if (args->id >= 0 && !@born[tid] && args->ret < 0) { @failed[args->id] = count(); }
    @born[tid] = 0;
}
tracepoint:task:task_newtask /pid == PID || comm == "COMM"/ { @born[args->pid] = 1; }
"""
"""A ring is known by who created it or who submits to it: completions may come from any process.

A new thread or process begins with the return from a call that it did not make.
"""


@contextmanager
def bpftrace(pid: int, comm: str, folder: Path) -> Iterator[Process]:
    """Counts for the target; SIGINT ends it and prints. It may hang, so timeout(1) bounds it."""
    script = PROGRAM.replace("PID", str(pid)).replace("COMM", comm)
    with Process(["timeout", "-k", "1", "100", "bpftrace", "-f", "json", "-e", script], folder) as process:
        wait_for(lambda: "ready" in process.output() or not process.running(), "bpftrace is attached")
        if not process.running():
            pytest.skip(f"bpftrace cannot run here: {process.notices().strip()}")
        yield process


def counted(output: str) -> dict[str, Counter[str]]:
    """Its maps by name; a count without a key is under ''."""
    maps: dict[str, Counter[str]] = {}
    for line in json_lines(output):
        if line.get("type") == "map":
            for name, value in line["data"].items():
                maps[name.removeprefix("@")] = Counter(value if isinstance(value, dict) else {"": value})
    return maps


def observe(target: Held, comm: str, folder: Path) -> tuple[Json, Json, dict[str, Counter[str]]]:
    """What the target, we and bpftrace say of one run of it."""
    with (
        bpftrace(target.pid, comm, folder / "bpftrace") as observer,
        Tracer(folder / "stat", "stat", "-f", "--json", "-p", str(target.pid)) as stat,
    ):
        stat.attached()
        target.go()
        said = target.said()
        report = stat.report()
        observer.send_to_all(signal.SIGINT)
        assert observer.wait() == 0, observer.notices()
        return said, report, counted(observer.output())


def compare(report: Json, maps: dict[str, Counter[str]]) -> None:
    operations = [each for each in report["operations"] if each["interface"] == "io_uring"]
    submitted = {str(each["opcode"]): each["submitted"] for each in operations}
    assert maps["submitted"] + maps.get("rejected", Counter()) == submitted
    overflows = sum(ring["overflows"] for ring in report["rings"])
    assert maps.get("overflowed", Counter())[""] == overflows
    completions = sum(ring["completions"] for ring in report["rings"])
    # Older kernels trace a CQE that overflows twice: as completion and as overflow.
    assert maps["completed"][""] in (completions, completions - overflows)
    calls = [each for each in report["operations"] if each["interface"] == "syscall"]
    for name, field in (("returned", "count"), ("failed", "errors")):
        ours = {str(each["opcode"] - FIRST_CALL): each[field] for each in calls if each[field]}
        assert maps.get(name, Counter()) == ours


def test_a_known_number_of_nops(nop: Path, tmp_path: Path) -> None:
    with Held([nop, "--pause", "200000"], tmp_path / "target") as target:
        said, report, maps = observe(target, "no-such-name", tmp_path)
    assert said["operations"] == 200_000
    assert maps["submitted"] == {"0": 200_000}
    assert maps["completed"] == {"": 200_000}
    compare(report, maps)


MIXED = (
    "nop", "files", "sockets", "links", "multishot_recv", "multishot_poll", "timeouts", "zerocopy",
    "overflow", "sqpoll", "io_wq", "poll_retry", "msg_ring", "many_rings", "broken_links",
)  # fmt: skip


def test_a_run_of_many_kinds(kinds: Path, tmp_path: Path) -> None:
    """Under a name of its own, so that nobody else's operations count."""
    program = tmp_path / f"kinds{os.getpid() % 10_000}"
    shutil.copy2(kinds, program)
    with Held([program, "--pause", *MIXED], tmp_path / "target") as target:
        said, report, maps = observe(target, program.name, tmp_path)
    operations = [each for each in report["operations"] if each["interface"] == "io_uring"]
    assert sum(each["submitted"] for each in operations) == said["total"]["submitted"]
    assert sum(ring["completions"] for ring in report["rings"]) == said["total"]["cqe_total"]
    compare(report, maps)
