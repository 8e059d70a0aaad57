"""All keys, from the table of actions."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from uringtrace.ui.terminal.actions import ACTIONS, shown_key


class HelpScreen(ModalScreen[None]):
    """Any of Esc, q and ? closes it."""

    BINDINGS = [("escape,q,question_mark", "dismiss", "Close")]  # noqa: RUF012  # as Textual declares it
    DEFAULT_CSS = """
    HelpScreen { align: center middle; }
    HelpScreen > VerticalScroll {
        width: 64; max-width: 100%; height: auto; max-height: 90%;
        background: $surface; border: round $primary; padding: 0 1;
    }
    """

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            yield Static(help_text(), markup=False)


def help_text() -> str:
    """Keys by group, one to a line."""
    lines: list[str] = []
    for group in dict.fromkeys(action.group for action in ACTIONS):
        lines += ["", group] if lines else [group]
        lines += [
            f"  {shown_key(action.keys):<10}{action.help}" for action in ACTIONS if action.group == group
        ]
    lines += ["", "Tables", "  ↑ ↓ j k   Move; Home, End, Page Up, Page Down", "  Enter     Open the row"]
    return "\n".join(lines)
