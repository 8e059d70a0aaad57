#!/bin/sh
# Prints a Python of version 3.11 or later that can make a virtual environment: $PYTHON
# if that is one. A name may be a version manager's shim that runs nothing, so each is tried.
for candidate in "${PYTHON:-}" python3.13 python3.12 python3.11 python3; do
    if [ -n "$candidate" ] && "$candidate" -c \
        'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
        command -v "$candidate"
        exit 0
    fi
done
echo "no Python 3.11 or later with venv was found; install one, or name it: make PYTHON=/path/to/python3" >&2
exit 1
