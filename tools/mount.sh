#!/bin/sh
# Mounts what bpftrace, perf and bpftool want in the tests, where root and not mounted.
# uringtrace itself needs neither.
[ "$(id -u)" -eq 0 ] || exit 0
[ -e /sys/kernel/tracing/README ] || mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null
grep -q ' /sys/fs/bpf bpf ' /proc/mounts || mount -t bpf bpffs /sys/fs/bpf 2>/dev/null
exit 0
