"""The wheel holds all of the code below one name, and an editable install finds it where it is."""

import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

FOLDERS = ("probes", "targets", "tracer", "ui")
SHIPPED = (".py", ".c", ".h")
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")


def expected_files(root):
    """What has to be in the wheel, as paths in it, from the folders of the source tree."""
    files = [*(root / "uringtrace").glob("*.py"), *(root / "uringtrace/cli").rglob("*.py")]
    names = {str(path.relative_to(root)) for path in files} | {"uringtrace/py.typed"}
    for folder in FOLDERS:
        for path in (root / folder).rglob("*"):
            if path.suffix in SHIPPED or "targets/demo/recording/" in str(path.relative_to(root)):
                names.add("uringtrace/" + str(path.relative_to(root)))
    return names


@pytest.fixture(scope="module")
def wheel(source_copy, tmp_path_factory):
    """The built wheel's path."""
    output = tmp_path_factory.mktemp("wheel")
    command = [
        *PIP,
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(output),
        str(source_copy),
    ]
    subprocess.run(command, check=True, capture_output=True, text=True)
    (path,) = output.glob("*.whl")
    return path


def test_every_file_is_in_the_wheel_and_its_only_top_level_is_uringtrace(wheel, source_copy):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert expected_files(source_copy) - names == set()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"uringtrace"}


def test_listed_packages_are_the_folders_with_python(source_copy):
    """The list in pyproject.toml, which setuptools takes as it is, names each folder once."""
    configured = tomllib.loads((source_copy / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = {
        str(Path(name).parent).replace("/", ".")
        for name in expected_files(source_copy)
        if name.endswith(".py")
    }
    assert sorted(configured) == sorted(folders)


def test_metadata(wheel):
    import uringtrace

    archive = zipfile.ZipFile(wheel)
    (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    metadata = archive.read(name).decode()
    assert f"\nVersion: {uringtrace.__version__}\n" in metadata
    assert "bcc" not in [
        line.split()[1] for line in metadata.splitlines() if line.startswith("Requires-Dist:")
    ]


def test_an_editable_install_works(source_copy, tmp_path):
    """Installed into a prefix of its own and imported from elsewhere, the code is the source tree's.

    -S keeps out what this environment has installed, which may be uringtrace itself.
    """
    command = [*PIP, "install", "--no-deps", "--no-build-isolation", "--prefix", str(tmp_path / "prefix")]
    # Without --ignore-installed pip would remove uringtrace from the environment of these tests.
    subprocess.run(
        [*command, "--ignore-installed", "--editable", str(source_copy)],
        check=True,
        capture_output=True,
        text=True,
    )
    prefix = {"base": str(tmp_path / "prefix"), "platbase": str(tmp_path / "prefix")}
    site_packages = sysconfig.get_path("purelib", "posix_prefix", vars=prefix)
    program = (
        f"import site; site.addsitedir({site_packages!r})\n"
        "import uringtrace.tracer.environment as e, uringtrace.cli.main, uringtrace.probes as p\n"
        "print(e.__file__); print(p.__file__)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], check=True, capture_output=True, text=True, cwd=tmp_path
    )
    files = [Path(line).resolve() for line in done.stdout.split()]
    assert files == [source_copy / "tracer/environment.py", source_copy / "probes/__init__.py"]


@pytest.mark.parametrize("folder", FOLDERS)
def test_links_are_relative(repository, folder):
    """They must hold in any clone."""
    assert str((repository / "uringtrace" / folder).readlink()) == f"../{folder}"
