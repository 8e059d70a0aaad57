"""The tree holds nothing unfinished and nothing that only one developer's machine has."""

import re

import pytest

TEXTS = {".py", ".c", ".h", ".md", ".toml", ".sh", ""}
NOT_OURS = {".git", ".venv", "build", "dist", "__pycache__", ".hypothesis"}
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
ONE_MACHINE = re.compile(r"(?<![\w.$}])/(home|root|work)/\w|\bissue #?\d")


def source_files(root):
    for path in sorted(root.rglob("*")):
        parts = set(path.relative_to(root).parts)
        ours = not parts & NOT_OURS and not any(part.endswith(("_cache", ".egg-info")) for part in parts)
        if ours and path.suffix in TEXTS and path.is_file() and path.name != "test_words.py":
            yield path


@pytest.mark.parametrize("pattern", [UNFINISHED, ONE_MACHINE])
def test_no_such_words(repository, pattern):
    found = [
        f"{path.relative_to(repository)}:{number}: {line.strip()}"
        for path in source_files(repository)
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []


def test_the_patterns_find_what_they_are_for():
    assert UNFINISHED.search("# TODO later")
    assert ONE_MACHINE.search("see /home/me/x")
    assert not ONE_MACHINE.search("an issue of the kernel; ../work/x; $HOME/work/x")
