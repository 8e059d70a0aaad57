"""What the io_uring servers count of themselves is what `uringtrace` counts of them."""

from __future__ import annotations

import select
from pathlib import Path

import pytest

from tests.uring.clients import Client, ask, clients, keep_alive, new_connections
from tests.uring.traced import Server, traced

pytestmark = pytest.mark.bpf

STAT = ["stat", "--interface", "io_uring"]


def everything(server: Server) -> None:
    """Each thing that the service offers, a few times, and connections that end either way."""
    keep_alive(server.address, connections=20, rounds=10)
    new_connections(server.address, 100, at_once=50, path="/file/small.txt")
    with clients(server.address, 4) as each:
        for client, path in zip(each, ("/sleep/20", "/bytes/2000000", "/file/large.bin", "/"), strict=True):
            client.send(ask(path))
        assert [len(client.answer()) for client in each] == [7, 2_000_000, 1 << 20, 10]


@pytest.mark.parametrize("name", ["uring", "uring-sqpoll"])
def test_stat_counts_exactly_the_operations_of_the_last_line(tmp_path: Path, name: str) -> None:
    """From the first operation to the last, each opcode by itself; and none is left in flight."""
    run = traced(tmp_path, ["stat"], [name], everything)
    assert run.counted() == run.truth["operations"]
    assert run.counted("syscall")["io_uring_enter"] == run.truth["enters"]
    assert (run.report["lost_total"], run.report["untracked"]) == (0, 0)
    (ring,) = run.report["rings"]
    assert ring["in_flight"] == 0
    assert ("SQPOLL" in ring["setup_flags"]) == (name == "uring-sqpoll")
    assert run.truth["requests"] == 304
    assert run.truth["connections"] == run.truth["closed"] == 124
    assert run.truth["operations"]["ACCEPT"] == 125  # the last one is the listener's end


def test_one_by_one_makes_a_call_for_each_operation(tmp_path: Path) -> None:
    def visit(server: Server) -> None:
        keep_alive(server.address, connections=20, rounds=10)

    run = traced(tmp_path, ["stat"], ["uring", "--fault", "one-by-one"], visit)
    enters, (ring,) = run.counted("syscall")["io_uring_enter"], run.report["rings"]
    assert enters == run.truth["enters"]
    # The first operations, before it listens, are no fault yet.
    submitted = ring["submitted"]
    assert submitted - 3 <= run.truth["faults"]["one-by-one"] <= submitted
    assert ring["batches"] == submitted <= enters


def test_cq_overflow_is_counted_by_both_and_loses_no_answer(tmp_path: Path) -> None:
    def visit(server: Server) -> None:
        keep_alive(server.address, connections=20, rounds=5)
        new_connections(server.address, 40, at_once=20)

    run = traced(tmp_path, STAT, ["uring", "--fault", "cq-overflow"], visit)
    (ring,) = run.report["rings"]
    assert run.truth["faults"]["cq-overflow"] == ring["overflows"] > 20
    assert ring["dropped"] == 0
    assert run.truth["requests"] == 140
    assert run.counted() == run.truth["operations"]


def test_access_log_writes_go_to_worker_threads(tmp_path: Path) -> None:
    def visit(server: Server) -> None:
        keep_alive(server.address, connections=5, rounds=4)

    run = traced(tmp_path, STAT, ["uring", "--fault", "io-wq-writes"], visit)
    lines = run.truth["faults"]["io-wq-writes"]
    assert lines == run.truth["requests"] == 20
    writes = run.truth["operations"]["WRITE"]
    assert writes == lines + 1  # the trial
    assert run.counted()["WRITE"] == writes
    assert run.paths("WRITE")["io_wq"] >= lines


def test_a_receive_that_is_not_armed_again_ends_with_enobufs_and_then_silence(tmp_path: Path) -> None:
    """Half of its second request is never received, while another connection is served."""

    def visit(server: Server) -> None:
        with clients(server.address, 2) as (deaf, other):
            other.send(ask("/"))
            other.answer()  # it is armed: arming one without a free buffer would fail as well
            deaf.send(ask("/") + ask("/", "X: " + "a" * 4000))
            deaf.answer()
            other.send(ask("/"))
            other.answer()
            assert not heard(deaf)

    run = traced(tmp_path, ["log", "--interface", "io_uring"], ["uring", "--fault", "unarmed-recv"], visit)
    operations = [line for line in run.lines if line["type"] == "operation" and line["operation"] == "RECV"]
    (last,) = [line for line in operations if line.get("error") == "ENOBUFS"]
    later = operations[operations.index(last) + 1 :]
    assert [line for line in later if line["fd"] == last["fd"]] == []
    assert run.truth["faults"] == {"unarmed-recv": 1}
    assert run.truth["requests"] == 3


def heard(client: Client) -> bool:
    readable, _, _ = select.select([client.socket], [], [], 0)
    return bool(readable)
