package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"hostler/e2e/bench/rig"
	"hostler/e2e/lab"
)

// bareLoop is the floor: one ssh per host in parallel that writes a source, updates from it, installs the
// agent's package and starts a unit. It enrols nothing and reports nothing.
func bareLoop(ctx context.Context, l *lab.Lab, hosts []*lab.Host) (float64, error) {
	var key, ca string
	for path, to := range map[string]*string{"/repo/key.asc": &key, "/ca.pem": &ca} {
		out, err := l.Command(ctx, "curl", "-sfk", "https://127.0.0.1:8440"+path).Output()
		if err != nil {
			return 0, fmt.Errorf("cannot fetch %s: %w", path, err)
		}
		*to = base64.StdEncoding.EncodeToString(out)
	}
	script := strings.NewReplacer("KEY", key, "CA", ca, "SERVER", l.Server.Name).Replace(`set -e
mkdir -p /etc/apt/keyrings
echo KEY | base64 -d >/etc/apt/keyrings/bench.asc
echo CA | base64 -d >/etc/apt/keyrings/bench-ca.pem
echo 'Acquire::https::SERVER::CaInfo "/etc/apt/keyrings/bench-ca.pem";' >/etc/apt/apt.conf.d/90bench
echo 'deb [signed-by=/etc/apt/keyrings/bench.asc] https://SERVER:8440/repo/apt stable main' >/etc/apt/sources.list.d/bench.list
apt-get update -qq -o Dir::Etc::sourcelist=sources.list.d/bench.list -o Dir::Etc::sourceparts=-
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq hostler-agent >/dev/null
systemctl restart cron 2>/dev/null || systemctl restart systemd-journald
`)
	return parallel(len(hosts), func(i int) error {
		cmd := l.Command(ctx, "ssh", append(rig.SSHOptions(l), "root@"+hosts[i].Name, "sh -s")...)
		cmd.Stdin = strings.NewReader(script)
		return succeed(cmd)
	})
}

// parallel runs n calls at once and returns how long all took, in seconds.
func parallel(n int, call func(i int) error) (float64, error) {
	errs := make(chan error, n)
	started := time.Now()
	for i := range n {
		go func() { errs <- call(i) }()
	}
	var first error
	for range n {
		if err := <-errs; err != nil && first == nil {
			first = err
		}
	}
	return time.Since(started).Seconds(), first
}

func succeed(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd.Path, err, out)
	}
	return nil
}

// bareSSH logs in on every target at once and does nothing there. CPU is that of the ssh clients.
func bareSSH(ctx context.Context, l *lab.Lab, targets []string) (wall, cpu float64, err error) {
	before := childCPU()
	wall, err = parallel(len(targets), func(i int) error {
		return succeed(l.Command(ctx, "ssh", append(rig.SSHOptions(l), "root@"+targets[i], "true")...))
	})
	return wall, childCPU() - before, err
}

// childCPU is the CPU time of all ended child processes, in seconds.
func childCPU() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}
