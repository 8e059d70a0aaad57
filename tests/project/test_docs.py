"""The documentation's links lead somewhere, and it knows every command."""

import re

from uringtrace.cli.command import COMMANDS

LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


def test_relative_links(repository):
    pages = [*repository.glob("*.md"), *(repository / "docs").glob("*.md")]
    broken = [
        f"{page.relative_to(repository)}: {link}"
        for page in pages
        for link in LINK.findall(page.read_text(encoding="utf-8"))
        if not (page.parent / link).exists()
    ]
    assert broken == []


def test_every_page_is_in_the_index(repository):
    index = (repository / "docs/README.md").read_text(encoding="utf-8")
    pages = {page.name for page in (repository / "docs").glob("*.md")} - {"README.md"}
    assert pages - set(LINK.findall(index)) == set()


def test_the_readme_names_every_command(repository):
    text = (repository / "README.md").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if name != "live" and f"`uringtrace {name}`" not in text] == []
