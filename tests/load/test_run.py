"""Runs against a server that counts too: both sides agree, whatever the server does."""

from pathlib import Path

import pytest

from tests.load.answering import FIXED, answering
from uringtrace.errors import UsageError
from uringtrace.targets.load.address import endpoint
from uringtrace.targets.load.plan import Plan, allow_descriptors
from uringtrace.targets.load.reactor import Reactor
from uringtrace.targets.load.tally import ERRORS

SECOND_NS = 10**9


def errors(**met):
    return {**dict.fromkeys(ERRORS, 0), **met}


def balanced(result):
    """Every request that was started ended as exactly one thing."""
    requests = result.requests
    return requests.started == requests.right + requests.failed + requests.unfinished


@pytest.mark.parametrize(
    "settings",
    [
        {"requests": 1000, "connections": 1},
        {"requests": 1000, "connections": 16},
        {"requests": 1000, "connections": 4, "pipeline": 16},
        {"requests": 200, "connections": 8, "new_connections": True},
        {"requests": 200, "connections": 4, "rate": 2000.0},
        {"requests": 200, "connections": 4, "rate": 2000.0, "pipeline": 4},
        {"requests": 100, "connections": 4, "rate": 1000.0, "new_connections": True},
        {"duration_ns": SECOND_NS // 5, "connections": 4},
        {"duration_ns": SECOND_NS // 5, "connections": 4, "rate": 500.0},
    ],
    ids=lambda settings: " ".join(settings),
)
def test_both_sides_count_the_same(server, load, settings):
    result = load("/", **settings)
    assert server.everybody_left.wait(10)
    assert result.requests.sent == result.requests.right == result.requests.started == server.requests
    assert result.requests.answered == result.latency.count == server.requests
    assert settings.get("requests") in (None, server.requests)
    assert result.connections.opened == server.opened
    assert result.bytes.out == result.bytes.wire_out == server.bytes_in
    assert result.bytes.into == result.bytes.wire_in == server.bytes_out
    assert (result.errors, result.statuses) == (errors(), {"200": server.requests})
    assert result.requests.unfinished == 0
    assert server.open_at_once <= settings["connections"]
    if settings.get("new_connections"):
        assert server.opened == server.requests
    elif "requests" in settings or "rate" in settings:
        assert server.opened == settings["connections"]


def test_an_open_loop_at_the_end_of_its_time_has_sent_what_was_due(server, load):
    """0.2 s at 500/s are 100 requests: sent, or said to be unsent where this machine is too busy."""
    result = load("/", duration_ns=SECOND_NS // 5, rate=500.0)
    assert result.requests.started + result.requests.unsent == 100
    assert (result.loop, result.ended_by, result.latency.since) == ("open", "time", "schedule")


def test_no_more_connections_than_requests(server, load):
    load("/", requests=3, connections=50)
    assert server.opened == 3


def test_a_thousand_connections(server, load):
    result = load("/", requests=3000, connections=1000)
    assert result.requests.right == server.requests == 3000
    assert server.opened == 1000


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/missing", "status"),
        ("/nothing", "status"),
        ("/malformed", "malformed"),
        ("/two-lengths", "malformed"),
        ("/truncated", "length"),
        ("/half-head", "length"),
        ("/closed", "reset"),
        ("/reset", "reset"),
    ],
)
def test_every_way_to_fail_is_counted_by_its_kind(server, load, path, kind):
    result = load(path)
    assert result.errors == errors(**{kind: 20})
    assert (result.requests.started, result.requests.right, result.requests.failed) == (20, 0, 20)
    assert result.latency is None
    assert server.requests == 20


@pytest.mark.parametrize(
    "path",
    ["/", "/empty", "/last", "/old", "/chunks", "/interim", "/until-the-end", "/pieces", "/bytes/1000000"],
)
def test_every_way_to_frame_an_answer_is_right(server, load, path):
    result = load(path)
    assert result.requests.right == server.requests == 20
    assert result.errors == errors()
    assert result.connections.stray == 0
    closing = path in ("/last", "/old", "/until-the-end")
    assert server.opened == (20 if closing else 2)


def test_answers_of_another_length_are_errors_unless_they_may_differ(load):
    assert load("/growing", connections=1).errors == errors(length=19)
    assert load("/growing", connections=1, any_length=True).errors == errors()


def test_the_expected_length_and_status_can_be_given(load):
    assert load("/bytes/7", length=7).errors == errors()
    assert load("/bytes/7", length=8).errors == errors(length=20)
    assert load("/missing", status=404).errors == errors()


def test_bytes_after_an_answer_that_nobody_asked_for_are_said(server, load):
    """Each answer is right, then the connection brings more and is given up."""
    result = load("/too-much", connections=1, requests=3, new_connections=True)
    assert result.requests.right == 3
    assert result.connections.stray == 3


def test_pipelined_requests_lost_with_their_connection_have_failed(server, load):
    """/last closes after one answer; the other three of each four were sent in vain."""
    result = load("/last", requests=8, connections=1, pipeline=4)
    assert balanced(result)
    assert result.requests.started == 8
    assert result.requests.right == server.requests
    assert result.errors == errors(reset=8 - server.requests)


def test_a_timeout(server, load):
    result = load("/silent", requests=4, connections=2, timeout_ns=SECOND_NS // 10)
    assert result.errors == errors(timeout=4)
    assert result.requests.sent == server.requests == 4


def test_a_stall_raises_the_tail_of_an_open_loop_as_theory_says(server, load):
    """Everything stands still for 0.5 s once, early in 2 s at 200/s: 100 of 400 requests wait, evenly.

    A hundredth of all, 4, waited longer than 0.48 s; a fifth of all, 80, longer than 0.1 s.
    """
    server.stalls = {10: 0.5}
    latency = load("/", rate=200.0, requests=400, connections=4).latency
    assert 0.45e9 < latency.p99_ns <= latency.max_ns
    assert latency.max_ns > 0.49e9
    assert latency.p90_ns > 0.25e9


def test_the_same_stall_in_a_closed_loop_delays_one_request_per_connection(server, load):
    server.stalls = {10: 0.5}
    result = load("/", requests=2000, connections=4)
    assert result.latency.max_ns > 0.49e9
    assert result.latency.p99_ns < 0.45e9, "4 of 2,000 requests saw it"
    assert result.latency.since == "send"


def test_requests_that_found_no_free_connection_are_said(server, load):
    server.stalls = {1: 0.2}
    result = load("/", rate=500.0, requests=150, connections=1)
    assert result.schedule.waited >= 90
    assert result.schedule.max_delay_ns > 0.15e9


def test_requests_that_were_due_but_never_sent_are_said(server, load):
    server.stalls = {1: 0.5}
    result = load("/", rate=1000.0, duration_ns=SECOND_NS // 5, connections=1)
    assert (result.requests.started, result.requests.unsent) == (1, 199)


def test_an_interruption_ends_the_run_and_keeps_the_counts(server):
    """The server's hundredth request stops the run, which then takes no new ones."""
    reactor = Reactor(Plan(endpoint(server.address), connections=4, duration_ns=3600 * SECOND_NS))
    server.on_request = lambda number: reactor.stop() if number == 100 else None
    result = reactor.run()
    assert result.ended_by == "interruption"
    assert result.requests.right == server.requests >= 100
    assert (result.requests.unfinished, result.errors) == (0, errors())


def test_an_interruption_does_not_wait_for_long_for_answers(server):
    """What is outstanding then is unfinished: neither right nor an error."""
    reactor = Reactor(Plan(endpoint(f"{server.address}/silent"), connections=3, duration_ns=3600 * SECOND_NS))
    server.on_request = lambda number: reactor.stop() if number == 3 else None
    result = reactor.run()
    assert (result.requests.started, result.requests.unfinished, result.requests.failed) == (3, 3, 0)
    assert result.elapsed_ns < 5 * SECOND_NS


def test_time_over_waits_for_the_answers_that_are_due(server, load):
    server.stalls = {1: 0.4}
    result = load("/", duration_ns=SECOND_NS // 10, connections=2)
    assert result.requests.right == server.requests == 2
    assert result.elapsed_ns > 0.35e9


@pytest.mark.parametrize("settings", [{}, {"rate": 100.0}, {"new_connections": True}])
def test_nobody_there_is_bad_usage(settings):
    with answering() as gone:
        address = gone.address
    with pytest.raises(UsageError, match=f"no connection to {address}: Connection refused"):
        Reactor(Plan(endpoint(address), requests=1, **settings)).run()


def test_a_server_that_goes_away_is_an_error_of_each_request(server, load):
    """It listens no more once the first request is there, answers it, and closes."""
    server.on_request = lambda number: server.listener.close()
    result = load("/last", requests=4, connections=1)
    assert balanced(result)
    assert (result.requests.started, result.requests.sent, result.requests.right) == (4, 1, 1)
    assert result.errors == errors(connect=3)
    assert (result.connections.opened, result.connections.failed) == (1, 3)


def test_more_connections_than_files_allowed_are_refused():
    plan = Plan(endpoint("127.0.0.1:1"), connections=10**9, requests=1)
    with pytest.raises(UsageError, match="more open files"):
        allow_descriptors(plan)


def test_pipelining_needs_connections_that_last(server):
    with pytest.raises(UsageError, match="--pipeline"):
        Reactor(Plan(endpoint(server.address), requests=1, pipeline=2, new_connections=True))


def test_every_fixed_answer_is_used():
    """The table of answers has none that no test asks for."""
    source = Path(__file__).read_text(encoding="utf-8")
    assert [path for path in FIXED if f'"{path}"' not in source] == []
