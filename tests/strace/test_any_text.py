"""No text makes the reading of strace's output fail, lose a line or keep a key."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.strace.corpus_logs import CORPUS, SECRETS
from uringtrace.tracer.strace import Tables, account, batches, lines_of, parse, recognise
from uringtrace.tracer.strace.descriptors import shown_file

PIECES = [
    "9" * 20,
    "9" * 5000,
    "11 ",
    "[pid    12] ",
    "1700000000.000001 ",
    "12:00:00 ",
    "     0.000100 ",
    "(+     0.000100) ",
    "read(",
    "getsockopt(",
    "setsockopt(3, SOL_TLS, TLS_TX, ",
    "restart_syscall(<... resuming interrupted read ...>",
    "3</tmp/a>",
    "4<TCP:[1.2.3.4:5->6.7.8.9:1]>",
    '"text"',
    '"',
    "\\",
    "{a=1, ",
    "}",
    "[",
    "]",
    "/* ",
    "*/",
    "<",
    ">",
    ", ",
    ") = 0",
    ") = -1 ENOENT (No such file or directory)",
    " <0.000012>",
    " = ?",
    "<... read resumed>",
    "<... getsockopt resumed>",
    " <unfinished ...>",
    " <detached ...>",
    "strace: Process 12 attached",
    "--- SIGCHLD {} ---",
    "+++ exited with 0 +++",
    "+++ superseded by execve in pid 12 +++",
    " | 00000  ",
    "% time ",
    "\x1b[0m",
    "\x85",
    "ä",
]
LINE = st.lists(st.sampled_from(PIECES), max_size=7).map("".join) | st.text(max_size=30)
REAL_LINES = [line for path in sorted(CORPUS.glob("*.txt")) for line in lines_of(path)]
CUT_LINE = st.tuples(st.sampled_from(REAL_LINES), st.integers(0, 200), st.integers(0, 200)).map(
    lambda cut: cut[0][cut[1] % (len(cut[0]) + 1) :][: cut[2]]
)
SPOILT_LINE = st.tuples(st.sampled_from(REAL_LINES), st.integers(0, 300), st.sampled_from(PIECES)).map(
    lambda spoilt: spoilt[0][: spoilt[1]] + spoilt[2] + spoilt[0][spoilt[1] :]
)


def assert_accounted_for(lines: list[str]) -> None:
    records = list(parse(lines))
    assert sorted(n for record in records for n in record.lines) == list(range(1, len(lines) + 1))
    assert account(records).lines == len(lines)
    for _ in batches(records, Tables()):
        pass


@given(st.lists(LINE, max_size=12))
def test_any_lines_are_accounted_for(lines: list[str]) -> None:
    assert_accounted_for(lines)


@given(st.lists(st.sampled_from(REAL_LINES) | CUT_LINE | SPOILT_LINE, max_size=20))
def test_real_lines_in_any_order_cut_and_spoilt_are_accounted_for(lines: list[str]) -> None:
    assert_accounted_for(lines)


@given(st.lists(LINE | SPOILT_LINE, max_size=10))
def test_a_format_is_recognised_in_any_lines(lines: list[str]) -> None:
    assert isinstance(recognise(lines).options, tuple)


@given(st.lists(LINE, max_size=10))
def test_a_log_can_be_read_to_any_line(lines: list[str]) -> None:
    """What comes later changes nothing of what was yielded but that calls may still be completed."""
    for shorter, longer in pairwise(lines[:end] for end in range(len(lines) + 1)):
        assert account(parse(shorter)).lines + 1 == account(parse(longer)).lines


@given(
    st.lists(st.sampled_from(["TCP", "UNIX", ":[", "->", ",", '"', "]", "12", "²", "\\", "<char 1:3>"])).map(
        "".join
    )
)
def test_a_file_may_be_shown_as_any_text(text: str) -> None:
    assert shown_file(text).kind


KEY = "KEY-SECRET-SALT-REC-SEQ"
SECRET_LINES = [
    f'setsockopt(5<TCP:[1.2.3.4:5->6.7.8.9:1]>, SOL_TLS, TLS_TX, "\\4\\3{KEY}", 40) = 0',
    f'setsockopt(5, 0x11a /* SOL_TLS */, 0x2 /* TLS_RX */, "\\4\\3{KEY}"..., 40) = 0 <0.000010>',
    f'setsockopt(fd=5, level=SOL_TLS, optname=TLS_TX, optval={{key="{KEY}"}}, optlen=40) = 0',
    f'setsockopt(5, SOL_TLS, TLS_TX, {{info={{version=TLS_1_3_VERSION}}, iv="{KEY}"}}, 40 <unfinished ...>',
    f'add_key("user", "a \\"name", "{KEY}", 14, KEY_SPEC_PROCESS_KEYRING) = 368455126',
    f'keyctl(KEYCTL_READ, 368455126, "{KEY}"..., 64) = 14',
    f'setsockopt(3<TCP:[13126668]>, SOL_TCP, 0x26 /* TCP_??? */, "\\2{KEY}", 184) = -1 ENOPROTOOPT (a)',
]


@given(
    st.lists(LINE, max_size=4),
    st.sampled_from(["", "11 ", "[pid    12] 1700000000.000001 "]),
    st.sampled_from(SECRET_LINES),
    st.integers(0, 200),
    st.lists(LINE, max_size=4),
)
def test_a_line_with_a_key_may_end_anywhere(
    before: list[str], leader: str, line: str, end: int, after: list[str]
) -> None:
    kept = repr(list(parse([*before, leader + line[:end], *after])))
    assert not any(secret in kept for secret in (*SECRETS, "KEY-"))


@settings(max_examples=300)
@given(st.integers(30, 60), st.sampled_from(SECRET_LINES[:2]), st.sampled_from(["a program's line", "11 x"]))
def test_a_line_with_a_key_may_be_torn_in_two(place: int, line: str, between: str) -> None:
    """After its option, where a program's own text came between."""
    place = max(place, line.index('"') + 1)
    kept = repr(list(parse(["11 getpid() = 11", "11 " + line[:place] + between, line[place:]])))
    assert not any(secret in kept for secret in (*SECRETS, "KEY-"))


@pytest.mark.parametrize(
    "text",
    [
        'read("' + '\\"' * 20_000,
        "read(" + "{" * 40_000,
        "read(" + "/*" * 40_000,
        "read(" + "3<" * 40_000,
        "read(" + '3<A:["' * 20_000,
        "read(3) = 0" + " (a" * 20_000,
        "read(3) = 0" + " <1" * 20_000,
        "<... read resumed>" + ") = 0" * 20_000,
        "write(1, " + "/a" * 40_000,
        "setsockopt(" * 10_000,
        "getsockopt(1, SOL_TLS, TLS_TX, " + ") = 0 (a) <1" * 10_000,
        "1 " * 40_000,
        "strace" * 10_000,
        "% time " * 10_000,
    ],
    ids=lambda text: text[:16],
)
def test_time_is_linear_in_the_length_of_a_line(text: str) -> None:
    """Four times as long a line takes nowhere near sixteen times as long."""

    def seconds(part: str) -> float:
        began = time.process_time()
        assert account(parse([part, part])).lines == 2
        return time.process_time() - began

    short, long = min(seconds(text[: len(text) // 4]) for _ in range(3)), min(seconds(text) for _ in range(3))
    assert long < 0.1 or long < 9 * short
