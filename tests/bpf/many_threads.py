"""`python many_threads.py COUNT`: so many threads that each wake up now and then, until it is killed."""

import json
import os
import sys
import threading
import time


def wait_for_ever() -> None:
    while True:
        time.sleep(1)


if __name__ == "__main__":
    for number in range(int(sys.argv[1]) - 1):
        threading.Thread(target=wait_for_ever, name=f"sleeper-{number}", daemon=True).start()
    print(json.dumps({"ready": os.getpid()}), flush=True)
    wait_for_ever()
