"""`uringtrace completion SHELL`: a completion script, made from the commands' own parsers."""

from __future__ import annotations

import argparse

from uringtrace.cli.command import COMMANDS, Parser
from uringtrace.errors import EXIT_OK, CapabilityError

SHELLS = ("bash", "zsh", "fish")


class CompletionCommand:
    """The command. It alone loads all others, to learn their options."""

    name = "completion"
    summary = "print a completion script for a shell"
    group = "This machine"
    epilog = (
        "examples:\n"
        "  uringtrace completion bash > /etc/bash_completion.d/uringtrace\n"
        "  uringtrace completion zsh > /usr/local/share/zsh/site-functions/_uringtrace\n"
        "  uringtrace completion fish > ~/.config/fish/completions/uringtrace.fish"
    )

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("shell", choices=SHELLS, help="the shell to complete for")

    def run(self, arguments: argparse.Namespace) -> int:
        try:
            import shtab
        except ImportError:
            raise CapabilityError(
                "completion needs the Python package shtab",
                "install it: pip install 'uringtrace[completion]'",
            ) from None
        print(shtab.complete(whole_parser(), shell=arguments.shell))
        return EXIT_OK


def whole_parser() -> Parser:
    """One parser with every command below it, which is never used for parsing."""
    parser = Parser(prog="uringtrace", description="see what an async server does on io_uring")
    parser.add_argument("-V", "--version", action="store_true", help="print the version")
    commands = parser.add_subparsers(metavar="COMMAND")
    for name, entry in COMMANDS.items():
        entry.load().configure(commands.add_parser(name, help=entry.summary))
    return parser
