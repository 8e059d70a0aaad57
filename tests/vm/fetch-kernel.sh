#!/usr/bin/env bash
# fetch-kernel.sh NAME DIRECTORY: unpacks Debian's kernel NAME (6.1, 6.12) into DIRECTORY, for a
# test VM. Nothing is installed: apt gets its own lists and cache there, and the mirror this
# machine uses. What is there already is left as it is.
set -euo pipefail

case ${1:-} in
    6.1) suite=bookworm ;;
    6.12) suite=trixie ;;
    *) echo "usage: $0 6.1|6.12 DIRECTORY" >&2; exit 2 ;;
esac
directory=${2:?usage: $0 NAME DIRECTORY}
[ ! -e "$directory/complete" ] || exit 0

keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -e "$keyring" ] || { echo "no $keyring: install debian-archive-keyring" >&2; exit 1; }
mirror=$(apt-get indextargets --format '$(ORIGIN) $(LABEL) $(REPO_URI)' 'Created-By: Packages' |
    awk '$1 == "Debian" && $2 == "Debian" { print $3; exit }')

rm -rf "$directory"
mkdir -p "$directory/apt/lists/partial" "$directory/apt/cache/archives/partial"
directory=$(cd "$directory" && pwd)
cd "$directory/apt"
echo "deb [signed-by=$keyring] ${mirror:-http://deb.debian.org/debian} $suite main" >sources.list
apt=(-q -o "Dir::Etc::sourcelist=$PWD/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::lists=$PWD/lists" -o "Dir::Cache=$PWD/cache" -o Dir::State::status=/dev/null
    -o APT::Sandbox::User=root -o APT::Architecture=amd64 -o APT::Architectures::=amd64)
apt-get "${apt[@]}" update
image=$(apt-cache "${apt[@]}" depends --important linux-image-amd64 |
    sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
apt-get "${apt[@]}" download "$image"
dpkg -x "$image"_*.deb "$directory"
cd "$directory"
rm -rf apt
[ -e lib ] || ln -s usr/lib lib  # where packages keep to a merged /usr
# depmod(8) writes what modprobe needs to load modules with those they depend on.
depmod --basedir "$directory" "$(ls lib/modules)"
touch complete
echo "$image in $directory"
