"""`python -m tests.findings.record_scenes` makes the recordings of this folder again, as root.

They hold no names of the machine they were made on: neither its kernel's suffix nor a path.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.findings.scenes import FAULTS, HEALTHY
from tests.findings.staging import record

FOLDER = Path(__file__).parent / "recordings"
CHOSEN = (
    "asyncio-blocking-file", "epoll-accept-spin", "epoll-leaked-connections", "epoll-workers-thundering-herd",
    "executor-lost-waker", "uring-cq-overflow", "uring-io-wq-writes", "uring-unarmed-recv", "greenlet",
)  # fmt: skip
_DERIVED = ("connections", "readiness", "threads")
"""Parts that a reader of records does without."""


def main() -> None:
    for scene in (*FAULTS, *HEALTHY):
        if scene.name in CHOSEN:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / scene.name
                truth = record(scene, path)
                slim(path)
                (path / "truth.json").write_text(json.dumps(truth))
                shutil.rmtree(FOLDER / scene.name, ignore_errors=True)
                shutil.copytree(path, FOLDER / scene.name)


def slim(path: Path) -> None:
    for name in _DERIVED:
        for part in path.glob(f"{name}*.parquet"):
            part.unlink()
    file = path / "meta.json"
    meta = json.loads(file.read_text())
    meta["kernel"] = meta["kernel"].partition("-")[0]
    names = meta["operation_names"].items()
    meta["operation_names"] = {code: name for code, name in names if not name.startswith("syscall_")}
    file.write_text(json.dumps(meta))
    subprocess.run(["chmod", "-R", "u=rwX,go=rX", str(path)], check=True)


if __name__ == "__main__":
    main()
