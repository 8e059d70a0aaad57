"""Which tracepoints the probes use, and which of their known prototypes this kernel has.

The tracepoint's presence and argument types decide, never a version number. Known
history (include/trace/events/io_uring.h): `submit_sqe` became `submit_req`; `complete`
passed scalars until it took a `struct io_uring_cqe *`; requests were named by
user_data only before they were passed as `struct io_kiocb *`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from uringtrace.probes.btf import Btf

REQUEST = "io_kiocb *"
TASK = "task_struct *"
SOCK = "sock *"
REGISTERS = "pt_regs *"
CQE = "io_uring_cqe *"
ANY = ""


@dataclass(frozen=True, slots=True)
class Prototype:
    """One known form of a tracepoint and what it means for the C code."""

    tracepoint: str
    arguments: tuple[str, ...]
    """Types from the left; "" accepts any. Further arguments are not used."""
    constants: Mapping[str, int]
    """-D constants: where the C code finds each argument, and which are typed."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One thing to observe, with its known prototypes in order of preference."""

    function: str
    """The C function that is attached."""
    costs: str
    """What is lost without it."""
    prototypes: tuple[Prototype, ...]
    begins: bool = False
    """An operation begins here. Attached last, so that what is seen to begin is seen to end."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The prototype of a subject that this kernel has; `prototype` None when it has none."""

    subject: Subject
    prototype: Prototype | None
    present: tuple[str, ...] | None
    """Argument types of the tracepoint as the kernel declares it; None when absent."""
    type_id: int | None


def _request_only(tracepoint: str, constant: str) -> Prototype:
    return Prototype(tracepoint, (REQUEST,), {constant: 0})


_SCALAR_COMPLETION = {
    "COMPLETE_CTX": 0,
    "COMPLETE_REQ": 1,
    "COMPLETE_USER_DATA": 2,
    "COMPLETE_RESULT": 3,
    "COMPLETE_CQE_FLAGS": 4,
}

SUBJECTS = (
    Subject(
        "io_uring_submit_req",
        "no io_uring operation can be captured",
        (
            Prototype("io_uring_submit_req", (REQUEST,), {"SUBMIT_REQ": 0, "TYPED_SUBMIT": 1}),
            Prototype("io_uring_submit_sqe", (REQUEST,), {"SUBMIT_REQ": 0, "TYPED_SUBMIT": 1}),
        ),
        begins=True,
    ),
    Subject(
        "io_uring_complete",
        "no io_uring operation can be captured",
        (
            Prototype(
                "io_uring_complete",
                ("io_ring_ctx *", ANY, CQE),
                {"COMPLETE_CTX": 0, "COMPLETE_REQ": 1, "COMPLETE_CQE": 2, "TYPED_COMPLETE_CTX": 1},
            ),
            Prototype(
                "io_uring_complete",
                (ANY, ANY, CQE),
                {"COMPLETE_CTX": 0, "COMPLETE_REQ": 1, "COMPLETE_CQE": 2},
            ),
            Prototype("io_uring_complete", (ANY, "void *", ANY, "int", "unsigned int"), _SCALAR_COMPLETION),
        ),
    ),
    Subject(
        "io_uring_create",
        "a ring created at the address of a closed one is taken for the same ring",
        (
            Prototype(
                "io_uring_create",
                (ANY, ANY, ANY, ANY, ANY),
                {
                    "CREATE_FD": 0,
                    "CREATE_CTX": 1,
                    "CREATE_SQ_ENTRIES": 2,
                    "CREATE_CQ_ENTRIES": 3,
                    "CREATE_FLAGS": 4,
                },
            ),
        ),
    ),
    Subject(
        "io_uring_req_failed",
        "completions of refused SQEs are untracked",
        (Prototype("io_uring_req_failed", (ANY, REQUEST, ANY), {"FAILED_SQE": 0, "FAILED_REQ": 1}),),
    ),
    Subject(
        "io_uring_poll_arm",
        "path `poll` is shown as `inline`",
        (_request_only("io_uring_poll_arm", "POLL_ARM_REQ"),),
    ),
    Subject(
        "io_uring_queue_async_work",
        "path `io-wq` is shown as `inline`",
        (_request_only("io_uring_queue_async_work", "QUEUE_REQ"),),
    ),
    Subject(
        "io_uring_task_add",
        "completions of multishot operations begun before the capture are untracked",
        (_request_only("io_uring_task_add", "TASK_ADD_REQ"),),
    ),
    Subject(
        "io_uring_defer",
        "drained operations are not marked",
        (_request_only("io_uring_defer", "DEFER_REQ"),),
    ),
    Subject(
        "io_uring_link",
        "links between operations are not shown",
        (Prototype("io_uring_link", (REQUEST, REQUEST), {"LINK_REQ": 0, "LINK_BEFORE": 1}),),
    ),
    Subject(
        "io_uring_cqe_overflow",
        "completions that overflowed the completion queue are missed",
        (
            Prototype(
                "io_uring_cqe_overflow",
                (ANY, ANY, ANY, ANY, ANY),
                {
                    "OVERFLOW_CTX": 0,
                    "OVERFLOW_USER_DATA": 1,
                    "OVERFLOW_RESULT": 2,
                    "OVERFLOW_CQE_FLAGS": 3,
                    "OVERFLOW_ENTRY": 4,
                },
            ),
        ),
    ),
    Subject(
        "io_uring_register",
        "registered files and buffers are shown as they were when the ring was first seen",
        (
            Prototype(
                "io_uring_register",
                (ANY, ANY, ANY, ANY, ANY),
                {"REGISTER_CTX": 0, "REGISTER_FILES": 2, "REGISTER_BUFFERS": 3},
            ),
        ),
    ),
    Subject(
        "sys_enter",
        "system calls are not captured",
        (Prototype("sys_enter", (REGISTERS, ANY), {"CALL_ENTER": 1}),),
        begins=True,
    ),
    Subject(
        "sys_exit",
        "system calls are not captured",
        (Prototype("sys_exit", (REGISTERS, ANY), {"CALL_EXIT": 1}),),
    ),
    Subject(
        "sched_waking",
        "what woke a thread that slept in a system call is not known",
        (Prototype("sched_waking", (TASK,), {}),),
    ),
    Subject(
        "softirq_entry",
        "a thread that the network woke is taken for woken by the current thread",
        (Prototype("softirq_entry", (ANY,), {}),),
    ),
    Subject(
        "softirq_exit",
        "a thread that the network woke is taken for woken by the current thread",
        (Prototype("softirq_exit", (ANY,), {}),),
    ),
    Subject(
        "hrtimer_expire_entry",
        "a thread that a timer woke is taken for woken by an interrupt",
        (Prototype("hrtimer_expire_entry", (ANY,), {}),),
    ),
    Subject(
        "hrtimer_expire_exit",
        "a thread that a timer woke is taken for woken by an interrupt",
        (Prototype("hrtimer_expire_exit", (ANY,), {}),),
    ),
    Subject(
        "irq_handler_entry",
        "a thread that an interrupt woke is taken for woken by the current thread",
        (Prototype("irq_handler_entry", (ANY,), {}),),
    ),
    Subject(
        "irq_handler_exit",
        "a thread that an interrupt woke is taken for woken by the current thread",
        (Prototype("irq_handler_exit", (ANY,), {}),),
    ),
    Subject(
        "sk_data_ready",
        "when data arrived is not known: requests are timed from when it was read",
        (Prototype("sk_data_ready", (SOCK,), {"READY_SOCK": 0}),),
    ),
    Subject(
        "inet_sock_set_state",
        "which side closed a connection is told by the operations alone",
        (
            Prototype(
                "inet_sock_set_state",
                (SOCK, "int", "int"),
                {"STATE_SOCK": 0, "STATE_BEFORE": 1, "STATE_AFTER": 2},
            ),
        ),
    ),
    Subject(
        "sched_process_fork",
        "children of the target are not followed (-f)",
        (Prototype("sched_process_fork", (TASK, TASK), {}),),
    ),
    Subject(
        "sched_process_exit",
        "the end of a followed process is noticed late (-f)",
        (Prototype("sched_process_exit", (TASK,), {}),),
    ),
)


def _matches(wanted: tuple[str, ...], present: tuple[str, ...]) -> bool:
    return len(present) >= len(wanted) and all(
        want in (ANY, have) for want, have in zip(wanted, present, strict=False)
    )


def choose(btf: Btf) -> tuple[Chosen, ...]:
    """The prototype of every subject that this kernel offers, in the order of `SUBJECTS`."""
    return tuple(_choose(btf, subject) for subject in SUBJECTS)


def _choose(btf: Btf, subject: Subject) -> Chosen:
    present = None
    for prototype in subject.prototypes:
        arguments = btf.tracepoint(prototype.tracepoint)
        present = arguments if arguments is not None else present
        if arguments is not None and _matches(prototype.arguments, arguments):
            return Chosen(subject, prototype, arguments, btf.tracepoint_id(prototype.tracepoint))
    return Chosen(subject, None, present, None)


def lacking(chosen: Iterable[Chosen], functions: Collection[str]) -> str:
    """Which tracepoint of these subjects this kernel does not offer; empty when it offers all."""
    for choice in chosen:
        if choice.subject.function in functions and choice.prototype is None:
            report = _report(choice)
            return f"this kernel's tracepoint {report.name} cannot be used: {report.prototype}"
    return ""


@dataclass(frozen=True, slots=True)
class Report:
    """One subject for `uringtrace check`."""

    name: str
    found: bool
    prototype: str
    costs: str


def probe_report() -> tuple[Report, ...]:
    """What this kernel offers the probes; raises `CapabilityError` without BTF."""
    return tuple(_report(choice) for choice in choose(Btf.of_kernel()))


def are_preempted(btf: Btf | None = None) -> bool:
    """Whether a thread may be put aside in the middle of a probe, which then does not run for others.

    Tracepoints that keep the processor while probes run disable preemption; those that allow it
    are under the guard `srcu_fast_notrace` (include/linux/tracepoint.h), a type of its own.
    """
    return (btf or Btf.of_kernel()).has_typedef("class_srcu_fast_notrace_t")


def _report(choice: Chosen) -> Report:
    subject = choice.subject
    if choice.prototype is not None and choice.present is not None:
        name, detail = choice.prototype.tracepoint, f"({', '.join(choice.present)})"
    else:
        name = subject.prototypes[0].tracepoint
        detail = f"unknown form ({', '.join(choice.present)})" if choice.present else "absent"
    return Report(name, choice.prototype is not None, detail, subject.costs)
