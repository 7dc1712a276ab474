package check

// mends are what mends something that a check finds: scripts for /bin/sh, as root. Those that are here change what their texts
// say and nothing else, last over a restart, and may run twice.
var mends = map[string]struct{ code, script string }{
	"swappiness": {"high", `set -eu
mkdir -p /etc/sysctl.d
echo 'vm.swappiness = 1' >/etc/sysctl.d/90-swappiness.conf
echo 1 >/proc/sys/vm/swappiness
`},
	"huge_pages": {"always", `set -eu
echo madvise >/sys/kernel/mm/transparent_hugepage/enabled
mkdir -p /etc/tmpfiles.d
echo 'w /sys/kernel/mm/transparent_hugepage/enabled - - - - madvise' >/etc/tmpfiles.d/90-huge-pages.conf
`},
	"time_service": {"none", `set -eu
if command -v apt-get >/dev/null; then
    DEBIAN_FRONTEND=noninteractive apt-get install -y chrony
elif command -v dnf >/dev/null; then
    dnf install -y chrony
elif command -v yum >/dev/null; then
    yum install -y chrony
else
    zypper --non-interactive install chrony
fi
if command -v systemctl >/dev/null; then
    systemctl enable --now chronyd.service || systemctl enable --now chrony.service
else
    service chronyd start || service chrony start
fi
`},
	"machine_id": {"missing", `set -eu
systemd-machine-id-setup || dbus-uuidgen --ensure=/etc/machine-id
`},
}

// Mend is the script that mends what a check found; "" when there is none.
func Mend(check, code string) string {
	if m := mends[check]; m.code == code {
		return m.script
	}
	return ""
}
