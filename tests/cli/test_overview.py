"""The overview, the short form and the choice of a command load no command but the chosen."""

import subprocess
import sys

import pytest

from uringtrace.cli.command import COMMANDS, GROUPS, command_parser
from uringtrace.cli.main import is_short_form, main, overview

HEAVY = {"numpy", "duckdb", "plotly", "textual", "bcc", "psutil", "shtab"}


def loaded_modules(*command):
    """Names of the modules that a Python process imported."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *command], capture_output=True, text=True, check=True
    )
    return {
        line.rsplit("|", 1)[1].strip() for line in done.stderr.splitlines() if line.startswith("import time:")
    }


def test_help_loads_nothing_heavy_and_no_command(repository, monkeypatch):
    monkeypatch.chdir(repository)
    modules = loaded_modules("-m", "uringtrace", "--help")
    assert "uringtrace.cli.main" in modules, "the probe of this test itself"
    assert not {name.split(".")[0] for name in modules} & HEAVY
    assert not modules & {entry.location.partition(":")[0] for entry in COMMANDS.values()}


def test_overview_names_every_command_in_80_columns():
    text = overview()
    assert max(map(len, text.splitlines())) <= 80
    for name, entry in COMMANDS.items():
        assert f"  {name} " in text
        assert entry.summary in text
        assert entry.group in GROUPS


def test_version(run_uringtrace):
    import uringtrace

    assert run_uringtrace("-V").stdout == f"uringtrace {uringtrace.__version__}\n"


def test_no_arguments_shows_the_overview_as_bad_usage(run_uringtrace):
    done = run_uringtrace()
    assert (done.returncode, done.stdout, done.stderr) == (2, "", overview() + "\n")


@pytest.mark.parametrize("name", COMMANDS)
def test_command_agrees_with_its_row_and_its_help_fits_80_columns(name, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    command = COMMANDS[name].load()
    assert (command.name, command.summary, command.group) == (
        name,
        COMMANDS[name].summary,
        COMMANDS[name].group,
    )
    assert command.epilog
    assert max(map(len, command_parser(name, command).format_help().splitlines())) <= 80


@pytest.mark.parametrize("first", ["1", "4711", "1,2", "-p", "-p7", "--pid=7", "-a", "--all", "-f", "--"])
def test_short_form(first):
    assert is_short_form(first)


@pytest.mark.parametrize("first", ["stat", "1x", "--json", "-e", "", ",", "./1"])
def test_not_the_short_form(first):
    assert not is_short_form(first)


def test_short_form_runs_live(monkeypatch):
    import uringtrace.cli.main as cli

    called = []
    monkeypatch.setattr(cli, "parse", lambda name, command, argv: called.append((name, argv)))
    monkeypatch.setattr(cli, "COMMANDS", {"live": Row})
    assert main(["4711", "-d", "3"]) == 7
    assert called == [("live", ["4711", "-d", "3"])]


class Row:
    """A row of the table whose command does nothing."""

    @staticmethod
    def load():
        return Row

    @staticmethod
    def run(arguments):
        return 7
