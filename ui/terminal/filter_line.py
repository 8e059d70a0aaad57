"""The line in which a filter is typed, in the language of `-e`."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Label, Static

from uringtrace.errors import Error, FilterError
from uringtrace.tracer.filter import Condition, check_operations, parse
from uringtrace.tracer.source import Context
from uringtrace.ui.terminal.messages import FilterEntered

PROMPT = "/ "
EXAMPLES = "as for -e: %network, op=READ and latency>1ms, peer=10.0.0.0/8; empty: everything"


class FilterLine(Vertical):
    """Hidden until it is asked for; it stays open while its text is no filter."""

    DEFAULT_CSS = """
    FilterLine { display: none; height: auto; background: $panel; }
    FilterLine.-open { display: block; }
    FilterLine Horizontal { height: 1; }
    FilterLine Label { width: 2; text-style: bold; }
    FilterLine Input { width: 1fr; }
    FilterLine #wrong { height: auto; max-height: 4; display: none; color: $error; }
    FilterLine.-wrong #wrong { display: block; }
    """

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield Label(PROMPT)
            yield Input(placeholder=EXAMPLES, compact=True, select_on_focus=False)
        yield Static(id="wrong", markup=False)

    @property
    def is_open(self) -> bool:
        return self.has_class("-open")

    def open(self, text: str) -> None:
        """Show the line with this text and type into it."""
        line = self.query_one(Input)
        line.value = text
        line.cursor_position = len(text)
        self.add_class("-open")
        self.remove_class("-wrong")
        line.focus()

    def close(self) -> None:
        """Hide it; whoever opened it sees to the focus."""
        self.remove_class("-open", "-wrong")

    def refuse(self, error: Error) -> None:
        """Say what is wrong, with a mark below the place; the cursor goes there."""
        line = self.query_one(Input)
        told = self.query_one("#wrong", Static)
        if isinstance(error, FilterError) and error.expression:
            line.cursor_position = error.position
            mark = " " * (len(PROMPT) + error.position) + "^" * max(error.length, 1)
            # A line that is wider than the terminal is scrolled: no mark would be in its place.
            fits = len(mark) <= self.size.width and len(line.value) < self.size.width - len(PROMPT)
            told.update(f"{mark}\n{error.message}" if fits else error.message)
        else:
            told.update(error.message)
        self.add_class("-wrong")

    def on_input_changed(self) -> None:
        self.remove_class("-wrong")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.post_message(FilterEntered(self.query_one(Input).value.strip()))


def condition_of(text: str, context: Context) -> Condition | None:
    """The filter as a condition; None for an empty one. Raises `uringtrace.errors.FilterError`."""
    if not text:
        return None
    expression = parse(text)
    check_operations(expression, context.operation_names)
    return Condition(expression, context.operation_names)
