"""Records that change no interest list are left out of it: the answers are those that asking always gives."""

from pathlib import Path

import numpy as np
import pytest

from uringtrace.tracer.live.cut import cut
from uringtrace.tracer.readiness.interest import InterestList
from uringtrace.tracer.readiness.resolve import ReadinessResolver
from uringtrace.tracer.recording import open_recording

RECORDINGS = Path(__file__).parents[1] / "findings" / "recordings"


def located(name: str, most_rows: int) -> tuple[list[bytes], int]:
    """What each piece's waits reported, and how many pieces there were."""
    recording = open_recording(RECORDINGS / name)
    resolver = ReadinessResolver(recording.interests)
    found = []
    for records in recording.records():
        rest = records.sorted_by_completion()
        while len(rest.operations):
            last = len(rest.operations) <= most_rows
            until = 2**63 - 1 if last else int(rest.operations["completed_ns"][most_rows])
            piece, rest = cut(rest, until)
            readiness, row = resolver.locate(piece)
            found.append(readiness.tobytes() + row.astype(np.int64).tobytes())
    return found, len(found)


@pytest.mark.parametrize("name", ["greenlet", "epoll-leaked-connections", "uring-io-wq-writes"])
def test_what_is_left_out_changes_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    quick, _ = located(name, 7)
    left_out = 0
    unchanged = InterestList.unchanged

    def counted(self: InterestList, *arguments: object) -> bool:
        nonlocal left_out
        left_out += unchanged(self, *arguments)  # type: ignore[arg-type]
        return False

    monkeypatch.setattr(InterestList, "unchanged", counted)
    asked, pieces = located(name, 7)
    assert quick == asked
    assert 0 < left_out < pieces
