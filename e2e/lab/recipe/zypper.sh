#!/bin/sh
# Makes the Debian root call itself a host of the SUSE family. mmdebstrap runs it with the root as $1, after debian.sh.
set -eu
root=${1:?the root}

cat >"$root/usr/lib/os-release" <<'EOF'
NAME="openSUSE Leap"
VERSION="15.6 (Hostler lab)"
ID="opensuse-leap"
ID_LIKE="suse opensuse"
VERSION_ID="15.6"
PRETTY_NAME="openSUSE Leap 15.6 (Hostler lab)"
EOF
mkdir -p "$root/etc/zypp/repos.d"
