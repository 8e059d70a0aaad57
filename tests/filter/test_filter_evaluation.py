"""Evaluation: single cases, and equality with a naive evaluator on one row at a time."""

import operator
from fnmatch import fnmatchcase

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import ALL_NAMES, OPCODES, OPERATION_NAMES, call, multishot_rows, row, rows
from uringtrace.tracer.arguments import uses_descriptor
from uringtrace.tracer.filter import Condition, evaluate, parse
from uringtrace.tracer.filter.syntax import (
    And,
    CallClass,
    Compare,
    Descriptor,
    DescriptorIs,
    Differs,
    ErrorIs,
    EveryOperation,
    InterfaceIs,
    Not,
    OperationIs,
    Or,
    PathIs,
    WakeIs,
)
from uringtrace.tracer.record import (
    CQE_F_MORE,
    CQE_F_NOTIF,
    FIRST_CALL,
    OPERATION,
    SQE_FIXED_FILE,
    Batch,
    Kind,
    Path,
    Wake,
)
from uringtrace.tracer.records import only_operations
from uringtrace.tracer.syscalls.classes import CLASSES

SAMPLE = rows(
    row("READ", fd=3, result=100, took_ns=2_000_000),  # 0
    row("READ", fd=3, sqe_flags=SQE_FIXED_FILE, result=-11, path=Path.IO_WQ),  # 1
    row("SOCKET", fd=3, result=9, chain=77),  # 2: its fd is the domain
    row("SEND_ZC", fd=4, cqe_flags=CQE_F_MORE, result=5, tgid=1, tid=2),  # 3
    row("SEND_ZC", fd=4, cqe_flags=CQE_F_NOTIF, result=-(2**31)),  # 4
    row("", kind=Kind.UNTRACKED, submitted_ns=0, result=-4, tgid=0, tid=0, ring=9),  # 5
    row("NOP", kind=Kind.SILENT, took_ns=10**10),  # 6
    row("RECV", kind=Kind.UNFINISHED, fd=7, took_ns=10**10, path=Path.POLL),  # 7
    multishot_rows("ACCEPT", [5, -22], fd=8, user_data=0xFF),  # 8, 9: one per ms
)

CALLS = rows(
    row("READ", fd=3, result=100),  # 0: io_uring's
    call("read", 3, 0x7F00, 100, fd=3, result=100, slept=True, wake=Wake.THREAD, waker=4300),  # 1
    call("futex", 0x7F00, 129, result=1, woke=4244),  # 2
    call("epoll_wait", 4, 0x7F00, 64, fd=4, result=-4, slept=True, wake=Wake.TIMER, took_ns=10**9),  # 3
    call("accept4", 5, fd=5, result=-512, slept=True),  # 4: what woke it was not seen
    call("recvfrom", 6, fd=6, kind=Kind.UNFINISHED, submitted_ns=0),  # 5
    call("openat", -100, fd=-100, result=7, slept=True, wake=Wake.NETWORK),  # 6
    call("exit_group", 0, kind=Kind.SILENT),  # 7
    row("", kind=Kind.UNTRACKED, submitted_ns=0, result=-4),  # 8
    call("mmap", result=-(2**40)),  # 9: no error, though negative
)


def chosen_rows(text: str, batch: Batch) -> list[int]:
    mask = evaluate(parse(text), only_operations(batch), ALL_NAMES, {})
    assert (mask.shape, mask.dtype) == (batch.shape, bool)
    return np.flatnonzero(mask).tolist()


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("op=READ", [0, 1]),
        ("read,accept", [0, 1, 8, 9]),
        ("op=SEND*", [3, 4]),
        ("op!=READ", [2, 3, 4, 6, 7, 8, 9]),
        ("not op=READ", [2, 3, 4, 5, 6, 7, 8, 9]),
        ("fd=3", [0]),
        ("fd=fixed:3", [1]),
        ("fd!=3", [1, 3, 4, 7, 8, 9]),
        ("path=io-wq", [1]),
        ("path=poll", [7]),
        ("path=inline", [0, 2, 3, 4, 8, 9]),
        ("error", [1, 5, 9]),
        ("error=EAGAIN", [1]),
        ("error!=EAGAIN", [5, 9]),
        ("result>=0", [0, 2, 3, 8]),
        ("latency>=2ms", [0, 7]),
        ("latency<=1ms", [1, 2, 3, 4, 8, 9]),
        ("pid=1 or tid=1", [3]),
        ("pid!=1", [0, 1, 2, 4, 6, 7, 8, 9]),
        ("ring=9", [5]),
        ("user_data=0xff", [8, 9]),
        ("multishot", [8, 9]),
        ("notification", [4]),
        ("linked", [2]),
        ("silent", [6]),
        ("untracked", [5]),
        ("unfinished and latency>1s", [7]),
    ],
)
def test_which_rows_a_filter_chooses(text: str, chosen: list[int]) -> None:
    assert chosen_rows(text, SAMPLE) == chosen


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("read", [0, 1]),
        ("trace=READ,FUTEX", [0, 1, 2]),
        ("IORING_OP_READ", [0]),
        ("op=read and interface=syscall", [1]),
        ("trace=io_uring", [0]),
        ("interface=io_uring", [0, 8]),
        ("interface!=io_uring", [1, 2, 3, 4, 5, 6, 7, 9]),
        ("trace=syscall", [1, 2, 3, 4, 5, 6, 7, 9]),
        ("trace=%network", [4, 5]),
        ("trace=%NETWORK,io_uring", [0, 4, 5]),
        ("trace=!%network", [0, 1, 2, 3, 6, 7, 9]),
        ("%desc,futex", [1, 2, 3, 6, 9]),
        ("all", [0, 1, 2, 3, 4, 5, 6, 7, 9]),
        ("none", []),
        ("trace=!none", [0, 1, 2, 3, 4, 5, 6, 7, 9]),
        ("trace=none,futex", [2]),
        ("trace=!futex", [0, 1, 3, 4, 5, 6, 7, 9]),
        ("trace=/^(read|recv)", [1, 5]),
        ("(trace=/poll_.*t$) and error", [3]),
        ("re*", [0, 1, 5]),
        ("?openat,?no_such_call", [6]),
        ("fd=3", [0, 1]),
        ("fd!=3", [3, 4, 5, 6, 9]),
        ("path=inline", [0]),
        ("path!=poll", [0]),
        ("ring=5", [0, 8]),
        ("ring!=5", []),
        ("user_data!=1", [0, 8]),
        ("slept", [1, 3, 4, 6]),
        ("wake=timer,network", [3, 6]),
        ("wake!=timer", [1, 6]),
        ("waker=4300", [1]),
        ("woke=4244", [2]),
        ("woke!=4244", []),
        ("error", [3, 4, 8]),
        ("error=EINTR", [3, 8]),
        ("error=ERESTARTSYS", [4]),
        ("result=ERESTARTSYS", [4]),
        ("result<-4095", [9]),
        ("latency>=1s", [3]),
        ("unfinished", [5]),
        ("silent", [7]),
    ],
)
def test_which_rows_of_both_interfaces_a_filter_chooses(text: str, chosen: list[int]) -> None:
    assert chosen_rows(text, CALLS) == chosen


TWO_DESCRIPTORS = rows(
    call("epoll_ctl", 4, 1, 3, fd=4),  # 0
    call("dup2", 7, 2**32 + 12, fd=7, result=12),  # 1: the upper half is not looked at
    call("epoll_ctl", fd=4, has_arguments=False),  # 2: of this one they were not captured
)


@pytest.mark.parametrize(
    ("text", "chosen"),
    [("fd=3", [0]), ("fd=4,7", [0, 1, 2]), ("fd=12", [1]), ("fd=0", []), ("fd!=4", [1]), ("fd=fixed:3", [])],
)
def test_either_descriptor_of_a_call_counts(text: str, chosen: list[int]) -> None:
    assert chosen_rows(text, TWO_DESCRIPTORS) == chosen


def test_an_empty_batch_gives_an_empty_mask() -> None:
    assert chosen_rows("op=READ and (fd=3 or error) or peer=unix or file=/x", np.zeros(0, OPERATION)) == []


def test_a_condition_serves_batch_after_batch() -> None:
    condition = Condition(parse("op=READ or slept"), ALL_NAMES)
    assert condition.holds(only_operations(CALLS), {}).tolist() == [
        True, True, False, True, True, False, True, False, False, False,
    ]  # fmt: skip
    assert condition.holds(only_operations(SAMPLE[:3]), {}).tolist() == [True, True, False]


def holds(tree: object, one: np.void) -> bool:
    """The meaning of a filter on one row, in plain Python."""
    match tree:
        case And(operands):
            return all(holds(operand, one) for operand in operands)
        case Or(operands):
            return any(holds(operand, one) for operand in operands)
        case Not(operand):
            return not holds(operand, one)
        case Differs(term):
            return speaks(term, one) and not holds(term, one)
    return speaks(tree, one) and says(tree, one)


def posted(one: np.void) -> bool:
    return one["kind"] not in (Kind.SILENT, Kind.UNFINISHED) and not one["cqe_flags"] & CQE_F_NOTIF


def took(one: np.void) -> int | None:
    if not one["submitted_ns"] or one["kind"] not in (Kind.COMPLETION, Kind.UNFINISHED):
        return None
    start = one["submitted_ns"]
    if one["kind"] == Kind.COMPLETION and one["sequence"] > 1 and one["previous_ns"]:
        start = one["previous_ns"]
    return (int(one["completed_ns"]) - int(start)) % 2**64


def speaks(tree: object, one: np.void) -> bool:
    operation = one["kind"] not in (Kind.UNTRACKED, Kind.MESSAGE)
    match tree:
        case OperationIs():
            return operation
        case PathIs():
            return operation and one["opcode"] < FIRST_CALL
        case DescriptorIs():
            if one["opcode"] >= FIRST_CALL:
                return operation and ALL_NAMES[int(one["opcode"])] != "futex"
            return operation and uses_descriptor(OPERATION_NAMES.get(int(one["opcode"]), "?"))
        case WakeIs():
            return bool(one["wake"])
        case ErrorIs():
            return posted(one) and -4095 <= one["result"] < 0
        case Compare("ring" | "user_data"):
            return bool(one["opcode"] < FIRST_CALL)
        case Compare("result"):
            return posted(one)
        case Compare("latency"):
            return took(one) is not None
        case Compare("pid"):
            return bool(one["tgid"])
        case Compare("tid" | "waker" as name):
            return bool(one[name])
    return True


def says(tree: object, one: np.void) -> bool:
    match tree:
        case OperationIs(operations):
            return any(means(each, one) for each in operations)
        case InterfaceIs(interfaces):
            return ("syscall" if one["opcode"] >= FIRST_CALL else "io_uring") in interfaces
        case WakeIs(wakes):
            return Wake(one["wake"]).name.lower() in wakes
        case DescriptorIs(descriptors):
            direct = bool(one["sqe_flags"] & SQE_FIXED_FILE)
            second = ALL_NAMES.get(int(one["opcode"])) == "epoll_ctl" and one["has_arguments"]
            if second and Descriptor(int(one["arg2"]), False) in descriptors:
                return True
            return any((each.number, each.direct) == (one["fd"], direct) for each in descriptors)
        case PathIs(paths):
            words = {
                "inline": one["kind"] == Kind.COMPLETION and not one["path"] & 3,
                "poll": one["path"] & 1,
                "io-wq": one["path"] & 2,
                "drained": one["path"] & 4,
            }
            return any(words[path] for path in paths)
        case ErrorIs(numbers):
            return -int(one["result"]) in numbers
        case Compare(name, sign, values):
            number = took(one) if name == "latency" else int(one[{"pid": "tgid"}.get(name, name)])
            if sign == "=":
                return number in values
            compare = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}[sign]
            return bool(compare(number, values[0]))
    match tree.name:
        case "error":
            return posted(one) and -4095 <= one["result"] < 0
        case "slept":
            return bool(one["slept"])
        case "multishot":
            name = ALL_NAMES.get(int(one["opcode"]), "")
            repeats = one["sequence"] or one["cqe_flags"] & CQE_F_MORE
            return bool(one["kind"] == Kind.COMPLETION and name != "SEND_ZC" and repeats)
        case "untracked" | "unfinished" | "silent" as kind:
            return bool(one["kind"] == Kind[kind.upper()])
    raise AssertionError(tree)


def means(operations: object, one: np.void) -> bool:
    call = bool(one["opcode"] >= FIRST_CALL)
    name = ALL_NAMES.get(int(one["opcode"]))
    match operations:
        case EveryOperation(interface):
            return name is not None and interface in (None, "syscall" if call else "io_uring")
        case CallClass(of):
            return call and name in CLASSES[of]
    return name is not None and fnmatchcase(name.upper(), operations.text)


TERMS = st.sampled_from(
    [
        "op=READ",
        "op=RECV,SEND_ZC",
        "op!=READ",
        "op=S*",
        "trace=%network,read",
        "trace=!syscall",
        "io_uring,futex",
        "all",
        "interface=syscall",
        "interface!=syscall",
        "slept",
        "wake=timer,thread",
        "wake!=timer",
        "waker=2",
        "waker!=2",
        "fd=3",
        "fd=fixed:3,4",
        "fd!=3",
        "path=inline",
        "path=poll,drained",
        "path!=io-wq",
        "error",
        "error=EAGAIN,EIO",
        "error!=EIO",
        "result<0",
        "result=-11,5",
        "result!=5",
        "latency>1us",
        "latency<=1us",
        "latency!=1us",
        "pid=1",
        "pid!=1",
        "tid>=1",
        "ring=1,2",
        "ring<2",
        "user_data=0xffffffffffffffff",
        "multishot",
        "untracked",
        "unfinished",
        "silent",
    ]
)
FILTERS = st.recursive(
    TERMS,
    lambda inner: st.one_of(
        inner.map(lambda text: f"not ({text})"),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(
            lambda parts: "({} {} {})".format(*parts)
        ),
    ),
    max_leaves=5,
)
CALLED = ("read", "futex", "recvmsg", "epoll_ctl")
ROW = st.fixed_dictionaries(
    {
        "opcode": st.sampled_from(
            [22, 27, 45, 47, 200, 255, OPCODES["read"], OPCODES["futex"], OPCODES["recvmsg"]]
        ),
        "kind": st.sampled_from(list(Kind)),
        "fd": st.sampled_from([-1, 3, 4]),
        "sqe_flags": st.sampled_from([0, SQE_FIXED_FILE, 4]),
        "cqe_flags": st.sampled_from([0, CQE_F_MORE, CQE_F_NOTIF]),
        "path": st.integers(0, 7),
        "result": st.sampled_from([-(2**31), -11, -5, 0, 5]),
        "submitted_ns": st.sampled_from([0, 5000, 2**64 - 1]),
        "previous_ns": st.sampled_from([0, 5500]),
        "completed_ns": st.sampled_from([5500, 6000, 7000]),
        "sequence": st.integers(0, 2),
        "tgid": st.integers(0, 2),
        "tid": st.integers(0, 2),
        "ring": st.integers(0, 3),
        "user_data": st.sampled_from([0, 2**64 - 1]),
        "slept": st.booleans(),
        "wake": st.sampled_from(list(Wake)),
        "waker": st.integers(0, 2),
        "arg2": st.sampled_from([0, 3, 4]),
        "has_arguments": st.booleans(),
    }
)


@given(FILTERS, st.lists(ROW, min_size=1, max_size=10))
def test_columns_and_single_rows_agree(text: str, fields: list[dict[str, int]]) -> None:
    batch = rows(*[row("", **each) for each in fields])
    tree = parse(text)
    mask = evaluate(tree, only_operations(batch), ALL_NAMES, {})
    assert mask.tolist() == [holds(tree, one) for one in batch]
