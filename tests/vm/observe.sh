#!/bin/bash
# In a test VM: captures tests/vm/programs.py in each way there is. Output, notices and status
# of every command go to /exchange, where the machine outside compares them (matrix.py).
#
#     observe.sh PYTHON SERVER,… [SERVER…]
#
# The first servers are counted, all those that follow are logged; with none, that is left out.
set -u
python=$1
IFS=, read -ra counted <<<"$2"
shift 2
programs=("$python" -m tests.vm.programs)
observe() {
    local name=$1
    shift
    "$@" >"/exchange/$name.output" 2>"/exchange/$name.errors"
    echo $? >"/exchange/$name.status"
}
trace() { observe "$1" "$python" -m uringtrace "${@:2}"; }

uname -rv >/exchange/kernel
trace check check --json
kinds=(--kinds small)
if grep -A1 '"name": "io_uring operations"' /exchange/check.output | grep -q missing; then kinds=(); fi
all=("${kinds[@]/small/all}")
[ $# -gt 0 ] || all=("${kinds[@]}")
trace stat stat -f --json -- "${programs[@]}" /tmp/stat "${all[@]}"
cp -rT /tmp/stat /exchange/programs-stat
trace streamed stat -f --connections --json -- "${programs[@]}" /tmp/streamed "${kinds[@]}" --ktls --servers "${counted[@]}"
cp -rT /tmp/streamed /exchange/programs-streamed
if [ $# -gt 0 ]; then
    trace log log -f -o /tmp/log -- "${programs[@]}" /tmp/log-programs --servers "$@"
    cp -rT /tmp/log-programs /exchange/programs-log
    cp /tmp/log /exchange/log.output
    trace live log -f -- build/targets/calls tcp 0.001
    trace only stat --interface io_uring --json -- true
fi
exit 0
