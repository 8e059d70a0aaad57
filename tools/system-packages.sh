#!/usr/bin/env bash
# Installs the distribution's packages that `make demo` (argument demo) or `make test`
# (argument test) needs, only those that are missing. Where that cannot be done (another
# distribution, no root), names them and goes on: what they are for is left out then.
set -euo pipefail
cd "$(dirname "$0")"

missing=()

# need PACKAGE[|OTHER NAME] COMMAND...: the package is missing if the command fails.
need() {
    local package=$1
    shift
    "$@" >/dev/null 2>&1 || missing+=("$package")
}

have_bcc() { compgen -G "/usr/lib*/python3*/*-packages/bcc/libbcc.py"; }
have_library() { PATH=$PATH:/sbin:/usr/sbin ldconfig -p | grep -F "$1"; }

need python3-venv ./find-python.sh
need python3-bpfcc have_bcc
need "libbpf1|libbpf0" have_library libbpf.so
need linux-libc-dev test -e /usr/include/linux/types.h
need gcc command -v gcc
need libc6-dev test -e /usr/include/stdio.h
need liburing-dev test -e /usr/include/liburing.h
if [ "${1:-}" = test ]; then
    need fio command -v fio
    need strace command -v strace
    need tmux command -v tmux
    need bpftrace command -v bpftrace
    need "bpftool|linux-tools-common" test -x /usr/sbin/bpftool -o -x /usr/bin/bpftool
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

echo "installing: ${missing[*]}"
"${as_root[@]}" apt-get update -q || true
for names in "${missing[@]}"; do
    installed=
    for name in ${names//|/ }; do
        if "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
            apt-get install -q -y --no-install-recommends "$name"; then
            installed=$name
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
