"""meta.json: everything about a recording that is not in a table, nor a file (`files_log`).

The file is replaced as a whole by rename, so a reader sees an old or a new one and
never a mixture. `schema` grows when a reader of the older form would go wrong.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from uringtrace.errors import RecordingError
from uringtrace.tracer.recording.layout import META_NAME, partial_path
from uringtrace.tracer.source import (
    Context,
    File,
    Interest,
    Losses,
    OpenSocket,
    Ring,
    Socket,
    Thread,
    UpperLayer,
)

FORMAT = "uringtrace recording"
SCHEMA = 2
FIRST_SCHEMA = 1
"""The oldest that is read: of io_uring only, with the files in meta.json."""

RECORDING = "recording"
COMPLETE = "complete"
STOPPED = "stopped: "
DISK_FULL = STOPPED + "disk full"
SIZE_LIMIT = STOPPED + "size limit"


@dataclass(frozen=True, slots=True)
class Part:
    """The closed Parquet parts of one segment as their writer left them."""

    number: int
    rows: int
    """Operations."""
    bytes: int
    """Of all tables."""
    tables: Mapping[str, int] = field(default_factory=dict)
    """Rows of the tables beside the operations; those without rows have no part."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A segment that could not be converted; it is still there."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Metadata:
    """The content of meta.json."""

    context: Context
    status: str
    """`recording`, `complete`, or `stopped: ` and the reason."""
    ended_ns: int
    """CLOCK_MONOTONIC of the last drain that is in the recording."""
    rings: tuple[Ring, ...] = ()
    threads: Mapping[int, Thread] = field(default_factory=dict)
    interests: tuple[Interest, ...] = ()
    open_sockets: tuple[OpenSocket, ...] = ()
    losses: Losses = field(default_factory=Losses)
    parts: tuple[Part, ...] = ()
    """The parts closed when this was written; there may be later ones."""
    files: Mapping[int, File] = field(default_factory=dict)
    """Of schema 1 only."""


def _values(metadata: Metadata) -> dict[str, Any]:
    """What is written in one line each."""
    context = metadata.context
    return {
        "format": FORMAT,
        "schema": SCHEMA,
        "status": metadata.status,
        "kernel": context.kernel,
        "machine": context.machine,
        "target": context.target,
        "command": list(context.command),
        "clock": {
            "name": "CLOCK_MONOTONIC",
            "started_ns": context.started_ns,
            "started_unix_ns": context.started_unix_ns,
            "ended_ns": metadata.ended_ns,
        },
        "probes": list(context.probes),
        "lost": dict(metadata.losses.lost),
        "untracked": metadata.losses.untracked,
        "operation_names": {str(opcode): name for opcode, name in context.operation_names.items()},
        "setup_flag_names": {str(bit): name for bit, name in context.setup_flag_names.items()},
    }


_Records = (
    tuple[Ring, ...] | tuple[Thread, ...] | tuple[Interest, ...] | tuple[OpenSocket, ...] | tuple[Part, ...]
)


def _lines(records: _Records) -> str:
    """A list with one record in each line."""
    return "[" + ",".join("\n  " + json.dumps(asdict(record)) for record in records) + "]"


_unchanging_lines = lru_cache(maxsize=4)(_lines)
"""For what seldom changes and may be thousands."""


def _content(metadata: Metadata) -> bytes:
    # A lone surrogate, from a path that is not UTF-8, stays as its \udcXX escape.
    encoded = {name: json.dumps(value) for name, value in _values(metadata).items()}
    encoded |= {
        "rings": _lines(metadata.rings),
        "threads": _lines(tuple(metadata.threads.values())),
        "interests": _unchanging_lines(metadata.interests),
        "open_sockets": _unchanging_lines(metadata.open_sockets),
        "parts": _lines(metadata.parts),
    }
    lines = ",\n ".join(f'"{name}": {value}' for name, value in encoded.items())
    return f"{{\n {lines}\n}}\n".encode("ascii")


def _from_json(value: dict[str, Any]) -> Metadata:
    clock = value["clock"]
    return Metadata(
        context=Context(
            kernel=value["kernel"],
            machine=value["machine"],
            target=value["target"],
            command=tuple(value["command"]),
            started_ns=int(clock["started_ns"]),
            started_unix_ns=int(clock["started_unix_ns"]),
            operation_names={int(opcode): name for opcode, name in value["operation_names"].items()},
            setup_flag_names={int(bit): name for bit, name in value["setup_flag_names"].items()},
            probes=tuple(value["probes"]),
        ),
        status=value["status"],
        ended_ns=int(clock["ended_ns"]),
        rings=tuple(Ring(**ring) for ring in value["rings"]),
        threads={thread["tid"]: Thread(**thread) for thread in value.get("threads", ())},
        interests=tuple(Interest(**interest) for interest in value.get("interests", ())),
        open_sockets=tuple(_open_socket(socket) for socket in value.get("open_sockets", ())),
        files={file["file"]: File(**file) for file in value.get("files", ())},
        losses=Losses(dict(value["lost"]), int(value["untracked"])),
        parts=tuple(Part(**part) for part in value["parts"]),
    )


def _open_socket(value: dict[str, Any]) -> OpenSocket:
    upper_layer = value["upper_layer"]
    changes = {
        "socket": Socket(**value["socket"]),
        "upper_layer": upper_layer and UpperLayer(**upper_layer),
    }
    return OpenSocket(**{**value, **changes})


def write_metadata(directory: Path, metadata: Metadata) -> int:
    """Replace meta.json; returns its size in bytes. Raises OSError."""
    target = directory / META_NAME
    partial = partial_path(target)
    content = _content(metadata)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    partial.rename(target)
    return len(content)


def _read_object(directory: Path) -> dict[str, Any]:
    path = directory / META_NAME
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        if directory.is_dir():
            way_out = "a recording is a directory made by `uringtrace record`"
            raise RecordingError(f"{directory} is not a recording: it has no {META_NAME}", way_out) from None
        raise RecordingError(f"no such recording: {directory}") from None
    except NotADirectoryError:
        way_out = "name the directory that `uringtrace record` made"
        raise RecordingError(f"{directory} is not a recording: it is not a directory", way_out) from None
    except OSError as error:
        raise RecordingError(f"cannot read {path}: {error.strerror}") from None
    except ValueError:
        way_out = "its .parquet parts can still be read with DuckDB, pandas or polars"
        raise RecordingError(f"{path} is damaged: it is not JSON", way_out) from None
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        way_out = "a recording is a directory made by `uringtrace record`"
        raise RecordingError(f"{directory} is not a recording: {META_NAME} is of something else", way_out)
    return value


def read_metadata(directory: Path) -> Metadata:
    """Read meta.json; raises RecordingError when it is missing, damaged or of another schema."""
    value = _read_object(directory)
    schema = value.get("schema")
    if schema not in range(FIRST_SCHEMA, SCHEMA + 1):
        way_out = "use the version of uringtrace that recorded it, or read the .parquet parts as they are"
        message = f"{directory} has schema {schema!r}, this version of uringtrace reads up to {SCHEMA}"
        raise RecordingError(message, way_out)
    try:
        return _from_json(value)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        way_out = "its .parquet parts can still be read with DuckDB, pandas or polars"
        raise RecordingError(f"{directory / META_NAME} is damaged: {error!r}", way_out) from None


def is_recording(directory: Path) -> bool:
    """True when the directory has a meta.json of ours, of whatever schema."""
    try:
        _read_object(directory)
    except RecordingError:
        return False
    return True
