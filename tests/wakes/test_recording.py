"""A recording of a program whose hand-overs are known: each chain is what the program says itself."""

import json

import pytest

from tests.connections.recorded import told
from tests.wakes.account import accounts, agrees
from tests.wakes.recorded import FOLDER, REQUESTS
from uringtrace.tracer.recording import open_recording
from uringtrace.tracer.wakes import WakeChain, WakeFollower, request_name

SAID = accounts(json.loads((FOLDER / "truth.json").read_text()))


def followed(name: str) -> tuple[WakeChain | None, WakeFollower]:
    recording = open_recording(FOLDER)
    follower = WakeFollower(recording.context, request_name(name))
    for records in recording.records():
        follower.add(records, recording)
    return follower.chain(recording), follower


def chain(name: str) -> WakeChain:
    found, _ = followed(name)
    assert found is not None
    return found


@pytest.mark.parametrize("request_number", range(1, REQUESTS + 1))
def test_each_request_goes_the_way_that_the_program_says(request_number: int) -> None:
    agrees(chain(f"1#{request_number}"), SAID[request_number])


def test_the_slowest_is_the_one_that_takes_longest() -> None:
    slowest, follower = followed("slowest")
    (connection,) = told("tests/wakes/recordings/hand-over")["connections"]
    assert slowest is not None
    assert slowest.total_ns == connection["request_first_max_ns"]
    assert slowest == chain("1")
    assert (follower.requests, follower.left_out) == (REQUESTS, 0)


def test_what_is_not_there_has_no_chain() -> None:
    assert followed("1#99")[0] is None
    assert followed("2")[0] is None
