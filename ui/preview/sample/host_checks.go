package sample

import (
	"context"
	"time"

	"hostler/ui/i18n"
	"hostler/ui/layout"
	"hostler/ui/page"
)

// hostChecks are three hosts: one that is ill, one to look at, one that nobody checked.
func hostChecks(f layout.Frame) page.HostChecksView {
	ctx := i18n.With(context.Background(), i18n.English)
	of := func(check, state, code string, args map[string]string) page.HostVerdict {
		return page.HostVerdictOf(ctx, check, state, code, args)
	}
	well := []page.HostVerdict{
		of("memory", "pass", "ok", map[string]string{"Memory": "15.6 GiB", "Available": "11.2 GiB"}),
		of("packages", "pass", "ok", map[string]string{"Manager": "dpkg"}),
	}
	swappy := of("swappiness", "warn", "high", map[string]string{"Value": "60"})
	swappy.Script = "set -eu\nmkdir -p /etc/sysctl.d\necho 'vm.swappiness = 1' >/etc/sysctl.d/90-swappiness.conf\necho 1 >/proc/sys/vm/swappiness\n"
	accepted := of("huge_pages", "accepted", "always", nil)
	accepted.Accepted = &page.Acceptance{By: "alice", At: Now.Add(-time.Hour), Reason: "the vendor asks for it"}
	return page.HostChecksView{
		Frame: f, Operation: 20, Next: "9",
		Counts: map[string]int{"fail": 1, "warn": 1, "unchecked": 1},
		Sums:   []page.HostCheckSum{{Check: "disk", Title: "Disk space", Fail: 1}, {Check: "swappiness", Title: "Swappiness", Warn: 2}, {Check: "huge_pages", Title: "Transparent huge pages", Accepted: 1}},
		Hosts: []page.HostCheck{
			{HostID: 7, Host: "node02.dc1.example", State: "fail", Checked: Now.Add(-time.Minute), JobID: "4", Verdicts: append([]page.HostVerdict{
				of("disk", "fail", "full", map[string]string{"Mount": "/var", "Free": "312.0 MiB", "Size": "40.0 GiB", "Percent": "0"}),
				swappy,
			}, well...)},
			{HostID: 8, Host: "node03.dc1.example", State: "warn", Checked: Now.Add(-time.Minute), JobID: "5", Verdicts: append([]page.HostVerdict{
				swappy, accepted,
			}, well...)},
			{HostID: 9, Host: "node04.dc1.example", State: "unchecked"},
		},
	}
}
