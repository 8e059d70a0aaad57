"""The reader of strace's output, on lines as strace 6.1 writes them."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strace.strace_output import (
    End,
    Signal,
    StraceCall,
    UnknownLine,
    parse,
    parse_call,
    split_arguments,
)


def only(line: str) -> StraceCall:
    (call,) = parse(line).calls
    return call


def test_a_line_with_times_and_files() -> None:
    line = '812 1700000000.250001 openat(AT_FDCWD</srv>, "a, \\"b\\")", O_RDONLY) = 3</srv/a, b> <0.000031>'
    assert only(line) == StraceCall(
        812,
        "openat",
        ("AT_FDCWD</srv>", '"a, \\"b\\")"', "O_RDONLY"),
        "3</srv/a, b>",
        None,
        "",
        1_700_000_000_250_001_000,
        31_000,
    )


def test_a_line_with_nothing_beside_the_call() -> None:
    assert only("812 getpid()                          = 812") == StraceCall(
        812, "getpid", (), "812", None, ""
    )


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        (
            'connect(4<TCP:[5]>, {sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}, 16) = 0',
            (
                "4<TCP:[5]>",
                '{sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}',
                "16",
            ),
        ),
        (
            'write(5<TCP:[127.0.0.1:80->127.0.0.1:99]>, "a\\\\", 2) = 2',
            ("5<TCP:[127.0.0.1:80->127.0.0.1:99]>", '"a\\\\"', "2"),
        ),
        (
            'close(3<UNIX-STREAM:[1->2,"/run/a, b"]>) = 0',
            ('3<UNIX-STREAM:[1->2,"/run/a, b"]>',),
        ),
        ("read(0</dev/null<char 1:3>>, 0x7f00, 1) = 0", ("0</dev/null<char 1:3>>", "0x7f00", "1")),
        ("close(4</tmp/x>(deleted)) = 0", ("4</tmp/x>(deleted)",)),
        (
            "mmap(NULL, 4096, PROT_READ, MAP_HUGETLB|21<<MAP_HUGE_SHIFT, -1, 0) = 0x7f00",
            ("NULL", "4096", "PROT_READ", "MAP_HUGETLB|21<<MAP_HUGE_SHIFT", "-1", "0"),
        ),
        (
            "timerfd_settime(3, 0x100000 /* TFD_???, (none) */, {it_value={tv_sec=0, tv_nsec=1}}, NULL) = 0",
            ("3", "0x100000 /* TFD_???, (none) */", "{it_value={tv_sec=0, tv_nsec=1}}", "NULL"),
        ),
        ('read(3, "cut"..., 4096) = 4096', ("3", '"cut"...', "4096")),
        ("select(5, [3 4], NULL, NULL, NULL) = 1 (in [4])", ("5", "[3 4]", "NULL", "NULL", "NULL")),
        (
            "epoll_wait(3<anon_inode:[eventpoll]>, [], 8, 0) = 0",
            ("3<anon_inode:[eventpoll]>", "[]", "8", "0"),
        ),
    ],
)
def test_arguments_are_split_where_they_end(text: str, arguments: tuple[str, ...]) -> None:
    assert parse_call(text, 1).arguments == arguments


@pytest.mark.parametrize(
    ("ending", "result", "error", "note"),
    [
        ("= 0", "0", None, ""),
        ("= -1 ENOENT (No such file or directory)", "-1", "ENOENT", "No such file or directory"),
        ("= ?", "?", None, ""),
        (
            "= ? ERESTARTSYS (To be restarted if SA_RESTART is set)",
            "?",
            "ERESTARTSYS",
            "To be restarted if SA_RESTART is set",
        ),
        ("= 0x8002 (flags O_RDWR|O_LARGEFILE)", "0x8002", None, "flags O_RDWR|O_LARGEFILE"),
        ("= 1 ([{fd=3, revents=POLLIN}])", "1", None, "[{fd=3, revents=POLLIN}]"),
        ("= 4<TCP:[127.0.0.1:1->127.0.0.1:2]>", "4<TCP:[127.0.0.1:1->127.0.0.1:2]>", None, ""),
        ("= 3</memfd:a>(deleted)", "3</memfd:a>(deleted)", None, ""),
        ("= 0 (Timeout)", "0", None, "Timeout"),
    ],
)
@pytest.mark.parametrize("duration", ["", " <0.000012>"])
def test_results(ending: str, result: str, error: str | None, note: str, duration: str) -> None:
    call = parse_call(f"f(1) {ending}{duration}", 1)
    assert (call.result, call.error, call.note) == (result, error, note)
    assert call.duration_ns == (12_000 if duration else None)


def test_the_halves_of_interrupted_calls_are_joined_for_each_thread() -> None:
    text = """\
11 1.000001 read(3<pipe:[7]>,  <unfinished ...>
12 1.000002 futex(0x7f00, FUTEX_WAIT_PRIVATE, 1, NULL <unfinished ...>
11 1.000003 <... read resumed>"a, b", 8)     = 4 <0.000002>
13 1.000004 getpid()                    = 11 <0.000001>
12 1.000005 <... futex resumed>)        = 0 <0.000003>
"""
    output = parse(text)
    assert [(call.tid, call.name, call.arguments, call.result) for call in output.calls] == [
        (11, "read", ("3<pipe:[7]>", '"a, b"', "8"), "4"),
        (12, "futex", ("0x7f00", "FUTEX_WAIT_PRIVATE", "1", "NULL"), "0"),
        (13, "getpid", (), "11"),
    ]
    assert [call.started_ns for call in output.calls] == [1_000_001_000, 1_000_002_000, 1_000_004_000]


def test_calls_that_never_return() -> None:
    """A thread that ends in a call, one that strace lost sight of, and those that end it."""
    text = """\
11 futex(0x7f00, FUTEX_WAIT_PRIVATE, 0, NULL <unfinished ...>
12 read(3,  <unfinished ...>
13 exit_group(0 <unfinished ...>
14 accept(3, NULL, NULL <unfinished ...>
11 <... futex resumed>)                 = ?
12 <... read resumed> <unfinished ...>) = ?
13 <... exit_group resumed>)            = ?
11 +++ exited with 0 +++
14 +++ killed by SIGKILL +++
15 pause( <unfinished ...>
"""
    output = parse(text)
    assert [(call.name, call.arguments, call.result) for call in output.calls] == [
        ("futex", ("0x7f00", "FUTEX_WAIT_PRIVATE", "0", "NULL"), "?"),
        ("read", ("3",), "?"),
        ("exit_group", ("0",), "?"),
        ("accept", ("3", "NULL", "NULL"), "?"),
        ("pause", (), "?"),
    ]
    assert output.ends == (End(11, "exited with 0"), End(14, "killed by SIGKILL"))


def test_signals_are_kept_apart() -> None:
    output = parse("11 --- SIGCHLD {si_signo=SIGCHLD, si_pid=12} ---\n11 --- stopped by SIGSTOP ---\n")
    assert output.signals == (
        Signal(11, "SIGCHLD", "{si_signo=SIGCHLD, si_pid=12}"),
        Signal(11, "stopped by SIGSTOP", ""),
    )
    assert output.calls == ()


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("strace: Process 12 attached", "no thread id"),
        ("11 [ Process PID=12 runs in 32 bit mode. ]", "no call"),
        ('11 read(3, "abc', "a string does not end"),
        ("11 read(3, 1", "the arguments do not end"),
        ("11 read(3</tmp, 1) = 0", "does not end"),
        ("11 read(3, 1) : 0", "no result"),
        ("11 read(3, 1) = 0 and more", "no result"),
        ("11 <... read resumed>) = 0", "nothing to resume"),
        ("11 read(3,  <unfinished ...>\n11 write(3,  <unfinished ...>", "in a call already"),
        ("11 read(3,  <unfinished ...>\n11 <... write resumed>) = 0", "another call had begun"),
    ],
)
def test_what_is_not_understood_is_an_error_that_names_the_line(line: str, why: str) -> None:
    with pytest.raises(UnknownLine, match=why) as raised:
        parse(line)
    assert line.splitlines()[-1] in str(raised.value)


_QUOTED = st.text(alphabet='ab,()[]{}<>"\\ /*-').map(
    lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
)
_WORD = st.sampled_from(["NULL", "-1", "0x7f00", "O_RDWR|O_CREAT", "3</a,b)>", "4<TCP:[a:1->b:2]>", "1<<3"])
_VALUE = st.recursive(
    _QUOTED | _WORD,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda values: f"[{', '.join(values)}]")
        | st.lists(inner, max_size=3).map(lambda values: "{" + ", ".join(f"f={v}" for v in values) + "}")
    ),
    max_leaves=6,
)


@given(st.lists(_VALUE, max_size=6))
def test_any_arguments_are_found_again(values: list[str]) -> None:
    text = f"({', '.join(values)}) = 0"
    assert split_arguments(text, 1) == (tuple(values), len(text) - len(" = 0"))


@given(st.text(alphabet='11 read(<...>=,"\\{}[]?*+-/ )\n'))
def test_no_text_whatever_is_anything_but_calls_or_an_error(text: str) -> None:
    with suppress(UnknownLine):
        parse(text)
