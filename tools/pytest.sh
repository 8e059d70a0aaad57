#!/usr/bin/env bash
# Runs all tests: those that need BPF as root, through sudo where there is no other way.
# Nothing is written into the source tree, so that no file of root's is left there.
set -euo pipefail
cd "$(dirname "$0")/.."
export PYTHONDONTWRITEBYTECODE=1

pytest=(.venv/bin/python -m pytest -p no:cacheprovider)
"${pytest[@]}" "$@"
if [ "$(id -u)" -ne 0 ] && sudo -n true 2>/dev/null; then
    sudo -n env "PATH=$PATH" "CI=${CI:-}" PYTHONDONTWRITEBYTECODE=1 "${pytest[@]}" -m bpf "$@"
fi
