"""Attaching to a process that runs: what it has is found, what it did before is not invented."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from tests.bpf.processes import Held, Tracer, counts, held_shell, json_lines, wait_for
from tests.bpf.programs import compiled
from tests.servers.running import running
from tests.uring.clients import ask, clients, new_connections
from uringtrace.tracer.record import is_call
from uringtrace.tracer.recording import open_recording

pytestmark = pytest.mark.bpf


def ring_descriptors(pid: int) -> list[int]:
    links = Path(f"/proc/{pid}/fd").iterdir()
    return [int(link.name) for link in links if str(link.readlink()) == "anon_inode:[io_uring]"]


def test_a_ring_is_listed_before_it_does_anything(nop: Path, tmp_path: Path) -> None:
    options = ("stat", "--interface", "io_uring", "--json", "-d", "0.1")
    with Held([nop, "--pause", "10"], tmp_path / "target") as target:
        with Tracer(tmp_path / "tracer", *options, "-p", str(target.pid)) as tracer:
            report = tracer.report()
        [fd] = ring_descriptors(target.pid)
        [ring] = report["rings"]
        assert "waiting" not in tracer.notices()
        assert (ring["tgid"], ring["fd"], ring["submitted"]) == (target.pid, fd, 0)
        assert (ring["sq_entries"], ring["cq_entries"]) == (256, 512)
        target.go()
        assert target.said()["operations"] == 10


def test_a_ring_that_was_there_has_its_descriptor_and_sizes(nop: Path, tmp_path: Path) -> None:
    with Held([nop, "--pause", "1000"], tmp_path / "target") as target:
        [fd] = ring_descriptors(target.pid)
        with Tracer(tmp_path / "tracer", "stat", "--json", "-p", str(target.pid)) as tracer:
            tracer.attached()
            target.go()
            report = tracer.report()
    [ring] = report["rings"]
    assert (ring["ring"], ring["fd"], ring["completions"]) == (1, fd, 1000)
    assert (ring["sq_entries"], ring["cq_entries"]) == (256, 512)


@pytest.mark.parametrize("command", ["stat", "log"])
def test_a_target_without_a_ring_is_waited_for(kinds: Path, tmp_path: Path, command: str) -> None:
    """The ring is created after the notice that there is none yet, and all of it is seen."""
    options = (command, "--interface", "io_uring", "--json")
    with (
        Held([kinds, "--pause", "nop"], tmp_path / "target") as target,
        Tracer(tmp_path / "tracer", *options, "-p", str(target.pid)) as tracer,
    ):
        wait_for(lambda: "no ring in the target yet" in tracer.notices(), "the notice")
        target.go()
        truth = target.said()["total"]
        seen = counts(tracer.report()) if command == "stat" else {"NOP": len(tracer.operations())}
    assert seen == {"NOP": truth["completions"]}


@pytest.mark.parametrize("command", ["stat", "log"])
def test_where_system_calls_are_captured_nothing_has_to_be_waited_for(
    kinds: Path, tmp_path: Path, command: str
) -> None:
    """No notice about rings; the ring that is created later is seen whole."""
    with (
        Held([kinds, "--pause", "nop"], tmp_path / "target") as target,
        Tracer(tmp_path / "tracer", command, "--json", "-p", str(target.pid)) as tracer,
    ):
        tracer.attached()
        target.go()
        truth = target.said()["total"]
        if command == "stat":
            report = tracer.report()
            seen, setups = counts(report), counts(report, "syscall")["io_uring_setup"]
        else:
            seen = {"NOP": len(tracer.operations())}
            names = [line["operation"] for line in tracer.operations("syscall")]
            setups = names.count("io_uring_setup")
    assert "ring" not in tracer.notices().replace("uringtrace", "")
    assert (seen, setups) == ({"NOP": truth["completions"]}, truth["rings"])


def test_a_target_without_a_ring_is_recorded_from_its_first_operation(kinds: Path, tmp_path: Path) -> None:
    with Held([kinds, "--pause", "nop"], tmp_path / "target") as target:
        recording = tmp_path / "recording"
        with Tracer(tmp_path / "tracer", "record", "-o", recording, "-p", str(target.pid)) as tracer:
            tracer.attached()
            target.go()
            truth = target.said()["total"]
            assert tracer.wait() == 0
    batch = np.concatenate(list(open_recording(recording).batches()))
    assert (~is_call(batch)).sum() == truth["completions"]
    assert is_call(batch).any()
    assert f"{len(batch):,} operations" in tracer.notices()


def test_what_was_in_flight_is_known_by_its_requests(tmp_path: Path) -> None:
    """Polls, a multishot poll, a multishot receive and a read: all but when they were submitted."""
    program = compiled("open_at_attach", tmp_path)
    with Held([program], tmp_path / "target") as target:
        pid = str(target.pid)
        with (
            Tracer(tmp_path / "stat", "stat", "--json", "-p", pid) as stat,
            Tracer(tmp_path / "log", "log", "--json", "-p", pid) as log,
        ):
            stat.attached()
            log.attached()
            target.go()
            truth = target.said()
            report, operations = stat.report(), log.operations()
    before, after = truth["before"], truth["after"]
    assert counts(report) == before | after
    assert (report["untracked"], report["lost"]) == (0, {})
    [ring] = report["rings"]
    assert (ring["submitted"], ring["untracked"], ring["in_flight"]) == (sum(after.values()), 0, 0)
    assert ring["completions"] == sum(before.values()) + sum(after.values())
    rows = [each for each in report["operations"] if each["interface"] == "io_uring" and each["latency"]]
    assert {each["name"]: each["latency"]["count"] for each in rows} == after

    assert json_lines(log.output())[-1]["untracked"] == 0
    begun = [line for line in operations if line["submitted_ns"] is None]
    assert Counter(line["operation"] for line in begun) == before
    assert all(line["kind"] == "completion" and line["latency_ns"] is None for line in begun)
    assert all(line["fd"] is None and line["arguments"] is None for line in begun)
    assert {line["pid"] for line in begun} == {target.pid}
    assert {line["user_data"] for line in begun if line["operation"] == "READ"} == {"0x7d0"}
    assert all(line["file"] for line in begun)
    multishot = [line["sequence"] for line in begun if line["user_data"] == hex(1000)]
    assert multishot == [1, 2, 3, 4]
    assert [line["sequence"] for line in begun if line["operation"] == "RECV"] == [1, 2, 3, 4]
    assert {line["operation"]: line["path"] for line in begun}["RECV"] == ["poll"]


@pytest.mark.parametrize("name", ["uring", "uring-sqpoll"])
def test_a_server_with_open_connections_is_counted_from_the_attach_on(tmp_path: Path, name: str) -> None:
    """Its multishot accept, and a multishot receive on each connection, are older than the capture."""
    options = ("--interface", "io_uring", "--json")
    with running(name) as server, clients(server.address, 8) as old:
        for client in old:
            client.send(ask("/"))
            client.answer()
        with (
            Tracer(tmp_path / "stat", "stat", *options, "-p", str(server.pid)) as stat,
            Tracer(tmp_path / "log", "log", *options, "-p", str(server.pid)) as log,
        ):
            stat.attached()
            log.attached()
            for _ in range(10):
                for client in old:
                    client.send(ask("/"))
                for client in old:
                    client.answer()
            new_connections(server.address, 20, at_once=10)
            truth = server.stop()
            report, operations = stat.report(), log.operations()
    assert truth["connections"] == truth["closed"] == 28
    seen = counts(report)
    assert seen == Counter(line["operation"] for line in operations)
    assert (seen["SEND"], seen["ACCEPT"], seen["CLOSE"]) == (100, 20 + 1, 28)
    assert seen["RECV"] == 100 + 28, "the requests, and the end of each connection"
    assert (report["untracked"], report["lost_total"]) == (0, 0)
    assert all(ring["in_flight"] == 0 for ring in report["rings"])
    accepted = [line for line in operations if line["operation"] == "ACCEPT" and line["result"] >= 0]
    assert all(line["submitted_ns"] is None for line in accepted)


@pytest.mark.parametrize(
    ("interface", "said"),
    [
        ("io_uring", "no io_uring ring was used"),
        ("syscall", "exit_group"),
        ("all", "exit_group"),
    ],
)
def test_a_target_that_ends_without_a_ring_ends_the_capture(
    tmp_path: Path, interface: str, said: str
) -> None:
    """A process that ends without any ring: a report that says so where rings were asked for, exit 0."""
    with (
        Held(held_shell("exit 0"), tmp_path / "target") as target,
        Tracer(tmp_path / "tracer", "stat", "--interface", interface, "-p", str(target.pid)) as tracer,
    ):
        tracer.attached()
        target.go()
        assert tracer.wait() == 0
    assert said in tracer.output()
    assert ("ring was used" in tracer.output() + tracer.notices()) == (interface == "io_uring")
