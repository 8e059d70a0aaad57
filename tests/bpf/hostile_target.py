"""`python hostile_target.py FOLDER`: a name and a path that a terminal would obey.

Prints {"ready": PID}, then opens and reads that file again and again until it is killed.
"""

import json
import os
import sys
import time
from pathlib import Path

NAME = b"\x1b[2J[red]\xff"
FILE = b"\x1b]0;title\x07[bold]\xff\n.txt"

if __name__ == "__main__":
    path = os.fsencode(sys.argv[1]) + b"/" + FILE
    with open(path, "wb") as file:  # noqa: PTH123  # a path of bytes
        file.write(b"x")
    Path("/proc/self/comm").write_bytes(NAME)
    print(json.dumps({"ready": os.getpid()}), flush=True)
    while True:
        descriptor = os.open(path, os.O_RDONLY)
        os.read(descriptor, 10)
        os.close(descriptor)
        time.sleep(0.02)
