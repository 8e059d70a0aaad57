"""meta.json: everything about a recording that is not an operation.

The file is replaced as a whole by rename, so a reader sees an old or a new one and
never a mixture. `schema` grows when a reader of the older form would go wrong.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from uringtrace.errors import RecordingError
from uringtrace.tracer.recording.layout import META_NAME, partial_path
from uringtrace.tracer.source import Context, File, Losses, Ring

FORMAT = "uringtrace recording"
SCHEMA = 1

RECORDING = "recording"
COMPLETE = "complete"
STOPPED = "stopped: "
DISK_FULL = STOPPED + "disk full"
SIZE_LIMIT = STOPPED + "size limit"


@dataclass(frozen=True, slots=True)
class Part:
    """A closed Parquet part as its writer left it."""

    number: int
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Metadata:
    """The content of meta.json."""

    context: Context
    status: str
    """`recording`, `complete`, or `stopped: ` and the reason."""
    ended_ns: int
    """CLOCK_MONOTONIC of the last drain that is in the recording."""
    rings: tuple[Ring, ...] = ()
    files: Mapping[int, File] = field(default_factory=dict)
    losses: Losses = field(default_factory=Losses)
    parts: tuple[Part, ...] = ()
    """The parts closed when this was written; there may be later ones."""


def _to_json(metadata: Metadata) -> dict[str, Any]:
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
        "rings": [asdict(ring) for ring in metadata.rings],
        "files": [asdict(file) for file in metadata.files.values()],
        "parts": [asdict(part) for part in metadata.parts],
    }


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
        files={file["file"]: File(**file) for file in value["files"]},
        losses=Losses(dict(value["lost"]), int(value["untracked"])),
        parts=tuple(Part(**part) for part in value["parts"]),
    )


def write_metadata(directory: Path, metadata: Metadata) -> int:
    """Replace meta.json; returns its size in bytes. Raises OSError."""
    target = directory / META_NAME
    partial = partial_path(target)
    # A lone surrogate, from a path that is not UTF-8, stays as its \udcXX escape.
    content = json.dumps(_to_json(metadata), indent=1).encode("ascii")
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
    if schema != SCHEMA:
        way_out = "use the version of uringtrace that recorded it, or read the .parquet parts as they are"
        message = f"{directory} has schema {schema!r}, this version of uringtrace reads {SCHEMA}"
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
