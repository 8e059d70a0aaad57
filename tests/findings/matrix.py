"""`python -m tests.findings.matrix` writes the table of docs/findings.md from the kept results."""

from __future__ import annotations

from typing import Any

from tests.findings.results import REPOSITORY, kept
from tests.findings.scenes import FAULTS, HEALTHY, Scene

DOCUMENT = REPOSITORY / "docs/findings.md"
BEGIN, END = "<!-- table -->\n", "<!-- end of table -->"
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
            rows.append(f"| {' | '.join(_cells(scene, result['diagnosis'], result['truth']))} |\n")
    return _HEADING + "".join(rows) + "\n"


def _cells(scene: Scene, diagnosis: dict[str, Any], truth: dict[str, Any]) -> list[str]:
    findings = diagnosis["findings"]
    wanted = [each for each in findings if each["tag"] == scene.tag]
    values = {
        name: value for each in wanted for part in each["evidence"] for name, value in part["values"].items()
    }
    others = {each["tag"] for each in findings if each["severity"] != "info" and each["tag"] != scene.tag}
    noted = {each["tag"] for each in findings if each["severity"] == "info" and each["tag"] != scene.tag}
    name = f"`{scene.server}`" + (f", {scene.fault}" if scene.fault else "")
    return [
        name,
        f"`{scene.tag}`" if wanted else "missed" if scene.tag else "–",
        f"{truth['faults'][scene.fault]:,}" if scene.fault else "–",
        f"{values[scene.count]:,}" if scene.count in values else "–",
        _tags(others),
        _tags(noted),
        diagnosis["architecture"]["words"],
    ]


def _tags(tags: set[str]) -> str:
    return ", ".join(f"`{tag}`" for tag in sorted(tags)) or "–"


def main() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    DOCUMENT.write_text(head + BEGIN + table() + END + rest.partition(END)[2], encoding="utf-8")


if __name__ == "__main__":
    main()
