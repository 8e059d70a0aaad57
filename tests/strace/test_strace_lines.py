"""Single lines of strace: arguments, results, what stands in front, and lines that are no calls."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uringtrace.tracer.strace import Call, Detail, End, Ending, Notice, Record, Signal, Unparsed, parse
from uringtrace.tracer.strace.arguments import CutError, split_arguments
from uringtrace.tracer.strace.batches import kernel_result
from uringtrace.tracer.strace.descriptors import (
    Descriptor,
    ShownFile,
    argument_descriptor,
    first_descriptor,
    result_descriptor,
    shown_file,
)
from uringtrace.tracer.strace.leader import Clock, ThreadForm, parse_leader


def only(*lines: str) -> Call:
    (call,) = parse(lines)
    assert isinstance(call, Call)
    return call


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        (
            'connect(4<TCP:[5]>, {sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}, 16) = 0',
            ("4<TCP:[5]>", '{sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}', "16"),
        ),
        (
            'write(5<TCP:[127.0.0.1:80->127.0.0.1:99]>, "a\\\\", 2) = 2',
            ("5<TCP:[127.0.0.1:80->127.0.0.1:99]>", '"a\\\\"', "2"),
        ),
        ('close(3<UNIX-STREAM:[1->2,"/run/a, b"]>) = 0', ('3<UNIX-STREAM:[1->2,"/run/a, b"]>',)),
        ('close(3<UNIX:[1,"/a]>, \\"b"]>) = 0', ('3<UNIX:[1,"/a]>, \\"b"]>',)),
        ("read(0</dev/null<char 1:3>>, 0x7f00, 1) = 0", ("0</dev/null<char 1:3>>", "0x7f00", "1")),
        ("close(4</tmp/x>(deleted)) = 0", ("4</tmp/x>(deleted)",)),
        ("close(4</tmp/a, (b->) = 0", ("4</tmp/a, (b->",)),
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
            "rt_sigprocmask(SIG_SETMASK, ~[RTMIN RT_1], [], 8) = 0",
            ("SIG_SETMASK", "~[RTMIN RT_1]", "[]", "8"),
        ),
        (
            "ioctl(3, TCGETS, {c_iflag=ICRNL, ...}) = 0",
            ("3", "TCGETS", "{c_iflag=ICRNL, ...}"),
        ),
        (
            'newfstatat(-100 /* AT_FDCWD */</a, b>, "x", {st_rdev=makedev(0x1, 0x3)}, 0) = 0',
            ("-100 /* AT_FDCWD */</a, b>", '"x"', "{st_rdev=makedev(0x1, 0x3)}", "0"),
        ),
        (
            'recvmsg(3, {msg_iov=[{iov_base="a)", iov_len=2}], msg_control=[{cmsg_len=16}]}, 0) = 2',
            ("3", '{msg_iov=[{iov_base="a)", iov_len=2}], msg_control=[{cmsg_len=16}]}', "0"),
        ),
        ("getpid()                          = 812", ()),
    ],
)
def test_arguments_are_split_where_they_end(text: str, arguments: tuple[str, ...]) -> None:
    assert only(text).arguments == arguments


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


@pytest.mark.parametrize("text", ['(3, "abc', '(3, "', '(3, "abc\\"', "(3, {a", "(3, /* a)"])
def test_arguments_that_do_not_end(text: str) -> None:
    with pytest.raises(CutError):
        split_arguments(text, 1)


@pytest.mark.parametrize(
    ("ending", "text", "value", "error", "notes", "raw"),
    [
        ("= 0", "0", 0, None, (), 0),
        ("= -1", "-1", -1, None, (), -1),
        ("= 022", "022", 18, None, (), 18),
        ("= 0x7f0000001000", "0x7f0000001000", 0x7F0000001000, None, (), 0x7F0000001000),
        ("= 0xffffffffffffffff", "0xffffffffffffffff", 2**64 - 1, None, (), -1),
        (
            "= -1 ENOENT (No such file or directory)",
            "-1",
            -1,
            "ENOENT",
            ("No such file or directory",),
            -2,
        ),
        ("= -1 ERRNO_530 (Unknown error 530)", "-1", -1, "ERRNO_530", ("Unknown error 530",), -530),
        ("= ?", "?", None, None, (), None),
        ("= ? <unavailable>", "?", None, None, (), None),
        (
            "= ? ERESTARTSYS (To be restarted if SA_RESTART is set)",
            "?",
            None,
            "ERESTARTSYS",
            ("To be restarted if SA_RESTART is set",),
            -512,
        ),
        (
            "= 0x8002 (flags O_RDWR|O_LARGEFILE)",
            "0x8002",
            0x8002,
            None,
            ("flags O_RDWR|O_LARGEFILE",),
            0x8002,
        ),
        ("= 1 ([{fd=3, revents=POLLIN}])", "1", 1, None, ("[{fd=3, revents=POLLIN}]",), 1),
        ("= 0 (Timeout)", "0", 0, None, ("Timeout",), 0),
        ("= 3</memfd:a>(deleted)", "3</memfd:a>(deleted)", 3, None, (), 3),
        ("= 4<TCP:[127.0.0.1:1->127.0.0.1:2]>", "4<TCP:[127.0.0.1:1->127.0.0.1:2]>", 4, None, (), 4),
        ("= 12 /* 3 in strace's PID NS */", "12", 12, None, (), 12),
    ],
)
@pytest.mark.parametrize("duration", ["", " <0.000012>"])
def test_results(
    ending: str,
    text: str,
    value: int | None,
    error: str | None,
    notes: tuple[str, ...],
    raw: int | None,
    duration: str,
) -> None:
    call = only(f"f(1) {ending}{duration}")
    assert call.result is not None
    assert (call.result.text, call.result.value, call.result.error, call.result.notes) == (
        text,
        value,
        error,
        notes,
    )
    assert kernel_result(call.result) == raw
    assert call.duration_ns == (12_000 if duration else None)
    assert call.ending is (Ending.NOT_RETURNED if value is None and error is None else Ending.RETURNED)


@pytest.mark.parametrize(
    ("line", "tid", "form", "clock", "time_ns", "precision_ns"),
    [
        ("read(", None, ThreadForm.NONE, Clock.NONE, None, None),
        ("7     read(", 7, ThreadForm.COLUMN, Clock.NONE, None, None),
        ("4194304 read(", 4194304, ThreadForm.COLUMN, Clock.NONE, None, None),
        ("[pid     7] read(", 7, ThreadForm.BRACKET, Clock.NONE, None, None),
        ("7<a b> read(", 7, ThreadForm.COLUMN, Clock.NONE, None, None),
        ("[pid     7<(sd-pam)>] read(", 7, ThreadForm.BRACKET, Clock.NONE, None, None),
        ("1700000000 read(", None, ThreadForm.NONE, Clock.UNIX, 1_700_000_000 * 10**9, 10**9),
        ("1700000000.5 read(", None, ThreadForm.NONE, Clock.UNIX, 1_700_000_000_500_000_000, 10**8),
        ("7     1700000000.000001 read(", 7, ThreadForm.COLUMN, Clock.UNIX, 1_700_000_000_000_001_000, 1000),
        ("7     01:00:00 read(", 7, ThreadForm.COLUMN, Clock.TIME_OF_DAY, 3600 * 10**9, 10**9),
        ("01:00:00.000000002 read(", None, ThreadForm.NONE, Clock.TIME_OF_DAY, 3600 * 10**9 + 2, 1),
        ("     0.000250 read(", None, ThreadForm.NONE, Clock.STEPS, 250_000, 1000),
        ("7          3 read(", 7, ThreadForm.COLUMN, Clock.STEPS, 3 * 10**9, 10**9),
        (
            "7     1700000000.000001 (+     0.000250) read(",
            7,
            ThreadForm.COLUMN,
            Clock.UNIX,
            1_700_000_000_000_001_000,
            1000,
        ),
        (
            "7     a:b:c:s0 read(",
            7,
            ThreadForm.COLUMN,
            Clock.NONE,
            None,
            None,
        ),
        ("[   0] [00007f0000001000] read(", None, ThreadForm.NONE, Clock.NONE, None, None),
    ],
)
def test_what_stands_in_front(
    line: str, tid: int | None, form: ThreadForm, clock: Clock, time_ns: int | None, precision_ns: int | None
) -> None:
    leader = parse_leader(line)
    assert (leader.tid, leader.form, leader.clock) == (tid, form, clock)
    assert (leader.time_ns, leader.precision_ns) == (time_ns, precision_ns)
    assert line[leader.end :] in ("read(", "a:b:c:s0 read(")


@pytest.mark.parametrize(
    ("line", "record"),
    [
        ("--- SIGCHLD {si_pid=12} ---", Signal((1,), None, None, "SIGCHLD", False, "{si_pid=12}")),
        ("7 --- stopped by SIGSTOP ---", Signal((1,), 7, None, "SIGSTOP", True, "")),
        ("7 --- SIGRT_1 {} ---", Signal((1,), 7, None, "SIGRT_1", False, "{}")),
        ("7 +++ exited with 0 +++", End((1,), 7, None, "exited with 0")),
        ("+++ killed by SIGABRT (core dumped) +++", End((1,), None, None, "killed by SIGABRT (core dumped)")),
        ("strace: Process 12 attached", Notice((1,), "strace: Process 12 attached")),
        (
            "/usr/bin/strace: exec: Permission denied",
            Notice((1,), "/usr/bin/strace: exec: Permission denied"),
        ),
        (
            "[ Process PID=12 runs in 32 bit mode. ]",
            Notice((1,), "[ Process PID=12 runs in 32 bit mode. ]"),
        ),
        (" | 00000  68 65 6c  hel |", Detail((1,), " | 00000  68 65 6c  hel |")),
        (" * 5 bytes in buffer 0", Detail((1,), " * 5 bytes in buffer 0")),
        (" > /lib/libc.so(write+0x10) [0x1]", Detail((1,), " > /lib/libc.so(write+0x10) [0x1]")),
        ("", Unparsed((1,), "")),
        ("7 monkeys", Unparsed((1,), "7 monkeys")),
        ("read(3, 1) : 0", Unparsed((1,), "read(3, 1) : 0")),
        ("read(3, 1) = 0 and more", Unparsed((1,), "read(3, 1) = 0 and more")),
        ('read(3, "abc', Unparsed((1,), 'read(3, "abc')),
        ("<... read resumed>, and more", Unparsed((1,), "read(, and more")),
    ],
)
def test_lines_that_are_no_calls(line: str, record: Record) -> None:
    assert list(parse([line])) == [record]


def test_halves_of_calls_are_joined_for_each_thread() -> None:
    lines = [
        "11 1700000000.000001 read(3<pipe:[7]>,  <unfinished ...>",
        "12 1700000000.000002 futex(0x7f00, FUTEX_WAIT_PRIVATE, 1, NULL <unfinished ...>",
        '11 1700000000.000003 <... read resumed>"a, b", 8)     = 4 <0.000002>',
        "13 1700000000.000004 getpid()                    = 11 <0.000001>",
        "12 1700000000.000005 <... futex resumed>)        = 0 <0.000003>",
    ]
    calls = [record for record in parse(lines) if isinstance(record, Call)]
    assert [(call.lines, call.tid, call.name, call.arguments) for call in calls] == [
        ((1, 3), 11, "read", ("3<pipe:[7]>", '"a, b"', "8")),
        ((4,), 13, "getpid", ()),
        ((2, 5), 12, "futex", ("0x7f00", "FUTEX_WAIT_PRIVATE", "1", "NULL")),
    ]
    assert [(call.started_ns or 0) % 10**9 for call in calls] == [1000, 4000, 2000]
    assert [call.resumed_ns and call.resumed_ns % 10**9 for call in calls] == [3000, None, 5000]


def test_calls_without_an_end() -> None:
    """Lost lines, an end of the thread, an end of the log."""
    lines = [
        "11 read(3,  <unfinished ...>",
        "11 write(4,  <unfinished ...>",
        "11 close(5) = 0",
        "12 pause( <unfinished ...>",
        "12 +++ killed by SIGKILL +++",
        "13 poll([{fd=3, events=POLLIN}], 1,  <unfinished ...>",
    ]
    calls = [record for record in parse(lines) if isinstance(record, Call)]
    assert [(call.name, call.ending, call.arguments) for call in calls] == [
        ("read", Ending.UNFINISHED, ("3",)),
        ("write", Ending.UNFINISHED, ("4",)),
        ("close", Ending.RETURNED, ("5",)),
        ("pause", Ending.NOT_RETURNED, ()),
        ("poll", Ending.UNFINISHED, ("[{fd=3, events=POLLIN}]", "1")),
    ]


def test_the_thread_of_a_file_of_ff_is_given() -> None:
    (call,) = parse(["read(3, 0x1, 1) = 0"], tid=12)
    assert isinstance(call, Call)
    assert call.tid == 12


@pytest.mark.parametrize(
    ("text", "descriptor"),
    [
        ("3", Descriptor(3, None)),
        ("fd=3</a>", Descriptor(3, "/a")),
        ("0x3", Descriptor(3, None)),
        ("0xffffff9c", Descriptor(-100, None)),
        ("AT_FDCWD</srv>", Descriptor(-100, "/srv")),
        ("-100 /* AT_FDCWD */", Descriptor(-100, None)),
        ("4</tmp/x>(deleted)", Descriptor(4, "/tmp/x (deleted)")),
        ("NULL", None),
        ("99999999999", None),
        ("[3]", None),
    ],
)
def test_descriptors(text: str, descriptor: Descriptor | None) -> None:
    assert argument_descriptor(text) == descriptor


@pytest.mark.parametrize(
    ("line", "first", "result"),
    [
        ("mmap(NULL, 1, PROT_READ, MAP_PRIVATE, 3</a>, 0) = 0x7f00", 3, None),
        ("epoll_ctl(3, EPOLL_CTL_ADD, 4, {}) = 0", 3, None),
        ('openat(AT_FDCWD, "a", O_RDONLY) = 5', -100, 5),
        ("dup2(3, 1) = 1", 3, 1),
        ("fcntl(3</a>, F_DUPFD, 10) = 10</a>", 3, 10),
        ("clone(child_stack=NULL, flags=SIGCHLD) = 77<app>", None, None),
        ("wait4(77<app>, NULL, 0, NULL) = 77<app>", None, None),
        ('openat(AT_FDCWD, "a", O_RDONLY) = -1 ENOENT (No such file or directory)', -100, None),
        ("unknown_call(1, 6</a>) = 0", 6, None),
    ],
)
def test_the_descriptors_of_a_call(line: str, first: int | None, result: int | None) -> None:
    call = only(line)
    assert getattr(first_descriptor(call), "number", None) == first
    assert getattr(result_descriptor(call), "number", None) == result


@pytest.mark.parametrize(
    ("text", "file"),
    [
        ('/a \\"b\\" \\74c\\76', ShownFile("path", '/a "b" <c>')),
        ("/dev/null<char 1:3>", ShownFile("path", "/dev/null", device="char 1:3")),
        ("/tmp/x (deleted)", ShownFile("path", "/tmp/x", deleted=True)),
        ("/\\303\\244", ShownFile("path", "/ä")),
        ("pipe:[12]", ShownFile("pipe", inode=12)),
        ("socket:[12]", ShownFile("socket", inode=12)),
        ("TCP:[12]", ShownFile("tcp", inode=12)),
        ("TCP:[127.0.0.1:1->127.0.0.1:2]", ShownFile("tcp", local="127.0.0.1:1", remote="127.0.0.1:2")),
        ("UDPv6:[[::1]:1]", ShownFile("udp", local="[::1]:1")),
        ("UNIX-STREAM:[1->2]", ShownFile("unix", inode=1)),
        ('UNIX-DGRAM:[1,@"a b"]', ShownFile("unix", "@a b", inode=1)),
        ("NETLINK:[ROUTE:99]", ShownFile("netlink", local="ROUTE:99")),
        ("anon_inode:[io_uring]", ShownFile("io_uring")),
        ("anon_inode:inotify", ShownFile("inotify")),
        ("pid:12", ShownFile("pidfd")),
    ],
)
def test_what_is_shown_of_files(text: str, file: ShownFile) -> None:
    assert shown_file(text) == file
