"""Everything a key can do, once: bindings, footer, help and command palette read this table.

Invariant: an action's name is that of a method `action_NAME` of the application.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pane:
    """A tab of the application."""

    name: str
    title: str
    key: str


PANES = (
    Pane("operations", "Operations", "1"),
    Pane("connections", "Connections", "2"),
    Pane("rings", "Rings", "3"),
    Pane("threads", "Threads", "4"),
    Pane("timeline", "Timeline", "5"),
    Pane("log", "Log", "6"),
    Pane("findings", "Findings", "7"),
)


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do."""

    name: str
    """With its arguments, as Textual calls actions: `show_pane('log')`."""
    keys: str
    """Textual's key names, comma separated; the first is the one that is shown."""
    label: str
    """One or two words, for the footer."""
    help: str
    """One sentence, for the help and the command palette."""
    group: str
    footer: bool = False
    palette: bool = True
    priority: bool = False
    """Before whatever has the focus gets the key."""


ACTIONS = (
    *(
        Action(f"show_pane('{pane.name}')", pane.key, pane.title, f"Show the {pane.name}", "Panes")
        for pane in PANES
    ),
    Action(
        "next_pane",
        "tab,right_square_bracket",
        "Next",
        "Go to the next pane",
        "Panes",
        palette=False,
        priority=True,
    ),
    Action(
        "previous_pane",
        "shift+tab,left_square_bracket",
        "Back",
        "Go back a pane",
        "Panes",
        palette=False,
        priority=True,
    ),
    Action("pause", "space", "Pause", "Hold the screen still, or play a recording", "View", footer=True),
    Action("filter", "slash", "Filter", "Show only what a filter holds for", "View", footer=True),
    Action("clear_filter", "ctrl+l", "No filter", "Show everything again", "View"),
    Action("sort_next", "o", "Sort", "Sort by the next column", "View", footer=True),
    Action("sort_reverse", "O", "Reverse", "Turn the order of the table round", "View"),
    Action("zoom_in", "plus,equals_sign", "Zoom in", "Show a shorter time", "Timeline"),
    Action("zoom_out", "minus", "Zoom out", "Show a longer time", "Timeline"),
    Action("lanes", "g", "Lanes", "Lanes for threads, rings or connections", "Timeline"),
    Action("follow", "f", "Follow", "Follow the newest, or stay", "View"),
    Action("slower", "comma", "Slower", "Play a recording at half the speed", "Recording"),
    Action("faster", "full_stop", "Faster", "Play a recording at twice the speed", "Recording"),
    Action("seek(-1)", "left_curly_bracket", "Back", "Go back in a recording", "Recording", palette=False),
    Action("seek(1)", "right_curly_bracket", "Ahead", "Go ahead in a recording", "Recording", palette=False),
    Action("record", "r", "Record", "Start or stop a recording", "Files", footer=True),
    Action("compare", "c", "Compare", "Set strace beside this, after asking", "Files"),
    Action("report", "h", "Report", "Write an HTML report of what is in memory", "Files"),
    Action("save_screen", "s", "Save", "Save this screen as an SVG file", "Files"),
    Action("toggle_theme", "t", "Theme", "Change between dark and light", "View"),
    Action("command_palette", "ctrl+p", "Commands", "Find an action by its words", "Program", palette=False),
    Action("help", "question_mark", "Help", "Show all keys", "Program", footer=True),
    Action("leave", "q,escape", "Quit", "Close what is open, or end", "Program", footer=True),
    Action("end", "ctrl+c,ctrl+q", "End", "End, whatever is open", "Program", palette=False, priority=True),
)


def sentence(action: Action) -> str:
    """The key and what it does, for the help."""
    return f"{shown_key(action.keys)}  {action.help}"


_SHOWN = {
    "slash": "/",
    "question_mark": "?",
    "plus": "+",
    "minus": "-",
    "comma": ",",
    "full_stop": ".",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "left_curly_bracket": "{",
    "right_curly_bracket": "}",
    "space": "Space",
    "tab": "Tab",
    "escape": "Esc",
    "ctrl+l": "Ctrl-L",
    "ctrl+c": "Ctrl-C",
    "ctrl+p": "Ctrl-P",
    "shift+tab": "Shift-Tab",
}


def shown_key(keys: str) -> str:
    """The first of the keys as a keyboard has it."""
    first = keys.split(",")[0]
    return _SHOWN.get(first, first)
