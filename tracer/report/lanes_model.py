"""The swim lanes of a report: counts for all of it, and single operations where there is room.

`Lanes` holds the whole capture at a coarse level (`Cells`) and single operations (`Bars`) for
windows in which all of them are known, and the slowest of everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

THREAD, RING, CONNECTION = "thread", "ring", "connection"
GROUPS = (THREAD, RING, CONNECTION)
"""An operation is in one lane of each group at most."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One swim lane."""

    group: str
    """One of GROUPS."""
    key: int | None
    """Thread id, ring number or inode of the socket; None: all others of the group together."""
    label: str
    """Numbers and words of ours: `26514`, `#3 tcp`, `ring 1 fd 3`."""
    subject: str | None
    """A thread's name or a connection's address, as the target has it: nothing in it is markup.
    None: there is none, or it is not known."""
    count: int
    """Rows of the recording in this lane."""
    depth: int
    """How many operations of `Bars` go on at once in it, at most: how many rows it is drawn in."""

    @property
    def name(self) -> str:
        """What it is called."""
        return self.label if self.subject is None else f"{self.label} {self.subject}"


@dataclass(frozen=True, slots=True)
class Cells:
    """How many operations ended in a lane in a step of time; arrays of shape (cells,)."""

    first_ns: int
    """When the first step began: 0, or before it, see `Report.first_ns`."""
    step_ns: int
    steps: int
    lane: NDArray[np.uint16]
    """Index into `Lanes.lanes`."""
    step: NDArray[np.uint16]
    count: NDArray[np.uint32]
    family: NDArray[np.uint8]
    """The family with most of them, index into `model.FAMILIES`."""
    of_family: NDArray[np.uint32]
    """How many of `count` are of that family."""


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time of which every operation is among the bars."""

    began_ns: int
    ended_ns: int
    rows: int
    """Operations that went on in it, even in part."""
    reason: str
    """Why it was chosen, in words."""


@dataclass(frozen=True, slots=True)
class Bars:
    """Single operations; arrays of shape (bars,), in the order of `began_ns`."""

    began_ns: NDArray[np.int64]
    """`Lanes.first_ns` for what began before the capture."""
    ended_ns: NDArray[np.int64]
    operation: NDArray[np.int16]
    """Index into `Report.operations`."""
    kind: NDArray[np.uint8]
    """`record.Kind`."""
    path: NDArray[np.int8]
    """Index into `columns.PATHS`; -1: none."""
    lane: NDArray[np.int16]
    """Shape (bars, 3): index into `Lanes.lanes` for each of GROUPS; -1: in none."""
    slot: NDArray[np.uint8]
    """Shape (bars, 3): the row within that lane."""
    result: NDArray[np.int64]
    has_result: NDArray[np.bool_]
    tid: NDArray[np.int64]
    fd: NDArray[np.int64]
    file: NDArray[np.int32]
    """Index into `Lanes.files`; -1: not known."""
    woken_ns: NDArray[np.int64]
    """-1: it did not sleep, or was not seen to be woken."""
    wake: NDArray[np.uint8]
    """`record.Wake`."""
    waker: NDArray[np.int64]
    begun_before: NDArray[np.bool_]
    """It began before the capture: its true length is not known."""
    slowest: NDArray[np.bool_]
    """Drawn always: one of the slowest of its operation, or unfinished."""

    def __len__(self) -> int:
        return len(self.began_ns)


@dataclass(frozen=True, slots=True)
class Marks:
    """Descriptors that waits reported as ready; arrays of shape (marks,)."""

    ns: NDArray[np.int64]
    lane: NDArray[np.int16]
    """Of the waiting thread."""
    fd: NDArray[np.int64]
    events: NDArray[np.int16]
    """Index into `Lanes.events`."""
    file: NDArray[np.int32]
    """Index into `Lanes.files`; -1: not known."""


@dataclass(frozen=True, slots=True)
class Lanes:
    """Everything of which a timeline is drawn."""

    first_ns: int
    """Where it begins, see `model.Report.first_ns`."""
    ended_ns: int
    """Length of the capture."""
    lanes: tuple[Lane, ...]
    """Threads, rings, then connections."""
    operations: tuple[str, ...]
    """Names, as `Report.operations`."""
    interfaces: tuple[str, ...]
    """Of each of these: `io_uring` or `syscall`."""
    families: tuple[int, ...]
    """Of each of these its family, index into `model.FAMILIES`."""
    cells: Cells
    windows: tuple[Window, ...]
    """In the order of time."""
    complete: bool
    """The one window is the whole capture."""
    bars: Bars
    marks: Marks
    """Within the windows."""
    marks_left_out: int
    """Readiness in the windows that is not among `marks`, for want of room."""
    files: tuple[str, ...]
    events: tuple[str, ...]
