"""Outputs are not overwritten, are their owner's, and a pipe is waited for."""

import os
import stat

import pytest

from uringtrace.cli.output import notice, open_output
from uringtrace.errors import StorageError, UsageError


def test_standard_output_stays_open(capsys):
    for path in (None, "-"):
        with open_output(path, force=False) as stream:
            stream.write("data\n")
    print("more")
    assert capsys.readouterr().out == "data\ndata\nmore\n"


def test_a_new_file_is_its_owners(tmp_path):
    path = tmp_path / "trace"
    with open_output(str(path), force=False) as stream:
        stream.write("– µs\n")
    assert path.read_text(encoding="utf-8") == "– µs\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_existing_file_is_refused_and_kept(tmp_path):
    path = tmp_path / "trace"
    path.write_text("precious")
    with pytest.raises(UsageError) as caught:
        open_output(str(path), force=False)
    assert caught.value.message == f"{path} exists already"
    assert "--force" in caught.value.way_out
    assert path.read_text() == "precious"


def test_force_overwrites(tmp_path):
    path = tmp_path / "trace"
    path.write_text("something longer than the new text")
    with open_output(str(path), force=True) as stream:
        stream.write("new")
    assert path.read_text() == "new"


def test_a_device_is_no_file_to_protect():
    with open_output(os.devnull, force=False) as stream:
        stream.write("x")


@pytest.mark.parametrize("name", ["missing/trace", "."])
def test_what_cannot_be_written(tmp_path, name):
    with pytest.raises(UsageError, match=r"cannot write|exists already"):
        open_output(str(tmp_path / name), force=False)


def test_a_pipe_is_waited_for(tmp_path):
    result = tmp_path / "sorted"
    with open_output(f"|sort > {result}", force=False) as stream:
        stream.write("b\na\n")
    assert result.read_text() == "a\nb\n"


def test_a_failing_pipe_is_told():
    stream = open_output("|cat > /dev/null; exit 3", force=False)
    with pytest.raises(StorageError, match="ended with status 3"):
        stream.close()


def test_a_piped_command_outlives_ctrl_c(tmp_path):
    """The command sends itself the SIGINT a terminal would; its data still arrives."""
    result = tmp_path / "copy"
    with open_output(f"|kill -INT $$; cat > {result}", force=False) as stream:
        stream.write("report\n")
    assert result.read_text() == "report\n"


def test_an_empty_pipe():
    with pytest.raises(UsageError, match="no command after"):
        open_output("| ", force=False)


def test_a_notice_is_not_data(capsys):
    notice("attached")
    assert capsys.readouterr() == ("", "uringtrace: attached\n")
