"""Completion scripts hold every command and its options, and their shell accepts them."""

import shutil
import subprocess
import sys

import pytest

from uringtrace.cli.command import COMMANDS
from uringtrace.cli.main import main


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script(shell, capsys, tmp_path):
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for name in COMMANDS:
        assert name in script
    assert "follow" in script
    if shutil.which(shell):
        file = tmp_path / "completion"
        file.write_text(script)
        subprocess.run([shell, "-n", str(file)], check=True)


def test_bash_completes_a_command(capsys, tmp_path):
    """The script in a real bash: `uringtrace sta<Tab>` offers stat."""
    main(["completion", "bash"])
    file = tmp_path / "completion"
    file.write_text(capsys.readouterr().out)
    program = f"""
        source {file}
        function=$(complete -p uringtrace | sed 's/.*-F \\([^ ]*\\).*/\\1/')
        COMP_WORDS=(uringtrace sta) COMP_CWORD=1 COMP_LINE='uringtrace sta' COMP_POINT=14
        $function uringtrace sta uringtrace
        echo "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["stat"]


def test_without_shtab(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 2
    assert "pip install 'uringtrace[completion]'" in capsys.readouterr().err
