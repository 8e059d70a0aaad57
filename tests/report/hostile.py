"""A target that names everything so as to break a page: paths, threads, addresses, its command line."""

from __future__ import annotations

from pathlib import Path

from tests.fakes import FakeSource, call, context, row, rows
from uringtrace.tracer.record import Kind
from uringtrace.tracer.recording import Writer
from uringtrace.tracer.recording.chunks import OPERATIONS
from uringtrace.tracer.source import File, Socket, Thread

ATTACK = "</script><img src=x onerror=alert(1)>"
OTHERS = (
    "<!--<script>",
    "\u2028alert(1)\u2029",
    "<a href='javascript:alert(1)'>x</a><b>",
    "]]>\x00\x1b[31m\u202e",
    "| [x](javascript:alert(1)) `@all`",
)
NAMES = (ATTACK, *OTHERS)


def write_hostile(path: Path) -> Path:
    """The recording; each name is a file's, a thread's and an address."""
    files, threads, batches = {}, {}, []
    for number, name in enumerate(NAMES, start=1):
        files[number] = File(number, f"/tmp/{name}", 2, 50 + number)
        address = Socket("unix", "unix", f"/run/{name}", f"@{name}")
        files[100 + number] = File(100 + number, f"UNIX /run/{name}->@{name}", 8, 500 + number, address)
        threads[4243 + number] = Thread(4243 + number, 4242, name[:15])
        batches += [
            call(
                "read", 3, 0x7000, 64, fd=3, file=number, tid=4243 + number, result=8, after_ns=number * 10**6
            ),
            row("SEND", fd=4, file=100 + number, tid=4243 + number, result=8, after_ns=number * 10**6),
            row(
                "RECV", fd=4, file=100 + number, kind=Kind.UNFINISHED, after_ns=number * 10**6, took_ns=10**9
            ),
        ]
    command = ("./server", "--name", *NAMES)
    source = FakeSource(
        [],
        context=context(
            command=command, target=" ".join(command), kernel=ATTACK, probes=("sys_enter", "sys_exit")
        ),
        files=files,
        threads=threads,
    )
    with Writer(path, source, OPERATIONS) as writer:
        assert writer.append(rows(*batches))
    return path
