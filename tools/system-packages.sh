#!/usr/bin/env bash
# Installs the distribution's packages that `make demo` (argument demo), `make test` (argument
# test) or `make test-kernels` (argument vm) needs, only those that are missing. Where that cannot be
# done (another distribution, no root), names them and goes on: what they are for is left out
# then.
# A package's daemon is neither started nor enabled: the tests run their own.
set -euo pipefail
cd "$(dirname "$0")"

missing=()
with_daemon=" nginx redis-server "
policy=/usr/sbin/policy-rc.d

# need PACKAGE[|OTHER NAME] COMMAND...: the package is missing if the command fails.
need() {
    local package=$1
    shift
    "$@" >/dev/null 2>&1 || missing+=("$package")
}

have_bcc() { compgen -G "/usr/lib*/python3*/*-packages/bcc/libbcc.py"; }
have_chromium() { command -v chromium || command -v chromium-browser || command -v google-chrome; }
have_library() { PATH=$PATH:/sbin:/usr/sbin ldconfig -p | grep -F "$1"; }

need python3-venv ./find-python.sh
need python3-bpfcc have_bcc
need "libbpf1|libbpf0" have_library libbpf.so
need linux-libc-dev test -e /usr/include/linux/types.h
if [ "${1:-}" = test ]; then
    need gcc command -v gcc
    need libc6-dev test -e /usr/include/stdio.h
    need liburing-dev test -e /usr/include/liburing.h
    need fio command -v fio
    need strace command -v strace
    need tmux command -v tmux
    need bpftrace command -v bpftrace
    need "bpftool|linux-tools-common" test -x /usr/sbin/bpftool -o -x /usr/bin/bpftool
    need wrk command -v wrk
    need nodejs command -v node
    need nginx test -x /usr/sbin/nginx
    need redis-server test -x /usr/bin/redis-server
    need redis-tools command -v redis-benchmark
    need "chromium|chromium-browser" have_chromium
fi
if [ "${1:-}" = test ] || [ "${1:-}" = vm ]; then
    need qemu-system-x86 command -v qemu-system-x86_64
    need busybox-static command -v busybox
    need cpio command -v cpio
    need kmod test -x /usr/sbin/depmod -o -x /sbin/depmod
    need zstd command -v zstd
    need debian-archive-keyring test -e /usr/share/keyrings/debian-archive-keyring.gpg
fi
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    as_root=(sudo)
    [ -t 0 ] || as_root+=(-n)
fi
if ! command -v apt-get >/dev/null || { [ ${#as_root[@]} -gt 0 ] && ! "${as_root[@]}" true 2>/dev/null; }; then
    echo "missing, and not installed for want of apt-get or root (names of Debian's packages): ${missing[*]}" >&2
    exit 0
fi

# invoke-rc.d(8): packages ask this policy before they start a daemon; 101 forbids it. An
# administrator's own policy stays, and decides whether such a package is installed at all.
forbid_daemons() {
    if [ ! -e "$policy" ]; then
        trap '"${as_root[@]}" rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" install -m 755 /dev/stdin "$policy"
    fi
    local status=0
    "$policy" "$1" start >/dev/null 2>&1 || status=$?
    [ "$status" -eq 101 ]
}

disable() {
    "${as_root[@]}" systemctl disable -q "$1" || "${as_root[@]}" update-rc.d "$1" disable || true
} >/dev/null 2>&1

echo "installing: ${missing[*]}"
"${as_root[@]}" apt-get update -q || true
for names in "${missing[@]}"; do
    installed=
    for name in ${names//|/ }; do
        if [[ $with_daemon == *" $name "* ]] && ! forbid_daemons "$name"; then
            echo "not installed, since $policy would let its daemon start: $name" >&2
            continue
        fi
        if "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
            apt-get install -q -y --no-install-recommends "$name"; then
            installed=$name
            if [[ $with_daemon == *" $name "* ]]; then disable "$name"; fi
            break
        fi
    done
    [ -n "$installed" ] || echo "could not be installed: $names" >&2
done

# A distribution whose python3 is older may offer a newer one beside it.
if ! ./find-python.sh >/dev/null 2>&1; then
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends python3.11-venv || true
fi
