#!/bin/sh
# First process of a lab's own PID, mount and network namespaces. It sets them up, reports "ready" and holds them:
# when it ends, the kernel ends every host and takes the mounts and links away.
#   holder.sh SERVER_ADDRESS {HOST_DIR BASE}...
# It ends when its standard input does, unless it is told to "keep" the lab first.
set -eu
address=$1
shift

# Mounts made here stay here; those that the machine removes later go away here too.
mount --make-rslave /
mount -t proc proc /proc
mkdir -p /run/systemd/nspawn
mount -t tmpfs -o mode=0755 tmpfs /run/systemd/nspawn

ip link set lo up
ip link add lab0 type bridge
ip address add "$address" dev lab0
ip link set lab0 up

# overlay DIR BASE [OPTION]: the base with the host's own changes on top, at DIR/root.
overlay() {
    mkdir -p "$1/upper" "$1/work" "$1/root"
    mount -t overlay -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work${3:-}" overlay "$1/root"
}

# A lab is thrown away, so nothing in it need reach the disk ("volatile"). Old kernels lack that option, and some
# file systems cannot carry an overlay's changes at all; memory can.
while [ $# -gt 0 ]; do
    mkdir -p "$1"
    if ! overlay "$1" "$2" ,volatile 2>/dev/null && ! overlay "$1" "$2" 2>/dev/null; then
        mount -t tmpfs -o mode=0755 tmpfs "$1"
        overlay "$1" "$2"
    fi
    shift 2
done

echo ready
read -r word || exit 0
[ "$word" = keep ] || exit 0
exec sleep infinity
