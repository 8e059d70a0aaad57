#!/usr/bin/env bash
# `uringtrace demo` with the privileges that a capture needs, where sudo gives them.
# Without them the command itself shows a recording, and says so.
set -euo pipefail
cd "$(dirname "$0")/.."

uringtrace=(.venv/bin/uringtrace)
if [ "$(id -u)" -ne 0 ] && command -v sudo >/dev/null; then
    options=()
    [ -t 0 ] || options=(-n)
    if sudo "${options[@]}" true 2>/dev/null; then
        uringtrace=(sudo "${options[@]}" env "PATH=$PATH" "$PWD/.venv/bin/uringtrace")
    fi
fi
exec "${uringtrace[@]}" demo "$@"
