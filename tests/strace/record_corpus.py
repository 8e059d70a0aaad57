"""Makes the real logs of tests/strace/corpus again, with the strace that is installed and those of Debian.

    python -m tests.strace.record_corpus [SUITE…]

Without names all of them; `installed` is the installed one. Needs a static C library, so that no dynamic
loader's calls fill the logs, and for those of Debian's releases root and the network.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.strace.corpus_logs import CORPUS, REAL_LOGS, SUITES, Log
from tests.vm.machine import kernels_folder
from uringtrace.targets.build import COMPILER_FLAGS

FOLDER = Path("/tmp/story")
"""The logs name it, so it is the same everywhere."""


def main(suites: Sequence[str]) -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    source = CORPUS.parent / "programs/story.c"
    subprocess.run(
        [os.environ.get("CC", "cc"), *COMPILER_FLAGS, "-static", "-o", FOLDER / "story", source], check=True
    )
    for log in REAL_LOGS:
        if log.suite in suites:
            record(log, strace_of(log.suite))
    shutil.rmtree(FOLDER)


def strace_of(suite: str) -> str:
    """The command of that release's strace, fetched where it is not there yet. Its version is as expected."""
    if not suite:
        return "strace"
    folder = kernels_folder().parent / "strace" / suite
    subprocess.run([CORPUS.parent / "fetch-strace.sh", suite, folder], check=True, stderr=subprocess.DEVNULL)
    version = (folder / "version").read_text().strip()
    if version != SUITES[suite]:
        sys.exit(f"{suite} has strace {version} by now: say so in corpus_logs.SUITES")
    return str(folder / "strace")


def record(log: Log, strace: str) -> None:
    """Runs the program under strace with the options of the log."""
    (FOLDER / "work").mkdir()
    command: Sequence[str] = [strace, *log.options]
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
    named = sys.argv[1:] or ["installed", *SUITES]
    main(["" if name == "installed" else name for name in named])
