"""Chains of a running program: as the program says, and as bpftrace saw the scheduler's wake-ups."""

from __future__ import annotations

import shutil
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.bpf.processes import Process, wait_for
from tests.bpf.programs import compiled
from tests.wakes.account import accounts, agrees
from tests.wakes.recorded import ask, port_of
from uringtrace.tracer.capture import start_streaming
from uringtrace.tracer.target import Target
from uringtrace.tracer.wakes import StepKind, WakeChain, WakeFollower, request_name

pytestmark = pytest.mark.bpf

REQUESTS = 8
WORK_US = 300
TOGETHER_NS = 1_000_000
"""Both handlers run one after the other at one tracepoint, without being taken off the processor."""
SCRIPT = """
BEGIN { printf("ready\\n"); }
tracepoint:sched:sched_waking /args->comm == "hand_over"/ { printf("%lld %d %d\\n", nsecs, tid, args->pid); }
"""


@pytest.mark.skipif(shutil.which("bpftrace") is None, reason="bpftrace is not installed")
def test_a_chain_is_what_the_program_and_the_scheduler_say(tmp_path: Path) -> None:
    program = compiled("hand_over", tmp_path)
    script = ["timeout", "-k", "1", "100", "bpftrace", "-e", SCRIPT]
    with (
        Process(script, tmp_path / "bpftrace") as witness,
        Process([program, str(WORK_US)], tmp_path / "program") as target,
    ):
        wait_for(lambda: "ready" in witness.output() or not witness.running(), "bpftrace is attached")
        if not witness.running():
            pytest.skip(f"bpftrace cannot run here: {witness.notices().strip()}")
        chains = chains_of(target, REQUESTS, threads=3)
        witness.send_to_all(signal.SIGINT)
        witness.wait()
        said = accounts(target.output().splitlines()[1:])
        woken = scheduled(witness.output())
    for number, chain in enumerate(chains, start=1):
        agrees(chain, said[number])
        seen_by_the_scheduler(chain, woken)


ASYNCIO = """
import asyncio, json, threading, time

def note():
    return {"ns": time.monotonic_ns(), "tid": threading.get_native_id()}

def work():
    taken = note()
    while time.monotonic_ns() < taken["ns"] + 1_000_000:
        pass
    return taken, note()

async def serve(reader, writer):
    said = []
    while await reader.read(100):
        got = note()
        taken, done = await asyncio.get_running_loop().run_in_executor(None, work)
        writing = note()
        writer.write(b"answer")
        said.append({"got": got, "taken": taken, "done": done, "writing": writing})
    for number, each in enumerate(said, start=1):
        print(json.dumps({"request": number, **each}))
    ended.set()

async def main():
    global ended
    ended = asyncio.Event()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await ended.wait()

asyncio.run(main())
"""


def test_asyncio_hands_over_to_its_executor_and_back(tmp_path: Path) -> None:
    """The first request starts the executor's thread; who holds the interpreter's lock may differ."""
    with Process([sys.executable, "-c", ASYNCIO], tmp_path / "program") as target:
        chains = chains_of(target, 12, threads=1)
        said = accounts(target.output().splitlines()[1:])
    exact = 0
    for number, chain in list(enumerate(chains, start=1))[1:]:
        moment = {name: each["ns"] for name, each in said[number].items()}
        loop, worker = said[number]["got"]["tid"], said[number]["taken"]["tid"]
        *_, began, _ = (step.ns for step in chain.steps)
        (read,) = [step.ns for step in chain.steps if step.kind is StepKind.READ]
        assert read <= moment["got"]
        assert moment["writing"] <= began
        if chain.threads == (loop, worker, loop):
            taken, *_, told = (step.ns for step in chain.steps if step.tid == worker)
            assert taken <= moment["taken"] <= moment["done"] <= told
            exact += chain.complete
    assert exact >= 8


def chains_of(target: Process, requests: int, threads: int) -> list[WakeChain]:
    """Of a program that has printed its port, serves one connection and then ends."""
    address = "127.0.0.1", port_of(target)
    with start_streaming(Target(pids=(target.pid,))) as capture:
        visitor = threading.Thread(target=ask, args=(address, target.pid, requests, threads))
        visitor.start()
        names = [request_name(f"1#{1 + each}") for each in range(requests)]
        followers = [WakeFollower(capture.context, name) for name in names]
        for records in capture.records():
            for follower in followers:
                follower.add(records, capture)
        visitor.join()
        assert capture.losses.total_lost == 0
        chains = [follower.chain(capture) for follower in followers]
    found = [chain for chain in chains if chain is not None]
    assert len(found) == requests
    return found


def scheduled(output: str) -> list[tuple[int, int, int]]:
    """CLOCK_MONOTONIC, the thread that woke, the thread that was woken."""
    boot = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    lines = [line.split() for line in output.splitlines() if line[:1].isdigit()]
    return [
        (int(ns) - (boot if boot > TOGETHER_NS else 0), int(waker), int(woken)) for ns, waker, woken in lines
    ]


def seen_by_the_scheduler(chain: WakeChain, woken: list[tuple[int, int, int]]) -> None:
    """Every hand-over is a wake-up that the scheduler told another, at that moment, of these two threads."""
    handed, first, last = 0, chain.received_ns, chain.steps[-1].ns
    for step, following in zip(chain.steps, chain.steps[1:], strict=False):
        if step.kind is StepKind.WOKE:
            pair = step.tid, following.tid
            during = [ns for ns, *who in woken if tuple(who) == pair and first <= ns <= last]
            assert len(during) == 1
            assert abs(during[0] - step.ns) < TOGETHER_NS
            handed += 1
    assert handed == 2
