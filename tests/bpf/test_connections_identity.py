"""A connection is its socket, whatever happens to descriptors, processes and interfaces.

What is expected stands with what is done: tests/bpf/socket_lives.py.
"""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.bpf.processes import Held, Json, Process, Tracer, json_lines, wait_for
from tests.bpf.programs import compiled
from tests.bpf.socket_lives import SCENARIOS
from uringtrace.tracer.recording import open_recording

pytestmark = pytest.mark.bpf

Observe = Callable[..., tuple[Json, Json]]


@pytest.fixture
def observe(tmp_path: Path) -> Observe:
    """One scenario: what it says is to be expected, and the report of `stat`."""

    def run(name: str, *options: str) -> tuple[Json, Json]:
        script = Path(__file__).with_name("socket_lives.py")
        words = ("stat", "--connections", *options, "--json", "-f", "-p")
        with (
            Held([sys.executable, script, name], tmp_path / "target") as target,
            Tracer(tmp_path / "stat", *words, str(target.pid)) as tracer,
        ):
            tracer.attached()
            target.go()
            said = target.said()
            report = tracer.report()
        assert (report["lost"], report["untracked"]) == ({}, 0)
        return said, report

    return run


def compare(expected: list[Json], connections: list[Json]) -> None:
    """Each is found by its two addresses, there is no other, and all columns that are stated agree."""
    seen = {(each["local"], each["remote"]): each for each in connections}
    assert sorted(seen, key=str) == sorted(((each["local"], each["remote"]) for each in expected), key=str)
    assert len(connections) == len(expected)
    for row in expected:
        connection = seen[row["local"], row["remote"]]
        assert {name: connection[name] for name in row} == row


@pytest.mark.parametrize("name", SCENARIOS)
def test_what_a_scenario_expects(observe: Observe, name: str) -> None:
    said, report = observe(name)
    compare(said["connections"], report["connections"])
    if "servers" in said:
        serving = {each["tgid"] for each in report["connections"] if each["role"] == "server"}
        assert serving <= set(said["servers"])


@pytest.mark.parametrize("mode", ["single", "multishot", "direct", "multishot-direct", "mixed"])
def test_connections_that_io_uring_accepts(tmp_path: Path, mode: str) -> None:
    """Into descriptors of the process or of the ring; "mixed" receives by system calls."""
    program = compiled("ring_server", tmp_path)
    with (
        Held([program, mode], tmp_path / "target") as target,
        Tracer(tmp_path / "stat", "stat", "--connections", "--json", "-p", str(target.pid)) as tracer,
    ):
        tracer.attached()
        target.go()
        said, report = target.said(), tracer.report()
    assert (report["lost"], report["untracked"]) == ({}, 0)
    servers = [each for each in report["connections"] if each["role"] == "server"]
    compare(said["connections"], servers)
    clients = [each for each in report["connections"] if each["role"] == "client"]
    assert [each["bytes_out"] for each in clients] == [10, 20, 30]
    assert all(each["interfaces"] == "syscall" for each in clients)


def test_connections_that_do_nothing_are_listed(tmp_path: Path) -> None:
    """Of a target that sleeps all the while; nothing is known but that they are there."""
    script = Path(__file__).with_name("socket_lives.py")
    with Held([sys.executable, script, "open_before"], tmp_path / "target") as target:
        words = ("stat", "--connections", "--json", "-d", "0.2", "-p", str(target.pid))
        with Tracer(tmp_path / "stat", *words) as tracer:
            report = tracer.report()
        target.go()
        said = target.said()
    listed = {(each["local"], each["remote"]): each for each in report["connections"]}
    assert listed.keys() == {(row["local"], row["remote"]) for row in said["connections"]}
    for row in said["connections"]:
        each = listed[row["local"], row["remote"]]
        assert (each["role"], each["began_by"], each["tgid"]) == (row["role"], "before", target.pid)
        assert (each["bytes_in"], each["bytes_out"], each["requests"] or 0) == (0, 0, 0)
        assert (each["began_ns"], each["ended_ns"], each["closed_by"]) == (None, None, None)


def recorded(folder: Path, name: str) -> tuple[Json, Path]:
    """One scenario, in a recording."""
    script = Path(__file__).with_name("socket_lives.py")
    path = folder / "recording"
    with (
        Held([sys.executable, script, name], folder / "target") as target,
        Tracer(folder / "record", "record", "-f", "-o", path, "-p", str(target.pid)) as tracer,
    ):
        tracer.attached()
        target.go()
        said = target.said()
        assert tracer.wait() == 0, tracer.notices()
    return said, path


def query(path: Path, sql: str) -> list[list[Any]]:
    with open_recording(path).query(sql) as result:
        return [list(row) for row in result.rows()]


def test_a_nested_epoll_instance_reports_what_the_inner_one_holds(tmp_path: Path) -> None:
    said, path = recorded(tmp_path, "nested_epoll")
    rows = query(path, "SELECT epoll_fd, fd, mask FROM readiness ORDER BY completed_ns")
    assert rows == said["readiness"]


def test_exclusive_waiters_are_known_as_such(tmp_path: Path) -> None:
    """Each worker's interest in the listener is exclusive, and each connection has one readiness at least."""
    said, path = recorded(tmp_path, "exclusive_waiters")
    listener = said["listener"]
    added = query(path, f"SELECT tgid, events FROM interest WHERE fd = {listener} ORDER BY tgid")
    assert added == [[child, "EPOLLIN|EPOLLEXCLUSIVE"] for child in sorted(said["servers"])]
    [[ready]] = query(path, f"SELECT count(*) FROM readiness WHERE fd = {listener}")
    accepted = sum(row["role"] == "server" for row in said["connections"])
    [[tries]] = query(
        path, f"SELECT count(*) FROM operations WHERE operation = 'accept4' AND fd = {listener}"
    )
    assert ready == tries >= accepted == 20


def test_a_recording_has_the_same_connections(tmp_path: Path) -> None:
    """And `stat` of the recording says what `stat` of the target would have."""
    said, path = recorded(tmp_path, "prefork_workers")
    with Tracer(tmp_path / "stat", "stat", "--connections", "--json", path) as stat:
        report = stat.report()
    compare(said["connections"], report["connections"])
    columns = list(report["connections"][0])
    rows = query(path, f"SELECT {', '.join(columns)} FROM connections ORDER BY number")
    assert rows == [list(each.values()) for each in report["connections"]]


MANY = 10_000


def test_ten_thousand_connections_at_once(tmp_path: Path) -> None:
    """From their beginning on, and by a tracer that comes when all are open."""
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < MANY + 200 and os.geteuid() != 0:
        pytest.skip(f"no {MANY:,} descriptors for one process")
    script = Path(__file__).with_name("many_connections.py")
    words = ("stat", "--connections", "--json")
    with Held([sys.executable, script, "server", str(MANY)], tmp_path / "server") as server:
        port = json_lines(server.output())[0]["port"]
        with Tracer(tmp_path / "stat", *words, "-p", str(server.pid)) as tracer:
            tracer.attached()
            server.go()
            with Held(
                [sys.executable, script, "client", str(port), str(MANY)], tmp_path / "client"
            ) as client:
                with Tracer(tmp_path / "later", *words, "-d", "0.1", "-p", str(server.pid)) as later:
                    listed = later.report()["connections"]
                client.go()
                sent = client.said()["sent"]
            did, report = server.said(), tracer.report()
    assert did["accepted"] == did["most"] == MANY
    assert (report["lost"], report["untracked"]) == ({}, 0)
    assert {(each["remote"], each["began_by"], each["ended_ns"]) for each in listed} == {
        (remote, "before", None) for remote in sent
    }
    moved = {each["remote"]: (each["bytes_in"], each["bytes_out"]) for each in report["connections"]}
    assert moved == {remote: (size, 2) for remote, size in sent.items()}
    assert len(report["connections"]) == len(listed) == MANY
    assert all(each["closed_by"] == "remote" and each["requests"] == 1 for each in report["connections"])


@pytest.fixture
def blocked(tmp_path: Path) -> Iterator[Process]:
    """A process that reads from a pipe into which nobody writes, and is already at it."""
    with Process(["cat"], tmp_path / "target", stdin=subprocess.PIPE) as process:
        status = Path(f"/proc/{process.pid}/stat")
        wait_for(lambda: "(cat) S" in status.read_text(), "it sleeps in read")
        yield process


def test_a_thread_in_one_call_for_the_whole_capture(blocked: Process, tmp_path: Path) -> None:
    """Since when is not known: it is at least as long as the capture."""
    words = ("stat", "--threads", "--json", "-d", "0.3", "-p", str(blocked.pid))
    with Tracer(tmp_path / "stat", *words) as tracer:
        report = tracer.report()
    [thread] = report["threads"]
    assert (thread["tid"], thread["name"], thread["system_calls"]) == (blocked.pid, "cat", 0)
    assert (thread["current"]["call"], thread["current"]["since_ns"]) == ("read", None)
    assert thread["current"]["age_ns"] == pytest.approx(report["duration_s"] * 1e9, abs=1)
    [operation] = report["operations"]
    assert (operation["name"], operation["count"], operation["latency"]) == ("read", 0, None)


def test_the_log_ends_with_the_call_a_thread_is_still_in(blocked: Process, tmp_path: Path) -> None:
    words = ("-d", "0.3", "-p", str(blocked.pid))
    with Tracer(tmp_path / "log", "log", "--json", *words) as tracer:
        assert tracer.wait() == 0, tracer.notices()
    start, line, end = json_lines(tracer.output())
    assert (line["kind"], line["operation"], line["tid"]) == ("unfinished", "read", blocked.pid)
    assert (line["fd"], line["arguments"]["fd"], line["submitted_ns"], line["result"]) == (0, 0, None, None)
    assert line["completed_ns"] == end["ended_ns"] > start["started_ns"]

    with Tracer(tmp_path / "text", "log", *words) as tracer:
        assert tracer.wait() == 0, tracer.notices()
    [text] = tracer.output().splitlines()
    assert re.fullmatch(rf"\[pid {blocked.pid} .*\] read\(0.*, <unfinished …> age>\d+\.\d+", text)
