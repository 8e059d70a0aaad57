"""One JSON object per row, for `log --json`; docs/json.md describes the fields.

Raw values under the names that lines use: nothing is decoded that a program could
want to compute with. Numbers go up to 2**64 - 1, which JSON allows.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

from uringtrace.tracer.arguments import Form, arguments_of, uses_descriptor
from uringtrace.tracer.record import (
    CQE_BUFFER_SHIFT,
    CQE_F_BUFFER,
    CQE_F_MORE,
    CQE_F_NOTIF,
    FIRST_CALL,
    OPCODES,
    OPERATION,
    SQE_FIXED_FILE,
    Batch,
    Kind,
    Path,
)
from uringtrace.tracer.records import NO_MEMORY, Memory, Records, only_operations
from uringtrace.tracer.source import Context, File, Losses, Thread
from uringtrace.tracer.syscalls.signature import Result
from uringtrace.tracer.syscalls.signatures import signature_of
from uringtrace.tracer.syscalls.traits import descriptor_arguments
from uringtrace.ui.text.call_json import Convert, Decoding, raw_arguments, waking
from uringtrace.ui.text.call_line import call_name
from uringtrace.ui.text.operation_arguments import FIELDS, Row, signed32

SCHEMA = 1

_KIND, _OPCODE, _PATH, _RESULT = FIELDS["kind"], FIELDS["opcode"], FIELDS["path"], FIELDS["result"]
_CQE_FLAGS, _SQE_FLAGS, _HAS_ARGUMENTS = FIELDS["cqe_flags"], FIELDS["sqe_flags"], FIELDS["has_arguments"]
_SUBMITTED, _COMPLETED, _PREVIOUS = FIELDS["submitted_ns"], FIELDS["completed_ns"], FIELDS["previous_ns"]
_TGID, _TID, _RING, _USER_DATA = FIELDS["tgid"], FIELDS["tid"], FIELDS["ring"], FIELDS["user_data"]
_FD, _FILE, _SEQUENCE = FIELDS["fd"], FIELDS["file"], FIELDS["sequence"]
_CHAIN, _POSITION = FIELDS["chain"], FIELDS["chain_position"]
_SECOND_FILE, _RESULT_FILE = FIELDS["second_file"], FIELDS["result_file"]
_NOT_CALLED = ',"decoded":null,"slept":null,"wake":null,"woke":null'

_SIGNED = (Form.SIGNED, Form.PLAIN_DESCRIPTOR, Form.SPLICE_DESCRIPTOR, Form.DIRECTORY)
_NO_OPERATION = (Kind.UNTRACKED, Kind.MESSAGE)
_WITHOUT_RESULT = (Kind.SILENT, Kind.UNFINISHED)
_TIMED = (Kind.COMPLETION, Kind.UNFINISHED)
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


class OperationJson:
    """Formats the records of one capture, by text.

    What the kind, the operation and the path of a row decide is worked out once, in a `_Frame`.
    """

    def __init__(self, operation_names: Mapping[int, str]) -> None:
        self._names = operation_names
        self._frames: dict[tuple[int, int, int], _Frame] = {}
        self._files: dict[int, str] = {}
        self._threads: Mapping[int, Thread] = {}

    def lines(
        self,
        records: Records | Batch,
        files: Mapping[int, File],
        threads: Mapping[int, Thread] | None = None,
    ) -> list[str]:
        """One object per row, without line end; `files` and `threads` are the source's of now."""
        if not isinstance(records, Records):
            records = only_operations(records)
        if threads is not None:
            self._threads = threads
        batch = records.operations
        memory = records.memory_by_row()
        rows = zip(*(batch[name].tolist() for name in OPERATION.names or ()), strict=True)
        return [self._line(row, files, memory.get(number, NO_MEMORY)) for number, row in enumerate(rows)]

    def _line(self, row: Row, files: Mapping[int, File], memory: Mapping[int, Memory]) -> str:
        key = (row[_KIND], row[_OPCODE], row[_PATH])
        frame = self._frames.get(key)
        if frame is None:
            frame = self._frames[key] = _frame(self._names, *key)
        flags, submitted_ns, completed_ns = row[_CQE_FLAGS], row[_SUBMITTED], row[_COMPLETED]
        sqe_flags, sequence, chain = row[_SQE_FLAGS], row[_SEQUENCE], row[_CHAIN]
        called = frame.decoding is not None
        has_descriptor = frame.has_descriptor and (called or submitted_ns or row[_FD] != -1)
        result = row[_RESULT] if frame.has_result and (called or not flags & CQE_F_NOTIF) else None
        arguments = "null"
        if frame.is_operation and row[_HAS_ARGUMENTS]:
            arguments = (
                "{" + ",".join([label + str(value(row[at])) for label, at, value in frame.arguments]) + "}"
            )
        common = (
            f'{frame.head},"pid":{row[_TGID] or "null"},"tid":{row[_TID] or "null"},'
            f'"fd":{row[_FD] if has_descriptor else "null"},"file":{self._file(row[_FILE], files)},'
            f'"second_file":{self._file(row[_SECOND_FILE], files)},'
            f'"result_file":{self._file(row[_RESULT_FILE], files)},'
            f'"arguments":{arguments},"result":{"null" if result is None else result},'
            f'"error":{_error(result)},'
            f'"submitted_ns":{submitted_ns or "null"},"completed_ns":{completed_ns},'
            f'"latency_ns":{completed_ns - submitted_ns if frame.is_timed and submitted_ns else "null"}'
        )
        if frame.decoding is not None:
            told = frame.decoding.text(row, memory) if row[_HAS_ARGUMENTS] else "null"
            woken = waking(self._names, row, files, self._threads)
            return f'{common}{_NO_RING},"decoded":{told},{woken}}}'
        return (
            f'{common}{_NOT_CALLED},"ring":{row[_RING]},"user_data":"{row[_USER_DATA]:#x}",'
            f'"direct":{"true" if sqe_flags & SQE_FIXED_FILE else "false"},'
            f'"sqe_flags":{sqe_flags if frame.is_operation else "null"},"path":{frame.path},'
            f'"previous_ns":{row[_PREVIOUS] or "null"},"sequence":{sequence or "null"},"cqe_flags":{flags},'
            f'"more":{"true" if flags & CQE_F_MORE else "false"},'
            f'"notification":{"true" if flags & CQE_F_NOTIF else "false"},'
            f'"buffer":{flags >> CQE_BUFFER_SHIFT if flags & CQE_F_BUFFER else "null"},'
            f'"chain":{chain or "null"},"chain_position":{row[_POSITION] if chain else "null"}}}'
        )

    def _file(self, file: int, files: Mapping[int, File]) -> str:
        text = self._files.get(file)
        if text is not None:
            return text
        known = files.get(file) if file else None
        if known is None:
            return "null"
        text = self._files[file] = json.dumps(known.description, ensure_ascii=False)
        return text


@dataclass(frozen=True, slots=True)
class _Frame:
    """What all rows with the same kind, operation and path have in common."""

    head: str
    path: str
    is_operation: bool
    has_result: bool
    has_descriptor: bool
    is_timed: bool
    arguments: _Arguments
    """Label, place in the row and conversion of every argument, also of those a line leaves out."""
    decoding: Decoding | None = None
    """Of a system call."""


_Arguments: TypeAlias = tuple[tuple[str, int, Convert], ...]
_NO_RING = "".join(
    f',"{name}":{value}'
    for name, value in {
        **dict.fromkeys(("ring", "user_data"), "null"),
        "direct": "false",
        **dict.fromkeys(("sqe_flags", "path", "previous_ns", "sequence", "cqe_flags"), "null"),
        **dict.fromkeys(("more", "notification"), "false"),
        **dict.fromkeys(("buffer", "chain", "chain_position"), "null"),
    }.items()
)
"""What no system call has."""


def _frame(operation_names: Mapping[int, str], kind: int, opcode: int, path: int) -> _Frame:
    if opcode >= FIRST_CALL:
        return _call_frame(operation_names, kind, opcode)
    name = operation_names.get(opcode) or f"OP_{opcode}"
    operation = kind not in _NO_OPERATION
    head = {
        "type": "operation",
        "kind": _KINDS.get(kind, str(kind)),
        "interface": "io_uring",
        "operation": name if operation else None,
        "opcode": opcode if operation else None,
        "number": None,
    }
    return _Frame(
        head=_text(head).removesuffix("}"),
        path=json.dumps(_path(kind, path) if operation else None, separators=(",", ":")),
        is_operation=operation,
        has_result=kind not in _WITHOUT_RESULT,
        has_descriptor=operation and uses_descriptor(name),
        is_timed=kind in _TIMED,
        arguments=tuple(
            (f'"{label}":', FIELDS[field], _signed if form in _SIGNED else int)
            for label, (field, form) in _arguments(name).items()
        ),
    )


def _call_frame(operation_names: Mapping[int, str], kind: int, opcode: int) -> _Frame:
    name = call_name(operation_names, opcode)
    signature = signature_of(operation_names.get(opcode, ""))
    head = {
        "type": "operation",
        "kind": _KINDS.get(kind, str(kind)),
        "interface": "syscall",
        "operation": name,
        "opcode": None,
        "number": opcode - FIRST_CALL if opcode < OPCODES - 1 else None,
    }
    return _Frame(
        head=_text(head).removesuffix("}"),
        path="null",
        is_operation=True,
        has_result=kind not in _WITHOUT_RESULT and signature.result is not Result.NOTHING,
        has_descriptor=bool(descriptor_arguments(signature)),
        is_timed=kind in _TIMED,
        arguments=raw_arguments(name),
        decoding=Decoding(name),
    )


def _arguments(name: str) -> dict[str, tuple[str, Form]]:
    """Field and form of each argument by its label; two fields are meant by every operation."""
    common = {label: (label, Form.UNSIGNED) for label in ("buf_index", "personality")}
    return {each.name: (each.field, each.form) for each in arguments_of(name)} | common


def _signed(value: int) -> int:
    return signed32(value & 0xFFFFFFFF)


def _path(kind: int, path: int) -> list[str]:
    words = [word for bit, word in _PATHS.items() if path & bit]
    if kind == Kind.COMPLETION and not path & (Path.POLL | Path.IO_WQ):
        return ["inline", *words]
    return words


@lru_cache(1024)
def _error(result: int | None) -> str:
    name = errno.errorcode.get(-result) if result is not None and result < 0 else None
    return f'"{name}"' if name else "null"


def _text(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
