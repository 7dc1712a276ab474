#!/bin/sh
# Makes the Debian root look like a host of the RHEL family: a real dnf and rpm, and no way to reach apt.
# mmdebstrap runs it with the root as $1, after debian.sh.
set -eu
root=$1

cat >"$root/usr/lib/os-release" <<'EOF'
NAME="Rocky Linux"
VERSION="9.4 (Hostler lab)"
ID="rocky"
ID_LIKE="rhel centos fedora"
VERSION_ID="9.4"
PLATFORM_ID="platform:el9"
PRETTY_NAME="Rocky Linux 9.4 (Hostler lab)"
EOF
rm -f "$root/etc/debian_version"

# The rpm database starts with one package that stands for the distribution: it provides what packages of
# this family may ask for and what the lab's root really has, and the release that dnf reads.
arch=$(chroot "$root" rpm --eval '%{_arch}')
cat >"$root/tmp/lab-release.spec" <<'EOF'
Name: lab-release
Version: 9
Release: 1
Summary: What the lab's root provides
License: Apache-2.0
BuildArch: noarch
Provides: /bin/sh
Provides: /usr/bin/sh
Provides: /bin/bash
Provides: bash
Provides: ca-certificates
Provides: coreutils
Provides: curl
Provides: shadow-utils
Provides: systemd
Provides: system-release = 9
Provides: system-release(releasever) = 9
%description
Stands for the packages of the distribution.
%files
EOF
chroot "$root" rpmbuild --quiet -bb --define '_topdir /tmp/rpm' /tmp/lab-release.spec
chroot "$root" sh -c 'rpm --initdb && rpm --install --nodeps /tmp/rpm/RPMS/noarch/lab-release-9-1.noarch.rpm'
rm -rf "$root/tmp/rpm" "$root/tmp/lab-release.spec"
mkdir -p "$root/etc/yum.repos.d" "$root/etc/dnf/vars"
printf '9\n' >"$root/etc/dnf/vars/releasever"
printf '%s\n' "$arch" >"$root/etc/dnf/vars/basearch"

for tool in apt apt-get apt-cache apt-config apt-mark dpkg dpkg-deb dpkg-query; do
    rm -f "$root/usr/bin/$tool"
done
