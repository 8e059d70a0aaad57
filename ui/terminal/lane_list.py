"""Which lanes the timeline has, in an order that stays, and what they are called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from uringtrace.tracer.connections import Connection
from uringtrace.tracer.live.picture import Picture
from uringtrace.tracer.source import Thread
from uringtrace.ui.terminal.lanes import Window
from uringtrace.ui.terminal.spans import Spans


@dataclass(frozen=True, slots=True)
class Lane:
    """One swim lane."""

    key: int
    """As in `Spans.keys`."""
    title: str
    """Not made harmless yet."""
    words: str
    """The same at length, for the line below."""
    number: str = ""
    """Stands before the title and is never cut: connections may have the same peer."""


def lanes_of(picture: Picture, lanes: str, spans: Spans, window: Window) -> Sequence[Lane]:
    """All threads and rings that are there, or have operations in memory; of connections those that
    have operations in the window, since there may be thousands."""
    if lanes == "threads":
        return _threads(picture, spans)
    if lanes == "rings":
        return _rings(picture, spans)
    return _connections(picture, spans, window)


def _threads(picture: Picture, spans: Spans) -> Sequence[Lane]:
    seen = set(spans.keys.tolist())
    known = {
        thread.activity.tid: thread.activity.name
        for thread in picture.threads
        if thread.state != "ended" or thread.activity.tid in seen
    }
    names: dict[int, str | None] = {**dict.fromkeys(seen), **known}
    return [
        Lane(tid, f"{tid} {name or ''}".rstrip(), f"thread {tid}{f' {name}' if name else ''}")
        for tid, name in sorted(names.items(), key=lambda item: item[0])
    ]


def _rings(picture: Picture, spans: Spans) -> Sequence[Lane]:
    known = {ring.summary.ring: ring.summary for ring in picture.rings if ring.summary.ring}
    lanes = []
    for number in sorted(known.keys() | set(spans.keys.tolist())):
        ring = known.get(number)
        fd = f" fd {ring.fd}" if ring is not None and ring.fd is not None else ""
        process = f" of process {ring.tgid}" if ring is not None else ""
        lanes.append(Lane(number, f"ring {number}{fd}", f"ring {number}{fd}{process}"))
    return lanes


def _connections(picture: Picture, spans: Spans, window: Window) -> Sequence[Lane]:
    present = np.unique(spans.lane[window.overlapping(spans)])
    by_inode: dict[int, Connection] = {connection.inode: connection for connection in picture.connections}
    found = [by_inode[inode] for inode in spans.keys[present].tolist() if inode in by_inode]
    found.sort(key=lambda connection: connection.number)
    return [
        Lane(
            connection.inode,
            connection.remote or connection.local or f"connection {connection.number}",
            f"connection {connection.number} "
            f"{connection.local or '?'} {'->' if connection.role == 'client' else '<-'} "
            f"{connection.remote or '?'}",
            f"{connection.number} ",
        )
        for connection in found
    ]


def threads_of(picture: Picture) -> Mapping[int, Thread]:
    """The threads as lines of the log name them."""
    activities = [thread.activity for thread in picture.threads]
    return {each.tid: Thread(each.tid, each.tgid, each.name) for each in activities}
