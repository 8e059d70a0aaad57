"""Where a recording may be made: nothing of the user's is ever replaced by mistake."""

from __future__ import annotations

import os
from pathlib import Path

from uringtrace.errors import RecordingError
from uringtrace.tracer.recording.layout import foreign_files, is_held
from uringtrace.tracer.recording.metadata import is_recording


def check_output(path: Path, *, force: bool) -> None:
    """Raise RecordingError unless a recording may be made at `path`; changes nothing.

    With `force` a recording of ours that nobody is writing may be replaced, and
    nothing else: no other directory, no link, no directory with other files in it.
    """
    if not path.parent.is_dir():
        raise RecordingError(f"cannot create {path}: no such directory: {path.parent}")
    if not os.path.lexists(path):
        return
    if path.is_symlink() or not path.is_dir() or not is_recording(path):
        raise RecordingError(f"{path} exists and is not a recording", "choose another name for -o")
    if not force:
        raise RecordingError(f"{path} exists", "choose another name for -o, or replace it with --force")
    if is_held(path):
        raise RecordingError(f"{path} is being recorded at this moment")
    if foreign := foreign_files(path):
        message = f"{path} holds a file that is not part of the recording: {foreign[0]}"
        raise RecordingError(message, "move it away first")
