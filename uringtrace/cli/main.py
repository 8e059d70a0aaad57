"""From the command line to an exit code: choose the command, run it, show its failure.

The only place that turns an `uringtrace.errors.Error`, a broken pipe or an
unexpected exception into text and a status. Imports nothing heavy: `--help`
answers without loading any command.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path
from textwrap import dedent

from uringtrace import __version__
from uringtrace.cli.command import COMMANDS, DEFAULT_COMMAND, GROUPS, parse
from uringtrace.errors import EXIT_FAILED, EXIT_OK, EXIT_USAGE, Error, FilterError, UsageError

EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141
"""As a shell shows a process that SIGINT or SIGPIPE ended: 128 + the signal's number."""

QUERY_INTERRUPTED = "Query interrupted"
"""What DuckDB says in a RuntimeError where SIGINT came while a part of a recording was read."""

SHORT_FORM_OPTIONS = ("-p", "--pid", "-a", "--all", "-f", "--follow")
"""A command line that starts with one of these, a number, `--` or a directory means `DEFAULT_COMMAND`."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line (default: that of the process) and return the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a Latin-1 terminal has no dashes or arrows
    try:
        code = dispatch(arguments)
        sys.stdout.flush()
    except Error as error:
        show(error)
        code = error.exit_code
    except KeyboardInterrupt:
        code = EXIT_INTERRUPTED
    except BrokenPipeError:
        # The interpreter flushes stdout once more when it ends, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = EXIT_BROKEN_PIPE
    except SystemExit as end:  # argparse, after it printed --help
        code = end.code if isinstance(end.code, int) else EXIT_OK
    except Exception as error:
        if str(error) == QUERY_INTERRUPTED:
            code = EXIT_INTERRUPTED
        else:
            show(unexpected(error))
            code = EXIT_FAILED
    return code


def dispatch(argv: list[str]) -> int:
    """Choose the command that `argv` names and run it; raises what that raises."""
    if not argv:
        print(overview(), file=sys.stderr)
        return EXIT_USAGE
    first = argv[0]
    if first in ("-h", "--help"):
        print(overview())
        return EXIT_OK
    if first in ("-V", "--version"):
        print(f"uringtrace {__version__}")
        return EXIT_OK
    if is_short_form(first):
        name, rest = DEFAULT_COMMAND, argv
    else:
        name, rest = first, argv[1:]
    if name not in COMMANDS:
        raise unknown(name)
    command = COMMANDS[name].load()
    return command.run(parse(name, command, rest))


def is_short_form(first: str) -> bool:
    """Whether a command line that starts with `first` leaves the command out."""
    if first == "--" or first.replace(",", "").isdecimal() or first.startswith(SHORT_FORM_OPTIONS):
        return True
    # A recording is a directory; one with a command's name needs a path, such as ./stat.
    return bool(first) and first not in COMMANDS and Path(first).is_dir()


def unknown(name: str) -> UsageError:
    """The error for a command, or an option before it, that there is not."""
    if name.startswith("-"):
        return UsageError(f"unknown option {name}", "see: uringtrace --help")
    from difflib import get_close_matches  # 5 ms that only a typing error costs

    near = get_close_matches(name, COMMANDS, n=1)
    way_out = f"did you mean: uringtrace {near[0]}" if near else "see: uringtrace --help"
    return UsageError(f"unknown command {name!r}", way_out)


def unexpected(error: Exception) -> Error:
    """Wrap an exception no one foresaw; its traceback only with URINGTRACE_DEBUG=1."""
    if os.environ.get("URINGTRACE_DEBUG") == "1":
        traceback.print_exception(error)
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return Error(f"{where}{error.strerror}")
    first_line = (str(error).splitlines() or [""])[0]
    return Error(
        f"internal error: {type(error).__name__}: {first_line}",
        "a bug in uringtrace: report it with the output under URINGTRACE_DEBUG=1",
    )


def show(error: Error) -> None:
    """Print an error to stderr: its line, the marked expression if any, the way out."""
    lines = [f"uringtrace: error: {error.message}"]
    if isinstance(error, FilterError) and error.expression:
        lines += [f"  {error.expression}", "  " + " " * error.position + "^" * max(error.length, 1)]
    if error.way_out:
        lines.append(f"  {error.way_out}")
    print("\n".join(lines), file=sys.stderr)


def overview() -> str:
    """The help of the program as a whole; fits 80 columns."""
    width = max(map(len, COMMANDS))
    lines = [
        "usage: uringtrace PID",
        "       uringtrace COMMAND [OPTION…] [TARGET]",
        "",
        "See what an async server does on io_uring, where strace shows nothing.",
    ]
    for group in GROUPS:
        lines += ["", f"{group}:"]
        lines += [f"  {name:<{width}}  {row.summary}" for name, row in COMMANDS.items() if row.group == group]
    return "\n".join(lines) + dedent("""

        Targets:
          PID, -p PID[,PID…]  running processes       -a  the whole machine
          -- COMMAND [ARG…]   start it, traced        -f  follow its children

        Options:
          -h, --help     this text; uringtrace COMMAND --help for a command's own
          -V, --version  the version

        Examples:
          uringtrace 4711                       watch process 4711
          uringtrace stat -d 10 -p 4711         count its operations for 10 s
          uringtrace log -- ./server            start a server, print what it does
          uringtrace record -a -o night         record the whole machine
          uringtrace query night "SELECT count(*) FROM operations"
          uringtrace report night -o night.html a page that tells its story
          uringtrace check                      what works here, and what is missing

        Capturing needs root or capabilities; uringtrace check says which.""")
