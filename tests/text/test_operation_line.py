"""Log lines: golden lines for every kind of row, and that no row whatever breaks a line."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import OPERATION_NAMES, context, multishot_rows, row, rows
from uringtrace.tracer.arguments import ARGUMENTS
from uringtrace.tracer.record import (
    CQE_F_BUFFER,
    CQE_F_MORE,
    CQE_F_NOTIF,
    FIRST_CALL,
    OPERATION,
    SQE_ASYNC,
    SQE_BUFFER_SELECT,
    SQE_FIXED_FILE,
    SQE_IO_DRAIN,
    SQE_IO_LINK,
    Kind,
    Path,
)
from uringtrace.tracer.source import File
from uringtrace.ui.text.operation_json import OperationJson
from uringtrace.ui.text.operation_line import LineFormatter, TimeStyle

FILES = {
    1: File(1, "TCP 127.0.0.1:8080->127.0.0.1:40738", 0, 0),
    2: File(2, "/var/lib/x.db", 0, 0),
    3: File(3, "/tmp/two\nlines\x1b[31m", 0, 0),
}
WHO = "[pid 4242 tid 4243] "
END = " ring=5 user_data=0x2a"


def lines(batch: np.ndarray, **options: Any) -> list[str]:
    return LineFormatter(context(), FILES, **options).lines(batch, FILES)


def line(batch: np.ndarray, **options: Any) -> str:
    """The only line, without who and where."""
    (text,) = lines(batch, **options)
    assert text.startswith(WHO)
    assert text.endswith(END)
    return text[len(WHO) : -len(END)]


def test_the_line_of_the_manual() -> None:
    batch = row("RECV", fd=7, file=1, len=4096, result=78, path=Path.POLL)
    assert lines(batch) == [
        "[pid 4242 tid 4243] RECV(fd=7<TCP 127.0.0.1:8080->127.0.0.1:40738>, len=4096, flags=0) = 78 "
        "<0.000012> poll ring=5 user_data=0x2a"
    ]


@pytest.mark.parametrize(
    ("batch", "text"),
    [
        (
            row("RECV", fd=7, len=10, result=-11),
            "RECV(fd=7, len=10, flags=0) = -1 EAGAIN (Resource temporarily unavailable) <0.000012> inline",
        ),
        (row("NOP", result=-4095), "NOP() = -4095 (unknown error) <0.000012> inline"),
        (
            row(
                "READ",
                fd=3,
                file=2,
                sqe_flags=SQE_FIXED_FILE,
                len=4096,
                off=2**64 - 1,
                result=4096,
                path=Path.IO_WQ,
            ),
            "READ(fd=fixed:3</var/lib/x.db>, len=4096, off=-1) = 4096 <0.000012> io-wq",
        ),
        (row("WRITE", fd=9, file=99, len=1, result=1), "WRITE(fd=9, len=1, off=0) = 1 <0.000012> inline"),
        (
            row("READ", fd=9, file=2, has_arguments=False, result=1),
            "READ(fd=9</var/lib/x.db>, …) = 1 <0.000012> inline",
        ),
        (
            row("TIMEOUT", has_arguments=False, result=-62),
            "TIMEOUT(…) = -1 ETIME (Timer expired) <0.000012> inline",
        ),
        (row("CLOSE", file_index=4), "CLOSE(fd=fixed:3) = 0 <0.000012> inline"),
        (
            row(
                "RECV",
                fd=7,
                sqe_flags=SQE_BUFFER_SELECT,
                buf_index=2,
                ioprio=1,
                cqe_flags=CQE_F_BUFFER | 9 << 16,
            ),
            "RECV(fd=7, len=0, flags=0, ioprio=POLL_FIRST, buf_group=2) = 0 <0.000012> inline buffer=9",
        ),
        (
            row(
                "WRITE",
                fd=1,
                sqe_flags=SQE_IO_DRAIN | SQE_ASYNC,
                path=Path.IO_WQ | Path.DEFERRED,
                personality=3,
            ),
            "WRITE(fd=1, len=0, off=0, personality=3) = 0 <0.000012> io-wq drained IO_DRAIN|ASYNC",
        ),
        (
            row("NOP", result=-22, path=Path.REJECTED),
            "NOP() = -1 EINVAL (Invalid argument) <0.000012> inline rejected",
        ),
        (row("NOP", kind=Kind.SILENT, sqe_flags=1 << 6), "NOP() = ? no CQE CQE_SKIP_SUCCESS"),
        (
            row("RECV", fd=7, kind=Kind.UNFINISHED, took_ns=12_345_678_000, path=Path.POLL),
            "RECV(fd=7, len=0, flags=0) <unfinished …> age=12.345678 poll",
        ),
        (
            row("SEND_ZC", fd=7, len=5, result=5, cqe_flags=CQE_F_MORE),
            "SEND_ZC(fd=7, len=5, flags=0) = 5 <0.000012> inline MORE",
        ),
        (
            row("SEND_ZC", fd=7, len=5, result=0, cqe_flags=CQE_F_NOTIF),
            "SEND_ZC(fd=7, len=5, flags=0) = notification <0.000012> inline",
        ),
        (
            row("SEND_ZC", fd=7, len=5, result=-(2**31), cqe_flags=CQE_F_NOTIF),
            "SEND_ZC(fd=7, len=5, flags=0) = notification (copied) <0.000012> inline",
        ),
        (row("READ", path=64), "READ(fd=0, len=0, off=0) = 0 <0.000012> inline ambiguous"),
        (
            row("READ", fd=3, file=3),
            "READ(fd=3</tmp/two\\x0alines\\x1b[31m>, len=0, off=0) = 0 <0.000012> inline",
        ),
    ],
)
def test_kinds_of_rows(batch: np.ndarray, text: str) -> None:
    assert line(batch) == text


@pytest.mark.parametrize(
    ("batch", "call"),
    [
        (
            row("OPENAT", fd=-100, addr=0x10, op_flags=0o2000101, len=0o644),
            "OPENAT(dfd=AT_FDCWD, path=0x10, flags=O_WRONLY|O_CREAT|O_CLOEXEC, mode=0644)",
        ),
        (
            row("OPENAT", fd=-100, file_index=2**32 - 1),
            "OPENAT(dfd=AT_FDCWD, path=NULL, flags=O_RDONLY, file_index=ALLOC)",
        ),
        (row("SEND", fd=3, op_flags=0x4040, len=1), "SEND(fd=3, len=1, flags=MSG_DONTWAIT|MSG_NOSIGNAL)"),
        (
            row("POLL_ADD", fd=3, op_flags=0x2011, len=1),
            "POLL_ADD(fd=3, events=POLLIN|POLLHUP|POLLRDHUP, flags=MULTISHOT)",
        ),
        (
            row("ACCEPT", fd=3, op_flags=0x80800, ioprio=1, file_index=3),
            "ACCEPT(fd=3, flags=SOCK_NONBLOCK|SOCK_CLOEXEC, ioprio=MULTISHOT, file_index=fixed:2)",
        ),
        (row("RECV", fd=3, ioprio=2), "RECV(fd=3, len=0, flags=0, ioprio=MULTISHOT)"),
        (
            row("SPLICE", fd=4, file_index=3, off=2**64 - 1, addr=5, len=9, op_flags=1 << 31 | 2),
            "SPLICE(fd_in=fixed:3, off_in=5, fd_out=4, off_out=-1, len=9, "
            "flags=SPLICE_F_NONBLOCK|SPLICE_F_FD_IN_FIXED)",
        ),
        (row("TIMEOUT", addr=0x20, off=1, op_flags=0x41), "TIMEOUT(ts=0x20, count=1, flags=ABS|MULTISHOT)"),
        (row("ASYNC_CANCEL", addr=0x2B, fd=-1), "ASYNC_CANCEL(user_data=0x2b, flags=0)"),
        (row("ASYNC_CANCEL", fd=3, op_flags=0b1011), "ASYNC_CANCEL(fd=fixed:3, flags=ALL|FD|FD_FIXED)"),
        (row("ASYNC_CANCEL", len=27, op_flags=1 << 5 | 1), "ASYNC_CANCEL(op=RECV, flags=ALL|OP)"),
        (row("MSG_RING", fd=4, len=7, off=0x99), "MSG_RING(fd=4, cmd=MSG_DATA, len=7, data=0x99)"),
        (
            row("MSG_RING", fd=4, addr=1, addr3=2, file_index=1),
            "MSG_RING(fd=4, cmd=MSG_SEND_FD, len=0, data=0, src_slot=2, dst_slot=fixed:0)",
        ),
        (
            row("URING_CMD", fd=7, file=1, off=3, addr=1 | 2 << 32, file_index=4),
            f"URING_CMD(fd=7<{FILES[1].description}>, cmd_op=SETSOCKOPT, level=SOL_SOCKET, "
            "optname=SO_REUSEADDR, optlen=4)",
        ),
        (row("URING_CMD", fd=7, file=1, off=0), f"URING_CMD(fd=7<{FILES[1].description}>, cmd_op=SIOCINQ)"),
        (
            row("URING_CMD", fd=7, file=1, off=2, addr=282 | 1 << 32, file_index=4),
            f"URING_CMD(fd=7<{FILES[1].description}>, cmd_op=GETSOCKOPT, level=SOL_TLS, "
            "optname=TLS_TX, optlen=4)",
        ),
        (row("URING_CMD", fd=7, off=0xC0DE), "URING_CMD(fd=7, cmd_op=0xc0de)"),
        (
            row("SOCKET", fd=2, off=0x80001),
            "SOCKET(domain=AF_INET, type=SOCK_STREAM|SOCK_CLOEXEC, protocol=0)",
        ),
        (row("SHUTDOWN", fd=3, len=1), "SHUTDOWN(fd=3, how=SHUT_WR)"),
        (
            row("RENAMEAT", fd=-100, len=2**32 - 100, addr=1, off=2, op_flags=1),
            "RENAMEAT(olddfd=AT_FDCWD, oldpath=0x1, newdfd=AT_FDCWD, newpath=0x2, flags=RENAME_NOREPLACE)",
        ),
        (row("EPOLL_CTL", fd=5, len=1, off=9), "EPOLL_CTL(epfd=5, op=EPOLL_CTL_ADD, fd=9)"),
        (row("FSYNC", fd=5, op_flags=1), "FSYNC(fd=5, flags=DATASYNC)"),
        (row("READ_FIXED", fd=5, len=8, buf_index=2), "READ_FIXED(fd=5, len=8, off=0, buf_index=2)"),
        (row("NOP", opcode=200, fd=3, addr=0x55, len=2), "OP_200(fd=3, addr=0x55, len=2)"),
    ],
)
def test_arguments_of_operations(batch: np.ndarray, call: str) -> None:
    assert line(batch) == f"{call} = 0 <0.000012> inline"


def test_multishot_lines_number_their_completions_and_say_why_they_end() -> None:
    assert [text[len(WHO) : -len(END)] for text in lines(multishot_rows("RECV", [10, 20, -105], fd=7))] == [
        "RECV(fd=7, len=0, flags=0) = 10 #1 <0.001000> inline MORE",
        "RECV(fd=7, len=0, flags=0) = 20 #2 +0.001000 inline MORE",
        "RECV(fd=7, len=0, flags=0) = -1 ENOBUFS (No buffer space available) #3 "
        "+0.001000 ended=no-buffers inline",
    ]


@pytest.mark.parametrize(
    ("operation", "result", "path", "why"),
    [
        ("RECV", 0, 0, "end-of-file"),
        ("ACCEPT", 0, 0, "last"),
        ("RECV", -125, 0, "cancelled"),
        ("RECV", -104, 0, "ECONNRESET"),
        ("RECV", 5, Path.OVERFLOW, "cq-overflow"),
    ],
)
def test_why_a_multishot_operation_ended(operation: str, result: int, path: int, why: str) -> None:
    assert f" ended={why} " in lines(multishot_rows(operation, [1, result], path=path))[-1]


def test_completions_that_belong_to_no_seen_operation() -> None:
    batch = rows(
        row("", kind=Kind.UNTRACKED, submitted_ns=0, result=78, tgid=0, tid=0, cqe_flags=CQE_F_MORE),
        row("", kind=Kind.MESSAGE, submitted_ns=0, result=7, tgid=0, tid=0),
    )
    assert lines(batch) == [
        f"[pid ? tid ?] ?(…) = 78 untracked MORE{END}",
        f"[pid ? tid ?] (from another ring) = 7 message{END}",
    ]


def test_chains_get_short_numbers_of_their_own() -> None:
    batch = rows(
        row("NOP", chain=777, sqe_flags=SQE_IO_LINK),
        row("NOP", chain=999),
        row("NOP", chain=777, chain_position=1),
        row("NOP", chain=777, ring=6),
    )
    links = [text.partition(" link=")[2] for text in lines(batch)]
    assert links == ["1/0", "2/0", "1/1", "3/0"]


@pytest.mark.parametrize(
    ("style", "stamps"),
    [
        (TimeStyle.RELATIVE, ["0.000000", "0.500000", "-0.250000"]),
        (TimeStyle.UNIX, ["1700000001.000000", "1700000001.500000", "1700000001.250000"]),
    ],
)
def test_time_stamps_are_those_of_completion(style: TimeStyle, stamps: list[str]) -> None:
    batch = rows(*[row("NOP", after_ns=0, took_ns=took) for took in (10**9, 15 * 10**8, 125 * 10**7)])
    found = [text[len(WHO) :].split()[0] for text in lines(batch, time_style=style)]
    assert found == stamps


def test_clock_times_agree_with_the_unix_time(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    batch = row("NOP", after_ns=0, took_ns=1_500_000_000)
    assert lines(batch, time_style=TimeStyle.CLOCK)[0].startswith(f"{WHO}22:13:21 NOP")
    assert lines(batch, time_style=TimeStyle.CLOCK_MICROSECONDS)[0].startswith(f"{WHO}22:13:21.500000 NOP")


def test_options_leave_out_durations_and_shorten_descriptions() -> None:
    batch = row("RECV", fd=7, file=1)
    assert "<0.000012>" not in line(batch, durations=False)
    assert line(batch, limit=5).startswith("RECV(fd=7<TCP 1…>,")


def test_a_file_that_becomes_known_later_is_shown_from_then_on() -> None:
    formatter = LineFormatter(context(), {})
    batch = row("READ", fd=3, file=2)
    assert "fd=3," in formatter.lines(batch, {})[0]
    assert "fd=3</var/lib/x.db>," in formatter.lines(batch, FILES)[0]


def whole(name: str) -> st.SearchStrategy[int]:
    """Any value of the field, small ones and its limits more often."""
    kind = OPERATION[name]
    if kind == np.bool_:
        return st.integers(0, 1)
    limits = np.iinfo(kind)
    edges = st.sampled_from([limits.min, limits.max, 0, 1, limits.max // 2 + 1])
    return st.one_of(edges, st.integers(0, 8), st.integers(int(limits.min), int(limits.max)))


def filled(content: bytes, opcode: int, chosen: dict[str, int]) -> np.ndarray:
    """A row with these bytes, but for the fields that are `chosen`."""
    batch = np.frombuffer(content, OPERATION).copy()
    batch["has_arguments"] = content[0] & 1
    batch["opcode"] = opcode
    for name, value in chosen.items():
        batch[name] = value
    return batch


CHOSEN = st.sets(st.sampled_from(OPERATION.names), max_size=12).flatmap(
    lambda names: st.fixed_dictionaries({name: whole(name) for name in sorted(names)})
)
ANY_ROW = st.builds(
    filled,
    st.binary(min_size=OPERATION.itemsize, max_size=OPERATION.itemsize),
    st.one_of(st.integers(0, 70), st.integers(0, 2**16 - 1)),
    CHOSEN,
)


@given(st.lists(ANY_ROW, min_size=1, max_size=6), st.sampled_from(TimeStyle), st.sampled_from([None, 0, 4]))
def test_any_row_gives_one_line(batches: list[np.ndarray], style: TimeStyle, limit: int | None) -> None:
    batch = rows(*batches)
    found = lines(batch, time_style=style, limit=limit)
    assert len(found) == batch.size
    for text, one in zip(found, batch, strict=True):
        assert "\n" not in text
        where = f" ring={one['ring']} user_data={one['user_data']:#x}"
        assert (where in text) == (one["opcode"] < FIRST_CALL)


@given(st.lists(ANY_ROW, min_size=1, max_size=4))
def test_any_row_gives_one_json_object(batches: list[np.ndarray]) -> None:
    batch = rows(*batches)
    found = OperationJson(OPERATION_NAMES).lines(batch, FILES)
    assert len(found) == batch.size
    for text, one in zip(found, batch, strict=True):
        called = one["opcode"] >= FIRST_CALL
        assert json.loads(text)["user_data"] == (None if called else hex(one["user_data"]))


@pytest.mark.parametrize("operation", sorted(OPERATION_NAMES.values()))
def test_every_operation_of_the_kernel_has_arguments_that_can_be_shown(operation: str) -> None:
    assert operation in ARGUMENTS
    assert {argument.field for argument in ARGUMENTS[operation]} <= set(OPERATION.names)
    assert line(row(operation)).startswith(f"{operation}(")


def test_no_operation_is_listed_that_no_kernel_has() -> None:
    assert set(ARGUMENTS) == set(OPERATION_NAMES.values())
