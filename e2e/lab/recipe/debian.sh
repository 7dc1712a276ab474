#!/bin/sh
# Turns a fresh Debian root into what every lab host has in common. mmdebstrap runs it with the root as $1.
set -eu
root=$1

# Two ordinary people beside root. Their passwords are set for each lab; until then they are locked.
# Debian has a group operator already.
chroot "$root" useradd --uid 1000 --gid operator --create-home --shell /bin/bash operator
chroot "$root" useradd --uid 1001 --create-home --shell /bin/bash deploy
printf 'operator ALL=(ALL:ALL) ALL\ndeploy ALL=(ALL:ALL) NOPASSWD: ALL\n' >"$root/etc/sudoers.d/lab"
chmod 0440 "$root/etc/sudoers.d/lab"

# Each host gets its own identity when its lab starts.
rm -f "$root"/etc/ssh/ssh_host_*
: >"$root/etc/machine-id"

# A lab has no DNS and no internet: names come from /etc/hosts, packages from Hostler. A lookup or an
# `apt-get update` must say so at once instead of waiting for a time-out.
sed -i 's/^hosts:.*/hosts: files/' "$root/etc/nsswitch.conf"
: >"$root/etc/resolv.conf"
: >"$root/etc/apt/sources.list"
rm -f "$root"/etc/apt/sources.list.d/*

# Periodic work would hold dpkg's lock or the processor in the middle of a measurement.
for timer in apt-daily apt-daily-upgrade dpkg-db-backup e2scrub_all fstrim; do
    systemctl --quiet --root="$root" disable "$timer.timer"
done
systemctl --quiet --root="$root" enable systemd-networkd.service

# Until user sessions are permitted, PAM turns everybody but root away; an answering sshd shall mean a usable host.
mkdir -p "$root/etc/systemd/system/ssh.service.d"
printf '[Unit]\nAfter=systemd-user-sessions.service\n' >"$root/etc/systemd/system/ssh.service.d/lab.conf"

# Aliases make one sshd stand for many machines, so its limit on logins in progress is raised accordingly.
printf 'MaxStartups 200\n' >"$root/etc/ssh/sshd_config.d/lab.conf"

# The caches are built now rather than by the first installation on every host.
chroot "$root" apt-cache gencaches
