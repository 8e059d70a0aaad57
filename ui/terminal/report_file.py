"""The HTML report of what is in memory, written while the screen goes on.

It is read from a recording that is made of the memory and thrown away: the page says of these
operations what `uringtrace report` would say of any.
"""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

from uringtrace.errors import StorageError
from uringtrace.tracer.live.free_name import free_path
from uringtrace.tracer.live.kept import record_kept
from uringtrace.tracer.live.picture import Picture
from uringtrace.tracer.new_file import new_file


def write_report(picture: Picture, folder: Path) -> str:
    """Write it in `folder`, for its owner alone; one line that says where.

    Raises RecordingError when nothing is in memory, UsageError or StorageError when it cannot be written.
    """
    from uringtrace.tracer.recording import open_recording
    from uringtrace.tracer.report import read_report
    from uringtrace.ui.report.page import page

    with TemporaryDirectory(prefix="uringtrace-") as name:
        recording = Path(name) / "recording"
        record_kept(picture, recording)
        text = page(read_report(open_recording(recording)))
    path = free_path(folder, picture.context.target, time.time_ns(), ".html")
    with new_file(path, force=False) as partial:
        try:
            partial.write_text(text, encoding="utf-8")
        except OSError as error:
            raise StorageError(f"cannot write {path}: {error.strerror}") from None
    return f"{picture.recent.rows:,} operations in {path}"
