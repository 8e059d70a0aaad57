"""Logs in the styles of other versions of strace, and of attached processes, with what is in them."""

from __future__ import annotations

import pytest

from tests.strace.corpus_logs import CORPUS
from uringtrace.tracer.strace import (
    Account,
    Call,
    End,
    Ending,
    Notice,
    Record,
    Signal,
    Unparsed,
    account,
    lines_of,
    parse,
    recognise,
)
from uringtrace.tracer.strace.descriptors import first_descriptor, result_descriptor, shown_file

RETURNED, NOT_RETURNED = Ending.RETURNED, Ending.NOT_RETURNED


def records_of(name: str) -> list[Record]:
    return list(parse(lines_of(CORPUS / f"{name}.txt")))


def calls_of(name: str) -> list[Call]:
    return [record for record in records_of(name) if isinstance(record, Call)]


def results(calls: list[Call]) -> list[tuple[int | None, str, int | str | None]]:
    """Thread, name, and number or error of each."""
    return [(c.tid, c.name, c.result and (c.result.error or c.result.value)) for c in calls]


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("killed_unknown_call", "-f -ttt -T -y", Account(15, 7, 12, 1, 2, 0, 0, 0)),
        ("killed_wrong_call", "-f -r", Account(13, 7, 10, 1, 2, 0, 0, 0)),
        ("attached", "-f", Account(59, 56, 57, 0, 0, 2, 0, 0)),
        ("attached_execve", "-f", Account(44, 37, 41, 0, 2, 1, 0, 0)),
        ("written_5.10", "-f -ttt -T -yy", Account(17, 12, 14, 1, 2, 0, 0, 0)),
        ("written_old_spaces", "-f", Account(11, 3, 5, 2, 0, 4, 0, 0)),
        ("written_attach", "-f", Account(16, 7, 12, 0, 2, 2, 0, 0)),
        (
            "written_6.3_to_6.12",
            "-f --absolute-timestamps=time,ns --syscall-times=ns -yy",
            Account(11, 9, 9, 1, 1, 0, 0, 0),
        ),
        ("written_6.16_names", "-f -y --secontext", Account(3, 3, 3, 0, 0, 0, 0, 0)),
        ("written_colours", "", Account(2, 2, 2, 0, 0, 0, 0, 0)),
    ],
)
def test_each_line_has_its_place(name: str, options: str, expected: Account) -> None:
    assert account(records_of(name)) == expected
    assert " ".join(recognise(list(lines_of(CORPUS / f"{name}.txt"))).options) == options


def test_5_10() -> None:
    calls = calls_of("written_5.10")
    assert results(calls) == [
        (400, "execve", 0),
        (400, "openat", 3),
        (400, "unlink", 0),
        (400, "fstat", 0),
        (400, "syscall_0x1bf", "ENOSYS"),
        (400, "accept4", 5),
        (400, "accept4", 7),
        (400, "clone", 401),
        (401, "set_robust_list", 0),
        (401, "exit", None),
        (400, "futex", 0),
        (400, "rt_sigtimedwait", 10),
    ]
    descriptor = first_descriptor(calls[3])
    assert descriptor is not None
    assert descriptor.shown is not None
    file = shown_file(descriptor.shown)
    assert (file.path, file.deleted) == ("/srv/data", True)
    accepted = result_descriptor(calls[6])
    assert accepted is not None
    assert accepted.shown is not None
    socket = shown_file(accepted.shown)
    assert (socket.kind, socket.local, socket.remote) == ("tcp", "[::1]:80", "[::1]:40002")
    assert result_descriptor(calls[7]) is None
    assert calls[10].started_ns == 1_607_900_000_001_310_000
    assert calls[10].resumed_ns == 1_607_900_000_001_450_000
    assert calls[10].duration_ns == 138_000
    assert calls[11].result is not None
    assert calls[11].result.notes == ("SIGUSR1",)


def test_spaces_of_old_versions() -> None:
    records = records_of("written_old_spaces")
    calls = [record for record in records if isinstance(record, Call)]
    assert [(call.tid, call.name, call.arguments) for call in calls] == [
        (501, "read", ("5", '"a, \\"b\\""', "16")),
        (500, "select", ("6", "[3 5]", "NULL", "NULL", "{5, 0}")),
        (501, "_exit", ("0",)),
    ]
    assert calls[1].result is not None
    assert calls[1].result.notes == ("in [5], left {4, 999000}",)
    signals = [(r.name, r.details) for r in records if isinstance(r, Signal)]
    assert signals == [("SIGCHLD", "(Child exited) @ 0 (0)"), ("SIGALRM", "(Alarm clock) @ 0 (0)")]


def test_a_log_of_an_attached_process() -> None:
    records = records_of("written_attach")
    calls = [record for record in records if isinstance(record, Call)]
    assert [(call.tid, call.name, call.ending, call.begun) for call in calls] == [
        (300, "epoll_wait", RETURNED, False),
        (301, "restart_syscall", RETURNED, True),
        (302, "futex", NOT_RETURNED, True),
        (300, "epoll_wait", NOT_RETURNED, True),
        (301, "execve", RETURNED, True),
        (None, "write", NOT_RETURNED, True),
        (None, "pause", Ending.DETACHED, True),
    ]
    assert calls[0].result is not None
    assert calls[0].result.value == 1
    assert calls[1].resumes == "nanosleep"
    assert [record.how for record in records if isinstance(record, End)] == [
        "exited with 0",
        "superseded by execve in pid 301",
    ]
    notices = [record.text for record in records if isinstance(record, Notice)]
    assert notices[0] == "strace: Process 300 attached with 3 threads"
    assert notices[-1] == "strace: Process 300 detached"


def test_detaching_and_execve_in_a_thread() -> None:
    detached = [call for call in calls_of("attached") if call.ending is not RETURNED]
    assert [(call.tid, call.ending) for call in detached] == [
        (32359, Ending.DETACHED),
        (32401, Ending.DETACHED),
    ]
    calls = calls_of("attached_execve")
    (execve,) = [call for call in calls if call.name == "execve"]
    assert (execve.tid, execve.ending, len(execve.lines)) == (32449, RETURNED, 2)
    ended = [(call.tid, call.name) for call in calls if call.ending is NOT_RETURNED]
    assert ended == [(32406, "clock_nanosleep"), (32448, "clock_nanosleep")]


def test_6_3_to_6_12() -> None:
    calls = calls_of("written_6.3_to_6.12")
    assert calls[0].started_ns == 12 * 3600 * 10**9 + 1
    assert calls[0].duration_ns == 900
    shown = [
        shown_file(descriptor.shown).kind
        for call in calls[:4]
        if (descriptor := result_descriptor(call) or first_descriptor(call)) and descriptor.shown
    ]
    assert shown == ["signalfd", "eventfd", "pidfd", "io_uring"]
    null = first_descriptor(calls[5])
    assert null is not None
    assert shown_file(null.shown or "").device == "char 1:3"
    assert calls[7].resumes == "clock_nanosleep"
    result = calls[8].result
    assert result is not None
    assert (result.error, result.injected, result.delayed) == ("ENOENT", True, True)
    assert result.notes == ("No such file or directory",)


def test_names_of_arguments() -> None:
    calls = calls_of("written_6.16_names")
    assert [getattr(first_descriptor(call), "number", None) for call in calls] == [-100, 3, 3]
    assert calls[1].arguments == ("fd=3</srv/data>", 'buf="a = 1, b("', "count=9")


def test_colours_and_links_are_left_out() -> None:
    calls = calls_of("written_colours")
    assert results(calls) == [(None, "read", 2), (None, "close", "EBADF")]
    assert calls[0].arguments == ("3", '"ab"', "2")
    assert "\x1b" not in repr(calls)


def test_a_killed_thread_may_be_shown_a_call_that_it_never_made() -> None:
    """strace read the registers of the thread before it; nothing in the log tells, but it has no end."""
    calls = calls_of("killed_wrong_call")
    (wrong,) = [call for call in calls if call.tid == 15009 and call.name == "kill"]
    assert (wrong.ending, wrong.result) == (NOT_RETURNED, None)
    (unknown,) = [call for call in calls_of("killed_unknown_call") if call.name == "???"]
    assert unknown.ending is NOT_RETURNED


def test_no_key_of_any_form_is_kept_and_the_rest_is() -> None:
    records = records_of("written_keys")
    kept = repr(records)
    for secret in ("SECRE", "SALT", "KEY-", "0x53", "\\\\3003"):
        assert secret not in kept
    calls = [record for record in records if isinstance(record, Call)]
    assert [(call.tid, call.name, call.arguments[-2:], call.keys) for call in calls] == [
        (
            800,
            "setsockopt",
            ("{version=TLS_1_3_VERSION, cipher_type=TLS_CIPHER_AES_GCM_128, <redacted>}", "40"),
            True,
        ),
        (800, "setsockopt", ("optval=<redacted>", "optlen=40"), True),
        (800, "setsockopt", ("<redacted>", "40"), True),
        (800, "getsockopt", ("<redacted>", "[56 => 40]"), True),
        (801, "getsockopt", ("[0]", "[4]"), False),
        (802, "getsockopt", ("<redacted>", "[40]"), True),
        (800, "setsockopt", ("[1]", "4"), True),
        (800, "setsockopt", ("<redacted>", "40"), True),
        (803, "getsockopt", ("<redacted><redacted>", "[40]"), True),
        (803, "setsockopt", ("<redacted><redacted>", "40"), True),
        (803, "getsockopt", ("[1]", "[4]"), False),
    ]
    assert [record.lines for record in records if isinstance(record, Unparsed)] == [(1,), (18,), (19,)]
