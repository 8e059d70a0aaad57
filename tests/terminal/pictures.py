"""Fixed pictures: one moment of a small server, and the same with whatever a test changes.

`picture()` is a server of three threads and two rings with a few connections, 7 seconds into
a capture. Nothing in it depends on the clock or the machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from tests.fakes import CALL_NAMES, OPERATION_NAMES, RING, STARTED_NS, call, context, row, rows
from uringtrace.tracer.connections import Connection
from uringtrace.tracer.findings import (
    Architecture,
    Confidence,
    Evidence,
    Finding,
    Severity,
    State,
    Subject,
    Verdict,
    Window,
)
from uringtrace.tracer.findings.architecture import Kind as ServerKind
from uringtrace.tracer.live.findings_now import Judged
from uringtrace.tracer.live.picture import (
    HISTORY_SECONDS,
    OperationNow,
    Picture,
    RingNow,
    ThreadNow,
)
from uringtrace.tracer.live.recent import Recent, RecentOperations
from uringtrace.tracer.live.under_way import UnderWay
from uringtrace.tracer.record import Batch, Kind, Path
from uringtrace.tracer.records import only_operations
from uringtrace.tracer.source import File, Losses, Ring, Socket
from uringtrace.tracer.statistics import Counters, accumulate, empty_counters, operation_traits
from uringtrace.tracer.summary import OperationSummary, RingSummary, summarise
from uringtrace.tracer.threads import Partner, ThreadActivity, Wait

SECOND = 1_000_000_000
MILLISECOND = 1_000_000
AT_NS = STARTED_NS + 7 * SECOND
TGID = 4242
SERVER = "10.0.0.1:8080"

HOSTILE = "\x1b[31m[red]\u202eevil\n\t\udcff\x00"
"""What a process may call itself, or a file: escape sequence, markup, right-to-left, not UTF-8."""
HOSTILE_SHOWN = r"\x1b[31m[red]\u202eevil\x0a\x09\xff\x00"


def connection(number: int = 1, **changes: object) -> Connection:
    """An accepted TCP connection that answered three requests and is idle."""
    values: dict[str, object] = {
        "number": number,
        "inode": 9_000 + number,
        "tgid": TGID,
        "fd": 6 + number,
        "direct": False,
        "processes": 1,
        "protocol": "tcp",
        "role": "server",
        "local": SERVER,
        "remote": f"192.0.2.{number % 250 + 1}:{40_000 + number}",
        "listener": "0.0.0.0:8080",
        "began_ns": STARTED_NS + SECOND,
        "began_by": "accept",
        "ended_ns": None,
        "closed_by": None,
        "bytes_in": 234,
        "bytes_out": 3_174,
        "bytes_exact": True,
        "operations_in": 4,
        "operations_out": 3,
        "first_byte_ns": STARTED_NS + SECOND + MILLISECOND,
        "last_in_ns": AT_NS - 600 * MILLISECOND,
        "last_out_ns": AT_NS - 500 * MILLISECOND,
        "last_activity_ns": AT_NS - 500 * MILLISECOND,
        "errors": 0,
        "last_error": None,
        "requests": 3,
        "requests_from_arrival": 3,
        "request_waiting_ns": None,
        "request_first_sum_ns": 3 * MILLISECOND,
        "request_first_max_ns": 2 * MILLISECOND,
        "request_first_latest_ns": 412_000,
        "request_last_sum_ns": 4 * MILLISECOND,
        "request_last_max_ns": 3 * MILLISECOND,
        "request_last_latest_ns": 498_000,
        "interfaces": "io_uring",
        "upper_layer": None,
        "tls_version": None,
        "tls_cipher": None,
        "tls_transmit": None,
        "tls_receive": None,
    }
    return Connection(**{**values, **changes})  # type: ignore[arg-type]


_KTLS: dict[str, object] = {
    "upper_layer": "tls",
    "tls_version": "1.3",
    "tls_cipher": "AES-GCM-128",
    "tls_transmit": "software",
    "tls_receive": "software",
}

CONNECTIONS = (
    connection(1),
    connection(2, request_waiting_ns=AT_NS - 40 * MILLISECOND, bytes_exact=False),
    connection(3, request_waiting_ns=AT_NS - 2_300 * MILLISECOND, interfaces="io_uring syscall", **_KTLS),
    connection(4, began_ns=None, began_by="before", remote="[2001:db8::17]:51413", fd=31),
    connection(
        5,
        ended_ns=STARTED_NS + 3 * SECOND,
        closed_by="remote",
        errors=2,
        last_error="ECONNRESET",
        interfaces="syscall",
    ),
    connection(
        6,
        role="client",
        local="10.0.0.1:55012",
        remote="10.0.0.9:5432",
        listener=None,
        began_by="connect",
        direct=True,
        fd=2,
    ),
    connection(
        7,
        protocol="unix",
        local="/run/app.sock",
        remote=None,
        role=None,
        requests=None,
        requests_from_arrival=None,
        request_first_sum_ns=None,
        request_first_max_ns=None,
        request_first_latest_ns=None,
        request_last_sum_ns=None,
        request_last_max_ns=None,
        request_last_latest_ns=None,
    ),
)


def many_connections(count: int) -> tuple[Connection, ...]:
    """Every tenth waits, the later the longer."""
    return tuple(
        connection(number, request_waiting_ns=AT_NS - number * 1_000 if number % 10 == 0 else None)
        for number in range(1, count + 1)
    )


def activity(tid: int, **changes: object) -> ThreadActivity:
    values: dict[str, object] = {
        "tid": tid,
        "tgid": TGID,
        "name": "server",
        "system_calls": 1_234,
        "operations": 56_789,
        "errors": 0,
        "slept_calls": 800,
        "slept_ns": 6 * SECOND,
        "running_ns": 40 * MILLISECOND,
        "waits": (Wait("epoll_wait", 790, 5_900 * MILLISECOND), Wait("futex", 10, 100 * MILLISECOND)),
        "woken_by_timer": 12,
        "woken_by_network": 700,
        "woken_by_thread": 90,
        "woken_by_interrupt": 0,
        "woken_by": (Partner(TGID + 1, 80), Partner(999, 10)),
        "woke": (Partner(TGID + 2, 33),),
        "current": None,
    }
    return ThreadActivity(**{**values, **changes})  # type: ignore[arg-type]


def thread(tid: int = TGID, **changes: object) -> ThreadNow:
    """One that waits in epoll_wait. What is a field of `ThreadActivity` is changed there."""
    of_activity = {name: changes.pop(name) for name in tuple(changes) if name in ThreadActivity.__slots__}
    values: dict[str, object] = {
        "activity": activity(tid, **of_activity),
        "call": "epoll_wait",
        "waits_for": "anon_inode:[eventpoll]",
        "in_call_ns": 1_230 * MILLISECOND,
        "state": "waiting",
        "wakes_now": 112.0,
        "running_now": 0.02,
        "waiting_now": 0.98,
        "blocked_now": 0.0,
    }
    return ThreadNow(**{**values, **changes})  # type: ignore[arg-type]


THREADS = (
    thread(TGID),
    thread(
        TGID + 1,
        name="worker",
        call=None,
        waits_for=None,
        in_call_ns=None,
        state="running",
        wakes_now=0.0,
        running_now=1.0,
        waiting_now=0.0,
        waits=(),
        woken_by=(),
        woken_by_network=0,
        woken_by_timer=0,
        woke=(),
    ),
    thread(
        TGID + 2,
        name="writer",
        call="fsync",
        waits_for="/var/lib/app/journal.db",
        in_call_ns=3_400 * MILLISECOND,
        state="blocked",
        wakes_now=3.0,
        running_now=0.1,
        waiting_now=0.2,
        blocked_now=0.7,
    ),
    thread(
        TGID + 3,
        name=None,
        call=None,
        waits_for=None,
        in_call_ns=None,
        state="ended",
        wakes_now=None,
        running_now=None,
        waiting_now=None,
        blocked_now=None,
    ),
)

SETUP_FLAGS = ("SQPOLL", "SINGLE_ISSUER")


def ring(number: int = 5, **changes: object) -> RingNow:
    """An SQPOLL ring under load. What is a field of `RingSummary` is changed there."""
    of_summary = {name: changes.pop(name) for name in tuple(changes) if name in RingSummary.__slots__}
    summary = summarise(context(), empty_counters(), [replace(RING, ring=number)], Losses(), SECOND).rings[0]
    values: dict[str, object] = {
        "summary": replace(summary, **{"setup_flags": SETUP_FLAGS, **of_summary}),  # type: ignore[arg-type]
        "rate_now": 12_300.0,
        "batching_now": 31.9,
        "sq_fill": 37,
        "cq_fill": 4,
        "sq_thread_busy": 0.931,
        "workers": 2,
    }
    return RingNow(**{**values, **changes})  # type: ignore[arg-type]


RINGS = (
    ring(5),
    ring(
        6,
        fd=9,
        sq_entries=64,
        cq_entries=128,
        setup_flags=("CQSIZE", "COOP_TASKRUN", "DEFER_TASKRUN"),
        sq_thread=None,
        sq_thread_busy=None,
        sq_fill=0,
        cq_fill=128,
        overflows=17,
        dropped=3,
        rate_now=250.0,
        batching_now=1.0,
    ),
    ring(
        7,
        fd=None,
        sq_entries=None,
        cq_entries=None,
        setup_flags=None,
        sq_fill=None,
        cq_fill=None,
        sq_thread=4250,
        sq_thread_busy=0.0,
        workers=None,
        rate_now=None,
        batching_now=None,
        registered_files=None,
        registered_buffers=None,
        untracked=2,
    ),
)

FINDINGS = (
    Finding(
        "stuck-request",
        Severity.CRITICAL,
        Confidence.HIGH,
        "requests wait and nobody goes on with them",
        Subject(tgid=TGID, fd=9, file=f"TCP {SERVER}->192.0.2.4:40003", connection=3),
        (
            Evidence(
                "2 requests were read and are not answered, for up to 2.3 s; 57 others were",
                {"unanswered": 2, "longest_ns": 2_300 * MILLISECOND, "answered": 57},
            ),
            Evidence("meanwhile no thread of the process was held by a call: all were parked"),
        ),
        "Nothing that is waited for will wake them.",
        "Look for futures that are polled by hand and put aside; give every request a deadline.",
        Window(AT_NS - 2_300 * MILLISECOND, AT_NS),
    ),
    Finding(
        "io-wq-punts",
        Severity.WARNING,
        Confidence.MEDIUM,
        "FSYNC on file is carried out by worker threads",
        Subject(tgid=TGID, tid=TGID + 2, thread="writer", fd=5, file="/var/lib/app/journal.db", ring=5),
        (Evidence("9 of 10 FSYNC (90%) went to a worker thread", {"punted": 9, "share": 0.9}),),
        "Each that blocks needs a thread of its own.",
        "Open the file with O_DIRECT, or sync less often.",
    ),
    Finding(
        "ring-unused",
        Severity.INFO,
        Confidence.HIGH,
        "a ring was set up and is not used",
        Subject(tgid=TGID, fd=12, ring=8),
        (Evidence("nothing was submitted to it in 7.0 s", {"submitted": 0}),),
        "A ring takes locked memory.",
        "Close it.",
    ),
)


def judged(*findings: Finding, left_out: int = 0) -> Judged:
    """With one rule that found nothing, and three that could not judge."""
    return Judged(
        (
            *(Verdict(each.tag, State.FOUND, (each,)) for each in findings),
            Verdict("cq-overflow", State.CLEAR),
            *(
                Verdict(tag, State.NOT_APPLICABLE, missing="a ring with SQPOLL")
                for tag in ("sqpoll-asleep", "sqpoll-burning")
            ),
            Verdict("broken-links", State.NOT_APPLICABLE, missing="linked operations"),
        ),
        Architecture(
            ServerKind.IO_URING_SQPOLL,
            Confidence.HIGH,
            (Evidence("56,789 operations on sockets went through rings", {"operations": 56_789}),),
        ),
        STARTED_NS,
        AT_NS,
        99_000,
        left_out,
    )


JUDGED = judged(*FINDINGS)

FILES = {
    1: File(1, f"TCP {SERVER}->192.0.2.4:40003", 8, 9_003, Socket("inet", "tcp", SERVER, "192.0.2.4:40003")),
    2: File(2, "/var/lib/app/journal.db", 8, 77),
    3: File(3, "TCP *:8080", 8, 8_000, Socket("inet", "tcp", "0.0.0.0:8080", None, listening=True)),
    4: File(4, f"TCP {SERVER}->192.0.2.2:40001", 8, 9_001, Socket("inet", "tcp", SERVER, "192.0.2.2:40001")),
}


def operations() -> Batch:
    """Accept, request and answer of connection 3, with the work of others between."""
    step = MILLISECOND
    return rows(
        row("ACCEPT", after_ns=1_000 * step, fd=3, file=3, result=9, result_file=1),
        row("RECV", after_ns=1_001 * step, took_ns=2 * step, fd=9, file=1, len=4096, result=78, path=1),
        row("WRITE", after_ns=1_002 * step, fd=5, file=2, len=512, result=512),
        call("sendto", 9, 0x7F00, 1058, 0x4000, 0, 0, after_ns=1_005 * step, fd=9, file=1, result=1058),
        row("RECV", after_ns=1_006 * step, fd=7, file=4, len=4096, result=78),
        row("RECV", after_ns=1_006 * step, took_ns=900 * step, fd=9, file=1, len=4096, result=-104, path=1),
        call("recvfrom", 9, 0x7F00, 4096, 0, 0, 0, after_ns=4_700 * step, fd=9, file=1, result=78),
    )


def open_row(name: str, *, since_ns: int, **fields: object) -> Batch:
    """One in flight at `AT_NS` for so long; a system call where `name` is one."""
    make = call if name in CALL_NAMES.values() else row
    begin_ns = AT_NS - STARTED_NS - since_ns
    values = {"tgid": TGID, "kind": Kind.UNFINISHED, "after_ns": begin_ns, "took_ns": since_ns, **fields}
    return make(name, **values)  # type: ignore[arg-type]


def under_way(*batches: Batch, at_ns: int = AT_NS) -> UnderWay:
    return UnderWay(rows(*batches), at_ns, all_calls=True)


UNDER_WAY = under_way(
    open_row("epoll_wait", since_ns=105 * MILLISECOND, tid=TGID, fd=4, arg0=4, arg2=64, arg3=100),
    open_row("fsync", since_ns=3_400 * MILLISECOND, tid=TGID + 2, fd=5, arg0=5, file=2),
    open_row("RECV", since_ns=300 * MILLISECOND, tid=TGID + 1, fd=9, len=4096, path=Path.POLL, user_data=31),
    open_row("FSYNC", since_ns=60 * MILLISECOND, tid=TGID + 1, fd=5, ring=6, path=Path.IO_WQ, user_data=32),
)
"""The calls that `THREADS` are in, and an operation of two rings each."""


def recent(*batches: Batch, capacity: int = 200_000) -> Recent:
    """The view of these, each one drain."""
    kept = RecentOperations(capacity)
    for batch in batches:
        kept.add(only_operations(batch))
    return kept.view(FILES)


def operation_now(operation: OperationSummary, counters: Counters, **changes: object) -> OperationNow:
    values: dict[str, object] = {
        "summary": operation,
        "rate_now": 1_500.0,
        "errors_now": 0,
        "p50_now_ns": 12_300.0,
        "p99_now_ns": 480_000.0,
        "max_now_ns": 900_000.0,
        "in_flight": 3,
        "history": tuple(float(second % 20) for second in range(HISTORY_SECONDS)),
        "histogram": counters["histogram"][operation.opcode],
    }
    return OperationNow(**{**values, **changes})  # type: ignore[arg-type]


def picture(
    *,
    connections: Iterable[Connection] = CONNECTIONS,
    threads: Sequence[ThreadNow] = THREADS,
    rings: Sequence[RingNow] = RINGS,
    batch: Batch | None = None,
    **changes: object,
) -> Picture:
    """The moment `AT_NS`."""
    batch = operations() if batch is None else batch
    counters = empty_counters()
    accumulate(counters, batch, operation_traits(OPERATION_NAMES | CALL_NAMES))
    told = context(target="4242 server --port 8080")
    rings_told: list[Ring] = [replace(RING, ring=each.summary.ring) for each in rings]
    summary = summarise(told, counters, rings_told, Losses(), 7 * SECOND)
    values: dict[str, object] = {
        "context": told,
        "at_ns": AT_NS,
        "live": True,
        "ended": False,
        "summary": summary,
        "operations": tuple(operation_now(operation, counters) for operation in summary.operations),
        "connections": tuple(connections),
        "threads": tuple(threads),
        "rings": tuple(rings),
        "losses": Losses(),
        "operations_now": 12_550.0,
        "calls_now": 31.0,
        "unseen": 0.96,
        "unseen_now": 0.9975,
        "tracer_cpu": 0.021,
        "recent": recent(batch),
        "under_way": UNDER_WAY,
        "judged": JUDGED,
    }
    return Picture(**{**values, **changes})  # type: ignore[arg-type]
