"""Recordings of servers: every number of every connection is what it was, however the records are batched."""

import json

import pytest

from tests.connections.recorded import RECORDINGS, WRITTEN_DOWN, told

EXPECTED = json.loads(WRITTEN_DOWN.read_text())


@pytest.mark.parametrize(("most_rows", "shared"), [(None, False), (97, True)])
@pytest.mark.parametrize("name", RECORDINGS)
def test_the_connections_of_a_recording(name: str, most_rows: int | None, shared: bool) -> None:
    assert told(name, most_rows, shared=shared) == EXPECTED[name]
