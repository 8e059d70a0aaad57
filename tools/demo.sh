#!/usr/bin/env bash
# Runs a bundled io_uring program under `uringtrace stat`. Where no capture is possible,
# shows a recording of the same program that is shipped with the project, and says so.
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

program=build/targets/demo
if ! .venv/bin/python -m uringtrace.targets.build >/dev/null; then
    echo "The bundled program cannot be built."
elif report=$("${uringtrace[@]}" check); then
    echo "\$ uringtrace stat -- $program"
    if "${uringtrace[@]}" stat -- "$program"; then
        exit 0
    fi
    echo "The capture failed."
else
    echo "$report" | sed -n '/^No capture/,$p'
fi
echo
echo "This is NOT a capture of this machine: a recording that is shipped with the project follows."
echo "\$ uringtrace stat targets/demo/recording"
exec .venv/bin/uringtrace stat targets/demo/recording
