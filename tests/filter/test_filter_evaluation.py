"""Evaluation: single cases, and equality with a naive evaluator on one row at a time."""

import operator
from fnmatch import fnmatchcase

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import OPERATION_NAMES, multishot_rows, row, rows
from uringtrace.tracer.arguments import uses_descriptor
from uringtrace.tracer.filter import evaluate, parse
from uringtrace.tracer.filter.syntax import (
    And,
    Compare,
    DescriptorIs,
    Differs,
    ErrorIs,
    Not,
    OperationIs,
    Or,
    PathIs,
)
from uringtrace.tracer.record import CQE_F_MORE, CQE_F_NOTIF, OPERATION, SQE_FIXED_FILE, Kind, Path

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
    assert np.flatnonzero(evaluate(parse(text), SAMPLE, OPERATION_NAMES)).tolist() == chosen


def test_an_empty_batch_gives_an_empty_mask() -> None:
    mask = evaluate(parse("op=READ and (fd=3 or error)"), np.zeros(0, OPERATION), OPERATION_NAMES)
    assert mask.shape == (0,)
    assert mask.dtype == bool


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
        case OperationIs() | PathIs():
            return operation
        case DescriptorIs():
            return operation and uses_descriptor(OPERATION_NAMES.get(int(one["opcode"]), "?"))
        case ErrorIs():
            return posted(one) and one["result"] < 0
        case Compare("result"):
            return posted(one)
        case Compare("latency"):
            return took(one) is not None
        case Compare("pid"):
            return bool(one["tgid"])
        case Compare("tid"):
            return bool(one["tid"])
    return True


def says(tree: object, one: np.void) -> bool:
    match tree:
        case OperationIs(names):
            name = OPERATION_NAMES.get(int(one["opcode"]), "")
            return any(fnmatchcase(name, each.text) for each in names)
        case DescriptorIs(descriptors):
            direct = bool(one["sqe_flags"] & SQE_FIXED_FILE)
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
            return posted(one) and one["result"] < 0
        case "multishot":
            name = OPERATION_NAMES.get(int(one["opcode"]), "")
            repeats = one["sequence"] or one["cqe_flags"] & CQE_F_MORE
            return bool(one["kind"] == Kind.COMPLETION and name != "SEND_ZC" and repeats)
        case "untracked" | "unfinished" | "silent" as kind:
            return bool(one["kind"] == Kind[kind.upper()])
    raise AssertionError(tree)


TERMS = st.sampled_from(
    [
        "op=READ",
        "op=RECV,SEND_ZC",
        "op!=READ",
        "op=S*",
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
ROW = st.fixed_dictionaries(
    {
        "opcode": st.sampled_from([22, 27, 45, 47, 200, 255]),
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
    }
)


@given(FILTERS, st.lists(ROW, min_size=1, max_size=10))
def test_columns_and_single_rows_agree(text: str, fields: list[dict[str, int]]) -> None:
    batch = rows(*[row("", **each) for each in fields])
    tree = parse(text)
    assert evaluate(tree, batch, OPERATION_NAMES).tolist() == [holds(tree, one) for one in batch]
