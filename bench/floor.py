"""`python -m bench.floor -- COMMAND`: runs a command with probes that only count events.

What attaching to the tracepoints costs whatever is then done there: no tracer that uses
the same tracepoints can be cheaper.
"""

from __future__ import annotations

import os
import sys

from uringtrace.errors import Error
from uringtrace.tracer.capture import start_floor
from uringtrace.tracer.target import Target


def main(command: tuple[str, ...]) -> int:
    with start_floor(Target(command=command)) as capture:
        while not capture.wait(1):
            pass
        if not capture.floor_events():
            print("the probes counted nothing", file=sys.stderr)
            return 1
    return os.waitstatus_to_exitcode(capture.child_status or 0)


if __name__ == "__main__":
    try:
        sys.exit(main(tuple(sys.argv[2:])))
    except Error as error:
        sys.exit(error.message)
