"""The tables beside operations say what the trackers say that the screens show, however they were made."""

from __future__ import annotations

import json
import os

import duckdb
import numpy as np
import pytest

from tests.fakes import FakeSource, context
from tests.recording.scene import EPOLL, LISTENER, PEER, TALKER, source
from uringtrace.tracer.connections import ConnectionTracker, connection_rows
from uringtrace.tracer.readiness.explain import Explainer
from uringtrace.tracer.readiness.interest import changes_of
from uringtrace.tracer.recording import open_recording
from uringtrace.tracer.recording.chunks import RECORDS, records_chunk
from uringtrace.tracer.recording.columns import COLUMNS
from uringtrace.tracer.recording.conversion import Conversion
from uringtrace.tracer.recording.files_log import FilesWriter
from uringtrace.tracer.recording.journal import SegmentWriter
from uringtrace.tracer.recording.layout import FILES_NAME, part_path, result_path, segment_path
from uringtrace.tracer.recording.metadata import COMPLETE, Failure, Metadata, Part, write_metadata
from uringtrace.tracer.recording.tables import EVENT_NAMES, event_text
from uringtrace.tracer.threads import ThreadTracker, thread_rows

BESIDE = ("readiness", "interest", "socket_events", "connections", "threads")


@pytest.fixture
def journal(tmp_path):
    """The scene as a recorder leaves it that died before anything was converted; one segment a drain."""
    path = tmp_path / "run"
    path.mkdir()
    given = source()
    log = FilesWriter(path)
    log.write(given.files)
    log.close()
    parts = []
    for number, records in enumerate(given.records()):
        segment = SegmentWriter(segment_path(path, number), number, RECORDS)
        segment.append(memoryview(records_chunk(records)))
        segment.close()
        parts.append(Part(number, records.operations.size, 0))
    write_metadata(
        path,
        Metadata(
            given.context,
            COMPLETE,
            given.ended_ns,
            rings=given.rings,
            threads=given.threads,
            interests=given.interests,
            open_sockets=given.open_sockets,
        ),
    )
    return path


@pytest.fixture
def converted(journal):
    """The same, converted."""
    convert(journal, 0, 1)
    return journal


def convert(path, *numbers):
    conversion = Conversion(path)
    for number in numbers:
        part = conversion.convert(number)
        assert isinstance(part, Part), part
        note(path, part)
    conversion.finish()


def note(path, part):
    """Do what the recorder does: remember the part in meta.json."""
    meta = json.loads((path / "meta.json").read_text())
    kept = [each for each in meta["parts"] if each["number"] != part.number]
    added = {"number": part.number, "rows": part.rows, "bytes": part.bytes, "tables": part.tables}
    (path / "meta.json").write_text(json.dumps({**meta, "parts": [*kept, added]}))


def ask(path, sql):
    with open_recording(path).query(sql) as result:
        return [dict(zip(result.names, line, strict=True)) for line in result.rows()]


def everything(path):
    return {table: ask(path, f"FROM {table}") for table in BESIDE}


def test_readiness_is_what_the_log_explains(converted):
    given = source()
    explainer = Explainer(given.context, given.interests)
    wanted = []
    for records in given.records():
        explained = explainer.add(records, given.files)
        for row in np.unique(explained.located.row).tolist():
            operation = records.operations[row]
            for ready in explained.wait(row).ready:
                cause = ready.cause
                wanted.append(
                    {
                        "completed_ns": int(operation["completed_ns"]),
                        "submitted_ns": int(operation["submitted_ns"]),
                        "tgid": 4242,
                        "tid": TALKER,
                        "operation": "epoll_wait",
                        "epoll_fd": 4,
                        "epoll_file": EPOLL,
                        "fd": ready.fd,
                        "file": ready.file,
                        "events": "EPOLLIN",
                        "mask": ready.mask,
                        "data": ready.data,
                        "cause": cause and cause.kind.name.lower(),
                        "cause_tid": cause and cause.tid,
                        "cause_operation": given.context.operation_names[cause.opcode]
                        if cause and cause.opcode
                        else None,
                        "cause_ns": cause and int(operation["completed_ns"]) - cause.before_ns,
                    }
                )
    assert len(wanted) == 3
    assert {each["cause"] for each in wanted} == {"arrived", "written"}
    assert ask(converted, "FROM readiness") == wanted


def test_interest_is_what_changed_and_what_was_there_before(converted):
    given = source()
    changes = np.concatenate([changes_of(records) for records in given.records()])
    found = ask(converted, "FROM interest")
    before, seen = found[0], found[1:]
    assert before == {
        **dict.fromkeys(before),
        "tgid": 4242,
        "epoll_fd": 4,
        "change": "ADD",
        "fd": 8,
        "events": "EPOLLIN",
        "mask": 1,
        "data": 800,
    }
    for name in ("ns", "submitted_ns", "tgid", "tid", "epoll_fd", "epoll_file", "fd", "file", "data"):
        assert [line[name] for line in seen] == changes[name].tolist(), name
    assert [(line["change"], line["events"], line["mask"]) for line in seen] == [("ADD", "EPOLLIN", 1)] * 3


def test_socket_events_are_those_that_were_seen(converted):
    wanted = np.concatenate([records.socket_events for records in source().records()])
    found = ask(converted, "FROM socket_events")
    assert [(line["ns"], line["file"], line["kind"]) for line in found] == [
        (ns, file, "ARRIVAL") for ns, file in zip(wanted["ns"].tolist(), (LISTENER, PEER), strict=True)
    ]
    assert {(line["before"], line["after"]) for line in found} == {(None, None)}


def test_connections_and_threads_are_those_of_the_trackers(converted):
    given = source()
    connections, threads = ConnectionTracker(given.context), ThreadTracker(given.context)
    for records in given.records():
        connections.add(records, given.files, given.open_sockets)
        threads.add(records, given.files)
    assert result_path(converted, "connections").exists()
    assert ask(converted, "FROM connections") == connection_rows(connections.connections(given.open_sockets))
    assert ask(converted, "FROM threads") == thread_rows(threads.threads(given.threads))


def test_completions_are_the_operations_with_several(converted):
    found = ask(converted, "FROM completions")
    assert [(line["operation"], line["sequence"], line["notification"], line["last"]) for line in found] == [
        ("ACCEPT", 1, False, False),
        ("ACCEPT", 2, False, False),
        ("ACCEPT", 3, False, True),
        ("SEND_ZC", None, False, False),
        ("SEND_ZC", None, True, True),
    ]
    assert [line["waited_ns"] for line in found[:3]] == [1_000_000] * 3


@pytest.mark.parametrize("done", [(), (0,)])
def test_what_was_not_converted_is_worked_out_when_asked(journal, converted_answers, done):
    """After a crash: from the journal alone, and from a part and the journal that follows."""
    conversion = Conversion(journal)
    for number in done:
        note(journal, conversion.convert(number))
    before = sorted(entry.name for entry in journal.iterdir())
    assert everything(journal) == converted_answers
    assert sorted(entry.name for entry in journal.iterdir()) == before, "a reader changes nothing"


@pytest.fixture
def converted_answers(tmp_path, journal):
    import shutil

    other = tmp_path / "other"
    shutil.copytree(journal, other)
    convert(other, 0, 1)
    return everything(other)


def test_missing_results_are_worked_out(converted):
    wanted = everything(converted)
    result_path(converted, "connections").unlink()
    result_path(converted, "threads").write_bytes(b"PAR1 of a broken disk")
    assert everything(converted) == wanted
    assert open_recording(converted).problems == ()


def test_a_part_that_was_not_renamed_last_is_no_part(converted):
    """Left-overs of a crash between the renames of one set: the journal still has the rows."""
    part_path(converted, 1).unlink()
    meta = json.loads((converted / "meta.json").read_text())
    (converted / "meta.json").write_text(json.dumps({**meta, "parts": meta["parts"][:1]}))
    recording = open_recording(converted)
    assert recording.parts == (0,)
    assert len(ask(converted, "FROM readiness")) == 1
    assert recording.problems == ()


@pytest.mark.parametrize("table", ["readiness", "interest", "socket_events"])
@pytest.mark.parametrize("damage", ["missing", "truncated"])
def test_a_damaged_table_is_said_and_the_rest_is_read(converted, table, damage):
    part = part_path(converted, 0, table)
    before = everything(converted)
    part.unlink() if damage == "missing" else os.truncate(part, part.stat().st_size - 5)
    recording = open_recording(converted)
    with recording.query(f"FROM {table}") as result:
        left = list(result.rows())
    assert len(left) < len(before[table])
    (problem,) = recording.problems
    assert part.name in problem
    lost = json.loads((converted / "meta.json").read_text())["parts"][0]["tables"][table]
    assert recording.losses.lost == {"damaged": lost}
    assert (
        sum(batch.size for batch in recording.batches())
        == ask(converted, "SELECT count(*) n FROM operations")[0]["n"]
    )


def test_a_query_that_does_not_ask_for_a_damaged_table_says_nothing(converted):
    part_path(converted, 0, "readiness").unlink()
    recording = open_recording(converted)
    with recording.query("SELECT count(*) FROM operations") as result:
        assert list(result.rows())
    assert recording.problems == ()


def test_a_segment_converted_out_of_turn_leaves_what_depends_on_it_open(journal):
    """Segment 0 could not be converted at first: descriptors of epoll's readiness are not guessed."""
    conversion = Conversion(journal)
    hidden = segment_path(journal, 0).rename(journal / "hidden")
    assert isinstance(conversion.convert(0), Failure)
    note(journal, conversion.convert(1))
    hidden.rename(segment_path(journal, 0))
    note(journal, conversion.convert(0))
    conversion.finish()
    assert not result_path(journal, "connections").exists()
    found = ask(journal, "SELECT data, fd, cause FROM readiness")
    assert found == [{"data": data, "fd": None, "cause": None} for data in (600, 700, 2**31)]
    assert len(ask(journal, "FROM connections")) == 1, "worked out by the reader"


def test_files_that_were_written_to_the_end_are_known(converted):
    log = converted / FILES_NAME
    whole = log.read_bytes()
    log.write_bytes(whole[:-3])
    recording = open_recording(converted)
    assert len(recording.files) == 4
    assert recording.problems == ()
    log.write_bytes(b'{"file": 9}\n' + whole)
    recording = open_recording(converted)
    assert len(recording.files) == 5
    assert "1 files are not known" in recording.problems[0]


def test_the_last_line_of_a_file_counts(tmp_path):
    given = source().files
    log = FilesWriter(tmp_path)
    log.write(given)
    size = log.bytes
    log.write(given)
    assert log.bytes == size, "what is known is not written again"
    log.close()
    assert log.bytes == (tmp_path / FILES_NAME).stat().st_size


@pytest.mark.parametrize(
    ("mask", "text"),
    [(0, "0"), (1, "EPOLLIN"), (0x2011, "EPOLLIN|EPOLLHUP|EPOLLRDHUP"), (1 << 31 | 4, "EPOLLOUT|EPOLLET"),
     (1 << 20, "0x100000"), (1 | 1 << 20, "EPOLLIN|0x100000")],
)  # fmt: skip
def test_masks_are_words(mask, text):
    assert event_text(mask) == text


def test_the_names_of_events_are_the_kernels():
    import select

    known = {name: getattr(select, name) for name in dir(select) if name.startswith("EPOLL")}
    known = {name: value for name, value in known.items() if name != "EPOLL_CLOEXEC"}
    assert {name: value & 0xFFFFFFFF for name, value in known.items()}.items() <= {
        name: bit for bit, name in EVENT_NAMES.items()
    }.items()


NEW_COLUMNS = (
    *("interface", "pathname", "second_file", "result_file", "slept", "wake", "woken_ns", "wakes", "waker"),
    *("waker_operation", "waker_file", "waker_argument", "woke", "woke_count", "number", "waker_number"),
    *("arg0", "arg1", "arg2", "arg3", "arg4", "arg5", "memory"),
)


def test_a_recording_of_schema_1_is_read(make_recording, numbered, read_all):
    """Recordings from before there were system calls: without these columns, the files in meta.json."""
    batch = numbered(0, 50)
    batch["fd"], batch["file"], batch["has_arguments"] = 3, 1, True
    path = make_recording([batch], source=FakeSource([], context=source().context))
    for name in ("connections.parquet", "threads.parquet", FILES_NAME):
        (path / name).unlink()
    part = str(part_path(path, 0))
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE old AS SELECT * EXCLUDE ({', '.join(NEW_COLUMNS)}) FROM '{part}'")
        connection.execute(f"COPY old TO '{part}' (FORMAT parquet)")
    meta = json.loads((path / "meta.json").read_text())
    for name in ("threads", "interests", "open_sockets"):
        del meta[name]
    file = {"file": 1, "description": "/var/lib/x.db", "device": 2, "inode": 99}
    parts = [{"number": 0, "rows": 50, "bytes": 1}]
    (path / "meta.json").write_text(
        json.dumps({**meta, "schema": 1, "probes": ["io_uring_complete"], "files": [file], "parts": parts})
    )

    recording = open_recording(path)
    assert read_all(recording).tobytes() == batch.tobytes()
    assert recording.files[1].description == "/var/lib/x.db"
    assert recording.problems == ()
    assert ask(
        path,
        "SELECT interface, description, pathname, count(*) n "
        "FROM operations JOIN files USING (file) GROUP BY ALL",
    ) == [{"interface": "io_uring", "description": "/var/lib/x.db", "pathname": None, "n": 50}]
    assert [len(ask(path, f"FROM {table}")) for table in BESIDE] == [0] * len(BESIDE)


def test_a_recording_of_io_uring_alone_has_all_columns_in_its_views(make_recording, numbered, read_all):
    path = make_recording(
        [numbered(0, 50)], source=FakeSource([], context=context(probes=("io_uring_complete",)))
    )
    with duckdb.connect() as connection:
        stored = connection.execute(f"DESCRIBE FROM '{part_path(path, 0)}'").fetchall()
        assert len(stored) < len(COLUMNS)
    assert ask(path, "SELECT interface, arg0, pathname, memory, count(*) n FROM operations GROUP BY ALL") == [
        {"interface": "io_uring", "arg0": None, "pathname": None, "memory": None, "n": 50}
    ]
    assert [line["column_name"] for line in ask(path, "DESCRIBE operations")] == [
        column.name for column in COLUMNS
    ]
    assert read_all(open_recording(path)).tobytes() == numbered(0, 50).tobytes()


def test_a_description_that_is_no_utf_8_can_be_asked_for(make_recording, numbered):
    given = source()
    odd = next(iter(given.files.values()))
    given.files = {1: type(odd)(1, "/tmp/\udcff\\", 1, 2)}
    path = make_recording([numbered(0, 3)], source=given)
    assert ask(path, "SELECT description FROM files") == [{"description": "/tmp/\\udcff\\"}]
