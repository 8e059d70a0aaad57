#!/usr/bin/env bash
# Runs all tests: those without BPF two at a time, and then those that need it, one by one, as
# root, through sudo where there is no other way. Fails when either part does.
# Nothing is written into the source tree, so that no file of root's is left there.
#
#     pytest.sh [ARGUMENT OF PYTEST…]
#     pytest.sh --everything
#
# With --everything the types are checked as well, and that and the virtual machine come beside
# the tests of BPF, which leave a processor nearly idle.
set -euo pipefail
cd "$(dirname "$0")/.."
export PYTHONDONTWRITEBYTECODE=1

everything=
if [ "${1:-}" = --everything ]; then
    everything=1
    shift
fi

pytest=(.venv/bin/python -m pytest -p no:cacheprovider --durations=15)
failed=0
ran=

run() {
    local status=0
    "$@" || status=$?
    # pytest's 5: of the tests that were asked for, none is of this kind.
    [ "$status" -eq 5 ] && return
    ran=1
    [ "$status" -eq 0 ] || failed=$status
}

# Tests of one file stay together: what they share is made once. Files keep their order, which
# tests/conftest.py has made: the longest first.
without_bpf=("${pytest[@]}" -m "not bpf and not vm and not long")
run "${without_bpf[@]}" -n 2 --dist loadfile --no-loadscope-reorder ${everything:+--ignore=tests/vm} "$@"
if [ -n "$everything" ]; then
    said=$(mktemp)
    nice -n 19 bash -c '.venv/bin/mypy && "$@"' - "${without_bpf[@]}" tests/vm >"$said" 2>&1 &
    beside=$!
fi
if [ "$(id -u)" -ne 0 ] && sudo -n true 2>/dev/null; then
    run sudo -n env "PATH=$PATH" "CI=${CI:-}" PYTHONDONTWRITEBYTECODE=1 "${pytest[@]}" -m "bpf and not vm and not long" "$@"
else
    run "${pytest[@]}" -m "bpf and not vm and not long" "$@"
fi
if [ -n "$everything" ]; then
    wait "$beside" || failed=$?
    cat "$said"
    rm "$said"
fi
[ -n "$ran" ] || exit 5
exit "$failed"
