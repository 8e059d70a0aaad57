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
    for group, keys in OF_PANES.items():
        lines += ["", group, *(f"  {key:<10}{does}" for key, does in keys.items())]
    return "\n".join(lines)


OF_PANES = {
    "Tables": {"↑ ↓ j k": "Move; Home, End, Page Up, Page Down", "Enter": "Open the row"},
    "Timeline, where it shows": {
        "← →": "Go back and ahead in time; with Shift by a page",
        "↑ ↓ j k": "Choose the lane",
        "< >": "Move the cursor; also Ctrl with ← →",
        "n p": "Next and previous operation of the lane",
        "Home End": "The oldest in memory; the newest, and follow",
        "Enter": "Open the operation under the cursor",
        "Mouse": "Click: cursor; drag: move; wheel: zoom",
    },
    "Findings": {"w": "Show when it was on the timeline"},
    "Comparison with strace": {
        "↑ ↓ j k": "Move; Home, End, Page Up, Page Down",
        "n p": "Next and previous that only one side has",
        "Tab": "To what each side missed, and back",
        "Esc": "Let go of the target, then close",
    },
    "Log": {
        "↑ ↓ j k": "Scroll; up freezes it",
        "← →": "Long lines sideways; Shift-← back to their beginning",
        "Home End": "The oldest in memory; the newest, and follow",
    },
}
"""Keys that belong to what has the focus, by what that is."""
