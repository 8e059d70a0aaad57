"""Counting rules: each case of io_uring's semantics, and a slow model over random rows."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import OPCODES, OPERATION_NAMES, multishot_rows, row, rows
from uringtrace.probes.layout import BYTE_OPERATIONS
from uringtrace.tracer.record import CQE_F_MORE, CQE_F_NOTIF, OPERATION, Kind, Path
from uringtrace.tracer.statistics import (
    COUNTERS,
    accumulate,
    difference,
    empty_counters,
    operation_traits,
)
from uringtrace.tracer.statistics import OPCODES as ROWS

TRAITS = operation_traits(OPERATION_NAMES)
SCALARS = [name for name in COUNTERS.names if name not in ("histogram", "reserved")]


def counted(batch: np.ndarray, operation: str) -> dict[str, int]:
    """The non-zero counters of one operation, without times."""
    counters = empty_counters()
    accumulate(counters, batch, TRAITS)
    chosen = counters[OPCODES[operation]]
    return {name: int(chosen[name]) for name in SCALARS if chosen[name] and not name.endswith("_ns")}


def test_a_single_completion() -> None:
    assert counted(row("READ", result=4096, path=Path.POLL), "READ") == {
        "submitted": 1,
        "completions": 1,
        "ended": 1,
        "bytes": 4096,
        "timed": 1,
        "poll": 1,
    }


def test_a_worker_thread_outweighs_the_poll_before_it() -> None:
    found = counted(row("READ", path=Path.POLL | Path.IO_WQ), "READ")
    assert (found.get("io_wq"), found.get("poll"), found.get("inline")) == (1, None, None)


def test_an_error_is_no_bytes_and_a_descriptor_is_no_bytes() -> None:
    assert counted(row("RECV", result=-11), "RECV")["errors"] == 1
    assert "bytes" not in counted(row("RECV", result=-11), "RECV")
    assert "bytes" not in counted(row("ACCEPT", result=9), "ACCEPT")


def test_a_zero_copy_send_is_one_operation_timed_at_its_first_cqe() -> None:
    batch = rows(
        row("SEND_ZC", result=100, cqe_flags=CQE_F_MORE, took_ns=500),
        row("SEND_ZC", result=-(2**31), cqe_flags=CQE_F_NOTIF, took_ns=9000),
    )
    assert counted(batch, "SEND_ZC") == {
        "submitted": 1,
        "completions": 1,
        "ended": 1,
        "bytes": 100,
        "notifications": 1,
        "timed": 1,
        "inline": 1,
    }
    counters = empty_counters()
    accumulate(counters, batch, TRAITS)
    assert counters[OPCODES["SEND_ZC"]]["max_ns"] == 500


def test_a_multishot_operation_has_many_completions_one_end_and_no_latency() -> None:
    assert counted(multishot_rows("RECV", [10, 20, -105], path=Path.POLL), "RECV") == {
        "submitted": 1,
        "completions": 3,
        "ended": 1,
        "errors": 1,
        "bytes": 30,
        "poll": 3,
    }


def test_rows_that_are_no_completion() -> None:
    assert counted(row("NOP", kind=Kind.SILENT), "NOP") == {"submitted": 1, "silent": 1}
    assert counted(row("NOP", kind=Kind.UNFINISHED), "NOP") == {"submitted": 1}
    counters = empty_counters()
    accumulate(counters, rows(row("", kind=Kind.UNTRACKED), row("", kind=Kind.MESSAGE)), TRAITS)
    assert counters.tobytes() == empty_counters().tobytes()


ROW = st.builds(
    lambda fields: row(took_ns=fields.pop("took"), **fields),
    st.fixed_dictionaries(
        {
            "opcode": st.sampled_from([0, 22, 27, 47, 48, 200, 255]),
            "kind": st.sampled_from(list(Kind)),
            "cqe_flags": st.sampled_from([0, CQE_F_MORE, CQE_F_NOTIF, CQE_F_MORE | CQE_F_NOTIF, 1]),
            "path": st.integers(0, 127),
            "result": st.integers(-(2**31), 2**31 - 1),
            "sequence": st.integers(0, 3),
            "took": st.integers(0, 2**45),
        }
    ),
)


def add_slowly(totals: dict[tuple[int, str], int], one: np.void) -> None:
    """The rules once more, one row at a time on Python integers."""

    def add(name: str, amount: int = 1) -> None:
        totals[int(one["opcode"]), name] = totals.get((int(one["opcode"]), name), 0) + amount

    name = OPERATION_NAMES.get(int(one["opcode"]), "")
    flags, kind = int(one["cqe_flags"]), int(one["kind"])
    if kind in (Kind.SILENT, Kind.UNFINISHED):
        add("submitted")
        if kind == Kind.SILENT:
            add("silent")
    if kind != Kind.COMPLETION:
        return
    if not flags & CQE_F_MORE:
        add("ended")
        add("submitted")
    if flags & CQE_F_NOTIF:
        add("notifications")
        return
    add("completions")
    if one["result"] < 0:
        add("errors")
    elif name in BYTE_OPERATIONS:
        add("bytes", int(one["result"]))
    single = name in ("SEND_ZC", "SENDMSG_ZC") or (one["sequence"] == 0 and not flags & CQE_F_MORE)
    add("io_wq" if one["path"] & Path.IO_WQ else "poll" if one["path"] & Path.POLL else "inline")
    if single:
        took = int(one["completed_ns"]) - int(one["submitted_ns"])
        add("timed")
        add("sum_ns", took)
        totals[int(one["opcode"]), "max_ns"] = max(totals.get((int(one["opcode"]), "max_ns"), 0), took)


@given(st.lists(st.lists(ROW, max_size=8), max_size=4))
def test_batches_add_up_to_what_a_row_by_row_model_counts(parts: list[list[np.ndarray]]) -> None:
    counters = empty_counters()
    totals: dict[tuple[int, str], int] = {}
    for part in parts:
        batch = np.concatenate([np.zeros(0, OPERATION), *part])
        accumulate(counters, batch, TRAITS)
        for one in batch:
            add_slowly(totals, one)
    found = {(opcode, name): int(counters[opcode][name]) for opcode in range(ROWS) for name in SCALARS}
    assert {key: value for key, value in found.items() if value} == {k: v for k, v in totals.items() if v}
    assert (counters["histogram"].sum(axis=1) == counters["timed"]).all()
    assert (counters["inline"] + counters["poll"] + counters["io_wq"] == counters["completions"]).all()


def test_sums_stay_exact_beyond_what_a_float_holds() -> None:
    batch = np.concatenate([row("READ", took_ns=2**53 + 1), row("READ", took_ns=2)])
    counters = empty_counters()
    accumulate(counters, batch, TRAITS)
    assert int(counters[OPCODES["READ"]]["sum_ns"]) == 2**53 + 3


def test_a_difference_counts_the_interval_and_tells_its_maximum_only_when_it_grew() -> None:
    counters = empty_counters()
    accumulate(counters, row("READ", took_ns=5000), TRAITS)
    first = counters.copy()
    accumulate(counters, row("READ", took_ns=100), TRAITS)
    second = counters.copy()
    accumulate(counters, row("READ", took_ns=7000), TRAITS)
    read = OPCODES["READ"]
    slower = difference(second, first)[read]
    assert (slower["completions"], slower["sum_ns"], slower["max_ns"]) == (1, 100, 0)
    assert difference(counters, second)[read]["max_ns"] == 7000
    assert (difference(counters, counters)["histogram"] == 0).all()
