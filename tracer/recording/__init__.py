"""Recordings: a capture on disk, written as it happens and read like a live source.

Invariant: at every moment the directory holds every chunk that was appended, either
in the journal or in a Parquet part, exactly once as far as a reader can tell.
`docs/recording.md` describes the directory and its guarantees.
"""

from uringtrace.tracer.recording.output import check_output
from uringtrace.tracer.recording.reader import Recording, open_recording
from uringtrace.tracer.recording.writer import Writer

__all__ = ["Recording", "Writer", "check_output", "open_recording"]
