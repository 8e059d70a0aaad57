"""What a recording has beside operations, as columns: readiness, interest, socket events.

Each table is made from one numpy structured array, row by row and in order. A value that
was not observed is NULL. `socket_events` is read back; the other two are derived from the
operations and their memory, and only asked in SQL.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.connections import CONNECTION_COLUMNS
from uringtrace.tracer.readiness.causes import CauseKind
from uringtrace.tracer.readiness.interest import INTEREST, Change
from uringtrace.tracer.recording.columns import names_list, operation_name
from uringtrace.tracer.recording.derived import EXPLAINED
from uringtrace.tracer.recording.layout import CONNECTIONS, INTERESTS, READY, SOCKET_EVENTS, THREADS
from uringtrace.tracer.records import SOCKET_EVENT, SocketEventKind
from uringtrace.tracer.threads import THREAD_COLUMNS

TCP_STATES = (
    "ESTABLISHED",
    "SYN_SENT",
    "SYN_RECV",
    "FIN_WAIT1",
    "FIN_WAIT2",
    "TIME_WAIT",
    "CLOSE",
    "CLOSE_WAIT",
    "LAST_ACK",
    "LISTEN",
    "CLOSING",
    "NEW_SYN_RECV",
    "BOUND_INACTIVE",
)
"""From 1 (include/net/tcp_states.h)."""
_STATES = [*TCP_STATES, *(str(number) for number in range(len(TCP_STATES) + 1, 256))]

_EVENT_BITS = {
    **dict(
        enumerate(("IN", "PRI", "OUT", "ERR", "HUP", "NVAL", "RDNORM", "RDBAND", "WRNORM", "WRBAND", "MSG"))
    ),
    13: "RDHUP",
    28: "EXCLUSIVE",
    29: "WAKEUP",
    30: "ONESHOT",
    31: "ET",
}
EVENT_NAMES = {1 << bit: f"EPOLL{name}" for bit, name in _EVENT_BITS.items()}
"""Bits of a mask (include/uapi/linux/eventpoll.h); those of poll(2) are the same numbers."""


@dataclass(frozen=True, slots=True)
class TableColumn:
    name: str
    type: str
    expression: str
    """SQL over the fields of the array and what `Table.codes` adds."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table with one part for each segment."""

    name: str
    columns: tuple[TableColumn, ...]
    dtype: np.dtype[np.void]
    codes: Callable[
        [NDArray[np.void], Mapping[int, str]], tuple[dict[str, str], dict[str, NDArray[np.int64]]]
    ]
    """From rows and operation names: SQL lists by name, and positions in them, from 1, 0: none."""


def _column(name: str, type: str, absent: int | None = None, field: str = "") -> TableColumn:
    value = field or name
    return TableColumn(name, type, value if absent is None else f"NULLIF({value}, {absent})")


def _listed(name: str) -> TableColumn:
    return TableColumn(name, "VARCHAR", f"list_extract({{{name}}}, {name}_code)")


def event_text(mask: int) -> str:
    """`EPOLLIN|EPOLLHUP`; bits without a name are one hexadecimal number."""
    names = [name for bit, name in EVENT_NAMES.items() if mask & bit]
    if rest := mask & ~sum(EVENT_NAMES):
        names.append(f"{rest:#x}")
    return "|".join(names) or "0"


def _distinct(values: NDArray[np.generic], name: Callable[[int], str]) -> tuple[str, NDArray[np.int64]]:
    """A list of the names of `values`, and the position of each."""
    distinct, position = np.unique(values, return_inverse=True)
    # Several values may have one name.
    names = [name(value) for value in distinct.tolist()]
    unique = list(dict.fromkeys(names))
    place = np.array([unique.index(each) + 1 for each in names], np.int64)
    return names_list(unique), place[position]


def _readiness_codes(
    rows: NDArray[np.void], operation_names: Mapping[int, str]
) -> tuple[dict[str, str], dict[str, NDArray[np.int64]]]:
    def name(opcode: int) -> str:
        return operation_name(opcode, operation_names)

    calls, call = _distinct(rows["opcode"], name)
    causes, cause = _distinct(rows["cause_opcode"], name)
    events, event = _distinct(rows["mask"], event_text)
    kinds = names_list(kind.name.lower() for kind in CauseKind if kind)
    lists = {"operation": calls, "events": events, "cause": kinds, "cause_operation": causes}
    return lists, {
        "operation_code": call,
        "events_code": event,
        "cause_code": rows["cause_kind"].astype(np.int64),
        "cause_operation_code": np.where(rows["cause_opcode"] != 0, cause, 0),
    }


def _interest_codes(
    rows: NDArray[np.void], _: Mapping[int, str]
) -> tuple[dict[str, str], dict[str, NDArray[np.int64]]]:
    events, event = _distinct(rows["events"], event_text)
    lists = {"events": events, "change": names_list(change.name for change in Change)}
    return lists, {
        "events_code": np.where(rows["has_event"], event, 0),
        "change_code": rows["operation"].astype(np.int64),
    }


def _event_codes(
    rows: NDArray[np.void], _: Mapping[int, str]
) -> tuple[dict[str, str], dict[str, NDArray[np.int64]]]:
    lists = {
        "kind": names_list(kind.name for kind in SocketEventKind),
        "before": names_list(_STATES),
        "after": names_list(_STATES),
    }
    return lists, {f"{name}_code": rows[name].astype(np.int64) for name in lists}


READINESS_TABLE = Table(
    READY,
    (
        _column("completed_ns", "BIGINT"),
        _column("submitted_ns", "BIGINT", 0),
        _column("tgid", "INTEGER"),
        _column("tid", "INTEGER"),
        _listed("operation"),
        _column("epoll_fd", "INTEGER", -1),
        _column("epoll_file", "INTEGER", 0),
        _column("fd", "INTEGER", -1),
        _column("file", "INTEGER", 0),
        _listed("events"),
        _column("mask", "UINTEGER"),
        TableColumn("data", "UBIGINT", "CASE WHEN epoll_fd <> -1 THEN data END"),
        _listed("cause"),
        _column("cause_tid", "INTEGER", 0),
        _listed("cause_operation"),
        TableColumn(
            "cause_ns", "BIGINT", "CASE WHEN cause_kind <> 0 THEN completed_ns - cause_before_ns END"
        ),
    ),
    EXPLAINED,
    _readiness_codes,
)

INTEREST_TABLE = Table(
    INTERESTS,
    (
        _column("ns", "BIGINT", 0),
        _column("submitted_ns", "BIGINT", 0),
        _column("tgid", "INTEGER", 0),
        _column("tid", "INTEGER", 0),
        _column("epoll_fd", "INTEGER"),
        _column("epoll_file", "INTEGER", 0),
        _listed("change"),
        _column("fd", "INTEGER"),
        _column("file", "INTEGER", 0),
        _listed("events"),
        TableColumn("mask", "UINTEGER", "CASE WHEN has_event THEN events END"),
        TableColumn("data", "UBIGINT", "CASE WHEN has_event THEN data END"),
    ),
    INTEREST,
    _interest_codes,
)

SOCKET_EVENT_TABLE = Table(
    SOCKET_EVENTS,
    (
        _column("ns", "BIGINT"),
        _column("file", "INTEGER", 0),
        _listed("kind"),
        _listed("before"),
        _listed("after"),
    ),
    SOCKET_EVENT,
    _event_codes,
)

PART_TABLES = (READINESS_TABLE, INTEREST_TABLE, SOCKET_EVENT_TABLE)

_STATE_NUMBERS = names_list(_STATES)
SOCKET_EVENT_SELECT = (
    "ns, COALESCE(file, 0) AS file, "
    + f"list_position({names_list(kind.name for kind in SocketEventKind)}, kind) AS kind, "
    + ", ".join(
        f"COALESCE(list_position({_STATE_NUMBERS}, {name}), 0) AS {name}" for name in ("before", "after")
    )
)
"""SELECT list that gives the fields of SOCKET_EVENT."""

_SCALARS = {"int": "BIGINT", "str": "VARCHAR", "bool": "BOOLEAN"}


def _scalars(columns: Mapping[str, str]) -> dict[str, str]:
    return {name: _SCALARS[re.split(r"\W", type)[0]] for name, type in columns.items()}


RESULT_TABLES = {CONNECTIONS: _scalars(CONNECTION_COLUMNS), THREADS: _scalars(THREAD_COLUMNS)}
"""Tables of which there is one file: their columns and types."""


def signed(rows: NDArray[np.void]) -> dict[str, NDArray[np.generic]]:
    """The fields of `rows` as DuckDB takes them, those of unsigned clocks and numbers as signed."""
    found: dict[str, NDArray[np.generic]] = {}
    for name in rows.dtype.names or ():
        field = np.ascontiguousarray(rows[name])
        kept = name in ("data", "mask", "events") or field.dtype.kind != "u" or field.itemsize < 4
        found[name] = field if kept else field.view(f"i{field.itemsize}")
    return found


def concatenated(parts: Iterable[NDArray[np.void]], dtype: np.dtype[np.void]) -> NDArray[np.void]:
    """The rows of all parts, in order."""
    return np.concatenate([np.zeros(0, dtype), *parts])
