#!/bin/bash
# fetch-lwip.sh: downloads and unpacks Debian's lwIP source package into work/lwip.
#
# apt needs a deb-src line to find source packages. The list and the package index live in work/, so that the machine's own apt
# configuration is neither needed nor changed; the archive's signature is still checked, with Debian's own keyring.
set -euo pipefail
cd "$(dirname "$0")"
[ -e work/lwip/src/core/init.c ] && exit 0

. /etc/os-release
if [ "${ID:-}" != debian ]; then
    echo "fetch-lwip.sh: this machine is not Debian; unpack an lwIP 2.1 source tree into $PWD/work/lwip and run make again." >&2
    exit 1
fi
mkdir -p work/apt/lists/partial work/apt/cache work/download
echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian $VERSION_CODENAME main" \
    > work/apt/sources.list
options=(
    -o Dir::Etc::SourceList="$PWD/work/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o Dir::State::Lists="$PWD/work/apt/lists" -o Dir::Cache="$PWD/work/apt/cache" -o APT::Sandbox::User=root -qq
)
apt-get "${options[@]}" update
(cd work/download && apt-get "${options[@]}" source lwip)
tree=$(find work/download -maxdepth 1 -type d -name 'lwip-*' | head -n 1)
rm -rf work/lwip
mv "$tree" work/lwip
echo "lwIP $(dpkg-parsechangelog -l work/lwip/debian/changelog -S Version) is in $PWD/work/lwip"
