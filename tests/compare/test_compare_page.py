"""The page of a comparison in a browser: both timelines, on one axis, with what is true of each row."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.compare.test_compare_text import report, texts
from tests.report.browsing import Opened, needs_browser
from tests.report.conftest import browser, visit
from tests.report.hostile import ATTACK
from uringtrace.cli.compare import _DRAWN
from uringtrace.ui.report.compare_content import DRAWN, compare_fragment, compare_page
from uringtrace.ui.report.compare_figures import OURS, RATES, STRACE
from uringtrace.ui.text.compare_columns import Texts

__all__ = ["browser", "visit"]


def test_the_command_asks_for_as_many_as_are_drawn() -> None:
    assert _DRAWN == DRAWN


class TestPage:
    pytestmark = needs_browser()

    def test_both_timelines_have_their_rows_and_move_together(self, visit) -> None:  # type: ignore[no-untyped-def]
        found = report()
        opened: Opened = visit(compare_page(found, texts(found)))
        for name, mine in ((STRACE, "line"), (OURS, "row")):
            both, alone = opened.run(f"traces('{name}').map(t => [...t.base].length)")
            have = [entry for entry in found.entries if getattr(entry, mine) is not None]
            assert both == found.comparison.both
            assert both + alone == len(have)
        lines = opened.run(f"traces('{STRACE}')[0].hovertext")
        assert lines[0].startswith("call_1(3) = 0<br>line 1, thread 10")
        opened.show(0.001, 0.002)
        for name in (RATES, STRACE, OURS):
            low, high = opened.run(f"report.plots.get('{name}').layout.xaxis.range.map(Number)")
            assert (low, high) == pytest.approx((0.001, 0.002))
        opened.keep("compare")
        opened.innocent()
        # Where each is drawn: to the nanosecond on our side, to strace's microseconds on the other.
        rows, started = found.ours.rows, found.context.started_ns
        expected = [
            ((int(rows["submitted_ns"][entry.row]) - started) / 1e9, int(rows["completed_ns"][entry.row]))
            for entry in found.entries
            if entry.row is not None and entry.call is not None
        ]
        base, took = opened.run(f"[[...traces('{OURS}')[0].base], [...traces('{OURS}')[0].x]]")
        assert base == pytest.approx([began for began, _ in expected], abs=1e-9)
        ended = [began + each for began, each in zip(base, took, strict=True)]
        assert ended == pytest.approx([(moment - started) / 1e9 for _, moment in expected], abs=1e-9)
        theirs = opened.run(f"[...traces('{STRACE}')[0].base]")
        assert theirs == pytest.approx(base, abs=70e-6)
        assert all(one < other for one, other in zip(theirs, base, strict=True)), "strace stops it before"

    def test_what_a_log_or_a_target_named_is_text(self, visit) -> None:  # type: ignore[no-untyped-def]
        """In hover texts, headings and tables, here of a fragment on another page."""
        found = report()
        context = replace(found.context, target=ATTACK)
        hostile = replace(found, context=context, why_not=ATTACK)
        every = Texts(
            {entry.line: ATTACK for entry in found.entries if entry.line is not None},
            {entry.row: ATTACK for entry in found.entries if entry.row is not None},
        )
        fragment = compare_fragment(hostile, every)
        visit(f"<!doctype html><meta charset='utf-8'><p>host</p>{fragment}", name="host.html").innocent()


def test_tables_say_what_each_side_missed_and_the_cost() -> None:
    """They are HTML, which needs no browser."""
    text = compare_page(report(), texts(report()))
    for said in ("10.0×", "8.33×", "71.4%", "10 of 14", "bpf and strace", "unexplained"):
        assert f">{said}<" in text, said


def test_a_capture_alone_is_a_page_too() -> None:
    alone = replace(
        report(), comparison=None, strace=None, log=None, costs=(), entries=(), why_not="no strace here"
    )
    text = compare_page(alone, Texts({}, {}))
    assert ">no strace here<" in text
    assert f'data-figure="{RATES}"' in text
    assert f'data-figure="{STRACE}"' not in text
