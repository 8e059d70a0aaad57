"""The forms of what follows the leader of a line.

Source of the forms: strace.c and syscall.c of strace 5.10 to 6.16, and strace(1).
"""

from __future__ import annotations

import re

UNFINISHED = " <unfinished ...>"
DETACHED = " <detached ...>"
NEVER_RETURNED = re.compile(r" ?<unfinished \.\.\.>\) *= \?$")
"""Of a thread that was killed in a call of which strace prints more when it returns."""

_NAME = re.compile(r"((?:[no]\d\d:)?[A-Za-z_]\w*(?:#\d+)?|\?{3,4})\(")
"""With the prefixes and suffixes of the ABIs of MIPS and x32."""
PLAIN = re.compile(r"(?:(\d{1,7}) +|\[pid +(\d{1,7})\] )?(?:([1-8]?\d{9})\.(\d{1,9}) )?([a-z_]\w*)\(")
"""What most lines begin with: thread, time since 1970, name."""
RESUMED = re.compile(r"<\.\.\. (?P<name>(?:[no]\d\d:)?[A-Za-z_]\w*(?:#\d+)?|\?{3,4}) resumed>")
RESUMES = re.compile(r"<\.\.\. resuming interrupted ([\w ?:#]+) \.\.\.>")
SIGNAL = re.compile(r"--- (?P<stopped>stopped by )?(?P<name>SIG\w+|\d+) ?(?P<details>.*?) ?---", re.DOTALL)
END = re.compile(
    r"\+\+\+ (?P<how>exited with -?\d+|killed by \S+(?: \(core dumped\))?"
    r"|superseded by execve in pid \d+) \+\+\+"
)
SUPERSEDED = re.compile(r"superseded by execve in pid (\d{1,7})")

_ABOUT_PROCESS = r"Process \d+ (?:attached(?: with \d+ threads?)?|detached)"
_MODE = r"\[ Process PID=\d+ runs in .{1,40} mode\. \]"
NOTICE = re.compile(rf"(?:\S*/)?strace: .*|{_ABOUT_PROCESS}|{_MODE}", re.DOTALL)
LET_GO = re.compile(r"Process (\d{1,7}) detached$")
INNER_NOTICE = re.compile(rf"(?:/[^\s\"]{{0,200}}/)?strace: (?:{_ABOUT_PROCESS}|{_MODE})$")
"""Within the line of a call, which goes on in the next line: without -o both go to standard error."""

DETAIL = re.compile(r" (?:\| [0-9a-f]{5,}  | ?\* \d+ bytes in buffer \d+$|= \d+ buffers in vector \d+$|> \S)")
"""Dumps of data, and lines of a stack."""
REST = re.compile(r".*\) *= ", re.DOTALL)
"""A line that may be the rest of a call."""
RESULT_BEGIN = re.compile(r"\) *= ")

TABLE_BEGIN = re.compile(r"% time +|System call usage summary for .* mode:$")
TABLE = re.compile(r"(?:[-\s]+|[\s\d.]+(?: \S+)?|)")
"""A line of the table of -c: rules, numbers with a name, an empty line."""

_COLOURS = re.compile(r"\x1b\[[0-9;]*m|\x1b\]8;[^\x07\x1b]*(?:\x07|\x1b\\)")


def without_colours(line: str) -> str:
    """The line without what newer versions add for terminals: colours, links."""
    return _COLOURS.sub("", line) if "\x1b" in line else line


def call_name(text: str) -> str | None:
    """The name in front of the first parenthesis."""
    matched = _NAME.match(text)
    return matched[1] if matched else None
