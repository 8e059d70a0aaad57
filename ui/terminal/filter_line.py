"""The line in which a filter is typed, in the language of `-e`."""

from __future__ import annotations

from textual.widgets import Input

from uringtrace.tracer.filter import Condition, check_operations, parse
from uringtrace.tracer.source import Context
from uringtrace.ui.terminal.messages import FilterEntered


class FilterLine(Input):
    """Hidden until it is asked for."""

    DEFAULT_CSS = """
    FilterLine { display: none; dock: bottom; height: 3; margin-bottom: 1; }
    FilterLine.-open { display: block; }
    """

    def __init__(self) -> None:
        super().__init__(
            placeholder="filter, as for -e: %network, op=READ and latency>1ms, peer=…; empty: everything"
        )

    @property
    def is_open(self) -> bool:
        return self.has_class("-open")

    def open(self, text: str) -> None:
        """Show the line with this text and type into it."""
        self.value = text
        self.add_class("-open")
        self.focus()

    def close(self) -> None:
        """Hide it; the pane has the keys again."""
        self.remove_class("-open")
        self.screen.focus_next()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.post_message(FilterEntered(self.value.strip()))


def condition_of(text: str, context: Context) -> Condition | None:
    """The filter as a condition; None for an empty one. Raises `uringtrace.errors.FilterError`."""
    if not text:
        return None
    expression = parse(text)
    check_operations(expression, context.operation_names)
    return Condition(expression, context.operation_names)
