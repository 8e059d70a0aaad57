"""What a library writes to a path, into a stream that is none: standard output, a FIFO, a device.

Opening `/dev/stdout` a second time would begin a redirected file anew, so the library gets the
name of a pipe, and a thread moves what comes through it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from shutil import copyfileobj
from threading import Thread
from typing import IO, TypeVar

Value = TypeVar("Value")


def piped(write: Callable[[Path], Value], stream: IO[bytes]) -> Value:
    """Call `write` with a path, and write to `stream` what is written there; returns its value.

    Raises what the writing to `stream` raised, as BrokenPipeError, before what `write` raises of it.
    """
    source, target = os.pipe()
    failed: list[OSError] = []

    def move() -> None:
        # Closing this end makes the other one fail: nobody goes on writing for a reader that left.
        with os.fdopen(source, "rb") as file:
            try:
                copyfileobj(file, stream)
            except OSError as error:
                failed.append(error)

    mover = Thread(target=move, name="moves output", daemon=True)
    mover.start()
    try:
        return write(Path(f"/dev/fd/{target}"))
    finally:
        os.close(target)
        mover.join()
        if failed:
            raise failed[0]
