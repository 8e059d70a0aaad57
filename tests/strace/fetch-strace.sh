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
# Its own loader and libraries, whatever this machine has.
cat >strace <<END
#!/bin/sh
exec $directory/loader --argv0 strace --library-path \
  $directory/root/lib/x86_64-linux-gnu:$directory/root/usr/lib/x86_64-linux-gnu \
  $directory/root/usr/bin/strace "\$@"
END
chmod 755 strace
ln -s "$(find root -name 'ld-linux-x86-64.so.2' -not -type d | sort | tail -n 1)" loader
version=$(./strace --version | sed -n '1s/^strace -- version //p')
[ -n "$version" ] || { echo "the strace of $suite does not run here" >&2; exit 1; }
echo "$version" >version
