"""`python -m tests.findings.matrix` writes the tables of docs/findings.md from the kept results."""

from __future__ import annotations

from typing import Any

from tests.findings.foreign.scenes import PROGRAMS, Foreign
from tests.findings.results import REPOSITORY, kept
from tests.findings.scenes import FAULTS, HEALTHY, Scene

DOCUMENT = REPOSITORY / "docs/findings.md"
BEGIN, FOREIGN, END = "<!-- table -->\n", "<!-- foreign programs -->\n", "<!-- end of table -->"
_HEADING = """
| server, fault | found | server says | finding says | other, above info | info | architecture |
| --- | --- | ---: | ---: | --- | --- | --- |
"""


def table() -> str:
    """One row for each scene that was played."""
    rows = []
    for scene in (*FAULTS, *HEALTHY):
        result = kept(scene.name)
        if result is not None:
            name = f"`{scene.server}`" + (f", {scene.fault}" if scene.fault else "")
            faults = result["truth"]["faults"][scene.fault] if scene.fault else None
            rows.append(_row(name, scene, result["diagnosis"], faults))
    return _HEADING + "".join(rows) + "\n"


def foreign_table() -> str:
    """The same for foreign programs."""
    rows = []
    for scene in PROGRAMS:
        result = kept(scene.name)
        if result is not None:
            runtime, _, way = scene.name.partition("-")
            counted = result["truth"]["faults"].get(scene.way, scene.times) if scene.tag else None
            rows.append(_row(f"{runtime}, {way}", scene, result["diagnosis"], counted))
    return _HEADING.replace("server, fault", "program", 1) + "".join(rows) + "\n"


def _row(name: str, scene: Scene | Foreign, diagnosis: dict[str, Any], faults: int | None) -> str:
    findings = diagnosis["findings"]
    wanted = [each for each in findings if each["tag"] == scene.tag]
    counts = [
        part["values"][scene.count]
        for each in wanted
        for part in each["evidence"]
        if scene.count in part["values"]
    ]
    others = {each["tag"] for each in findings if each["severity"] != "info" and each["tag"] != scene.tag}
    noted = {each["tag"] for each in findings if each["severity"] == "info" and each["tag"] != scene.tag}
    cells = [
        name,
        f"`{scene.tag}`" if wanted else "missed" if scene.tag else "–",
        "–" if faults is None else f"{faults:,}",
        f"{sum(counts):,}" if counts else "–",
        _tags(others),
        _tags(noted),
        diagnosis["architecture"]["words"],
    ]
    return f"| {' | '.join(cells)} |\n"


def _tags(tags: set[str]) -> str:
    return ", ".join(f"`{tag}`" for tag in sorted(tags)) or "–"


def main() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    for begin, rows in ((BEGIN, table()), (FOREIGN, foreign_table())):
        head, _, rest = text.partition(begin)
        text = head + begin + rows + END + rest.partition(END)[2]
    DOCUMENT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
