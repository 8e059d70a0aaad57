"""strace beside uringtrace: the question, the progress, and what came of it.

Invariant: strace is gone before the screen is, however that is closed.
"""

from __future__ import annotations

import asyncio
from threading import Event, Lock
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

from uringtrace.tracer.compare.beside import ATTACHING, Progress
from uringtrace.tracer.live.picture import Picture
from uringtrace.ui.terminal.compare_columns import CompareColumns
from uringtrace.ui.terminal.compare_words import (
    LEAST_SECONDS,
    MOST_SECONDS,
    entry_lines,
    progress_lines,
    question_lines,
    rest_lines,
    shown_line,
    summary_lines,
)
from uringtrace.ui.terminal.compare_work import (
    SECONDS,
    Compared,
    Comparing,
    Question,
    Work,
    failure_words,
)
from uringtrace.ui.terminal.messages import CompareAdvanced, CompareEnded, CursorMoved
from uringtrace.ui.terminal.safe import printable
from uringtrace.ui.terminal.word_line import KeyLine

_LOW = 16
"""Lines of a terminal in which the columns would be left without room."""


def open_comparison(app: App[None], comparing: Comparing | None, picture: Picture) -> None:
    """Ask where that is due, then compare."""
    if comparing is None:
        app.notify("A recording is compared with a log of strace: uringtrace RECORDING --strace FILE")
        return
    question = comparing.question(picture)

    def begin(seconds: float | None) -> None:
        if seconds is not None:
            app.push_screen(CompareScreen(comparing.work(picture, seconds), picture.context.target, seconds))

    if question is None:
        begin(SECONDS)
    else:
        app.push_screen(CompareQuestion(question), begin)


class CompareQuestion(ModalScreen[float | None]):
    """Ends with for how many seconds strace is wanted, or with None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "attach", show=False),
        Binding("n,escape,q", "dismiss(None)", show=False),
        Binding("plus,equals_sign", "longer(1)", show=False),
        Binding("minus", "longer(-1)", show=False),
    ]
    DEFAULT_CSS = """
    CompareQuestion { align: center middle; }
    CompareQuestion > Static {
        width: 68; max-width: 100%; height: auto; max-height: 100%;
        background: $surface; border: round $accent; padding: 0 1;
    }
    """

    def __init__(self, question: Question) -> None:
        super().__init__()
        self._question = question
        self._seconds = SECONDS

    def compose(self) -> ComposeResult:
        yield Static(markup=False)

    def on_mount(self) -> None:
        self.query_one(Static).update(plain(question_lines(self._question, self._seconds)))

    def action_longer(self, step: int) -> None:
        self._seconds = min(max(self._seconds + step, LEAST_SECONDS), MOST_SECONDS)
        self.on_mount()

    def action_attach(self) -> None:
        if not self._question.obstacle:
            self.dismiss(self._seconds)


class CompareScreen(Screen[None]):
    """While `work` runs its progress, then the summary, the two columns and what each side missed."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q", "close", show=False)]
    DEFAULT_CSS = """
    CompareScreen { layout: vertical; }
    CompareScreen > #title { height: 1; background: $panel; text-style: bold; padding: 0 1; }
    CompareScreen > #body { height: 1fr; }
    CompareScreen #progress { height: 1fr; padding: 1 2; }
    CompareScreen #summary { height: auto; padding: 0 1; }
    CompareScreen .side { height: auto; max-height: 2; background: $panel; padding: 0 1; }
    CompareScreen #rest { height: auto; max-height: 30%; padding: 0 1; }
    CompareScreen #rest:focus { background: $surface; }
    CompareScreen.-low #summary, CompareScreen.-low #rest { display: none; }
    """

    def __init__(self, work: Work, target: str, seconds: float) -> None:
        super().__init__()
        self._work = work
        self._target = target
        self._seconds = seconds
        self._compared: Compared | None = None
        self._stopping = False
        self._over = Event()
        """`work` runs no more."""
        self._starting = Lock()
        self._started = self._closed = False

    def compose(self) -> ComposeResult:
        yield Static(id="title", markup=False)
        with Vertical(id="body"):
            yield Static(id="progress", markup=False)
        yield KeyLine()

    def on_mount(self) -> None:
        self._set_title("")
        self.on_resize()
        self._show_progress(Progress(ATTACHING))
        self.run_worker(self._compare, thread=True, name="compare", exit_on_error=False)

    def on_resize(self) -> None:
        self.set_class(self.app.size.height < _LOW, "-low")

    def _compare(self) -> None:
        """In a thread of its own, which may be there only when the screen is gone."""
        with self._starting:
            if self._closed:
                return
            self._started = True
        compared, error = None, None
        try:
            compared = self._work.run(lambda progress: self._post(CompareAdvanced(progress)))
        except Exception as failure:  # told on the screen
            error = failure
        finally:
            self._over.set()
        self._post(CompareEnded(compared, error))

    def _post(self, message: CompareAdvanced | CompareEnded) -> None:
        self.post_message(message)

    def on_compare_advanced(self, message: CompareAdvanced) -> None:
        if self._compared is None:
            self._show_progress(message.progress)

    def _show_progress(self, progress: Progress) -> None:
        lines = progress_lines(progress, self._seconds, stopping=self._stopping)
        self.query_one("#progress", Static).update(plain(lines))

    async def on_compare_ended(self, message: CompareEnded) -> None:
        if message.compared is None:
            why = failure_words(message.error) if message.error is not None else ""
            self.query_one("#progress", Static).update(
                plain([f"No comparison: {why}", "", "Esc closes this."])
            )
            return
        self._compared = message.compared
        await self._show(message.compared)

    async def _show(self, compared: Compared) -> None:
        comparison, report = compared.report.comparison, compared.report
        began_ns = comparison.window_ns[0] if comparison is not None else 0
        body = self.query_one("#body")
        await body.remove_children()
        await body.mount(
            Static(plain(summary_lines(compared)), id="summary", markup=False),
            CompareColumns(began_ns, report.entries, compared.texts),
            Static(id="strace", classes="side", markup=False),
            Static(id="uringtrace", classes="side", markup=False),
            VerticalScroll(Static(plain(rest_lines(compared)), markup=False), id="rest"),
        )
        self._set_title(shown_line(compared))
        self._show_entry(0)
        self.query_one(CompareColumns).focus()

    def _set_title(self, more: str) -> None:
        words = "  ".join(
            part for part in ("strace beside uringtrace", printable(self._target), more) if part
        )
        self.query_one("#title", Static).update(Text(words, no_wrap=True, overflow="ellipsis"))

    def on_cursor_moved(self, message: CursorMoved) -> None:
        message.stop()
        if isinstance(message.key, int):
            self._show_entry(message.key)

    def _show_entry(self, number: int) -> None:
        if self._compared is None or number >= len(self._compared.report.entries):
            return
        strace, uringtrace = entry_lines(self._compared.report.entries[number], self._compared.texts)
        self.query_one("#strace", Static).update(plain([strace]))
        self.query_one("#uringtrace", Static).update(plain([uringtrace]))

    def action_close(self) -> None:
        """Close it, or have strace let go: it closes with what came of that."""
        if self._over.is_set():
            self.app.pop_screen()
        else:
            self._stopping = True
            self._work.stop()

    async def on_unmount(self) -> None:
        # The application ends: not before the target runs free.
        with self._starting:
            self._closed = True
        self._work.stop()
        if self._started:
            await asyncio.to_thread(self._over.wait)


def plain(lines: list[str]) -> Text:
    """What comes from the target is data, never markup."""
    return Text("\n".join(printable(line) for line in lines))
