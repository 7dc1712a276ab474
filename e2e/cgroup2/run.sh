#!/bin/sh
# Runs the tests of child agents in a virtual machine that has control groups of version 2 and no others; machines that
# build and test often have those of version 1. Tests with the tag "vm" do to it what no other machine lets them do: they set
# its clock. It is emulated, has Debian's kernel, and is gone in half a minute.
#   e2e/cgroup2/run.sh
set -eu

here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
if [ "$(uname -m)" != x86_64 ]; then
    echo "control groups of version 2: not run here, the virtual machine is one for x86_64"
    exit 0
fi
for program in qemu-system-x86_64 dpkg-deb busybox; do
    command -v $program >/dev/null || { echo "$0: $program is missing: run 'make packages'" >&2; exit 1; }
done

dir=$(mktemp -d)
machine=
end() {
    if [ -n "$machine" ]; then
        kill "$machine" 2>/dev/null || :
        wait "$machine" 2>/dev/null || :
    fi
    rm -rf "$dir"
}
trap end EXIT
trap 'exit 130' INT TERM

# The kernel is taken out of its package: to install it would change how this machine boots.
kernel=.cache/cgroup2/vmlinuz
if [ ! -e $kernel ]; then
    package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-[^ ]*\).*/\1/p')
    [ -n "$package" ] || { echo "$0: there is no package linux-image-cloud-amd64 here; it is Debian's" >&2; exit 1; }
    mkdir -p .cache/cgroup2 "$dir/kernel"
    (cd "$dir/kernel" && apt-get download -qq -o APT::Sandbox::User= "$package" && dpkg-deb -x ./*.deb .)
    cp "$dir"/kernel/boot/vmlinuz-* $kernel.new
    mv $kernel.new $kernel
fi

mkdir -p "$dir/root/bin"
install -m 0755 "$here/init" "$dir/root/init"
install -m 0755 "$(command -v busybox)" "$dir/root/bin/busybox"
for package in cgroup supervise; do
    CGO_ENABLED=0 go test -c -tags vm -o "$dir/root/bin/$package.test" ./agent/$package
done
(cd "$dir/root" && find . | busybox cpio -o -H newc 2>/dev/null) | gzip -1 >"$dir/initrd"

timeout 600 qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m 1024 -nodefaults -display none -no-reboot \
    -serial "file:$dir/serial" -kernel $kernel -initrd "$dir/initrd" -append 'console=ttyS0 panic=-1 quiet' </dev/null &
machine=$!
wait $machine || :
machine=

# A test that is skipped elsewhere for want of control groups is what this machine is for.
tr -d '\r' <"$dir/serial" >"$dir/log"
if ! grep -q '^all of them passed$' "$dir/log" || grep -q -e '--- SKIP' "$dir/log"; then
    grep -v '^=== ' "$dir/log" >&2
    exit 1
fi
echo "control groups of version 2: $(grep -c '^--- PASS' "$dir/log") tests passed"
