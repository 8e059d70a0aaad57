"""files.jsonl: what the files of a capture are, one JSON object a line.

Only appended to, because a capture may meet a million files, and those that are known
must not be written again each second. Invariant: the last line of a file number counts,
and an unfinished line at the end is no line.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from uringtrace.tracer.recording.layout import FILES_NAME
from uringtrace.tracer.source import File, Socket


class FilesWriter:
    """The recorder's end. `bytes` is the size up to the last whole line."""

    def __init__(self, directory: Path) -> None:
        """Create the file with mode 0600. Raises OSError."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._descriptor = os.open(directory / FILES_NAME, flags, 0o600)
        self._written: dict[int, File] = {}
        self.bytes = 0

    def write(self, files: Mapping[int, File]) -> None:
        """Append those that are new or have changed. Raises OSError, and leaves no half line."""
        # A capture replaces what it knows of a file, it does not change it.
        new = [file for number, file in files.items() if self._written.get(number) is not file]
        if not new:
            return
        # A lone surrogate, from a path that is not UTF-8, stays as its \\udcXX escape.
        content = "".join(json.dumps(asdict(file)) + "\n" for file in new).encode("ascii")
        rest = memoryview(content)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            os.ftruncate(self._descriptor, self.bytes)
            os.lseek(self._descriptor, self.bytes, os.SEEK_SET)
            raise
        self.bytes += len(content)
        self._written.update((file.file, file) for file in new)

    def close(self) -> None:
        os.close(self._descriptor)


class FilesReader:
    """Follows the file as it grows."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILES_NAME
        self._offset = 0
        self.files: dict[int, File] = {}
        self.damaged = 0
        """Lines that are not of this form."""

    def update(self) -> None:
        """Read what was appended since. Raises OSError; a missing file is one without lines."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                content = file.read()
        except FileNotFoundError:
            return
        whole = content[: content.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.splitlines():
            try:
                found = _file(line)
            except (ValueError, TypeError, KeyError):
                self.damaged += 1
            else:
                self.files[found.file] = found


def _file(line: bytes) -> File:
    value = json.loads(line)
    socket = value["socket"]
    return File(**{**value, "socket": Socket(**socket) if socket else None})
