package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"hostler/e2e/bench/rig"
	"hostler/e2e/lab"
)

type checks struct{ wall, cpu, sshWall, sshCPU float64 }

// checkTargets is how many names are checked: so many per host that its sshd, which lets 200 log in at a time, keeps up.
const (
	checkHosts   = 4
	checkTargets = 500
)

func measureChecks(ctx context.Context) ([]rig.Row, error) {
	var walls, cpus, sshs, sshCPUs, ratios []float64
	for i := range rounds {
		fmt.Fprintf(os.Stderr, "checks, round %d of %d\n", i+1, rounds)
		c, err := roundOfChecks(ctx)
		if err != nil {
			return nil, err
		}
		walls, cpus, sshs, sshCPUs = append(walls, c.wall), append(cpus, c.cpu), append(sshs, c.sshWall), append(sshCPUs, c.sshCPU)
		ratios = append(ratios, c.wall/c.sshWall)
	}
	what := fmt.Sprintf("%d targets, check of the connections", checkTargets)
	return []rig.Row{
		{What: what, Got: rig.Seconds(walls), Wanted: "1.2 × ssh", Peer: fmt.Sprintf("%d × ssh host true: %s", checkTargets, rig.Seconds(sshs))},
		{What: "  as a part of what ssh takes", Got: fmt.Sprintf("%.2f ×", rig.Median(ratios)), Wanted: "1.2 ×"},
		{What: "  CPU of the server for it", Got: rig.Seconds(cpus), Wanted: "5 s", Peer: "CPU of the ssh clients: " + rig.Seconds(sshCPUs)},
	}, nil
}

// roundOfChecks checks the connections to five hundred names of four hosts, and then has a bare ssh run nothing on each.
func roundOfChecks(ctx context.Context) (c checks, err error) {
	o := lab.Options{Name: "bench", Count: checkHosts, Aliases: checkTargets / checkHosts}
	err = rig.WithLab(ctx, o, func(l *lab.Lab, dir string) error {
		s, err := rig.StartServer(ctx, l, dir)
		if err != nil {
			return err
		}
		defer s.Stop()
		if err := s.Published(ctx); err != nil {
			return err
		}
		before, started := s.CPU(), time.Now()
		id, err := s.Check(ctx, fmt.Sprintf("node[1-%d]-a[1-%d].lab.test", checkHosts, checkTargets/checkHosts))
		if err != nil {
			return err
		}
		if err := s.Await(ctx, id); err != nil {
			return err
		}
		c.wall, c.cpu = time.Since(started).Seconds(), s.CPU()-before
		var targets []string
		for _, h := range l.Hosts {
			targets = append(targets, h.Aliases...)
		}
		c.sshWall, c.sshCPU, err = xargsSSH(ctx, l, targets)
		return err
	})
	return c, err
}

// xargsSSH logs in on every target and does nothing there, forty at a time: more at once take longer. Nothing but ssh is
// started per target. CPU is that of the ssh clients.
func xargsSSH(ctx context.Context, l *lab.Lab, targets []string) (wall, cpu float64, err error) {
	args := append([]string{"-P", "40", "-I", "{}", "ssh"}, rig.SSHOptions(l)...)
	cmd := l.Command(ctx, "xargs", append(args, "root@{}", "true")...)
	cmd.Stdin = strings.NewReader(strings.Join(targets, "\n"))
	before, started := childCPU(), time.Now()
	err = succeed(cmd)
	return time.Since(started).Seconds(), childCPU() - before, err
}
