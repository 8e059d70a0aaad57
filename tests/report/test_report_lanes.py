"""Lanes, cells and bars: every operation counted once in each group, and bars that are what SQL says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.generated import write_generated
from uringtrace.tracer.record import FIRST_CALL
from uringtrace.tracer.recording import open_recording
from uringtrace.tracer.report import lane_list, read_report, selection
from uringtrace.tracer.report.bars import DEEPEST, packed
from uringtrace.tracer.report.lanes_model import CONNECTION, RING, THREAD

ROWS = 60_000


@pytest.fixture(scope="module")
def large_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Too many for a bar each."""
    return write_generated(tmp_path_factory.mktemp("large") / "run", ROWS)


@pytest.fixture(scope="module")
def large(large_path: Path):
    assert ROWS > selection.MOST_BARS
    return read_report(open_recording(large_path))


def test_lanes_count_what_sql_counts(demo, demo_path, ask) -> None:
    lanes = demo.lanes.lanes
    counts = {
        group: {lane.key: lane.count for lane in lanes if lane.group == group} for group in (THREAD, RING)
    }
    assert counts[THREAD] == dict(ask(demo_path, "SELECT tid, count(*) FROM operations GROUP BY 1"))
    assert counts[RING] == dict(
        ask(demo_path, "SELECT ring, count(*) FROM operations WHERE ring IS NOT NULL GROUP BY 1")
    )
    connections = {lane.key: lane.count for lane in lanes if lane.group == CONNECTION}
    assert connections == dict(
        ask(
            demo_path,
            """WITH sockets AS (
                 SELECT file, inode FROM files
                 WHERE local IS NOT NULL AND inode NOT IN (SELECT inode FROM files WHERE listening))
               SELECT COALESCE(own.inode, brought.inode), count(*) FROM operations
               LEFT JOIN sockets AS own ON own.file = operations.file
               LEFT JOIN sockets AS brought ON brought.file = operations.result_file
               WHERE COALESCE(own.inode, brought.inode) IS NOT NULL GROUP BY 1""",
        )
    )


def test_cells_are_the_ends_of_sql(large, large_path, ask) -> None:
    """Per thread and step, and which kind was the most frequent."""
    cells, lanes = large.lanes.cells, large.lanes
    found = ask(
        large_path,
        f"SELECT tid, LEAST((completed_ns - started_ns) // {cells.step_ns}, {cells.steps - 1}), "
        f"COALESCE(number + {FIRST_CALL}, opcode), count(*) FROM operations, meta GROUP BY ALL",
    )
    family = {operation.code: operation.family for operation in large.operations}
    expected: dict[tuple[int, int], np.ndarray] = {}
    places = {lane.key: place for place, lane in enumerate(lanes.lanes) if lane.group == THREAD}
    for tid, step, code, count in found:
        sums = expected.setdefault((places[tid], step), np.zeros(6, np.int64))
        sums[family[code]] += count
    threads = np.isin(cells.lane, list(places.values()))
    assert threads.sum() == len(expected)
    for place in np.flatnonzero(threads).tolist():
        sums = expected[int(cells.lane[place]), int(cells.step[place])]
        assert cells.count[place] == sums.sum()
        assert cells.of_family[place] == sums.max() == sums[cells.family[place]]
    for place, lane in enumerate(lanes.lanes):
        assert cells.count[cells.lane == place].sum() == lane.count


def test_more_lanes_than_are_shown_become_one(large, large_path, ask) -> None:
    connections = [lane for lane in large.lanes.lanes if lane.group == CONNECTION]
    assert len(connections) == lane_list.MOST[CONNECTION] + 1
    assert connections[-1].key is None
    assert "160 other connections" in connections[-1].name
    assert sum(lane.count for lane in connections) == ROWS


def test_windows_hold_every_operation_that_goes_on_in_them(large, large_path, ask) -> None:
    """Bounded, in the order of time; of each window the bars are the rows that SQL finds."""
    windows, bars = large.lanes.windows, large.lanes.bars
    assert not large.lanes.complete
    assert 2 <= len(windows) <= selection.WINDOWS
    assert [window.began_ns for window in windows] == sorted(window.began_ns for window in windows)
    for window in windows:
        expected = ask(
            large_path,
            f"""SELECT submitted_ns - started_ns, completed_ns - started_ns FROM operations, meta
                WHERE completed_ns - started_ns >= {window.began_ns}
                  AND submitted_ns - started_ns <= {window.ended_ns}""",
        )
        inside = (bars.ended_ns >= window.began_ns) & (bars.began_ns <= window.ended_ns)
        found = zip(bars.began_ns[inside].tolist(), bars.ended_ns[inside].tolist(), strict=True)
        assert sorted(found) == sorted(expected)
        assert window.rows == len(expected)


def test_the_slowest_are_always_there(large, large_path, ask) -> None:
    slowest = ask(
        large_path,
        f"""SELECT operation, latency_ns FROM operations QUALIFY row_number() OVER
            (PARTITION BY operation ORDER BY latency_ns DESC) <= {selection.SLOWEST}
            ORDER BY latency_ns DESC""",
    )
    assert [row.took_ns for row in large.slowest] == [latency for _, latency in slowest]
    bars = large.lanes.bars
    drawn = np.sort((bars.ended_ns - bars.began_ns)[bars.slowest])[::-1].tolist()
    assert drawn == [latency for _, latency in slowest]


def test_a_small_recording_is_complete(demo, demo_path, ask) -> None:
    """Every row is a bar: same beginnings and ends as in SQL, by the rules of the live timeline."""
    bars = demo.lanes.bars
    assert demo.lanes.complete
    expected = ask(
        demo_path,
        """SELECT CASE WHEN kind = 'SILENT' THEN submitted_ns ELSE COALESCE(previous_ns, submitted_ns) END
                    - started_ns AS began,
                  CASE WHEN kind = 'SILENT' THEN submitted_ns ELSE completed_ns END - started_ns AS ended,
                  operation, COALESCE(result, -999999) AS result
           FROM operations, meta ORDER BY ALL""",
    )
    found = zip(
        bars.began_ns.tolist(),
        bars.ended_ns.tolist(),
        [demo.lanes.operations[place] for place in bars.operation.tolist()],
        np.where(bars.has_result, bars.result, -999999).tolist(),
        strict=True,
    )
    assert sorted(found) == expected


def test_marks_are_the_readiness_of_sql(scene, scene_path, ask) -> None:
    marks = scene.lanes.marks
    found = [
        (ns, scene.lanes.lanes[lane].key, fd, scene.lanes.events[events])
        for ns, lane, fd, events in zip(
            marks.ns.tolist(), marks.lane.tolist(), marks.fd.tolist(), marks.events.tolist(), strict=True
        )
    ]
    expected = ask(
        scene_path,
        "SELECT completed_ns - started_ns, tid, COALESCE(fd, -1), events FROM readiness, meta ORDER BY 1",
    )
    assert found == expected
    assert len(found) == 3


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)), max_size=40))
def test_packed_stretches_never_share_a_row_while_there_is_room(stretches: list[tuple[int, int]]) -> None:
    stretches.sort()
    began = np.array([begin for begin, _ in stretches], np.int64)
    ended = np.array([begin + length for begin, length in stretches], np.int64)
    rows, depth = packed(began, ended)
    most = max((1 + int((ended[:place] > at).sum()) for place, at in enumerate(began.tolist())), default=1)
    assert depth <= DEEPEST
    if depth < DEEPEST:
        for first in range(len(stretches)):
            for second in range(first + 1, len(stretches)):
                together = began[second] < ended[first]
                assert not (together and rows[first] == rows[second])
        assert depth == most
