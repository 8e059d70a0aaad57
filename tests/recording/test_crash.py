"""A recorder killed at any moment loses no chunk that it had written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from uringtrace.tracer.recording import check_output, open_recording
from uringtrace.tracer.recording.layout import hold

# Says after every chunk how many rows are written: none of these may be missing.
RECORDER = """
import sys
from pathlib import Path
import numpy as np
from tests.fakes import FakeSource
from uringtrace.tracer.record import OPERATION
from uringtrace.tracer.recording import Writer
from uringtrace.tracer.recording.chunks import OPERATIONS

with Writer(Path(sys.argv[1]), FakeSource([]), OPERATIONS, segment_bytes=400_000) as writer:
    rows = 0
    while True:
        batch = np.zeros(997, OPERATION)
        batch["user_data"] = np.arange(rows, rows + 997)
        batch["completed_ns"] = batch["user_data"] + 1
        batch["kind"] = 1
        writer.append(batch)
        rows += 997
        sys.stdout.buffer.write(b"%d\\n" % rows)
        sys.stdout.buffer.flush()
"""


@pytest.mark.timeout(60)
@pytest.mark.parametrize("chunks", [1, 2, 50, pytest.param(400, marks=pytest.mark.long)])
def test_killed_after_so_many_chunks(tmp_path, repository, chunks, read_all):
    path = tmp_path / "run"
    with subprocess.Popen(
        [sys.executable, "-c", RECORDER, str(path)],
        stdout=subprocess.PIPE,
        cwd=repository,
        start_new_session=True,
    ) as process:
        for _ in range(chunks):
            said = process.stdout.readline()
        process.kill()
        rest = process.stdout.read().splitlines(keepends=True)
    assert process.returncode == -signal.SIGKILL
    written = int([line for line in (said, *rest) if line.endswith(b"\n")][-1])

    # Blocks until the converter has noticed: it shares the recorder's lock.
    os.close(hold(path))

    recording = open_recording(path)
    found = read_all(recording)["user_data"]
    assert found.size >= written
    assert np.array_equal(found, np.arange(found.size)), "each row once and in order"
    assert recording.status == "recording"
    assert "died" in recording.problems[0]
    with recording.query("SELECT count(*), max(user_data) FROM operations") as result:
        assert list(result.rows()) == [(found.size, found.size - 1)]
    check_output(path, force=True)
