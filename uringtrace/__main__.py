"""`python -m uringtrace`: the same as the `uringtrace` script."""

import sys

from uringtrace.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
