"""The HTML report of what is in memory, written while the screen goes on.

It is read from a recording that is made of the memory and thrown away: the page says of these
operations what `uringtrace report` would say of any.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from uringtrace.errors import StorageError
from uringtrace.tracer.live.free_name import free_path
from uringtrace.tracer.live.kept import record_kept
from uringtrace.tracer.live.picture import Picture


def write_report(picture: Picture, folder: Path) -> str:
    """Write it in `folder`, for its owner alone; one line that says where.

    Raises RecordingError when nothing is in memory, StorageError when it cannot be written.
    """
    from uringtrace.tracer.recording import open_recording
    from uringtrace.tracer.report import read_report
    from uringtrace.ui.report.page import page

    with TemporaryDirectory(prefix="uringtrace-") as name:
        recording = Path(name) / "recording"
        record_kept(picture, recording)
        text = page(read_report(open_recording(recording)))
    path = free_path(folder, picture.context.target, time.time_ns(), ".html")
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}") from None
    return f"{picture.recent.rows:,} operations in {path}"
