"""The names in a recording's directory, and who owns the directory at the moment.

Segment N of the journal becomes the parts N, one of each table that has rows. Parts get
their names by rename when they are whole, that of `operations` last: where it is there the
others are, and the segment, if there is one, is a left-over.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

META_NAME = "meta.json"
RESERVE_NAME = "reserve"

FILES_NAME = "files.jsonl"

OPERATIONS, READY, INTERESTS, SOCKET_EVENTS = "operations", "readiness", "interest", "socket_events"
"""Tables in parts."""
CONNECTIONS, THREADS = "connections", "threads"
"""Tables in one file, written when the recording ends."""

_PARTS = "|".join((OPERATIONS, READY, INTERESTS, SOCKET_EVENTS))
_RESULT = rf"({CONNECTIONS}|{THREADS})\.parquet"
_PART = re.compile(rf"{OPERATIONS}-(\d{{5,}})\.parquet")
_SEGMENT = re.compile(r"journal-(\d{5,})\.bin")
_OURS = re.compile(rf"({_PARTS})-\d{{5,}}\.parquet|{_RESULT}")
_TEMPORARY = re.compile(rf"(meta\.json|({_PARTS})-\d{{5,}}\.parquet|{_RESULT})\.partial")


def part_path(directory: Path, number: int, table: str = OPERATIONS) -> Path:
    return directory / f"{table}-{number:05d}.parquet"


def result_path(directory: Path, table: str) -> Path:
    return directory / f"{table}.parquet"


def segment_path(directory: Path, number: int) -> Path:
    return directory / f"journal-{number:05d}.bin"


def partial_path(path: Path) -> Path:
    """Where a file is written before it is renamed to `path`."""
    return path.with_name(path.name + ".partial")


def _numbers(directory: Path, pattern: re.Pattern[str]) -> frozenset[int]:
    matches = (pattern.fullmatch(path.name) for path in directory.iterdir())
    return frozenset(int(match[1]) for match in matches if match)


def contents(directory: Path) -> tuple[frozenset[int], frozenset[int]]:
    """Numbers of the parts, and of the segments that are not yet parts.

    The segments are listed first: one that becomes a part meanwhile is then seen as
    the part, or as both, but never as neither.
    """
    segments = _numbers(directory, _SEGMENT)
    parts = _numbers(directory, _PART)
    return parts, segments - parts


def foreign_files(directory: Path) -> list[str]:
    """Names in the directory that no recording has, sorted."""
    known = {META_NAME, RESERVE_NAME, FILES_NAME}
    patterns = (_OURS, _SEGMENT, _TEMPORARY)
    return sorted(
        path.name
        for path in directory.iterdir()
        if path.name not in known and not any(pattern.fullmatch(path.name) for pattern in patterns)
    )


def sync(directory: Path) -> None:
    """Wait until everything in the directory, and its names, would survive a loss of power."""
    for path in (*directory.iterdir(), directory):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def hold(directory: Path) -> int:
    """Mark the directory as being written; the mark goes when the descriptor is closed.

    The lock is the kernel's (flock(2)), so it ends with the process however that dies.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def is_held(directory: Path) -> bool:
    """True while a writer is at work in the directory."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextmanager
def private_files() -> Iterator[None]:
    """Create files as 0600 and directories as 0700 inside, whatever the user's umask."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)
