"""Which processes are traced: all, several, one with its children, or one alone."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.bpf.processes import (
    Held,
    Process,
    Tracer,
    counts,
    held_shell,
    is_completion,
    json_lines,
)

pytestmark = pytest.mark.bpf


def test_eight_rings_in_four_processes_of_the_whole_machine(kinds: Path, tmp_path: Path) -> None:
    """`-a` sees every process; others on this machine are told apart by their ids."""
    with (
        Tracer(tmp_path / "stat", "stat", "-a", "--json") as stat,
        Tracer(tmp_path / "log", "log", "-a", "-e", "io_uring", "--json") as log,
    ):
        stat.attached()
        log.attached()
        with Process([kinds, "many_rings"], tmp_path / "target") as target:
            assert target.wait() == 0
        for tracer in (stat, log):
            tracer.interrupt()
        report, operations = stat.report(), log.operations()
    [subject] = json_lines(target.output())[0]["subjects"]
    truth = {process["pid"]: (process["rings"], process["cqe_total"]) for process in subject["by_process"]}
    assert len(truth) == 4
    by_stat, by_log = {}, {}
    for pid in truth:
        own = [ring for ring in report["rings"] if ring["tgid"] == pid and ring["ring"]]
        by_stat[pid] = (len(own), sum(ring["completions"] for ring in own))
        lines = [line for line in operations if line["pid"] == pid]
        by_log[pid] = (len({line["ring"] for line in lines}), len(lines))
    assert by_stat == truth
    assert by_log == truth
    assert report["lost"] == {}


FAMILY = '"$1" 100; sh -c \'"$1" 200; "$1" 300 & wait\' sh "$1"; (exec "$1" 400); exec "$1" 500'
"""Children, a grandchild that runs beside its parent, and at last the process itself."""


def test_follow_counts_children_and_grandchildren(nop: Path, tmp_path: Path) -> None:
    with Held(held_shell(FAMILY, nop), tmp_path / "target") as target:
        pid = str(target.pid)
        with (
            Tracer(tmp_path / "stat", "stat", "-f", "-p", pid, "--json") as stat,
            Tracer(tmp_path / "log", "log", "-f", "-p", pid, "--json") as log,
        ):
            stat.attached()
            log.attached()
            target.go()
            report, operations = stat.report(), log.operations()
    expected = sum(line["operations"] for line in json_lines(target.output())[1:])
    assert expected == 100 + 200 + 300 + 400 + 500
    assert counts(report) == {"NOP": expected}
    assert len(operations) == expected
    assert len({line["pid"] for line in operations}) == 5
    assert (report["lost"], report["untracked"]) == ({}, 0)
    called = Counter(line["operation"] for line in log.operations("syscall"))
    assert called == Counter(counts(report, "syscall"))
    assert called["execve"] == 6
    assert called["io_uring_enter"] >= expected // 32


def test_without_follow_only_the_process_itself_counts(nop: Path, tmp_path: Path) -> None:
    with Held(held_shell(FAMILY, nop), tmp_path / "target") as target:
        pid = str(target.pid)
        with (
            Tracer(tmp_path / "stat", "stat", "-p", pid, "--json") as stat,
            Tracer(tmp_path / "log", "log", "-p", pid, "--json") as log,
        ):
            stat.attached()
            log.attached()
            target.go()
            report, operations = stat.report(), log.operations()
    assert counts(report) == {"NOP": 500}
    calls = log.operations("syscall")
    assert {line["pid"] for line in operations + calls} == {target.pid}
    assert len(operations) == 500
    called = Counter(line["operation"] for line in calls)
    assert called == Counter(counts(report, "syscall"))
    assert called["execve"] == 1


def test_a_launched_program_is_followed_only_when_asked(nop: Path, tmp_path: Path) -> None:
    script = '"$1" 100; exec "$1" 200'
    for options, expected in (([], 200), (["-f"], 300)):
        folder = tmp_path / "".join(["run", *options])
        with Tracer(folder, "stat", *options, "--json", "--", "sh", "-c", script, "sh", nop) as stat:
            report = stat.report()
        assert counts(report) == {"NOP": expected}
        # The shell, and what it is replaced by; its child too.
        assert counts(report, "syscall")["execve"] == 2 + len(options)


def test_several_named_processes_and_nobody_else(nop: Path, tmp_path: Path) -> None:
    """`-p A,B` counts both; a third one that runs at the same time does not count."""
    numbers = (1000, 2000, 4000)
    folders = [tmp_path / f"target {number}" for number in numbers]
    with (
        Held([nop, "--pause", "1000"], folders[0]) as first,
        Held([nop, "--pause", "2000"], folders[1]) as second,
        Held([nop, "--pause", "4000"], folders[2]) as bystander,
        Tracer(tmp_path / "stat", "stat", "-p", f"{first.pid},{second.pid}", "--json") as stat,
        Tracer(tmp_path / "log", "log", "-p", str(first.pid), "-p", str(second.pid), "--json") as log,
    ):
        stat.attached()
        log.attached()
        for target in (first, second, bystander):
            target.go()
            assert target.said()["operations"] in numbers
        report, operations = stat.report(), log.operations()
    assert counts(report) == {"NOP": 3000}
    by_process = {ring["tgid"]: ring["completions"] for ring in report["rings"]}
    assert by_process == {first.pid: 1000, second.pid: 2000}
    assert len(operations) == 3000
    calls = log.operations("syscall")
    assert {line["pid"] for line in operations} == {line["pid"] for line in calls} == {first.pid, second.pid}
    assert Counter(line["operation"] for line in calls) == Counter(counts(report, "syscall"))


def test_a_log_of_processes_says_which_thread(kinds: Path, tmp_path: Path) -> None:
    """With SQPOLL a kernel thread submits: its own tid, the application's pid."""
    with Tracer(tmp_path, "log", "--json", "--", kinds, "sqpoll") as log:
        assert log.wait() == 0, log.notices()
        lines = json_lines(log.output())
    truth = next(line for line in lines if "subjects" in line)
    operations = [line for line in lines if is_completion(line) and line["interface"] == "io_uring"]
    assert {line["pid"] for line in operations} == {truth["pid"]}
    assert {line["tid"] for line in operations} == {truth["subjects"][0]["sq_thread"]}
