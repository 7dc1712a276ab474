#!/bin/sh
# Installs what a group of make targets needs from the Debian or Ubuntu archive, if it is missing.
#   e2e/packages.sh lab|bench|test
set -eu

lab="systemd-container mmdebstrap debian-archive-keyring iproute2 openssh-client uidmap"
test="$lab mariadb-server chromium fonts-noto-cjk shellcheck openssh-server openssh-sftp-server busybox-static dash
rpm dnf zypper createrepo-c apt-utils reprepro gpgv gcc libc6-dev procps ca-certificates curl wget openssl
netcat-openbsd sslscan sudo doas qemu-system-x86 libnss-extrausers"

case ${1-} in
lab) want=$lab ;;
bench) want="$lab supervisor monit runit createrepo-c apt-utils reprepro" ;;
test) want=$test ;;
*) echo "usage: $0 lab|bench|test" >&2; exit 2 ;;
esac

missing=
for p in $want; do
    [ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$p" 2>/dev/null)" = "ii " ] || missing="$missing $p"
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "$0: this needs Debian or Ubuntu; on another system install by hand:$missing" >&2
    exit 1
fi
echo "installing:$missing"
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
as_root apt-get update -q
# shellcheck disable=SC2086 # a list of words
as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing
