"""`python -m bench.compare_picture`: the picture at the top of README, from a real run.

A server that makes no system call, under load, with `uringtrace compare` on it: what the command
prints is drawn, line by line, as it is. Without a run of which strace saw nothing there is no picture.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from xml.sax.saxutils import escape

from bench.launch import REPOSITORY, URINGTRACE, Failed
from bench.processes import running
from bench.servers import serving
from uringtrace.targets.catalogue import ARCHITECTURES

PICTURE = REPOSITORY / "docs" / "compare.svg"
SERVER = "uring-sqpoll"
COLUMNS = 104
ROWS = 10
SECONDS = 2
RATE = 2_000
CONNECTIONS = 4
_CELL, _LINE, _SIZE, _MARGIN = 8.0, 18, 13, 16
_SEPARATOR = " │ "


def main() -> int:
    text = compared()
    with PICTURE.open("w", encoding="utf-8") as file:
        file.write(
            svg_of(f"$ uringtrace compare --once -d {SECONDS} --rows {ROWS} -p $(pgrep -f {SERVER})", text)
        )
    print(f"{PICTURE.relative_to(REPOSITORY)}: {text.splitlines()[0].strip()} …")
    return 0


def compared() -> str:
    """What `uringtrace compare` prints of the server under load, to the table of what each side missed.

    Raises Failed where strace saw any call, or the kernel lost a record.
    """
    with serving(ARCHITECTURES[SERVER]) as server:
        load = ("load", server.address, "--connections", str(CONNECTIONS), "--rate", str(RATE), "-d", "60")
        with running([*URINGTRACE, *load]) as loading:
            once = ("compare", "--once", "--yes", "-d", str(SECONDS), "-p", server.pids)
            # The connections are there, and what is built once is built, before it is looked at.
            warm = _run([*once, "-d", "1", "--json"])
            if not json.loads(warm)["comparison"]["operations"]["happened"]:
                raise Failed("nothing happened under load")
            text = _run([*once, "--rows", str(ROWS)])
            loading.end(signal.SIGINT)
    head, separator, rest = text.partition("\n\nOPERATION ")
    if not separator or "\noperations " not in head or " 0        0%" not in head or "\nlost 0," not in rest:
        raise Failed(f"strace saw something, or something was lost:\n{text}")
    return head


def _run(words: Sequence[str]) -> str:
    done = subprocess.run(
        [*URINGTRACE, *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=REPOSITORY,
        env={**os.environ, "COLUMNS": str(COLUMNS)},
    )
    if done.returncode:
        raise Failed(done.stderr)
    return done.stdout


def svg_of(command: str, text: str) -> str:
    """A picture of these lines, with no font but the viewer's own of fixed width."""
    lines = [command, "", *text.splitlines()]
    width = round(max(map(len, lines)) * _CELL) + 2 * _MARGIN
    height = len(lines) * _LINE + 2 * _MARGIN
    drawn = "\n".join(
        part for number, line in enumerate(lines) for part in _parts(line, number, first=number == 0)
    )
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"
  aria-labelledby="title">
<title id="title">uringtrace compare on a server with SQPOLL: strace sees nothing of what happens</title>
<style>
rect {{ fill: #101418 }}
text {{ font: {_SIZE}px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: #e6e6e6 }}
.command {{ fill: #56b4e9 }} .heading {{ font-weight: bold }}
.nothing {{ fill: #8b949e }} .seen {{ fill: #e69f00 }}
</style>
<rect width="{width}" height="{height}" rx="8"/>
{drawn}
</svg>
"""


def _parts(line: str, number: int, *, first: bool) -> list[str]:
    """The text elements of a line; of two columns each has its own."""
    left, separator, right = line.partition(_SEPARATOR)
    if first:
        return _texts(line, 0, number, "command")
    if separator and "URINGTRACE" not in line:
        behind = len(left) + len(separator)
        return [*_texts(left + separator, 0, number, "nothing"), *_texts(right, behind, number, "seen")]
    return _texts(line, 0, number, "heading" if line[:2].isupper() or "URINGTRACE" in line else "")


def _texts(text: str, column: int, number: int, kind: str) -> list[str]:
    """One element for what stands together: of several spaces a viewer makes one."""
    name = f' class="{kind}"' if kind else ""
    found = []
    for words in re.finditer(r"\S+(?: \S+)*", text):
        x, y = _MARGIN + (column + words.start()) * _CELL, _MARGIN + number * _LINE + _SIZE
        # As wide as its cells, whatever the font: columns stay below one another.
        wide = f'textLength="{len(words[0]) * _CELL:g}" lengthAdjust="spacingAndGlyphs"'
        found.append(f'<text{name} x="{x:g}" y="{y}" {wide}>{escape(words[0])}</text>')
    return found


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as failure:
        sys.exit(failure.reason)
