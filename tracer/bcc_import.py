"""Loads the distribution's bcc package into whatever Python this is.

bcc belongs to the distribution, since it must match libbcc.so. It is pure Python, so
a virtual environment of any version can load it from the system's folder. That
folder is never put on `sys.path`: its other packages are not for this interpreter.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Iterator
from importlib import util
from pathlib import Path
from types import ModuleType

from uringtrace.errors import CapabilityError

SYSTEM = Path("/usr")
INSTALL = (
    "install it: apt install python3-bpfcc (Debian, Ubuntu), dnf install python3-bcc (Fedora), "
    "pacman -S python-bcc (Arch)"
)
_PATTERNS = (
    "lib/python3/dist-packages/bcc",  # Debian, Ubuntu
    "lib/python3.*/site-packages/bcc",  # Fedora, Arch
    "lib64/python3.*/site-packages/bcc",
    "local/lib/python3.*/dist-packages/bcc",  # built from source
    "local/lib/python3.*/site-packages/bcc",
)


def load_bcc(system: Path = SYSTEM) -> ModuleType:
    """Import bcc and return its module, version in `__version__`; once per process.

    One that this Python imports by itself is preferred to that found under `system`.
    Raises `CapabilityError` where there is none or it does not load.
    """
    loaded = sys.modules.get("bcc")
    if loaded is not None:
        return loaded
    for folder in (*importable_folders(), *system_folders(system)):
        if is_bcc(folder):
            return load_from(folder)
    raise CapabilityError("bcc is not installed", INSTALL)


def importable_folders() -> Iterable[Path]:
    """Where a plain `import bcc` would find it."""
    spec = util.find_spec("bcc")
    return [Path(place) for place in (spec.submodule_search_locations or ())] if spec else []


def system_folders(system: Path) -> Iterator[Path]:
    """Where distributions put it, for any version of Python."""
    for pattern in _PATTERNS:
        yield from sorted(system.glob(pattern), reverse=True)


def is_bcc(folder: Path) -> bool:
    """Whether this is the BPF compiler collection: other packages share its name."""
    return (folder / "libbcc.py").is_file() and (folder / "__init__.py").is_file()


def load_from(folder: Path) -> ModuleType:
    """Import the package in `folder` under the name `bcc`; raises `CapabilityError`."""
    spec = util.spec_from_file_location(
        "bcc", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    sys.modules["bcc"] = module
    try:
        with warnings.catch_warnings():
            # Releases up to 0.26 hold escape sequences that newer Pythons warn of.
            warnings.simplefilter("ignore")
            spec.loader.exec_module(module)
    except Exception as error:
        for name in [name for name in sys.modules if name == "bcc" or name.startswith("bcc.")]:
            del sys.modules[name]
        raise CapabilityError(f"bcc in {folder} does not load: {error}", INSTALL) from error
    return module
