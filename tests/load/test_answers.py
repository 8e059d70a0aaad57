"""Where answers end does not depend on the pieces in which they arrive."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.load.answering import FIXED, right
from uringtrace.targets.load.answers import Framing, parse_head

GOOD = {
    "/": (200, 5, True),
    "/empty": (200, 0, True),
    "/missing": (404, 2, True),
    "/nothing": (204, 0, True),
    "/chunks": (200, 5, True),
    "/interim": (200, 5, True),
}


def received(pieces, heads=None):
    framing = Framing({} if heads is None else heads)
    return [answer for piece in pieces for answer in framing.receive(piece)], framing


@given(st.lists(st.sampled_from(sorted(GOOD)), min_size=1, max_size=6), st.data())
def test_any_pieces_give_the_same_answers(paths, data):
    stream = b"".join(FIXED[path] for path in paths)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    bounds = [0, *cuts, len(stream)]
    pieces = [stream[begin:end] for begin, end in pairwise(bounds)]
    answers, framing = received(pieces)
    assert answers == [GOOD[path] for path in paths]
    assert (framing.broken, framing.within) == ("", False)


@pytest.mark.parametrize(
    "nonsense",
    [
        FIXED["/malformed"],
        FIXED["/two-lengths"],
        b"HTTP/1.1 200 OK\nContent-Length: 2\n\nab",
        b"HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_nonsense_is_named_after_the_answers_before_it(nonsense):
    answers, framing = received([right() + nonsense])
    assert answers == [(200, 5, True)]
    assert framing.broken


def test_a_head_seen_before_is_not_parsed_again_and_means_the_same():
    heads = {}
    first, _ = received([FIXED["/last"]], heads)
    assert len(heads) == 1
    second, _ = received([FIXED["/last"]], heads)
    assert first == second == [(200, 3, False)]
    assert len(heads) == 1


def test_the_memory_of_heads_is_bounded():
    heads = {}
    received([right(b"x" * number) for number in range(1000)], heads)
    assert len(heads) <= 64


def test_an_answer_up_to_the_end_is_complete_only_then():
    answers, framing = received([FIXED["/until-the-end"]])
    assert answers == []
    assert framing.within
    assert framing.finish() == [(200, 12, False)]


@pytest.mark.parametrize("path", ["/truncated", "/half-head"])
def test_an_answer_cut_short_is_not_finished(path):
    answers, framing = received([FIXED[path]])
    assert (answers, framing.finish(), framing.within) == ([], [], True)


def test_a_large_body_is_counted_without_being_kept():
    framing = Framing({})
    assert framing.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n") == []
    assert framing.receive(bytes(2_999_999)) == []
    assert framing.receive(b"x") == [(200, 3_000_000, True)]


def test_a_head_without_a_length_is_left_to_the_parser():
    assert parse_head(b"HTTP/1.1 200 OK\r\n\r\n") is None
    assert parse_head(b"\r\n\r\n") is None
