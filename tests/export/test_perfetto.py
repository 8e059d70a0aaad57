"""The Perfetto trace says what the recording says: compared row by row with DuckDB and numpy."""

from __future__ import annotations

import io
import shutil
from collections import Counter, defaultdict

import pytest

from tests.export.conftest import HOSTILE, MILLISECOND, ask, written
from tests.fakes import STARTED_NS, STARTED_UNIX_NS, FakeSource, context, row
from uringtrace.errors import UsageError
from uringtrace.tracer.filter import parse
from uringtrace.tracer.record import CQE_F_NOTIF, Kind
from uringtrace.tracer.recording.selection import Selection
from uringtrace.tracer.redaction import Pseudonyms

pytest.importorskip(
    "perfetto", reason="the package perfetto is not installed: pip install uringtrace[perfetto]"
)

from tests.export.perfetto_reader import properly_nested, read_trace
from uringtrace.ui.perfetto.trace import write_trace

OPERATIONS = ("io_uring", "syscall")
RECORDINGS = ("sample", "server", "crashed", "every_kind", "hostile", "empty")


def exported(recording, tmp_path, selection=None):
    path = tmp_path / "trace.pftrace"
    with path.open("wb") as file:
        counted = write_trace(recording, selection or Selection(), file)
    return read_trace(path), counted


@pytest.fixture(params=RECORDINGS)
def recording(request):
    return request.getfixturevalue(request.param)


def test_every_row_is_one_event_and_every_duration_is_that_of_the_row(recording, tmp_path):
    trace, counted = exported(recording, tmp_path)
    totals = (
        "SELECT interface, COALESCE(operation, 'unknown operation'), count(*) FROM operations GROUP BY ALL"
    )
    expected = {(interface, name): count for interface, name, count in ask(recording, totals)}
    assert Counter((event.category, event.name) for event in trace.of(*OPERATIONS)) == expected
    assert counted.operations == sum(expected.values())
    latencies = "SELECT latency_ns FROM operations WHERE latency_ns IS NOT NULL"
    single = [
        event.took_ns
        for event in trace.of(*OPERATIONS)
        if not event.instant and "kind" not in event.arguments and "sequence" not in event.arguments
    ]
    # What completes more than once has no latency, a zero-copy send has one and its instant.
    missing = Counter(value for (value,) in ask(recording, latencies)) - Counter(single)
    assert missing == {}


def expected_times(recording):
    """When each row began and ended, by numpy from the records; None where it is an instant."""
    found = []
    for batch in recording.batches():
        for each in batch:
            submitted, completed, previous = (
                int(each[f"{name}_ns"]) for name in ("submitted", "completed", "previous")
            )
            kind, call = int(each["kind"]), each["opcode"] >= 256
            began, ended = None, completed
            if kind == Kind.COMPLETION and (call or not each["cqe_flags"] & CQE_F_NOTIF):
                began = previous or submitted or None
            elif kind == Kind.UNFINISHED:
                began = submitted or recording.context.started_ns
            elif kind == Kind.SILENT:
                ended = submitted or completed
            found.append((began, ended))
    return found


def test_times_are_those_of_the_records(recording, tmp_path):
    trace, _ = exported(recording, tmp_path)
    shown = [
        (None, event.began_ns) if event.instant else (event.began_ns, event.ended_ns)
        for event in trace.of(*OPERATIONS)
    ]
    assert Counter(shown) == Counter(expected_times(recording))


def test_no_slices_of_a_track_overlap_and_calls_are_on_their_threads(recording, tmp_path):
    trace, _ = exported(recording, tmp_path)
    assert properly_nested(trace)
    for event in trace.of("syscall"):
        assert trace.tracks[event.track].HasField("thread")
    for event in trace.of("io_uring"):
        assert event.depth == 0
        assert trace.title(event.track).startswith("ring ")


def test_operations_of_a_connection_are_on_its_track_too(recording, tmp_path):
    trace, counted = exported(recording, tmp_path)
    lives = [event for event in trace.of("connection") if event.name == "connection"]
    numbers = {int(trace.title(event.track).split()[1].rstrip(":")) for event in lives}
    assert numbers == {number for (number,) in ask(recording, "SELECT number FROM connections")}
    assert len(lives) == counted.connections == len(numbers)
    expected = ask(
        recording,
        """WITH sockets AS (
             SELECT file, number FROM files JOIN connections
             ON files.inode = connections.inode AND files.protocol = connections.protocol AND NOT listening)
           SELECT COALESCE(own.number, new.number) AS n, operation, count(*)
           FROM operations LEFT JOIN sockets own ON operations.file = own.file
           LEFT JOIN sockets new ON operations.result_file = new.file
           WHERE n IS NOT NULL GROUP BY ALL""",
    )
    shown = Counter(
        (int(trace.title(event.track).split()[1].rstrip(":")), event.name)
        for event in trace.of("connection")
        if event.name != "connection"
    )
    assert shown == {(number, name): count for number, name, count in expected}


def test_bytes_of_connections_are_those_of_the_table(sample, tmp_path):
    trace, _ = exported(sample, tmp_path)
    lives = [event.arguments for event in trace.of("connection") if event.name == "connection"]
    (expected,) = ask(sample, "SELECT sum(bytes_in), sum(bytes_out), sum(requests) FROM connections")
    assert (
        tuple(sum(life[name] for life in lives) for name in ("bytes_in", "bytes_out", "requests")) == expected
    )


def test_arrows_go_from_each_submission_to_its_last_completion(recording, tmp_path):
    trace, _ = exported(recording, tmp_path)
    begins, steps, ends = defaultdict(list), defaultdict(list), defaultdict(list)
    for event in trace.events:
        kept = begins if event.category == "submission" else steps
        for flow in event.flows:
            kept[flow].append(event)
        for flow in event.last_of:
            ends[flow].append(event)
    submitted = ask(
        recording,
        """SELECT count(DISTINCT (ring, submitted_ns)) FROM operations
           WHERE interface = 'io_uring' AND submitted_ns IS NOT NULL AND tid IS NOT NULL""",
    )
    assert [(len(begins),)] == submitted
    wakes = {flow for flow in ends if flow not in begins}
    assert all(event.category == "wake" for flow in wakes for event in ends[flow] + steps[flow])
    for flow, (begin,) in begins.items():
        (end,) = ends[flow]
        assert begin.name == f"submit {end.name}"
        reached = sorted((event.ended_ns or event.began_ns) for event in [*steps[flow], end])
        assert reached[-1] == (end.ended_ns or end.began_ns) >= begin.began_ns
        assert {event.name for event in steps[flow]} <= {end.name}


def test_arrows_go_from_the_thread_that_woke_to_the_one_that_slept(every_kind, tmp_path):
    trace, _ = exported(every_kind, tmp_path)
    wakes, woken = trace.of("wake")
    assert (wakes.name, woken.name) == ("wakes 4243", "woken by 4244")
    assert wakes.flows == woken.last_of
    assert wakes.began_ns == woken.began_ns == STARTED_NS + 9 * MILLISECOND + 5000
    assert trace.tracks[wakes.track].thread.tid == 4244
    assert trace.tracks[woken.track].thread.tid == 4243
    assert (wakes.depth, woken.depth) == (1, 1), "each within its call"


def test_wakes_of_a_recording_are_those_of_its_threads(sample, tmp_path):
    trace, _ = exported(sample, tmp_path)
    expected = ask(
        sample,
        """SELECT count(*) FROM operations
           WHERE wake = 'thread' AND submitted_ns IS NOT NULL AND waker IN (SELECT tid FROM threads)""",
    )
    assert [(len(trace.of("wake")) // 2,)] == expected


def test_readiness_is_an_instant_beside_the_calls_of_its_thread(server, tmp_path):
    trace, counted = exported(server, tmp_path)
    expected = ask(server, "SELECT completed_ns, tid, events, fd, cause FROM readiness ORDER BY ALL")
    shown = []
    for event in trace.of("readiness"):
        above = trace.tracks[trace.tracks[event.track].parent_uuid]
        arguments = event.arguments
        shown.append(
            (event.began_ns, above.thread.tid, event.name, arguments.get("fd"), arguments.get("cause"))
        )
    assert sorted(shown) == sorted(expected)
    assert counted.readiness == len(expected) > 0


def test_arguments_and_results(every_kind, tmp_path):
    trace, _ = exported(every_kind, tmp_path)
    by_name = defaultdict(list)
    for event in trace.of(*OPERATIONS):
        by_name[event.name].append(event.arguments)
    (failed,) = (each for each in by_name["READ"] if each.get("error"))
    assert (failed["result"], failed["error"], failed["path"]) == (-11, "EAGAIN", "poll")
    assert (failed["fd"], failed["file"]) == (7, "/var/lib/secret.db")
    assert by_name["read"] == [
        {
            "result": -4, "error": "EINTR", "fd": 3, "file": "pipe:[12]", "wake": "thread", "waker": 4244,
            "argument fd": 3, "buf": 0x7F00, "count": 512,
        }
    ]  # fmt: skip
    assert [each["sequence"] for each in by_name["ACCEPT"]] == [1, 2, 3]
    assert by_name["futex"][0]["kind"] == by_name["TIMEOUT"][0]["kind"] == "UNFINISHED"
    assert "fd" not in by_name["unknown operation"][0]


def test_what_was_not_seen_to_begin_has_no_duration(every_kind, tmp_path):
    trace, _ = exported(every_kind, tmp_path)
    instants = Counter(event.name for event in trace.of(*OPERATIONS) if event.instant)
    assert instants == {
        "epoll_wait": 1, "READ": 1, "RECV": 1, "SEND_ZC": 1, "CLOSE": 1, "exit_group": 1,
        "unknown operation": 2,
    }  # fmt: skip
    (futex,) = [event for event in trace.of("syscall") if event.name == "futex"]
    assert (futex.began_ns, futex.took_ns) == (STARTED_NS, 30 * MILLISECOND)


def test_clocks_and_what_was_lost(every_kind, tmp_path):
    trace, _ = exported(every_kind, tmp_path)
    clocks = {clock.clock_id: clock.timestamp for clock in trace.packets[0].clock_snapshot.clocks}
    assert clocks == {3: STARTED_NS, 1: STARTED_UNIX_NS}
    attributes = trace.attributes
    assert attributes["uringtrace lost"] == 3
    assert (attributes["uringtrace lost operations"], attributes["uringtrace lost facts"]) == (2, 1)
    assert attributes["uringtrace untracked"] == 3
    assert attributes["uringtrace target"] == "process 4242"
    assert attributes["uringtrace status"] == "complete"
    (capture,) = trace.of("capture")
    assert (capture.began_ns, capture.ended_ns) == (STARTED_NS, every_kind.ended_ns)
    assert (capture.arguments["lost"], capture.arguments["untracked"]) == (3, 3)


@pytest.mark.parametrize("started_ns", [1000, 3600 * 10**9, 2**62])
def test_one_operation_after_an_hour_whatever_the_clock(tmp_path, started_ns):
    times = {"submitted_ns": started_ns + 3600 * 10**9, "completed_ns": started_ns + 3600 * 10**9 + 7}
    source = FakeSource(
        [row("READ", **times)], context=context(started_ns=started_ns), ended_ns=times["completed_ns"] + 1
    )
    recording = written(tmp_path / "run", source)
    trace, counted = exported(recording, tmp_path)
    (event,) = trace.of(*OPERATIONS)
    assert (event.began_ns, event.took_ns) == (times["submitted_ns"], 7)
    (capture,) = trace.of("capture")
    assert (capture.began_ns, capture.ended_ns) == (started_ns, times["completed_ns"] + 1)
    assert (counted.operations, counted.readiness, counted.connections) == (1, 0, 0)


def test_a_selection_takes_what_belongs_to_it_along(server, tmp_path):
    trace, _ = exported(server, tmp_path, Selection(parse("op=epoll_wait"), "result = 1"))
    expected = ask(server, "SELECT count(*) FROM operations WHERE operation = 'epoll_wait' AND result = 1")
    assert [(len(trace.of(*OPERATIONS)),)] == expected != [(0,)]
    assert len(trace.of("readiness")) == ask(server, "SELECT count(*) FROM readiness")[0][0]
    assert trace.of("connection") == []
    assert trace.attributes["uringtrace selection"] == "some of the operations"
    trace, _ = exported(server, tmp_path, Selection(parse("op=sendto")))
    assert trace.of("readiness") == []
    assert [event.name for event in trace.of("connection")] == ["connection", "sendto"]


def test_hostile_names_are_data(hostile, tmp_path):
    trace, _ = exported(hostile, tmp_path)
    arguments = {event.name: event.arguments for event in trace.of(*OPERATIONS)}
    assert arguments["READ"]["file"] == f"/{HOSTILE}"
    assert [(arguments["openat"]["pathname"],)] == ask(
        hostile, "SELECT pathname FROM operations WHERE pathname IS NOT NULL"
    )
    assert trace.attributes["uringtrace target"] == HOSTILE


def test_redacted(hostile, server, tmp_path):
    exported(hostile, tmp_path, Selection(pseudonyms=Pseudonyms()))
    assert b"img src" not in (tmp_path / "trace.pftrace").read_bytes()
    trace, _ = exported(server, tmp_path, Selection(pseudonyms=Pseudonyms()))
    data = (tmp_path / "trace.pftrace").read_bytes()
    for secret in (b"127.0.0.1", b"x.db", b"/etc", b"talker"):
        assert secret not in data
    plain, _ = exported(server, tmp_path)
    assert len(trace.events) == len(plain.events)
    assert any(event.arguments.get("file") == "TCP host-1:port-1 listening" for event in trace.events) or any(
        event.arguments.get("file", "").startswith("TCP host-1:port-1") for event in trace.events
    )


def test_a_wrong_condition_is_bad_usage(server):
    with pytest.raises(UsageError, match="SQL: "):
        write_trace(server, Selection(where="nothing = 1"), io.BytesIO())


def test_written_in_pieces_of_bounded_size(sample):
    class Counting(io.RawIOBase):
        largest = 0

        def write(self, data):
            self.largest = max(self.largest, len(data))
            return len(data)

    file = Counting()
    write_trace(sample, Selection(), file)
    assert 0 < file.largest < 2 << 20


def test_by_the_trace_processor(sample, tmp_path):
    """Perfetto's own reader counts the same operations, with the same durations, and drops nothing."""
    binary = shutil.which("trace_processor_shell")
    if binary is None:
        pytest.skip("trace_processor_shell is not installed: it comes from get.perfetto.dev alone")
    from perfetto.trace_processor import TraceProcessor, TraceProcessorConfig

    exported(sample, tmp_path)
    config = TraceProcessorConfig(bin_path=binary)
    with TraceProcessor(trace=str(tmp_path / "trace.pftrace"), config=config) as processor:
        query = """SELECT category, name, count(*) AS n, sum(dur) AS took FROM slice
                   WHERE category IN ('io_uring', 'syscall') GROUP BY 1, 2"""
        shown = {(row.category, row.name): (row.n, row.took) for row in processor.query(query)}
        flows = next(iter(processor.query("SELECT count(*) AS n FROM flow"))).n
        errors = "SELECT name, value FROM stats WHERE severity IN ('error', 'data_loss') AND value > 0"
        assert [row.name for row in processor.query(errors)] == []
    counted = """SELECT interface, operation, count(*), COALESCE(sum(
                   CASE WHEN kind = 'COMPLETION' THEN completed_ns - COALESCE(previous_ns, submitted_ns) END
                 ), 0) FROM operations GROUP BY ALL"""
    expected = ask(sample, counted)
    assert shown == {(interface, name): (count, int(ns)) for interface, name, count, ns in expected}
    assert flows > 0
