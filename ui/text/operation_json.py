"""One JSON object per row, for `log --json`; docs/json.md describes the fields.

Raw values under the names that lines use: nothing is decoded that a program could
want to compute with. Numbers go up to 2**64 - 1, which JSON allows.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Mapping
from typing import Any

from uringtrace.tracer.arguments import Argument, Form, arguments_of, uses_descriptor
from uringtrace.tracer.record import (
    CQE_BUFFER_SHIFT,
    CQE_F_BUFFER,
    CQE_F_MORE,
    CQE_F_NOTIF,
    OPERATION,
    SQE_FIXED_FILE,
    Batch,
    Kind,
    Path,
)
from uringtrace.tracer.source import Context, File, Losses
from uringtrace.ui.text.operation_arguments import FIELDS, Row, signed32

SCHEMA = 1

_SIGNED = (Form.SIGNED, Form.PLAIN_DESCRIPTOR, Form.SPLICE_DESCRIPTOR, Form.DIRECTORY)
_NO_OPERATION = (Kind.UNTRACKED, Kind.MESSAGE)
_WITHOUT_RESULT = (Kind.SILENT, Kind.UNFINISHED)
_KINDS = {int(kind): kind.name.lower() for kind in Kind}
_PATHS = {
    Path.POLL: "poll",
    Path.IO_WQ: "io-wq",
    Path.DEFERRED: "drained",
    Path.REJECTED: "rejected",
    Path.OVERFLOW: "overflow",
    Path.DROPPED: "dropped",
    Path.AMBIGUOUS: "ambiguous",
}


def start_json(context: Context) -> str:
    """The first line: what the operations belong to."""
    return _text(
        {
            "schema": SCHEMA,
            "type": "start",
            "kernel": context.kernel,
            "machine": context.machine,
            "target": context.target,
            "command": list(context.command),
            "started_ns": context.started_ns,
            "started_unix_ns": context.started_unix_ns,
        }
    )


def end_json(losses: Losses, ended_ns: int) -> str:
    """The last line: what the capture could not account for."""
    return _text(
        {
            "schema": SCHEMA,
            "type": "end",
            "ended_ns": ended_ns,
            "lost": dict(losses.lost),
            "lost_total": losses.total_lost,
            "untracked": losses.untracked,
        }
    )


def operation_lines_json(batch: Batch, context: Context, files: Mapping[int, File]) -> list[str]:
    """One object per row, without line end."""
    rows = zip(*(batch[name].tolist() for name in OPERATION.names or ()), strict=True)
    return [_text(operation_object(row, context.operation_names, files)) for row in rows]


def operation_object(
    row: Row, operation_names: Mapping[int, str], files: Mapping[int, File]
) -> dict[str, Any]:
    """What one row says; None where it was not observed."""
    field = dict(zip(FIELDS, row, strict=True))
    kind, flags, result = field["kind"], field["cqe_flags"], field["result"]
    operation = kind not in _NO_OPERATION
    name = operation_names.get(field["opcode"], f"OP_{field['opcode']}")
    has_result = kind not in _WITHOUT_RESULT and not flags & CQE_F_NOTIF
    file = files.get(field["file"]) if field["file"] else None
    submitted_ns = field["submitted_ns"] or None
    timed = submitted_ns is not None and kind in (Kind.COMPLETION, Kind.UNFINISHED)
    return {
        "type": "operation",
        "kind": _KINDS.get(kind, str(kind)),
        "operation": name if operation else None,
        "opcode": field["opcode"] if operation else None,
        "pid": field["tgid"] or None,
        "tid": field["tid"] or None,
        "ring": field["ring"],
        "user_data": f"{field['user_data']:#x}",
        "fd": field["fd"] if operation and uses_descriptor(name) else None,
        "direct": bool(field["sqe_flags"] & SQE_FIXED_FILE),
        "file": file.description if file else None,
        "arguments": _arguments(name, field) if operation and field["has_arguments"] else None,
        "sqe_flags": field["sqe_flags"] if operation else None,
        "result": result if has_result else None,
        "error": errno.errorcode.get(-result) if has_result and result < 0 else None,
        "path": _path(kind, field["path"]) if operation else None,
        "submitted_ns": submitted_ns,
        "completed_ns": field["completed_ns"],
        "latency_ns": field["completed_ns"] - submitted_ns if timed and submitted_ns else None,
        "previous_ns": field["previous_ns"] or None,
        "sequence": field["sequence"] or None,
        "cqe_flags": flags,
        "more": bool(flags & CQE_F_MORE),
        "notification": bool(flags & CQE_F_NOTIF),
        "buffer": flags >> CQE_BUFFER_SHIFT if flags & CQE_F_BUFFER else None,
        "chain": field["chain"] or None,
        "chain_position": field["chain_position"] if field["chain"] else None,
    }


def _arguments(name: str, field: Mapping[str, Any]) -> dict[str, int]:
    """Every argument of the operation, also those that a line leaves out."""
    found = {argument.name: _value(argument, field[argument.field]) for argument in arguments_of(name)}
    return found | {"buf_index": field["buf_index"], "personality": field["personality"]}


def _value(argument: Argument, value: int) -> int:
    return signed32(value & 0xFFFFFFFF) if argument.form in _SIGNED else value


def _path(kind: int, path: int) -> list[str]:
    words = [word for bit, word in _PATHS.items() if path & bit]
    if kind == Kind.COMPLETION and not path & (Path.POLL | Path.IO_WQ):
        return ["inline", *words]
    return words


def _text(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
