"""A copy of the source tree, so that building leaves nothing in the real one."""

import shutil

import pytest

NOT_SOURCE = (".git", ".venv", "build", "dist", "*.egg-info", "__pycache__", ".*_cache", ".hypothesis")


@pytest.fixture(scope="session")
def source_copy(tmp_path_factory, request):
    """The project's root in a temporary folder, symbolic links kept as such."""
    copy = tmp_path_factory.mktemp("source") / "uringtrace"
    shutil.copytree(request.config.rootpath, copy, symlinks=True, ignore=shutil.ignore_patterns(*NOT_SOURCE))
    return copy
