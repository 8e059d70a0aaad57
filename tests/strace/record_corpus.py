"""Makes the real logs of tests/strace/corpus again, with the strace that is installed.

    python -m tests.strace.record_corpus

Needs a static C library, so that no dynamic loader's calls fill the logs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.strace.corpus_logs import CORPUS, REAL_LOGS, Log
from uringtrace.targets.build import COMPILER_FLAGS

FOLDER = Path("/tmp/story")
"""The logs name it, so it is the same everywhere."""


def main() -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    source = CORPUS.parent / "programs/story.c"
    subprocess.run(
        [os.environ.get("CC", "cc"), *COMPILER_FLAGS, "-static", "-o", FOLDER / "story", source], check=True
    )
    for log in REAL_LOGS:
        record(log)
    shutil.rmtree(FOLDER)


def record(log: Log) -> None:
    """Runs the program under strace with the options of the log."""
    (FOLDER / "work").mkdir()
    command: Sequence[str] = ["strace", *log.options]
    if log.to_file:
        command = [*command, "-o", "log"]
    with (FOLDER / "errors").open("w") as errors:
        subprocess.run(
            [*command, "./story", "work"],
            cwd=FOLDER,
            env={"PATH": os.environ["PATH"]},
            stderr=errors,
            check=True,
        )
    written = FOLDER / ("log" if log.to_file else "errors")
    for suffix, path in _written(log, written).items():
        shutil.copyfile(path, CORPUS / (log.name + suffix))
    shutil.rmtree(FOLDER / "work")


def _written(log: Log, path: Path) -> dict[str, Path]:
    """What is behind the log's name → file: several of -ff, numbered by their threads."""
    if "-ff" not in log.options:
        return {".txt": path}
    parts = sorted(FOLDER.glob("log.*"), key=lambda part: int(part.suffix[1:]))
    return {f".{number}.txt": part for number, part in enumerate(parts)}


if __name__ == "__main__":
    main()
