"""Chains of a running program: as the program says, and as bpftrace saw the scheduler's wake-ups."""

from __future__ import annotations

import shutil
import signal
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

pytestmark = [
    pytest.mark.bpf,
    pytest.mark.skipif(shutil.which("bpftrace") is None, reason="bpftrace is not installed"),
]

REQUESTS = 8
WORK_US = 300
TOGETHER_NS = 1_000_000
"""Both handlers run one after the other at one tracepoint, without being taken off the processor."""
SCRIPT = """
BEGIN { printf("ready\\n"); }
tracepoint:sched:sched_waking /args->comm == "hand_over"/ { printf("%lld %d %d\\n", nsecs, tid, args->pid); }
"""


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
        address = "127.0.0.1", port_of(target)
        with start_streaming(Target(pids=(target.pid,))) as capture:
            visitor = threading.Thread(target=ask, args=(address, target.pid, REQUESTS))
            visitor.start()
            followers = [
                WakeFollower(capture.context, request_name(f"1#{1 + each}")) for each in range(REQUESTS)
            ]
            for records in capture.records():
                for follower in followers:
                    follower.add(records, capture)
            visitor.join()
            assert capture.losses.total_lost == 0
            chains = [follower.chain(capture) for follower in followers]
        witness.send_to_all(signal.SIGINT)
        witness.wait()
        said = accounts(target.output().splitlines()[1:])
        woken = scheduled(witness.output())
    for number, chain in enumerate(chains, start=1):
        assert chain is not None
        agrees(chain, said[number])
        assert chain.total_ns == chain.steps[-1].ns - chain.received_ns
        seen_by_the_scheduler(chain, woken)


def scheduled(output: str) -> list[tuple[int, int, int]]:
    """CLOCK_MONOTONIC, the thread that woke, the thread that was woken."""
    boot = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    lines = [line.split() for line in output.splitlines() if line[:1].isdigit()]
    return [
        (int(ns) - (boot if boot > TOGETHER_NS else 0), int(waker), int(woken)) for ns, waker, woken in lines
    ]


def seen_by_the_scheduler(chain: WakeChain, woken: list[tuple[int, int, int]]) -> None:
    """Every hand-over is a wake-up that the scheduler told another, at that moment, of these two threads."""
    handed = 0
    for step, following in zip(chain.steps, chain.steps[1:], strict=False):
        if step.kind is StepKind.WOKE:
            pair = step.tid, following.tid
            told = [ns for ns, *who in woken if tuple(who) == pair and abs(ns - step.ns) < TOGETHER_NS]
            assert len(told) == 1
            handed += 1
    assert handed == 2
