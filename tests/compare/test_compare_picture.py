"""README's picture: every word where it stood on the terminal, and of a run in which strace saw nothing."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from bench.compare_picture import PICTURE, svg_of

SVG = "{http://www.w3.org/2000/svg}"
SHOWN = """\
 SECONDS  STRACE    │ URINGTRACE
0.021393  ·         │ SEND(fd=1<TCP 10.0.0.1:80>, "a & b") = 95

operations      576  0  0%"""


def words_of(picture: str) -> list[tuple[int, int, str]]:
    """Row, column and text of each element, from its place and width in cells of the picture."""
    found = []
    for element in ElementTree.fromstring(picture).iter(f"{SVG}text"):
        text = element.text or ""
        cell = float(element.attrib["textLength"]) / len(text)
        row, column = (float(element.attrib["y"]) - 29) / 18, (float(element.attrib["x"]) - 16) / cell
        found.append((round(row), round(column), text))
    return found


def test_each_word_is_where_it_stood() -> None:
    command = "$ uringtrace compare"
    lines = [command, "", *SHOWN.splitlines()]
    found = words_of(svg_of(command, SHOWN))
    for row, column, text in found:
        assert lines[row][column:].startswith(text)
    assert sum(len(text.replace(" ", "")) for _, _, text in found) == len(re.sub(r"\s", "", "".join(lines)))


def test_the_picture_in_the_documentation_is_of_a_server_that_makes_no_call() -> None:
    text = "\n".join(text for _, _, text in words_of(PICTURE.read_text()))
    numbers = re.search(r"^operations\n([\d,]+)\n0\n0%$", text, re.MULTILINE)
    assert numbers is not None
    assert int(numbers[1].replace(",", "")) > 100
    assert re.search(r"no system call\n" + numbers[1], text), "all of them for one reason"
    assert re.search(r"^ONLY STRACE\nCOUNT\nnothing\n0$", text, re.MULTILINE)
