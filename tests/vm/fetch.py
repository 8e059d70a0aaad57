"""`python -m tests.vm.fetch [NAME…]`: the kernels that tests boot, by default all, into the cache."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

from tests.vm.machine import HERE, kernels_folder
from tests.vm.matrix import KERNELS


def main(names: Sequence[str]) -> int:
    """The number of those that could not be had; each says why."""
    folder = kernels_folder()
    return sum(
        subprocess.run([HERE / "fetch-kernel.sh", name, folder / name]).returncode != 0 for name in names
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or KERNELS))
