"""docs/kernels.md has the matrix as it is now: a row for every feature, a column for every kernel."""

from __future__ import annotations

from tests.vm.matrix import DOCUMENT, FEATURES, KERNELS, document
from tests.vm.observation import NO, WRONG, YES


def rows(text: str) -> dict[str, list[str]]:
    cells = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return {each[0]: each[1:] for each in cells[2:]}


def test_the_committed_document_has_every_feature_and_kernel() -> None:
    table = rows(DOCUMENT.read_text())
    assert list(table) == list(FEATURES), "run `make test-kernels`, which writes it"
    assert {len(cells) for cells in table.values()} == {len(KERNELS)}
    assert all(cell.startswith(YES) or cell.startswith(NO) for cells in table.values() for cell in cells)


def test_each_reason_is_given_once_and_what_is_wrong_is_shown() -> None:
    results = {
        name: {
            "kernel": f"{name}.1-amd64 (1.2-3)",
            "missing": ["sk_data_ready: absent"] if name == "5.10" else [],
            "results": [
                {"feature": feature, "outcome": NO if name == "5.10" else YES, "detail": "too old"}
                for feature in FEATURES
            ],
        }
        for name in KERNELS
    }
    first = next(iter(FEATURES))
    results["6.1"]["results"][0] = {"feature": first, "outcome": WRONG, "detail": "1 instead of 2"}
    text = document(results)
    table = rows(text)
    assert list(table) == list(FEATURES)
    assert table[first] == ["no [1]", "wrong", "yes", "yes"]
    assert text.count("too old") == 1 + len([name for name in FEATURES if name.startswith("`log`")]) * 3
    assert "- missing: sk_data_ready: absent" in text
