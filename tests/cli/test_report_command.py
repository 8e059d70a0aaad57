"""`uringtrace report`: what it writes where, what it refuses, and what it says."""

from __future__ import annotations

import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from uringtrace.cli.main import main

DEMO = str(Path(__file__).parents[2] / "targets" / "demo" / "recording")


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err


def test_a_page_is_written_for_its_owner_alone(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    assert main(["report", DEMO, "-o", str(page)]) == 0
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert page.read_text().startswith("<!doctype html>")
    assert page.stat().st_size < 6_000_000


def test_a_file_is_overwritten_only_with_force(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "report.md"
    page.write_text("mine")
    assert main(["report", DEMO, "--format", "md", "-o", str(page)]) == 2
    assert "--force" in said(capsys)
    assert page.read_text() == "mine"
    assert main(["report", DEMO, "--format", "md", "--force", "-o", str(page)]) == 0
    assert page.read_text().startswith("# What build/targets/demo did")


def test_markdown_goes_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", DEMO, "--format", "md", "--redact"]) == 0
    output = capsys.readouterr()
    assert output.out.startswith("# What argument-1 did")
    assert "127.0.0.1" not in output.out
    assert output.err == ""


def test_a_fragment_has_what_was_asked_for(tmp_path: Path) -> None:
    place = tmp_path / "part.html"
    assert (
        main(["report", DEMO, "--fragment", "--without-plotly", "--figure", "paths", "-o", str(place)]) == 0
    )
    assert re.findall(r'data-figure="([^"]*)"', place.read_text()) == ["paths"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--figure", "paths"], "--fragment"),
        (["--figure", "nothing", "--fragment"], "invalid choice"),
        (["--format", "md", "--fragment"], "Markdown has no figures"),
        (["--without-plotly"], "only a fragment"),
        (["--image", "x.svg"], "an image is of one figure"),
        (["--image", "x.gif", "--figure", "paths"], "cannot tell the format"),
        (["--image", "x.svg", "--figure", "paths", "-o", "y"], "--image is the output"),
        (["-d", "3"], "-d is for a capture"),
        (["--interface", "syscall"], "--interface is for a capture"),
    ],
)
def test_what_does_not_go_together(
    options: list[str], words: str, capsys: pytest.CaptureFixture[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(["report", DEMO, *options]) == 2
    assert words in said(capsys)
    assert list(tmp_path.iterdir()) == []


def test_a_page_is_nothing_for_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert main(["report", DEMO]) == 2
    assert "-o report.html" in said(capsys)


def test_without_kaleido_one_line_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("uringtrace.ui.report.image.find_spec", lambda name: None)
    image = tmp_path / "x.svg"
    assert main(["report", DEMO, "--figure", "paths", "--image", str(image)]) == 2
    assert said(capsys).splitlines() == [
        "uringtrace: error: images need kaleido, which is not installed",
        "  pip install kaleido; it uses an installed Chromium",
    ]
    assert not image.exists()


def test_an_image_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("kaleido", reason="kaleido is not installed")
    image = tmp_path / "x.svg"
    assert main(["report", DEMO, "--figure", "paths", "--image", str(image)]) == 0
    assert stat.S_IMODE(image.stat().st_mode) == 0o600
    assert "RECV" in image.read_text()


def test_no_file_is_left_where_there_is_no_recording(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "report.html"
    assert main(["report", str(tmp_path / "nothing"), "-o", str(page)]) == 2
    assert "no such recording" in said(capsys)
    assert not page.exists()


def test_its_help_loads_no_figure(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom uringtrace.cli.main import main\nmain(['report', '--help'])\n"
        "print([name for name in ('plotly', 'numpy', 'duckdb') if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


@pytest.mark.bpf
def test_a_program_is_recorded_and_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its exit code is passed on, the recording does not stay, and the page tells of it."""
    page = tmp_path / "report.md"
    command = ["sh", "-c", "cat /etc/hostname >/dev/null; exit 3"]
    assert main(["report", "-f", "--format", "md", "-o", str(page), "--", *command]) == 3
    text = page.read_text()
    assert "execve" in text
    assert "recording sh -c" in said(capsys)
    assert list(tmp_path.iterdir()) == [page]
