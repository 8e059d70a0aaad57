"""What a subcommand is, and the table of those there are.

The table holds the one-line summaries itself, so that the overview help, a wrong
command name and the short form need no command module: only the one that was
chosen is imported.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import NoReturn, Protocol, cast

from uringtrace.errors import UsageError

GROUPS = ("Capture", "Recordings", "Reference servers", "This machine")
"""The headings of the overview, in its order."""


class Command(Protocol):
    """One subcommand. The strings repeat its row in `COMMANDS`; a test compares them."""

    name: str
    summary: str
    """One line for the overview, at most 60 characters."""
    group: str
    """One of `GROUPS`."""
    epilog: str
    """Examples, shown under the command's own help as they are."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add this command's options and operands."""
        ...

    def run(self, arguments: argparse.Namespace) -> int:
        """Do it and return the exit code; raises `uringtrace.errors.Error`."""
        ...


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the table: where a command lives and how the overview names it."""

    location: str
    """`module:Class`."""
    summary: str
    group: str

    def load(self) -> Command:
        """Import the command's module and make the command."""
        module, _, attribute = self.location.partition(":")
        return cast(Command, getattr(import_module(module), attribute)())


COMMANDS: Mapping[str, Entry] = {
    "live": Entry("uringtrace.cli.live:LiveCommand", "watch operations as they happen", "Capture"),
    "stat": Entry(
        "uringtrace.cli.stat:StatCommand", "count operations, with latencies; connections, threads", "Capture"
    ),
    "log": Entry("uringtrace.cli.log:LogCommand", "print one line per operation, as strace does", "Capture"),
    "record": Entry("uringtrace.cli.record:RecordCommand", "write every operation to a recording", "Capture"),
    "compare": Entry(
        "uringtrace.cli.compare:CompareCommand",
        "strace and uringtrace on the same seconds, and their cost",
        "Capture",
    ),
    "diagnose": Entry(
        "uringtrace.cli.diagnose:DiagnoseCommand",
        "say what is wrong, with evidence and what to change",
        "Capture",
    ),
    "query": Entry("uringtrace.cli.query:QueryCommand", "ask a recording in SQL", "Recordings"),
    "report": Entry(
        "uringtrace.cli.report:ReportCommand",
        "a recording as an HTML page, Markdown or an image",
        "Recordings",
    ),
    "export": Entry(
        "uringtrace.cli.export:ExportCommand",
        "turn a recording into a Perfetto trace, CSV, JSON, Parquet",
        "Recordings",
    ),
    "demo": Entry(
        "uringtrace.cli.demo:DemoCommand", "a reference server under load, traced", "Reference servers"
    ),
    "targets": Entry(
        "uringtrace.cli.targets:TargetsCommand",
        "list the reference servers and what runs here",
        "Reference servers",
    ),
    "serve": Entry("uringtrace.cli.serve:ServeCommand", "run a reference server", "Reference servers"),
    "load": Entry(
        "uringtrace.cli.load:LoadCommand", "put HTTP load on a server of this machine", "Reference servers"
    ),
    "check": Entry("uringtrace.cli.check:CheckCommand", "say what this machine offers", "This machine"),
    "completion": Entry(
        "uringtrace.cli.completion:CompletionCommand", "print a completion script for a shell", "This machine"
    ),
}

DEFAULT_COMMAND = "live"
"""What `uringtrace PID` is short for."""


class Parser(argparse.ArgumentParser):
    """An argument parser that raises `UsageError` where argparse would exit."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, f"see: {self.prog} --help")


def command_parser(name: str, command: Command) -> Parser:
    """The configured parser of one command, for parsing, its help and completion."""
    parser = Parser(
        prog=f"uringtrace {name}",
        description=command.summary[0].upper() + command.summary[1:] + ".",
        epilog=command.epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.configure(parser)
    return parser


def parse(name: str, command: Command, argv: list[str]) -> argparse.Namespace:
    """Parse `argv`, what follows the command's name on the command line.

    What stands behind the first `--` is the command to launch: it goes to
    `arguments.command` as it is and no option in it is taken for one of ours.
    Raises `UsageError`, also where this command launches nothing.
    """
    parser = command_parser(name, command)
    options, launch = split_launch(argv)
    arguments = parser.parse_args(options)
    if launch is None:
        return arguments
    if not hasattr(arguments, "command"):
        raise UsageError(f"{name} starts no command: nothing may follow --", f"see: {parser.prog} --help")
    if not launch:
        raise UsageError("no command after --", f"for example: {parser.prog} -- ./server --port 8080")
    arguments.command = tuple(launch)
    return arguments


def split_launch(argv: list[str]) -> tuple[list[str], list[str] | None]:
    """Split at the first `--`; the second part is None where there is none."""
    if "--" not in argv:
        return argv, None
    position = argv.index("--")
    return argv[:position], argv[position + 1 :]
