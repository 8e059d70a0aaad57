#!/usr/bin/env bash
# fetch-strace.sh SUITE DIRECTORY: unpacks the strace of a Debian suite (bullseye, bookworm, trixie,
# unstable), with the C library it needs, into DIRECTORY and writes its version to DIRECTORY/version.
# Nothing is installed: apt gets its own lists and cache there, and the mirror this machine uses.
set -euo pipefail

suite=${1:?usage: $0 SUITE DIRECTORY}
directory=$(realpath -m "${2:?usage: $0 SUITE DIRECTORY}")
[ ! -e "$directory/version" ] || exit 0

keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -e "$keyring" ] || { echo "no $keyring: install debian-archive-keyring" >&2; exit 1; }
mirror=$(apt-get indextargets --format '$(ORIGIN) $(LABEL) $(REPO_URI)' 'Created-By: Packages' |
    awk '$1 == "Debian" && $2 == "Debian" { print $3; exit }')

rm -rf "$directory"
mkdir -p "$directory/apt/lists/partial" "$directory/apt/cache/archives/partial"
cd "$directory/apt"
echo "deb [signed-by=$keyring] ${mirror:-http://deb.debian.org/debian} $suite main" >sources.list
apt=(-q -o "Dir::Etc::sourcelist=$PWD/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::lists=$PWD/lists" -o "Dir::Cache=$PWD/cache" -o Dir::State::status=/dev/null
    -o APT::Sandbox::User=root -o APT::Architecture=amd64 -o APT::Architectures::=amd64)
apt-get "${apt[@]}" update >&2
# strace's own dependencies, and what libunwind needs.
apt-get "${apt[@]}" download strace libc6 libunwind8 liblzma5 libgcc-s1 >&2
for package in ./*.deb; do dpkg -x "$package" "$directory/root"; done
cd "$directory"
rm -rf apt root/usr/share root/etc root/usr/lib/x86_64-linux-gnu/gconv
# Packages keep to a merged /usr, the links to which another package has.
for name in lib lib64; do [ -e "root/$name" ] || ln -s "usr/$name" "root/$name"; done
mkdir -p root/proc root/dev root/tmp root/bin
# Its own loader and libraries, whatever this machine has, with this machine's /proc, /dev and /tmp; what
# is mounted for that is gone with the process.
cat >strace <<'END'
#!/bin/sh
root=$(dirname "$0")/root
exec unshare --mount sh -c 'root=$1; shift
for name in proc dev tmp; do mount --rbind "/$name" "$root/$name" || exit; done
exec unshare --root="$root" --wd="$PWD" /usr/bin/strace "$@"' strace "$root" "$@"
END
chmod 755 strace
version=$(cd /tmp && "$directory/strace" --version | sed -n '1s/^strace -- version //p')
[ -n "$version" ] || { echo "the strace of $suite does not run here" >&2; exit 1; }
echo "$version" >version
