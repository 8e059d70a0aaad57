"""What lets a large program appear sooner, before it is imported.

Invariant: the environment is as it was afterwards, so that a command which is launched gets its own.
"""

from __future__ import annotations

import gc
import os

_BLAS_THREADS = "OPENBLAS_NUM_THREADS"
_OBJECTS_BEFORE_A_LOOK = 50_000


def start_light() -> None:
    """Import numpy, alone on its thread, and let the imports that follow be looked through less often."""
    # Nearly everything that imports make stays: looking for what does not takes a tenth of a second.
    gc.set_threshold(_OBJECTS_BEFORE_A_LOOK, 20, 100)
    if _BLAS_THREADS in os.environ:
        return
    # For linear algebra, of which there is none here, OpenBLAS starts threads that spin for a while.
    os.environ[_BLAS_THREADS] = "1"
    try:
        import numpy  # noqa: F401  # reads the variable as it is loaded
    finally:
        del os.environ[_BLAS_THREADS]
