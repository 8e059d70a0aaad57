"""Real logs, written with many options, all tell what the program did."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.strace.corpus_logs import (
    CHILDREN,
    CORPUS,
    ENDS,
    PARENT,
    PARENT_SIGNALS,
    REAL_LOGS,
    SECRETS,
    SUITES,
    Log,
    Told,
)
from uringtrace.tracer.strace import (
    STRACE_CALL,
    Call,
    Detail,
    End,
    Ending,
    Notice,
    Record,
    Signal,
    Tables,
    Unparsed,
    account,
    batches,
    lines_of,
    parse,
    recognise,
)
from uringtrace.tracer.strace.batches import UNKNOWN_NS, Mark, kernel_result
from uringtrace.tracer.strace.descriptors import AT_FDCWD, first_descriptor, result_descriptor, shown_file

SECOND = 1_000_000_000


def paths(log: Log) -> list[Path]:
    return sorted(CORPUS.glob(f"{log.name}.*txt"))


def records_of(log: Log) -> list[Record]:
    """Of all its files; those of -ff are told apart by the number in their name."""
    found: list[Record] = []
    for path in paths(log):
        parts = path.name.split(".")
        found += parse(lines_of(path), tid=int(parts[1]) if len(parts) == 3 else None)
    return found


def calls_of(log: Log) -> list[Call]:
    """In the order in which they began."""
    return sorted((r for r in records_of(log) if isinstance(r, Call)), key=lambda call: call.lines[0])


def text_of(name: str) -> str:
    return (CORPUS / f"{name}.txt").read_text()


def every_log(*without: str) -> pytest.MarkDecorator:
    logs = [log for log in REAL_LOGS if log.name not in without]
    return pytest.mark.parametrize("log", logs, ids=lambda log: log.name)


def by_version(name: str) -> list[str]:
    """The logs that other versions wrote with the options of this one."""
    return [f"{name}_{version.replace('.', '_')}" for version in SUITES.values()]


def named(name: str) -> Log:
    (log,) = (log for log in REAL_LOGS if log.name == name)
    return log


def told(calls: Sequence[Call]) -> Iterator[Told]:
    """What of calls is compared with the program; a call that went on several times is one."""
    for call, following in zip(calls, [*calls[1:], None], strict=True):
        if call.name == "restart_syscall" and following and following.name == "restart_syscall":
            continue
        assert call.result is not None
        yield Told(call.name, None if call.result.error else call.result.value, call.result.error)


def assert_told(calls: Sequence[Call], expected: Sequence[Told]) -> None:
    found = list(told(calls))
    assert [call.name for call in found] == [call.name for call in expected]
    for call, planned in zip(found, expected, strict=True):
        assert call.error == planned.error
        assert planned.result is None or call.result == planned.result


@every_log()
def test_each_line_is_in_one_record_and_all_are_understood(log: Log) -> None:
    for path in paths(log):
        lines = list(lines_of(path))
        records = list(parse(lines))
        assert sorted(number for record in records for number in record.lines) == [*range(1, len(lines) + 1)]
        assert account(records).lines == len(lines)
        assert [record for record in records if isinstance(record, Unparsed)] == []


@every_log("one_thread")
def test_every_process_made_the_calls_of_the_program(log: Log) -> None:
    calls = calls_of(log)
    if "-ff" in log.options:
        threads = [0, 1, 2, 3]
    else:
        forks = [call for call in calls if call.name == "fork"]
        children = [call.result.value for call in forks if call.result]
        threads = [next(call.tid for call in calls if call.tid not in [*children, None]), *children]
    own = [call for call in calls if call.tid in (threads[0], None)]
    begin = next(place for place, call in enumerate(own) if call.name == "chdir")
    assert_told(own[begin:], PARENT)
    for thread, expected in zip(threads[1:], CHILDREN, strict=True):
        assert_told([call for call in calls if call.tid == thread], expected)


def test_without_f_there_is_the_first_process_alone_without_a_thread_id() -> None:
    calls = calls_of(named("one_thread"))
    begin = next(place for place, call in enumerate(calls) if call.name == "chdir")
    assert_told(calls[begin:], PARENT)
    assert {call.tid for call in calls} == {None}


@every_log("one_thread", "separate")
def test_signals_and_ends(log: Log) -> None:
    records = records_of(log)
    ends = [record for record in records if isinstance(record, End)]
    assert [end.how for end in ends] == ENDS
    ended = [end.tid for end in ends[:3]]
    signals = [record for record in records if isinstance(record, Signal) and record.tid not in ended]
    shown = [("stopped by " if signal.stopped else "") + signal.name for signal in signals]
    assert sorted(shown) == sorted(PARENT_SIGNALS)
    assert shown[:3] == PARENT_SIGNALS[:3]


@every_log("separate")
def test_the_options_are_recognised(log: Log) -> None:
    (path,) = paths(log)
    assert " ".join(recognise(list(lines_of(path))).options) == log.recognised


@every_log()
def test_no_key_is_kept(log: Log) -> None:
    """Though the files have them, as text or in hexadecimal."""
    secrets = [*SECRETS, *("".join(f"\\x{ord(letter):02x}" for letter in secret) for secret in SECRETS)]
    kept = repr(records_of(log))
    assert [secret for secret in secrets if secret in kept] == []
    assert kept.count("SOL_TLS") + kept.count("0x11a") >= 3
    assert sum(call.keys for call in calls_of(log)) == 4, "three options, and random bytes"


def test_the_corpus_has_the_keys_that_are_taken_out() -> None:
    assert "IV-SECRETKEY-SECRET" in text_of("usual")
    assert "REC-SEQ1" in text_of("protocols")
    assert "\\x53\\x45\\x43\\x52\\x45\\x54" in text_of("hexadecimal")


@pytest.mark.parametrize("name", ["protocols", *by_version("protocols"), *by_version("shared_output_files")])
def test_what_descriptors_stand_for(name: str) -> None:
    """Also of 5.10, in which `AT_FDCWD` stands without its path."""
    calls = calls_of(named(name))

    def first(name: str, number: int) -> str:
        found = (first_descriptor(call) for call in calls if call.name == name)
        return next(d.shown or "" for d in found if d and d.number == number and d.shown)

    path = '/tmp/story/work/a, "b" (c) <d> = 0'
    assert shown_file(first("write", 3)).path == path
    fstat = next(call for call in calls if call.name == "newfstatat")
    descriptor = first_descriptor(fstat)
    assert descriptor is not None
    assert descriptor.shown is not None
    gone = shown_file(descriptor.shown)
    assert (gone.path, gone.deleted) == (path, True)
    server, client = shown_file(first("recvfrom", 5)), shown_file(first("sendto", 4))
    assert (server.kind, client.kind) == ("tcp", "tcp")
    assert (server.local, server.remote) == (client.remote, client.local)
    if not name.endswith("_5_10"):
        assert first("openat", AT_FDCWD) == "/tmp/story/work"
    assert shown_file(first("epoll_ctl", 3)).kind == "eventpoll"
    unix = shown_file(first("close", 6))
    assert (unix.kind, unix.path) == ("unix", "sock, ]>")
    accepted = next(result_descriptor(call) for call in calls if call.name == "accept4")
    assert accepted is not None
    assert accepted.number == 5
    assert accepted.shown == first("recvfrom", 5)


def test_durations_and_times() -> None:
    """Sleeps of 50 ms, and a call that goes on when the sleeper is continued."""
    units = {"usual": 1_000, "protocols": 1_000, "nanoseconds": 1}
    units |= {version: unit for name, unit in units.items() for version in by_version(name)}
    for name, unit in units.items():
        calls = calls_of(named(name))
        sleeps = [
            call for call in calls if call.name == "nanosleep" and call.result and call.result.value == 0
        ]
        assert len(sleeps) == 3
        for sleep in sleeps:
            assert sleep.duration_ns is not None
            assert 50_000_000 <= sleep.duration_ns < SECOND
            assert sleep.duration_ns % unit == 0
        times = [call.started_ns for call in calls]
        assert None not in times
        assert times == sorted(times, key=lambda time: time or 0)
        restarts = [call for call in calls if call.name == "restart_syscall"]
        assert restarts[0].resumes == "nanosleep"


def test_steps_add_up_to_the_time_since_the_first_line() -> None:
    calls = calls_of(named("steps"))
    assert calls[0].started_ns == 0
    (sleep,) = [call for call in calls if call.name == "nanosleep" and call.result and call.result.error]
    (wait,) = [call for call in calls if call.name == "wait4" and call.arguments[0] == sleep_ends(calls)]
    assert sleep.started_ns is not None
    assert wait.started_ns is not None
    assert 350_000_000 < wait.started_ns - sleep.started_ns < SECOND


def sleep_ends(calls: Sequence[Call]) -> str:
    """The second child, as text."""
    second = [call for call in calls if call.name == "fork"][1]
    assert second.result is not None
    return second.result.text


def test_text_of_the_program_within_a_call_and_notices_within_one() -> None:
    """`shared_output` has `write(2, …, 24one line` and `fork(strace: Process … attached`."""
    records = records_of(named("shared_output"))
    mixed = [record for record in records if isinstance(record, Call) and record.mixed]
    assert [(call.name, len(call.lines), call.result and call.result.value) for call in mixed] == [
        ("write", 2, 24)
    ]
    notices = [record for record in records if isinstance(record, Notice)]
    assert len(notices) == 3
    assert all(notice.lines == () and notice.text.endswith(" attached") for notice in notices)


def test_dumps_and_the_table_are_not_calls() -> None:
    records = records_of(named("dumps_and_table"))
    details = [record for record in records if isinstance(record, Detail)]
    assert sum("70 69 6e 67" in detail.text for detail in details) == 2
    assert [r.text.split()[-1] for r in records if isinstance(r, Notice)][-1] == "total"


def test_what_strace_forced_is_marked() -> None:
    calls = calls_of(named("injected"))
    assert [call.name for call in calls if call.result and call.result.injected] == ["recvfrom"]
    assert [call.name for call in calls if call.result and call.result.delayed] == ["umask"]


def test_notes_on_results() -> None:
    notes = {call.name: call.result.notes for call in calls_of(named("usual")) if call.result}
    assert notes["fcntl"] == ("flags O_RDWR|O_LARGEFILE",)
    assert notes["poll"] == ("Timeout",)
    assert notes["setsockopt"] == ("Protocol not available",)
    assert notes["umask"] == ()


def test_calls_that_do_not_return() -> None:
    endings = {call.name for call in calls_of(named("usual")) if call.ending is Ending.NOT_RETURNED}
    assert endings == {"exit_group", "pause"}


@every_log()
def test_batches_have_what_the_records_have(log: Log) -> None:
    tables = Tables()
    records = records_of(log)
    calls = [record for record in records if isinstance(record, Call)]
    parts = list(batches(records, tables, rows=40))
    assert [len(part) for part in parts[:-1]] == [40] * (len(parts) - 1)
    rows = np.concatenate(parts)
    assert rows.dtype == STRACE_CALL
    assert [tables.names[name] for name in rows["name"]] == [call.name for call in calls]
    assert rows["result"].tolist() == [kernel_result(call.result) or 0 for call in calls]
    assert rows["tid"].tolist() == [call.tid or 0 for call in calls]
    assert rows["line"].tolist() == [call.lines[0] for call in calls]
    assert rows["last_line"].tolist() == [call.lines[-1] for call in calls]
    for field in ("started_ns", "resumed_ns", "duration_ns"):
        values = [getattr(call, field) for call in calls]
        assert rows[field].tolist() == [UNKNOWN_NS if value is None else value for value in values]
    shown = [descriptor.shown if (descriptor := first_descriptor(call)) else None for call in calls]
    assert [tables.files[file] for file in rows["file"]] == [text or "" for text in shown]
    assert np.array_equal(rows["marks"] & Mark.KEYS != 0, [call.keys for call in calls])
    assert np.array_equal(rows["marks"] & Mark.JOINED != 0, [len(call.lines) > 1 for call in calls])
    no_result = rows["marks"] & Mark.HAS_RESULT == 0
    assert {tables.names[name] for name in rows["name"][no_result]} == {"exit_group"} | (
        set() if log.name == "one_thread" else {"pause"}
    )


def test_names_of_arguments_change_nothing() -> None:
    """-N of 7.2: what calls are about, and what they returned, is what the same version says without."""
    names, plain = calls_of(named("names_7_2")), calls_of(named("protocols_7_2"))
    assert "(fd=3<" in text_of("names_7_2")

    def about(calls: Sequence[Call]) -> set[tuple[str, int | None, str | None]]:
        # How often the interrupted sleep goes on is chance.
        found = (
            (call.name, first_descriptor(call), call.result)
            for call in calls
            if call.name != "restart_syscall"
        )
        return {(name, file and file.number, result and result.error) for name, file, result in found}

    assert about(names) == about(plain)
    assert len(about(plain)) > 40


def test_colours_are_left_out() -> None:
    text = text_of("colours_7_2")
    assert text.count("\x1b[") > 1_000
    calls = calls_of(named("colours_7_2"))
    assert "\x1b" not in repr(calls)
    assert {call.name for call in calls} == {call.name for call in calls_of(named("names_7_2"))}
