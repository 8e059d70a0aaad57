#!/bin/sh
# In a test VM: captures the kTLS server in each way there is, into /exchange. `server.json` of
# each run holds its connections and keys. The probes are compiled once for all of them.
set -eu
python=$1
export XDG_CACHE_HOME=/tmp/cache
capture() {
    name=$1
    shift
    "$python" -m uringtrace "$@" -- "$python" -m tests.vm.ktls_server \
        >"/exchange/$name.output" 2>"/exchange/$name.errors"
    mv /exchange/server.json "/exchange/$name.server"
}
capture stat stat --connections --json
capture log log
capture record record -o /exchange/recording
