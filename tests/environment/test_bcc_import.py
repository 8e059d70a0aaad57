"""bcc comes from the distribution's folder, alone, and a broken one leaves nothing behind."""

import subprocess
import sys
import warnings

import pytest

from uringtrace.errors import CapabilityError
from uringtrace.tracer.bcc_import import importable_folders, load_bcc

pytestmark = pytest.mark.usefixtures("no_bcc")
DEBIAN = "usr/lib/python3/dist-packages/bcc"


@pytest.mark.parametrize(
    "folder",
    [DEBIAN, "usr/lib/python3.14/site-packages/bcc", "usr/lib64/python3.12/site-packages/bcc"],
)
def test_found_where_distributions_put_it(machine, folder):
    for name in ("__init__.py", "libbcc.py"):
        machine.remove(f"{DEBIAN}/{name}")
    machine.write(f"{folder}/__init__.py", "from .libbcc import lib\n__version__ = '0.31.0'\n")
    machine.write(f"{folder}/libbcc.py", "lib = object()\n")
    path = list(sys.path)
    module = load_bcc(machine.roots.usr)
    assert module.__version__ == "0.31.0"
    assert sys.modules["bcc"] is module
    assert sys.path == path, "the folder holds other packages, which are not for this Python"


def test_loaded_once(machine):
    first = load_bcc(machine.roots.usr)
    machine.remove(f"{DEBIAN}/__init__.py")
    assert load_bcc(machine.roots.usr) is first


def test_an_importable_one_is_preferred(machine, tmp_path, monkeypatch):
    machine.write("own/bcc/__init__.py", "__version__ = 'own'\n")
    machine.write("own/bcc/libbcc.py", "")
    monkeypatch.setattr("uringtrace.tracer.bcc_import.importable_folders", lambda: [tmp_path / "own/bcc"])
    assert load_bcc(machine.roots.usr).__version__ == "own"


def test_importable_is_what_python_would_import(tmp_path, monkeypatch):
    """The function that the other tests replace, against Python's own search."""
    monkeypatch.undo()
    (tmp_path / "bcc").mkdir()
    (tmp_path / "bcc/__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert list(importable_folders()) == [tmp_path / "bcc"]


def test_another_package_of_that_name_is_not_it(machine, tmp_path, monkeypatch):
    machine.write("own/bcc/__init__.py", "raise RuntimeError('a compiler of B')")
    monkeypatch.setattr("uringtrace.tracer.bcc_import.importable_folders", lambda: [tmp_path / "own/bcc"])
    assert load_bcc(machine.roots.usr).__version__ == "0.30.0"


def test_absent_names_the_packages(machine):
    machine.remove(f"{DEBIAN}/libbcc.py")
    with pytest.raises(CapabilityError) as caught:
        load_bcc(machine.roots.usr)
    assert caught.value.message == "bcc is not installed"
    for package in ("python3-bpfcc", "python3-bcc", "python-bcc"):
        assert package in caught.value.way_out


def test_a_broken_one_is_forgotten(machine):
    machine.write(f"{DEBIAN}/libbcc.py", "raise OSError('libbcc.so.0: cannot open shared object file')")
    with pytest.raises(CapabilityError, match=r"does not load: libbcc\.so\.0: cannot open"):
        load_bcc(machine.roots.usr)
    assert not [name for name in sys.modules if name.split(".")[0] == "bcc"]


def test_its_syntax_warnings_are_not_shown(machine):
    machine.write(f"{DEBIAN}/libbcc.py", "lib = '\\d'\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_bcc(machine.roots.usr)


def test_the_tracer_does_not_load_it(repository):
    program = "import sys, uringtrace.tracer.environment as e; assert 'bcc' not in sys.modules; e.load_bcc"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=repository)
