"""docs/json.md against what is printed: the same fields, of the types it says."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import ALL_NAMES, OPERATION_NAMES, RING, FakeSource, call, context, multishot_rows, row, rows
from tests.text.call_records import (
    Content,
    epoll_events,
    internet,
    numbers,
    pollfds,
    remembering,
    string,
    words,
)
from uringtrace.tracer.record import CQE_F_BUFFER, CQE_F_MORE, CQE_F_NOTIF, SQE_FIXED_FILE, Batch, Kind
from uringtrace.tracer.record import Path as Via
from uringtrace.tracer.records import ENTERED, IOVEC
from uringtrace.tracer.replayed_counting import ReplayedCounting
from uringtrace.tracer.source import File, Losses, Thread
from uringtrace.tracer.summary import Summary, summary_of
from uringtrace.ui.text.operation_json import OperationJson, end_json, start_json
from uringtrace.ui.text.summary_json import summary_json

MANUAL = (Path(__file__).parents[2] / "docs" / "json.md").read_text()
FILES = {1: File(1, 'quote " and \\ and \n', 0, 0)}

BATCH = rows(
    row("READ", result=4096, fd=3, file=1, chain=99, chain_position=1),
    row("READ", result=-11, path=Via.IO_WQ, sqe_flags=SQE_FIXED_FILE),
    multishot_rows("RECV", [1, -105]),
    row("RECV", cqe_flags=CQE_F_BUFFER | 3 << 16),
    row("SEND_ZC", result=5, cqe_flags=CQE_F_MORE),
    row("SEND_ZC", cqe_flags=CQE_F_NOTIF),
    row("", kind=Kind.UNTRACKED, submitted_ns=0, tgid=0, tid=0),
    row("", kind=Kind.MESSAGE, submitted_ns=0, tgid=0, tid=0),
    row("NOP", kind=Kind.SILENT, has_arguments=False),
    row("TIMEOUT", kind=Kind.UNFINISHED),
)


def tables() -> dict[str, dict[str, str]]:
    """Heading of each section to its fields and their types."""
    found: dict[str, dict[str, str]] = {}
    for section in MANUAL.split("\n### ")[1:]:
        heading = section.partition("\n")[0]
        found[heading] = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", section, re.M))
    return found


TABLES = tables()
PLAIN = {"integer": int, "number": (int, float), "string": str, "boolean": bool, "null": type(None)}


def check(value: Any, kind: str, where: str) -> None:
    """Fail unless `value` is what the manual's words for its type say."""
    alternatives = kind.strip().split(" or ")
    assert any(fits(value, each, where) for each in alternatives), f"{where}: {value!r} is not {kind}"


def fits(value: Any, kind: str, where: str) -> bool:
    if kind in PLAIN:
        return isinstance(value, PLAIN[kind]) and (kind == "boolean" or not isinstance(value, bool))
    if kind.startswith("array of "):
        inner = kind.removeprefix("array of ")
        inner = inner if inner in TABLES else inner.removesuffix("s")
        return isinstance(value, list) and all(fits(each, inner, where) for each in value)
    if kind == "object":
        return isinstance(value, dict)
    if kind == "object of integers":
        return isinstance(value, dict) and all(fits(each, "integer", where) for each in value.values())
    if not isinstance(value, dict):
        return False
    check_object(value, kind)
    return True


def check_object(value: dict[str, Any], heading: str, without: frozenset[str] = frozenset()) -> None:
    assert set(value) == set(TABLES[heading]) - without
    for name, each in value.items():
        check(each, TABLES[heading][name], f"{heading}.{name}")


DETAILS = frozenset({"connections", "connection_totals", "request_times", "threads"})
"""Of a summary, only where they were asked for."""


def summary() -> Summary:
    source = ReplayedCounting(FakeSource([BATCH], rings=(RING,), losses=Losses({"operations": 2}, 1)))
    while not source.wait(3600):
        pass
    return summary_of(source)


def test_a_summary_is_as_documented() -> None:
    printed = json.loads(summary_json(summary()))
    assert (printed["schema"], printed["type"]) == (1, "summary")
    check_object(printed, "summary", DETAILS)
    read = next(each for each in printed["operations"] if each["name"] == "READ")
    assert (read["count"], read["errors"], read["bytes"]) == (2, 1, 4096)
    assert read["path_shares"]["io_wq"] == 0.5
    assert printed["rings"][0]["setup_flags"] == ["SQPOLL", "SINGLE_ISSUER"]
    assert (printed["lost"], printed["lost_total"], printed["untracked"]) == ({"operations": 2}, 2, 1)


def test_an_interval_is_as_documented() -> None:
    printed = json.loads(summary_json(summary(), interval=True))
    assert printed["type"] == "interval"
    absent = frozenset({"in_flight", "messages", "overflows", "dropped"})
    check_object(printed.pop("totals"), "totals", absent)
    check_object(printed, "summary", frozenset({"rings", "totals"}) | DETAILS)


def test_operations_are_as_documented() -> None:
    printed = [json.loads(line) for line in OperationJson(OPERATION_NAMES).lines(BATCH, FILES)]
    for each in printed:
        check_object(each, "operation")
    read, failed, first, last, buffered, sent, freed, untracked, message, silent, unfinished = printed
    assert read["arguments"]["len"] == 0
    assert (read["file"], read["chain"], read["chain_position"]) == (FILES[1].description, 99, 1)
    assert (failed["result"], failed["error"], failed["path"]) == (-11, "EAGAIN", ["io-wq"])
    assert failed["direct"]
    assert (first["sequence"], first["more"]) == (1, True)
    assert (last["sequence"], last["more"]) == (2, False)
    assert buffered["buffer"] == 3
    assert (sent["sequence"], sent["notification"]) == (None, False)
    assert (freed["notification"], freed["result"]) == (True, None)
    assert (untracked["operation"], untracked["latency_ns"], untracked["pid"]) == (None, None, None)
    assert message["kind"] == "message"
    assert (silent["result"], silent["latency_ns"], silent["arguments"]) == (None, None, None)
    assert (unfinished["result"], unfinished["latency_ns"], unfinished["fd"]) == (None, 12_000, None)


def told(batch: Batch, memory: dict[int, Content] | None = None) -> dict[str, Any]:
    """The object of one system call, which is as documented."""
    objects = OperationJson(ALL_NAMES)
    (text,) = objects.lines(remembering(batch, memory or {}), FILES, {123: Thread(123, 9, "worker")})
    printed: dict[str, Any] = json.loads(text)
    check_object(printed, "operation")
    return printed


def test_a_system_call_is_as_documented() -> None:
    batch = call("openat", -100, 0x99, 0o2000000, 2**32 + 5, fd=-100, result=3, result_file=1)
    printed = told(batch, {1: string("/etc/x")})
    assert (printed["interface"], printed["operation"]) == ("syscall", "openat")
    assert (printed["opcode"], printed["number"]) == (None, 257)
    assert printed["arguments"] == {"dfd": -100, "filename": 0x99, "flags": 0o2000000, "mode": 2**32 + 5}
    assert printed["decoded"] == {"filename": "/etc/x"}
    assert (printed["result"], printed["result_file"]) == (3, FILES[1].description)
    assert (printed["ring"], printed["user_data"], printed["path"]) == (None, None, None)
    assert (printed["slept"], printed["wake"], printed["woke"]) == (False, None, None)
    assert printed["latency_ns"] == 12_000


def test_how_a_call_was_woken_is_as_documented() -> None:
    batch = call("read", 7, slept=True, wake=3, wakes=2, waker=123, waker_opcode=257, waker_argument=8)
    printed = told(batch)
    check_object(printed["wake"], "wake")
    assert printed["wake"] == {
        "by": "thread",
        "count": 2,
        "woken_ns": None,
        "thread": 123,
        "name": "worker",
        "operation": "write",
        "argument": 8,
        "file": None,
    }
    assert told(call("read", 7, slept=True, wake=1, woken_ns=5))["wake"]["thread"] is None
    check_object(told(call("write", 7, woke=9, woke_count=2))["woke"], "woke")


def test_calls_without_an_end_or_a_beginning() -> None:
    assert told(call("read", 7, kind=Kind.UNFINISHED))["latency_ns"] == 12_000
    assert told(call("read", 7, kind=Kind.UNFINISHED))["result"] is None
    assert told(call("read", 7, submitted_ns=0, result=5))["latency_ns"] is None
    assert told(call("exit_group", 7, kind=Kind.SILENT))["result"] is None
    assert told(call("read", 7, has_arguments=False))["decoded"] is None
    assert told(call("read", 7, opcode=256 + 1023))["number"] is None


DECODED: list[tuple[Batch, dict[int, Content], dict[str, Any]]] = [
    (call("open", 9, 0), {0: b"caf\xe9\0"}, {"filename": "caf\\xe9"}),
    (
        call("accept4", 3, 9, 8, 0, result=5),
        {1: internet("127.0.0.1", 80), 2: numbers(128)},
        {"upeer_sockaddr": "127.0.0.1:80", "upeer_addrlen": [128, 16]},
    ),
    (call("connect", 3, 9, 8), {1: b"\1\0/run/x\0"}, {"uservaddr": "/run/x"}),
    (call("connect", 3, 9, 8), {1: b"\1\0\0x"}, {"uservaddr": "@x"}),
    (
        call("connect", 3, 9, 28),
        {1: b"\x0a\0\0\x50" + bytes(19) + b"\1" + numbers(2)},
        {"uservaddr": "[::1%2]:80"},
    ),
    (
        call("epoll_wait", 3, 9, 8, 0, result=1),
        {1: epoll_events((0x80000001, 7))},
        {"events": [{"events": "EPOLLIN|EPOLLET", "data": {"u32": 7, "u64": 7}}]},
    ),
    (
        call("poll", 9, 1, 0, result=1),
        {0: pollfds((3, 1, 1))},
        {"ufds": [{"fd": 3, "events": "POLLIN"}], "ready": [{"fd": 3, "revents": "POLLIN"}]},
    ),
    (
        call("select", 9, 9, 0, 0, 8, result=1),
        {1 | ENTERED: words(6), 1: words(2), 4: words(0, 5)},
        {"inp": [1, 2], "in": [1], "left": {"tv_sec": 0, "tv_usec": 5}},
    ),
    (
        call("writev", 3, 9, 1, result=5),
        {1: words(16, 5)},
        {"vec": [{"iov_base": None, "iov_len": 5}]},
    ),
    (
        call("sendmsg", 3, 9, 0, result=5),
        {1: words(0, 0, 16, 1, 0, 0, 0), IOVEC: words(16, 5)},
        {
            "msg": {
                "msg_name": None,
                "msg_namelen": 0,
                "msg_iov": [{"iov_base": None, "iov_len": 5}],
                "msg_iovlen": 1,
                "msg_controllen": 0,
                "msg_flags": "0",
            }
        },
    ),
    (call("sendfile", 3, 4, 9, 5, result=5), {2: words(2)}, {"offset": [2, 7]}),
    (call("wait4", -1, 9, 0, 0, result=5), {1: numbers(256)}, {"stat_addr": 256}),
    (call("rt_sigprocmask", 0, 9, 0, 8), {1: words(2)}, {"nset": ["SIGINT"]}),
    (call("read", 3, 9, 8, result=5), {}, {}),
]


@pytest.mark.parametrize(("batch", "memory", "decoded"), DECODED)
def test_what_memory_held_is_told(batch: Batch, memory: dict[int, Content], decoded: dict[str, Any]) -> None:
    assert told(batch, memory)["decoded"] == decoded


def test_the_frame_of_a_stream_is_as_documented() -> None:
    check_object(json.loads(start_json(context(command=("./server", "-v")))), "start")
    check_object(json.loads(end_json(Losses({"operations": 1}, 2), 5)), "end")
