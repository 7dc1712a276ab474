#!/bin/sh
# Gives the Debian root, which has a real rpm already, an rpm database, and takes away the ways to reach apt. mmdebstrap
# runs it with the root as $1, after the script that says what the host calls itself.
set -eu
root=${1:?the root}

# Debian's rpm keeps its database in a home directory; libzypp and people look for it where its own distributions have it.
mkdir -p "$root/etc/rpm"
printf '%%_dbpath /var/lib/rpm\n' >"$root/etc/rpm/macros"

# The database starts with one package that stands for the distribution: it provides what packages for it may ask for
# and what the lab's root really has, and the release that dnf reads.
release=$(sed -n 's/^VERSION_ID="\([0-9]*\).*/\1/p' "$root/usr/lib/os-release")
cat >"$root/tmp/lab-release.spec" <<EOF
Name: lab-release
Version: $release
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
Provides: system-release = $release
Provides: system-release(releasever) = $release
%description
Stands for the packages of the distribution.
%files
EOF
chroot "$root" rpmbuild --quiet -bb --define '_topdir /tmp/rpm' /tmp/lab-release.spec
chroot "$root" sh -c 'rpm --initdb && rpm --install --nodeps /tmp/rpm/RPMS/noarch/*.rpm'
rm -rf "$root/tmp/rpm" "$root/tmp/lab-release.spec" "$root/etc/debian_version"

for tool in apt apt-get apt-cache apt-config apt-mark dpkg dpkg-deb dpkg-query; do
    rm -f "$root/usr/bin/$tool"
done
