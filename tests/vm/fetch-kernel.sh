#!/usr/bin/env bash
# fetch-kernel.sh NAME DIRECTORY: unpacks Debian's newest kernel of the series NAME (5.10, 6.1,
# 6.12; newest: of all that Debian offers) into DIRECTORY, for a test VM. Nothing is installed:
# apt gets its own lists and cache there, and the mirror this machine uses. What is there
# already is left as it is.
set -euo pipefail

series=${1:-}.
case ${1:-} in
    5.10) suites=(bullseye) ;;
    6.1) suites=(bookworm) ;;
    6.12) suites=(trixie bookworm-backports) ;;
    newest) suites=(trixie-backports unstable) series= ;;
    *) echo "usage: $0 5.10|6.1|6.12|newest DIRECTORY" >&2; exit 2 ;;
esac
directory=${2:?usage: $0 NAME DIRECTORY}
[ ! -e "$directory/complete" ] || exit 0

keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -e "$keyring" ] || { echo "no $keyring: install debian-archive-keyring" >&2; exit 1; }
mirror=$(apt-get indextargets --format '$(ORIGIN) $(LABEL) $(REPO_URI)' 'Created-By: Packages' |
    awk '$1 == "Debian" && $2 == "Debian" { print $3; exit }')

# Two that fetch at once do not meet: each has a folder of its own until it is done.
mkdir -p "$(dirname "$directory")"
fresh=$(mktemp -d "$directory.XXXXXX")
trap 'rm -rf "$fresh"' EXIT
chmod 755 "$fresh"
mkdir -p "$fresh/apt/lists/partial" "$fresh/apt/cache/archives/partial"
cd "$fresh/apt"
for suite in "${suites[@]}"; do
    echo "deb [signed-by=$keyring] ${mirror:-http://deb.debian.org/debian} $suite main"
done >sources.list
apt=(-q -o "Dir::Etc::sourcelist=$PWD/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::lists=$PWD/lists" -o "Dir::Cache=$PWD/cache" -o Dir::State::status=/dev/null
    -o APT::Sandbox::User=root -o APT::Architecture=amd64 -o APT::Architectures::=amd64)
apt-get "${apt[@]}" update >&2

# The archive's versions of the package that stands for the newest kernel of a suite.
version=
while read -r offered; do
    [[ $offered == "$series"* ]] || continue
    if [ -z "$version" ] || dpkg --compare-versions "$offered" gt "$version"; then version=$offered; fi
done < <(apt-cache "${apt[@]}" show linux-image-amd64 | sed -n 's/^Version: //p')
[ -n "$version" ] || { echo "no kernel ${1} in ${suites[*]} of ${mirror:-deb.debian.org}" >&2; exit 1; }

# What a package depends on, as far as it holds a kernel's files: up to 6.12 image and modules
# are in linux-image-*, later on in linux-binary-* and linux-modules-*.
parts_of() {
    apt-cache "${apt[@]}" show "$1" | sed -n 's/^\(Pre-\)\?Depends: //p' | tr ',|' '\n\n' |
        sed -n 's/^ *\(linux-\(image\|binary\|modules\)-[0-9][^ ]*\).*/\1/p'
}
packages=()
wanted=("linux-image-amd64=$version")
while [ ${#wanted[@]} -gt 0 ]; do
    mapfile -t found < <(for each in "${wanted[@]}"; do parts_of "$each"; done | sort -u)
    wanted=()
    for each in "${found[@]}"; do
        [[ " ${packages[*]} " == *" $each "* ]] || { packages+=("$each"); wanted+=("$each"); }
    done
done
apt-get "${apt[@]}" download "${packages[@]}" >&2
for package in ./*.deb; do dpkg -x "$package" "$fresh"; done

cd "$fresh"
rm -rf apt usr/share
[ -e lib ] || ln -s usr/lib lib  # where packages keep to a merged /usr
# depmod(8) writes what modprobe needs to load modules with those they depend on.
PATH=$PATH:/usr/sbin:/sbin depmod --basedir "$fresh" "$(ls lib/modules)"
touch complete
rm -rf "$directory"
mv -T "$fresh" "$directory"
trap - EXIT
echo "${packages[0]} $version in $directory"
