"""`--interface` on a recording: counted as if only this interface had been captured."""

from __future__ import annotations

import pytest

from tests.fakes import RING, FakeSource, call, context, row, rows
from uringtrace.errors import RecordingError
from uringtrace.tracer.one_interface import OneInterface
from uringtrace.tracer.source import Losses

PROBES = ("io_uring_submit_req", "io_uring_complete", "sched_process_exit", "sys_enter", "sys_exit")


def mixed(probes: tuple[str, ...] = PROBES) -> FakeSource:
    return FakeSource(
        [rows(row("READ", result=7), call("read", 3, result=5)), rows(call("read", 3), row("NOP"))],
        context=context(probes=probes),
        rings=(RING,),
        losses=Losses({"operations": 2}, untracked=1),
    )


@pytest.mark.parametrize(("interface", "left"), [("io_uring", "sys_"), ("syscall", "io_uring_")])
def test_rows_rings_and_probes_of_the_other_interface_are_left_out(interface: str, left: str) -> None:
    source = OneInterface(mixed(), interface)
    names = source.context.operation_names
    seen = [names[opcode] for batch in source.batches() for opcode in batch["opcode"].tolist()]
    assert seen == (["READ", "NOP"] if interface == "io_uring" else ["read", "read"])
    assert source.rings == ((RING,) if interface == "io_uring" else ())
    assert source.context.probes == tuple(probe for probe in PROBES if not probe.startswith(left))
    assert source.losses == Losses({"operations": 2}, untracked=1)


@pytest.mark.parametrize(("interface", "other"), [("io_uring", "syscall"), ("syscall", "io_uring")])
def test_an_interface_that_was_not_captured_is_refused(interface: str, other: str) -> None:
    """Rather than shown as nothing done: that would not be known."""
    without = tuple(
        probe for probe in PROBES if probe.startswith("sys_" if other == "syscall" else "io_uring")
    )
    with pytest.raises(RecordingError, match="were captured") as caught:
        OneInterface(mixed(without), interface)
    assert caught.value.way_out == f"this was taken with --interface {other}"
