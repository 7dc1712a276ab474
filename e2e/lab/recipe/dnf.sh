#!/bin/sh
# Makes the Debian root call itself a host of the RHEL family. mmdebstrap runs it with the root as $1, after debian.sh.
set -eu
root=${1:?the root}

cat >"$root/usr/lib/os-release" <<'EOF'
NAME="Rocky Linux"
VERSION="9.4 (Hostler lab)"
ID="rocky"
ID_LIKE="rhel centos fedora"
VERSION_ID="9.4"
PLATFORM_ID="platform:el9"
PRETTY_NAME="Rocky Linux 9.4 (Hostler lab)"
EOF
mkdir -p "$root/etc/yum.repos.d" "$root/etc/dnf/vars"
printf '9\n' >"$root/etc/dnf/vars/releasever"
chroot "$root" rpm --eval '%{_arch}' >"$root/etc/dnf/vars/basearch"
