"""A server that counts its own system calls, and everybody who watches it, agree on every count.

The epoll server says how often it made each call, how often each failed and how many
readiness records it got. Every count is exact, and nothing may be lost at full load either.
"""

from __future__ import annotations

import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.bpf.conftest import target_binary
from tests.bpf.load import GET, Address, ask, wrk
from tests.bpf.processes import Json, Process, Tracer, counts, json_lines, wait_for
from uringtrace.tracer.recording import open_recording
from uringtrace.tracer.syscalls.numbers import system_call_names

pytestmark = pytest.mark.bpf

NOT_COUNTED = {"brk", "mmap", "munmap", "write", "exit_group"}
"""What the server does beside: it takes memory, prints what it counted, and exits."""


@dataclass(frozen=True)
class Server:
    process: Process
    address: Address

    @property
    def pid(self) -> str:
        return str(self.process.pid)

    def end(self) -> Json:
        """Ends it with SIGTERM; its own account."""
        self.process.send(signal.SIGTERM)
        assert self.process.wait() == 0, self.process.notices()
        return json_lines(self.process.output())[-1]


@pytest.fixture(params=[(), ("--edge",)], ids=["level-triggered", "edge-triggered"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    with Process([target_binary("epoll"), *request.param], tmp_path / "server") as process:
        wait_for(lambda: process.output().endswith("\n"), "the server listens")
        host, port = json_lines(process.output())[0]["listening"].split(":")
        yield Server(process, (host, int(port)))


def logged(tracer: Tracer) -> Counter[str]:
    assert tracer.wait() == 0, tracer.notices()
    *lines, end = json_lines(tracer.output())
    assert (end["lost"], end["untracked"]) == ({}, 0)
    return Counter(line["operation"] for line in lines if line.get("kind") == "completion")


def counted(tracer: Tracer) -> Counter[str]:
    report = tracer.report()
    assert (report["lost"], report["untracked"]) == ({}, 0)
    return Counter(counts(report, "syscall"))


def recorded(tracer: Tracer, path: Path) -> Counter[str]:
    assert tracer.wait() == 0, tracer.notices()
    recording = open_recording(path)
    assert recording.losses.total_lost == 0
    sql = "SELECT operation, count(*) FROM operations WHERE kind = 'COMPLETION' GROUP BY operation"
    with recording.query(sql) as result:
        return Counter(dict(result.rows()))


def compare(seen: Counter[str], truth: Json) -> None:
    assert {name: count for name, count in seen.items() if name not in NOT_COUNTED} == truth["calls"]


@contextmanager
def bpftrace(pid: str, folder: Path) -> Iterator[Process]:
    """Counts returns from system calls. It may hang, so timeout(1) bounds it."""
    script = (
        'BEGIN { printf("ready\\n"); } '
        f"tracepoint:raw_syscalls:sys_exit /pid == {pid}/ {{ @calls[args->id] = count(); }}"
    )
    with Process(["timeout", "-k", "1", "60", "bpftrace", "-f", "json", "-e", script], folder) as process:
        wait_for(lambda: "ready" in process.output() or not process.running(), "bpftrace is attached")
        if not process.running():
            pytest.skip(f"bpftrace cannot run here: {process.notices().strip()}")
        yield process


def counted_by_bpftrace(process: Process, machine: str) -> Counter[str]:
    process.send_to_all(signal.SIGINT)
    process.wait()
    names = system_call_names(machine)
    for line in json_lines(process.output()):
        if line.get("type") == "map":
            return Counter({names[int(number)]: count for number, count in line["data"]["@calls"].items()})
    pytest.fail(f"bpftrace counted nothing: {process.notices()}")


@pytest.mark.skipif(shutil.which("bpftrace") is None, reason="bpftrace is not installed")
def test_four_observers_at_once(server: Server, tmp_path: Path) -> None:
    """Counting, logging, recording and bpftrace beside one another, of the same requests."""
    path = tmp_path / "recording"
    with (
        bpftrace(server.pid, tmp_path / "bpftrace") as observer,
        Tracer(tmp_path / "stat", "stat", "--json", "-p", server.pid) as stat,
        Tracer(tmp_path / "log", "log", "--json", "-p", server.pid) as log,
        Tracer(tmp_path / "record", "record", "-o", path, "-p", server.pid) as record,
    ):
        for tracer in (stat, log, record):
            tracer.attached()
        used = ask(server.address, GET, connections=8, requests=250)
        truth = server.end()
        report = stat.report()
        by_bpftrace = counted_by_bpftrace(observer, report["machine"])
        by_log, by_recording = logged(log), recorded(record, path)
    assert (truth["connections"], truth["requests"]) == (8, 2000)
    assert truth["bytes_sent"] == sum(each.received for each in used)
    assert (report["lost"], report["untracked"]) == ({}, 0)
    for seen in (Counter(counts(report, "syscall")), by_log, by_recording, by_bpftrace):
        compare(seen, truth)
    errors = {
        each["name"]: each["errors"] for each in report["operations"] if each["name"] in truth["failed"]
    }
    assert errors == truth["failed"]
    bytes_moved = {each["name"]: each["bytes"] for each in report["operations"]}
    assert bytes_moved["recvfrom"] == truth["bytes_received"]
    assert bytes_moved["sendto"] == truth["bytes_sent"]
    with open_recording(path).query("SELECT count(*) FROM readiness") as result:
        assert next(iter(result.rows()))[0] == truth["readiness"]


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
@pytest.mark.parametrize("way", ["stat", "log", "record"])
def test_nothing_is_lost_under_load(server: Server, tmp_path: Path, way: str) -> None:
    path = tmp_path / "recording"
    options = {"stat": ["--json"], "log": ["--json"], "record": ["-o", path]}[way]
    with Tracer(tmp_path / "tracer", way, *options, "-p", server.pid) as tracer:
        tracer.attached()
        load = wrk(server.address, connections=8, seconds=1)
        truth = server.end()
        assert truth["requests"] >= load.requests > 0
        seen = {"stat": counted, "log": logged, "record": lambda each: recorded(each, path)}[way](tracer)
    compare(seen, truth)
