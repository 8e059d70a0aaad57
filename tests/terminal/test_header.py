"""The header: what is always said, in how many lines, and that nothing in it is obeyed by a terminal."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from rich.cells import cell_len

from tests.terminal.pictures import HOSTILE, HOSTILE_SHOWN, SECOND, judged, picture, thread
from uringtrace.tracer.findings.architecture import Architecture
from uringtrace.tracer.findings.finding import Confidence
from uringtrace.tracer.live.picture import Picture, Playback
from uringtrace.tracer.source import Losses
from uringtrace.ui.terminal.header import clock, header_text
from uringtrace.ui.terminal.state import ViewState

LOST = Losses({"operations": 1_234_567, "facts": 3}, 12_345_678)


def named(of: Picture, **changes: Any) -> Picture:
    """With another context."""
    return replace(of, context=replace(of.context, **changes))


def lines(
    of: Picture, width: int = 78, view: ViewState | None = None, recording: str | None = None
) -> list[str]:
    return header_text(of, view or ViewState(), recording, width).plain.splitlines()


def test_everything_is_said_where_there_is_room() -> None:
    first, second = lines(picture(), 150)
    assert first.startswith(picture().context.target)
    assert f"Linux {picture().context.kernel}  0:07  live" in first
    assert "of a CPU" in first
    assert second.startswith("io_uring 12.6k/s  calls 31/s  unseen by strace 99.8% (")
    assert second.endswith("in all)  lost 0  untracked 0")


def test_the_architecture_is_said_once_it_is_known() -> None:
    told = judged()
    known = replace(picture(), judged=told)
    first, _ = lines(known, 150)
    assert f"  {told.architecture.word}  Linux" in first
    unknown = replace(told, architecture=Architecture(None, Confidence.LOW, (), "4 connections"))
    assert lines(replace(known, judged=unknown), 150) == lines(replace(known, judged=None), 150)
    assert len(lines(known, 80)) == 2


@pytest.mark.parametrize("losses", [Losses(), LOST], ids=["nothing lost", "much lost"])
@pytest.mark.parametrize("recording", [None, "uringtrace-recording"])
@pytest.mark.parametrize(
    "view", [ViewState(), ViewState(paused=True, filter_text="x" * 99)], ids=["", "filter"]
)
def test_two_lines_of_80_columns_hold_it(losses: Losses, recording: str | None, view: ViewState) -> None:
    of = named(
        picture(
            losses=losses, operations_now=999_000.0, calls_now=888_000.0, unseen_now=0.5291, tracer_cpu=0.999
        ),
        target="process 4194304 " + "x" * 90,
        kernel="6.18.44-some-very-long-flavour-amd64",
    )
    found = lines(of, 78, view, recording)
    assert len(found) == 2
    assert max(map(cell_len, found)) <= 78
    assert "6.18.44" in found[0]
    assert "unseen" in found[1]
    assert "52.9%" in found[1]
    assert "untracked" in found[1]


def test_forty_columns_take_a_third_line_and_keep_the_figures() -> None:
    found = lines(picture(losses=LOST), 38)
    assert len(found) == 3
    assert max(map(cell_len, found)) <= 38
    assert found[2] == "unseen 99.8% !lost 1.23M !untr. 12.3M"


def test_what_is_lost_stands_out_and_has_a_sign() -> None:
    text = header_text(picture(losses=LOST), ViewState(), None, 150)
    (first, second) = (text.plain.index("!lost 1,234,570"), text.plain.index("!untracked 12,345,678"))
    marked = {span.start for span in text.spans if "reverse" in str(span.style)}
    assert {first, second} <= marked


def test_nothing_lost_does_not_stand_out() -> None:
    text = header_text(picture(), ViewState(), None, 150)
    assert not any("reverse" in str(span.style) for span in text.spans)


def test_what_was_not_observed_is_a_dash() -> None:
    of = picture(operations_now=None, calls_now=None, unseen=None, unseen_now=None, tracer_cpu=None)
    first, second = lines(of, 150)
    assert "tracer" not in first
    assert second.startswith("io_uring –  calls –  unseen by strace – (– in all)")


def test_a_process_that_was_named_by_its_number_has_its_name() -> None:
    of = named(picture(threads=(thread(4242, name="server"),)), target="process 4242", command=())
    assert lines(of)[0].startswith("process 4242 server  ")


@pytest.mark.parametrize("width", [40, 78, 150])
def test_names_are_harmless(width: int) -> None:
    of = named(picture(threads=(thread(4242, name=HOSTILE),)), target="process 4242", command=())
    text = "\n".join(lines(of, width, ViewState(filter_text=HOSTILE)))
    assert all(sign.isprintable() or sign == "\n" for sign in text)
    if width == 150:
        assert HOSTILE_SHOWN in text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "live"),
        ({"ended": True}, "ended"),
        ({"playback": Playback(0, 0, SECOND, True, 2.0)}, "playing ×2"),
        ({"playback": Playback(0, 0, SECOND, False, 0.5)}, "stopped ×0.5"),
        ({"playback": Playback(0, 0, SECOND, False, 1.0), "ended": True}, "ended ×1"),
    ],
)
def test_what_time_does(changes: dict[str, Any], words: str) -> None:
    assert f"  {words}" in lines(picture(**changes), 150)[0]


@pytest.mark.parametrize(
    ("nanoseconds", "shown"), [(0, "0:00"), (7 * SECOND, "0:07"), (3723 * SECOND, "1:02:03"), (-1, "0:00")]
)
def test_the_clock(nanoseconds: int, shown: str) -> None:
    assert clock(nanoseconds) == shown
