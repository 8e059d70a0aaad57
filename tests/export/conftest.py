"""Recordings to export: of a scene, of every kind of row, of hostile names, of nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.fakes import RING, STARTED_NS, FakeSource, call, context, multishot_rows, row, rows
from tests.recording import scene
from tests.recording.strategies import memory
from uringtrace.tracer.record import CQE_F_MORE, CQE_F_NOTIF, Kind, Wake
from uringtrace.tracer.recording import Recording, Writer, open_recording
from uringtrace.tracer.recording.chunks import RECORDS, records_chunk
from uringtrace.tracer.recording.files_log import FilesWriter
from uringtrace.tracer.recording.journal import SegmentWriter
from uringtrace.tracer.recording.layout import segment_path
from uringtrace.tracer.recording.metadata import RECORDING, Metadata, write_metadata
from uringtrace.tracer.records import SOCKET_EVENT, Records
from uringtrace.tracer.source import File, Losses, Socket, Thread

MILLISECOND = 1_000_000
HOSTILE = "</script><img src=x onerror=alert(1)>\x1b[31m'\"\\\n,;=SUM(A1)"
SOCKET = Socket("inet", "tcp", "10.1.2.3:443", "192.0.2.7:50123")


def written(path: Path, source: FakeSource) -> Recording:
    """A finished recording of what the source yields."""
    with Writer(path, source, RECORDS) as writer:
        for records in source.records():
            assert writer.append(records_chunk(records))
    return open_recording(path)


@pytest.fixture(scope="session")
def sample() -> Recording:
    """The recording that comes with the program."""
    return open_recording(Path(__file__).parents[2] / "targets" / "demo" / "recording")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """A server with both interfaces, epoll, an eventfd and a connection."""
    return written(tmp_path_factory.mktemp("server") / "run", scene.source())


@pytest.fixture(scope="session")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """The same of a recorder that died before it had converted anything."""
    path = tmp_path_factory.mktemp("crashed") / "run"
    path.mkdir()
    source = scene.source()
    log = FilesWriter(path)
    log.write(source.files)
    log.close()
    for number, records in enumerate(source.records()):
        segment = SegmentWriter(segment_path(path, number), number, RECORDS)
        segment.append(memoryview(records_chunk(records)))
        segment.close()
    facts = {"rings": source.rings, "threads": source.threads, "interests": source.interests}
    write_metadata(path, Metadata(source.context, RECORDING, source.ended_ns, **facts))
    return open_recording(path)


@pytest.fixture(scope="session")
def every_kind(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """Rows of each kind, in flight at once, begun before the capture and not ended in it."""
    thread = {"waker": 4244, "wake": Wake.THREAD, "wakes": 1, "slept": True}
    before = {"submitted_ns": 0, "fd": -1, "has_arguments": False}
    batch = rows(
        call("epoll_wait", 4, took_ns=8 * MILLISECOND, submitted_ns=0, result=1, tid=4243),
        row("READ", after_ns=1 * MILLISECOND + 1, took_ns=9 * MILLISECOND, result=5, fd=7, file=1, tid=4243),
        row("READ", after_ns=2 * MILLISECOND, took_ns=2 * MILLISECOND, result=-11, fd=7, file=1, path=1),
        row("SEND", after_ns=3 * MILLISECOND, took_ns=9 * MILLISECOND, result=5, fd=9, file=2, path=2),
        row("RECV", after_ns=3 * MILLISECOND + 1, took_ns=10 * MILLISECOND, result=5, fd=9, file=2),
        multishot_rows("ACCEPT", [4, 5, 6], user_data=3, result_file=2),
        row("RECV", sequence=1, cqe_flags=CQE_F_MORE, user_data=9, **before),
        row("RECV", sequence=2, cqe_flags=CQE_F_MORE, user_data=9, took_ns=MILLISECOND,
            previous_ns=STARTED_NS + MILLISECOND + 12_000, **before),
        row("SEND_ZC", after_ns=5 * MILLISECOND, result=5, cqe_flags=CQE_F_MORE, user_data=4),
        row("SEND_ZC", after_ns=5 * MILLISECOND, took_ns=90_000, cqe_flags=CQE_F_NOTIF, user_data=4),
        row("CLOSE", after_ns=6 * MILLISECOND, kind=Kind.SILENT),
        row("?", kind=Kind.UNTRACKED, submitted_ns=0, tid=0, tgid=0, fd=-1, has_arguments=False),
        row("?", kind=Kind.MESSAGE, submitted_ns=0, tid=0, fd=-1, has_arguments=False),
        row("READ", submitted_ns=0, fd=-1, result=1, has_arguments=False),
        call("read", 3, 0x7F00, 512, after_ns=9 * MILLISECOND, result=-4, tid=4243, fd=3, file=3,
             woken_ns=STARTED_NS + 9 * MILLISECOND + 5000, **thread),
        call("write", 3, 0x7F00, 8, after_ns=9 * MILLISECOND, took_ns=9000, result=8, tid=4244, woke=4243),
        call("exit_group", 0, after_ns=20 * MILLISECOND, kind=Kind.SILENT, tid=4243),
        call("futex", took_ns=29 * MILLISECOND, submitted_ns=0, kind=Kind.UNFINISHED, tid=4245),
        row("TIMEOUT", after_ns=7 * MILLISECOND, took_ns=20 * MILLISECOND, kind=Kind.UNFINISHED),
    )  # fmt: skip
    files = {
        1: File(1, "/var/lib/secret.db", 2, 99),
        2: File(2, "TCP 10.1.2.3:443->192.0.2.7:50123", 8, 101, SOCKET),
        3: File(3, "pipe:[12]", 9, 12),
    }
    threads = {
        4242: Thread(4242, 4242, "main"),
        4243: Thread(4243, 4242, "talker"),
        4244: Thread(4244, 4242, None),
    }
    source = FakeSource(
        [batch],
        rings=(RING,),
        files=files,
        threads=threads,
        losses=Losses({"operations": 2, "facts": 1}, 3),
        context=context(probes=("sys_enter", "sys_exit", "io_uring_complete")),
        ended_ns=STARTED_NS + 40 * MILLISECOND,
    )
    return written(tmp_path_factory.mktemp("kinds") / "run", source)


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """A target of which every name is an attack on something."""
    socket = Socket("unix", "unix", f"/run/{HOSTILE}", f"@{HOSTILE}")
    files = {1: File(1, f"/{HOSTILE}", 2, 99), 2: File(2, f"UNIX /run/{HOSTILE}->@{HOSTILE}", 8, 101, socket)}
    batch = rows(
        row("READ", result=1, file=1, fd=3),
        row("RECV", after_ns=2 * MILLISECOND, result=1, file=2, fd=4),
        call("openat", -100, 0x7000, 0, result=-2, tid=4243),
    )
    records = Records(batch, memory((2, 1, HOSTILE.encode() + b"\xff\0")), np.zeros(0, SOCKET_EVENT))
    source = FakeSource(
        [records],
        rings=(RING,),
        files=files,
        threads={4242: Thread(4242, 4242, HOSTILE), 4243: Thread(4243, 4242, "\udcff")},
        context=context(target=HOSTILE, command=(HOSTILE, "\udcff"), probes=("sys_exit",)),
    )
    return written(tmp_path_factory.mktemp("hostile") / "run", source)


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return written(tmp_path_factory.mktemp("empty") / "run", FakeSource([]))


def ask(recording: Recording, sql: str) -> list[tuple[object, ...]]:
    """The rows of a query, by DuckDB."""
    with recording.query(sql) as result:
        return list(result.rows())
