"""Which lanes a report has: the threads, rings and connections with most operations, the rest as one lane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.report.lanes_model import CONNECTION, RING, THREAD, Lane
from uringtrace.tracer.report.rows import Rows
from uringtrace.tracer.source import File, Ring, Thread

MOST = {THREAD: 32, RING: 16, CONNECTION: 40}
"""Lanes of each group, besides the one of all others."""
_Name = tuple[str, str | None]
"""`Lane.label` and `Lane.subject`."""


@dataclass(frozen=True, slots=True)
class LaneTables:
    """The lanes, and of which rows each is."""

    lanes: tuple[Lane, ...]
    """Their depth is not known yet: 1."""
    by_thread: Mapping[int, int]
    """Thread id to index of the lane; those that are not here are in `others`."""
    by_ring: Mapping[int, int]
    by_file: Mapping[int, int]
    """File number to index of the connection's lane, -1: no socket that can be a connection."""
    others: Mapping[str, int]
    """Group to the lane of all others; -1: there are none."""


def lane_tables(
    rows: Rows,
    threads: Mapping[int, Thread],
    rings: Sequence[Ring],
    files: Mapping[int, File],
) -> LaneTables:
    """Count each thread's, ring's and socket's rows, and choose."""
    lanes: list[Lane] = []
    others: dict[str, int] = {}

    def choose(
        group: str, counts: Mapping[int, int], names: Mapping[int, _Name], order: Mapping[int, int]
    ) -> dict[int, int]:
        most = sorted(counts, key=lambda key: (-counts[key], key))[: MOST[group]]
        places = {}
        for key in sorted(most, key=lambda key: (order.get(key, key), key)):
            places[key] = len(lanes)
            lanes.append(Lane(group, key, *names.get(key, (f"{group} {key}", None)), counts[key], 1))
        rest = len(counts) - len(most)
        others[group] = len(lanes) if rest else -1
        if rest:
            left = sum(counts.values()) - sum(counts[key] for key in most)
            lanes.append(Lane(group, None, f"{rest:,} other {group}s", None, left, 1))
        return places

    by_thread = choose(THREAD, _counts(rows, "tid"), _thread_names(threads), {})
    by_ring = choose(RING, _counts(rows, "ring"), _ring_names(rings), {})
    sockets = connected(files)
    inodes = {number: file.inode for number, file in sockets.items()}
    order = _numbers(rows)
    by_inode = choose(CONNECTION, _socket_counts(rows, inodes), _socket_names(sockets, order), order)
    by_file = {number: by_inode.get(inode, others[CONNECTION]) for number, inode in inodes.items()}
    return LaneTables(tuple(lanes), by_thread, by_ring, by_file, others)


def connected(files: Mapping[int, File]) -> dict[int, File]:
    """The sockets that can be connections: those that were never seen to listen."""
    listening = {file.inode for file in files.values() if file.socket is not None and file.socket.listening}
    return {
        number: file
        for number, file in files.items()
        if file.socket is not None and file.inode not in listening
    }


def _counts(rows: Rows, column: str) -> dict[int, int]:
    return dict(
        rows.tuples(f"SELECT {column}, count(*) FROM operations WHERE {column} IS NOT NULL GROUP BY 1")
    )


def _socket_counts(rows: Rows, inodes: Mapping[int, int]) -> dict[int, int]:
    """Rows of each socket; an accept is on a listening socket, and belongs to the one it brought."""
    columns = rows.arrays(
        "SELECT COALESCE(file, 0) AS file, COALESCE(result_file, 0) AS result_file, count(*) AS n "
        "FROM operations WHERE file IS NOT NULL OR result_file IS NOT NULL GROUP BY ALL"
    )
    counts: dict[int, int] = {}
    for file, result_file, n in zip(
        columns["file"].tolist(), columns["result_file"].tolist(), columns["n"].tolist(), strict=True
    ):
        inode = inodes.get(file) or inodes.get(result_file)
        if inode:
            counts[inode] = counts.get(inode, 0) + n
    return counts


def _thread_names(threads: Mapping[int, Thread]) -> dict[int, _Name]:
    return {tid: (str(tid), thread.name or None) for tid, thread in threads.items()}


def _ring_names(rings: Sequence[Ring]) -> dict[int, _Name]:
    return {
        ring.ring: (f"ring {ring.ring}" + (f" fd {ring.fd}" if ring.fd is not None else ""), None)
        for ring in rings
        if ring.ring
    }


def _numbers(rows: Rows) -> dict[int, int]:
    """Inode to the number of the connection, the first where a socket was connected again."""
    return dict(rows.tuples("SELECT inode, min(number) FROM connections GROUP BY inode"))


def _socket_names(sockets: Mapping[int, File], numbers: Mapping[int, int]) -> dict[int, _Name]:
    """What a socket is called: by its peer where that was seen, whenever that was."""
    names: dict[int, _Name] = {}
    for file in sockets.values():
        socket = file.socket
        if socket is None:
            continue
        address = socket.remote or socket.local
        if address is not None or file.inode not in names:
            number = f"#{numbers[file.inode]} " if file.inode in numbers else ""
            known = "" if address else f" socket {file.inode}"
            names[file.inode] = (f"{number}{socket.protocol}{known}", address or None)
    return names


def place_array(places: Mapping[int, int], absent: int) -> NDArray[np.int16]:
    """`places` as an array to index with keys; `absent` where a key is not in it. Empty keys: shape (1,)."""
    array = np.full(max(places, default=0) + 1, absent, np.int16)
    for key, lane in places.items():
        array[key] = lane
    return array
