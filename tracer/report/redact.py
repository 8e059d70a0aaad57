"""A report without addresses, paths and arguments: each is replaced by a name that stands for it.

The same text gets the same name throughout a report, by order of appearance, so that who
talked to whom can still be followed. What the kernel itself named (operations, pipes,
anonymous inodes) and the names of threads stay.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from uringtrace.tracer.connections.connection import Connection
from uringtrace.tracer.report.model import Report, Row, ThreadRow

_KERNEL_NAMED = re.compile(r"(pipe|socket):\[\d+\]|anon_inode:(\[[\w.:-]+\]|[\w.-]+)")
_SOCKET = re.compile(r"((?:[A-Z]+|protocol \d+)(?:v6)?) (.*?)( listening)?", re.DOTALL)
"""As `probes.facts.describe_socket` has it; everything else is a path."""
_ARROW = "->"
_ADDRESS = re.compile(r"(.*):(\d+|\*)", re.DOTALL)
_LANE = re.compile(r"((?:#\d+ )?(?:tcp|udp|unix|protocol \d+) )(.*)", re.DOTALL)
_PROCESSES = re.compile(r"all processes|process(es)? \d+( \(\d+ in its pid namespace\))?(, \d+.*)?")
_WITH_SLASH = re.compile(r"\S*/\S*")


@dataclass(slots=True)
class Pseudonyms:
    """The names given so far, by kind and text."""

    _given: dict[str, dict[str, str]] = field(default_factory=dict)

    def name(self, kind: str, text: str) -> str:
        """`path-3` and the like."""
        names = self._given.setdefault(kind, {})
        return names.setdefault(text, f"{kind}-{len(names) + 1}")

    def address(self, text: str | None) -> str | None:
        """`host-1:port-2`, or a name for an address of another form."""
        if text is None:
            return None
        match = _ADDRESS.fullmatch(text)
        if match is None:
            return self.name("address", text)
        return f"{self.name('host', match[1])}:{self.name('port', match[2])}"

    def file(self, text: str | None) -> str | None:
        """What a descriptor stood for."""
        if text is None or _KERNEL_NAMED.fullmatch(text):
            return text
        socket = _SOCKET.fullmatch(text)
        if socket is None:
            return self.name("path", text)
        ends = (end if _KERNEL_NAMED.fullmatch(end) else self.address(end) for end in socket[2].split(_ARROW))
        return f"{socket[1]} {_ARROW.join(map(str, ends))}{socket[3] or ''}"

    def line(self, text: str) -> str:
        """A sentence in which a path may stand."""
        return _WITH_SLASH.sub(lambda match: self.name("path", match[0]), text)


def redacted(report: Report) -> Report:
    """The same report with pseudonyms."""
    names = Pseudonyms()
    context = report.context
    program, *arguments = context.command or ("",)
    command = (names.name("path", program), *(names.name("argument", each) for each in arguments))
    target = " ".join(command) if context.command else _target(context.target, names)
    connections = tuple(_connection(each, names) for each in report.connections.shown)
    lanes = report.lanes
    return replace(
        report,
        context=replace(context, target=target, command=command if context.command else ()),
        summary=replace(report.summary, target=target),
        problems=tuple(names.line(problem) for problem in report.problems),
        connections=replace(report.connections, shown=connections),
        slowest=tuple(_row(each, names) for each in report.slowest),
        unfinished=tuple(_row(each, names) for each in report.unfinished),
        threads=tuple(_thread(each, names) for each in report.threads),
        lanes=replace(
            lanes,
            lanes=tuple(replace(lane, name=_lane_name(lane.name, names)) for lane in lanes.lanes),
            files=tuple(names.file(text) or "" for text in lanes.files),
        ),
    )


def _target(text: str, names: Pseudonyms) -> str:
    """Process ids stay; a command, which this is otherwise, does not."""
    if _PROCESSES.fullmatch(text):
        return text
    return names.name("target", text)


def _connection(connection: Connection, names: Pseudonyms) -> Connection:
    return replace(
        connection,
        local=names.address(connection.local),
        remote=names.address(connection.remote),
        listener=names.address(connection.listener),
    )


def _row(row: Row, names: Pseudonyms) -> Row:
    pathname = names.name("path", row.pathname) if row.pathname else row.pathname
    return replace(row, pathname=pathname, file=names.file(row.file))


def _thread(thread: ThreadRow, names: Pseudonyms) -> ThreadRow:
    return replace(thread, current_file=names.file(thread.current_file))


def _lane_name(text: str, names: Pseudonyms) -> str:
    """Of lanes only connections have an address in their name."""
    match = _LANE.fullmatch(text)
    if match is None or match[2].startswith("socket "):
        return text
    return f"{match[1]}{names.address(match[2])}"
