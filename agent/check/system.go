package check

import (
	"context"
	"strings"
)

// system finds the versions of kernel and C library, and what the kernel has in random bits.
func (l *look) system(ctx context.Context) {
	l.found.Kernel = l.Line("proc/sys/kernel/osrelease")
	l.found.Entropy = l.number("proc/sys/kernel/random/entropy_avail")
	l.found.Reboot = l.exists("run/reboot-required") || l.exists("var/run/reboot-required")
	if said := l.tool(ctx, "getconf", "GNU_LIBC_VERSION"); said.good() {
		if version, is := strings.CutPrefix(said.text, "glibc "); is {
			l.found.Glibc = clip(version)
		}
	}
}

// security finds which of the kernel's access controls are in force.
func (l *look) security() {
	switch l.Line("sys/fs/selinux/enforce") {
	case "1":
		l.found.SELinux = "enforcing"
	case "0":
		l.found.SELinux = "permissive"
	}
	for _, line := range l.lines("sys/kernel/security/apparmor/profiles") {
		if strings.HasSuffix(strings.TrimSpace(line), "(enforce)") {
			l.found.AppArmor++
		}
	}
}
