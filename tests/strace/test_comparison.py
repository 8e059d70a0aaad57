"""The comparison finds what differs, and lets pass what only the kernel's choices make different."""

from __future__ import annotations

import pytest

from tests.strace.comparison import Comparison, compare
from tests.strace.log_lines import parse_log
from tests.strace.shape import ShownFile, shape, shown_file
from tests.strace.strace_output import UnknownLine, parse

NAMES = ("strace", "uringtrace")


def compared(left: str, right: str) -> Comparison:
    """Both as strace's lines, without thread ids: those of one thread."""
    one, other = (parse("".join(f"9 {line}\n" for line in text.splitlines())).calls for text in (left, right))
    exceptions, not_decoded = {("clone3", 0): "differs", ("g", 1): "is left out"}, {("uname", 0): "a pointer"}
    return compare(one, other, NAMES, exceptions, not_decoded)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (
            "mmap(NULL, 1) = 0x7f0000001000\nmunmap(0x7f0000001000) = 0",
            "mmap(NULL, 1) = 0x7f0000009000\nmunmap(0x7f0000009000) = 0",
        ),
        (
            "bind(3, htons(0)) = 0\nclose(3<TCP:[127.0.0.1:4000]>) = 0\nf(htons(4000)) = 0",
            "bind(3, htons(0)) = 0\nclose(3<TCP 127.0.0.1:5000 listening>) = 0\nf(htons(5000)) = 0",
        ),
        ("getpid() = 40\nkill(40, 0) = 0", "getpid() = 50\nkill(50, 0) = 0"),
        ("close(3<pipe:[7]>) = 0", "close(3<pipe:[9]>) = 0"),
        ('read(3, "text"..., 9) = 9', "read(3, …, 9) = 9"),
        ("getrandom(<redacted>, 8, GRND_NONBLOCK) = 8", "getrandom(…, 8, GRND_NONBLOCK) = 8"),
        ('writev(3, [{iov_base="a", iov_len=1}]) = 1', "writev(3, [{iov_base=…, iov_len=1}]) = 1"),
        ("openat(AT_FDCWD</srv>, 1) = 3</srv/x>", "openat(AT_FDCWD, 1) = 3"),
        ("f(0x10 /* O_??? */) = 0", "f(0x10) = 0"),
        ("g(1, 2) = 0", "g(1) = 0"),
        ("futex(1) = ?", "futex(1) = ? ERESTARTSYS (To be restarted)"),
    ],
)
def test_these_agree(left: str, right: str) -> None:
    comparison = compared(left, right)
    assert comparison.differences + comparison.file_differences == []


@pytest.mark.parametrize(
    ("left", "right", "said"),
    [
        ("f(1) = 0", "f(2) = 0", "argument 0: 1 ≠ 2"),
        ("f(1) = 0", "f(1, 2) = 0", "1 arguments and 2"),
        ("f(1) = 0", "f(1) = 1", "result: 0 ≠ 1"),
        ("uname({sysname=1}) = 0", "uname({sysname=2}) = 0", "argument 0"),
        ("futex(1) = ? ERESTARTSYS (x)", "futex(1) = ? ERESTARTNOHAND (x)", "error ERESTARTSYS and"),
        ("futex(1) = -1 EINTR (x)", "futex(1) = ?", "result: -1 ≠ ?"),
        ("f(1) = -1 EIO (x)", "f(1) = -1 EBADF (x)", "error EIO and EBADF"),
        ("f() = 0\ng() = 0", "f() = 0", "only one side has\n  strace      g() = 0"),
        ("f(0x7f0000001000, 0x7f0000001000) = 0", "f(0x7f0000001000, 0x7f0000002000) = 0", "everywhere"),
        ("f(0x7f0000001000, 0x7f0000002000) = 0", "f(0x7f0000001000, 0x7f0000001000) = 0", "everywhere"),
        ("f(3<pipe:[7]>, 4<pipe:[8]>) = 0", "f(3<pipe:[7]>, 4<pipe:[7]>) = 0", "inode 8 is not 7"),
        ("f(3</a>) = 0", "f(3</b>) = 0", "</a> ≠ </b>"),
        ("f(3<UDP:[5]>) = 0", "f(3<TCP 127.0.0.1:1>) = 0", "<udp> ≠ <tcp>"),
        ("f(3<TCP:[1.1.1.1:1->2.2.2.2:2]>) = 0", "f(3<TCP 1.1.1.1:1->2.2.2.3:2>) = 0", "2.2.2.3"),
        ("poll(3) = 1 ([{fd=3}])", "poll(3) = 1 ([{fd=4}])", "result: [{fd=3}] ≠ [{fd=4}]"),
    ],
)
def test_these_differ_and_the_report_shows_both_lines(left: str, right: str, said: str) -> None:
    comparison = compared(left, right)
    assert len(comparison.differences + comparison.file_differences) == 1
    assert said in comparison.report()
    assert all(f"  {name}" in comparison.report() for name in NAMES if "only" not in said)
    assert comparison.differing


def test_a_call_that_one_side_lacks_does_not_shift_the_rest() -> None:
    comparison = compared("f() = 0\ng() = 0\nh(1) = 0\ni() = 0", "f() = 0\nh(2) = 0\ni() = 0")
    assert len(comparison.differences) == 2
    assert comparison.agreeing == {"f", "i"}


def test_threads_are_paired_through_the_call_that_began_them() -> None:
    """Whose lines come first does not matter."""
    left = "1 clone() = 2\n1 clone() = 3\n2 f(1) = 0\n3 f(2) = 0\n"
    right = "7 clone() = 8\n7 clone() = 9\n9 f(2) = 0\n8 f(1) = 0\n"
    assert compare(parse(left).calls, parse(right).calls, NAMES, {}).differences == []
    wrong = right.replace("f(2)", "f(3)")
    assert "thread 3, call 1" in compare(parse(left).calls, parse(wrong).calls, NAMES, {}).report()


def test_a_thread_that_one_side_lacks_is_a_difference() -> None:
    comparison = compare(parse("1 f() = 0\n2 g() = 0\n").calls, parse("1 f() = 0\n").calls, NAMES, {})
    assert "only strace has thread 2" in comparison.report()


def test_exceptions_are_counted_only_where_they_are_needed() -> None:
    """And a call of which something is excepted does not agree in full."""
    needed = compared("uname({sysname=1}) = 0\nclone3(1) = 0", "uname(0x7f0000001000) = 0\nclone3(2) = 0")
    assert needed.used_exceptions == {("uname", 0), ("clone3", 0)}
    assert needed.differences == []
    assert needed.agreeing == set()
    not_needed = compared("uname(1) = 0\nclone3(1) = 0", "uname(1) = 0\nclone3(1) = 0")
    assert not_needed.used_exceptions == set()
    assert not_needed.agreeing == {"uname", "clone3"}


@pytest.mark.parametrize(
    ("text", "file"),
    [
        ("TCP:[12345]", ShownFile("tcp", None)),
        ("TCP", ShownFile("tcp", None)),
        ("/dev/null<char 1:3>", ShownFile("path", "/dev/null")),
        ('/a, \\"b\\"\\t\\303\\244', ShownFile("path", '/a, "b"\tä')),
        ('/a, "b"\\x09ä', ShownFile("path", '/a, "b"\tä')),
        ("anon_inode:[eventpoll]", ShownFile("eventpoll", None)),
        ("anon_inode:inotify", ShownFile("inotify", None)),
        ('UNIX-STREAM:[7->8,"/run/x"]', ShownFile("unix", "/run/x")),
        ('UNIX:[7,@"hidden"]', ShownFile("unix", "@hidden")),
        ("UNIX /run/x", ShownFile("unix", "/run/x")),
        ("UNIX socket:[7]", ShownFile("unix", None)),
        ("UDP:[0.0.0.0:9]", ShownFile("udp", None)),
        ("TCPv6 [::]:0", ShownFile("tcp", None)),
    ],
)
def test_both_ways_to_say_what_a_descriptor_stands_for(text: str, file: ShownFile) -> None:
    assert shown_file(text) == file


def test_ipv6_addresses_keep_all_but_their_ports() -> None:
    ours, theirs = shown_file("TCPv6 [::1]:1->[::1]:2"), shown_file("TCPv6:[[::1]:1->[::1]:2]")
    assert ours == theirs
    assert ours.name == "[::1]:port->[::1]:port"


def test_a_payload_is_told_from_a_path() -> None:
    assert shape('"x"', ("write", 1)).text == "…"
    assert shape('"x"', ("openat", 1)).text == '"x"'


def test_our_lines_are_read_like_strace_s() -> None:
    text = (
        "[pid 4 tid 5] accept4(3<TCP 127.0.0.1:80 listening>, NULL, NULL, 0) = "
        "4<TCP 127.0.0.1:80->127.0.0.1:9> <0.000012> slept woken by the network\n"
        "[pid 4 tid 5] RECV(fd=7, len=10) = 10 <0.000012> inline ring=1 user_data=0x1\n"
        '[pid 4 tid 5] openat(AT_FDCWD, "x", O_RDONLY) = -1 ENOENT (No such file or directory) <0.000001>\n'
        "[pid 4 tid 5] futex(0x7f00, FUTEX_WAIT, 1, NULL <unfinished …> age=0.5\n"
    )
    assert [(call.tid, call.name, call.result, call.error) for call in parse_log(text)] == [
        (5, "accept4", "4<TCP 127.0.0.1:80->127.0.0.1:9>", None),
        (5, "openat", "-1", "ENOENT"),
        (5, "futex", "?", None),
    ]


@pytest.mark.parametrize("line", ["a notice", "[pid 4 tid 5] read(3, 1", "[pid 4 tid 5] read(3) 5"])
def test_a_line_of_ours_that_is_not_understood_is_an_error(line: str) -> None:
    with pytest.raises(UnknownLine):
        parse_log(line)
