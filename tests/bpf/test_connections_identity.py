"""A connection is its socket, whatever happens to descriptors, processes and interfaces.

What is expected stands with what is done: tests/bpf/socket_lives.py.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.bpf.processes import Held, Json, Tracer
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
