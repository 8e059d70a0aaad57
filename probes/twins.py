"""Second programs for probes that the kernel may skip.

A kernel that may put a thread aside in the middle of a probe (`tracepoints.are_preempted`) does
not run that probe for the other threads of the processor until it goes on. Each probe is
compiled and attached twice there: probes/bpf/common.h, `ran_already`, has how the second one
finds out what it has to do. Invariant: what a probe puts together in a scratch map nobody else
uses, neither its twin nor the probe of another tracepoint.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from uringtrace.probes.compiler import PID_PLACEHOLDER, CompiledProbes, MapDescription, relocate

TWIN = "_twin"
"""Ends the name of a probe's second program."""
TWINS = frozenset(
    {
        *("io_uring_submit_req", "io_uring_req_failed", "io_uring_complete", "io_uring_cqe_overflow"),
        *("io_uring_poll_arm", "io_uring_queue_async_work", "io_uring_defer", "io_uring_link"),
        *("io_uring_create", "io_uring_register", "sys_enter", "sys_exit"),
        *("sched_process_fork", "sched_process_exit"),
    }
)
"""Probes that run in threads. What runs in interrupts cannot be put aside; `io_uring_task_add` is
no loss, and `sched_waking` tells only who woke whom."""
_PERCPU_ARRAY = 6  # BPF_MAP_TYPE_PERCPU_ARRAY, include/uapi/linux/bpf.h
_OF_THE_PROCESSOR = ("interrupts", "taken")
"""Maps that say in which interrupt a processor is: for all probes."""


def with_twins(
    compiled: CompiledProbes, twins: CompiledProbes, continued: Mapping[str, Iterable[str]]
) -> CompiledProbes:
    """`compiled` with the programs of `twins`, which uses maps of the same names.

    `continued` has what each probe goes on with by a tail call.
    """
    places = {each.name: index for index, each in enumerate(compiled.maps)}
    indexes = {index: places[each.name] for index, each in enumerate(twins.maps)}
    names = TWINS.union(*(continued[name] for name in TWINS & continued.keys())) & twins.functions.keys()
    added = {name + TWIN: relocate(twins.functions[name], indexes, PID_PLACEHOLDER) for name in names}
    return CompiledProbes(compiled.maps, {**compiled.functions, **added})


def is_scratch(description: MapDescription) -> bool:
    """Whether a probe keeps something there from one moment of its run to another."""
    return description.type == _PERCPU_ARRAY and description.name not in _OF_THE_PROCESSOR
