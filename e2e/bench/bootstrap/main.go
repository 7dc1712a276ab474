// Command bootstrap measures, on lab hosts, what bootstrapping costs, and prints it as a table beside what a
// bare ssh loop takes for the same in the same run. "make bench-bootstrap" builds what it needs and calls it
// as root; "bench-bootstrap checks" measures checks of connections alone. It decides nothing: whoever reads the table does.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"hostler/e2e/bench/rig"
	"hostler/e2e/lab"
)

const rounds = 3 // the table shows medians

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	measure := measureAll
	if len(os.Args) > 1 && os.Args[1] == "checks" {
		measure = measureChecks
	}
	rows, err := measure(ctx)
	if err != nil {
		return err
	}
	return rig.Print(os.Stdout, rounds, rows, rig.InLab)
}

func measureAll(ctx context.Context) ([]rig.Row, error) {
	rows, err := measureBootstraps(ctx)
	if err != nil {
		return nil, err
	}
	checks, err := measureChecks(ctx)
	return append(rows, checks...), err
}

func measureBootstraps(ctx context.Context) ([]rig.Row, error) {
	var fours, floors, forties, cpus, sshs, sshCPUs []float64
	var sizes []rig.Row
	for i := range rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", i+1, rounds)
		four, floor, size, err := roundOfFour(ctx)
		if err != nil {
			return nil, err
		}
		forty, err := roundOfForty(ctx)
		if err != nil {
			return nil, err
		}
		fours, floors, sizes = append(fours, four), append(floors, floor), size
		forties, cpus = append(forties, forty.wall), append(cpus, forty.cpu)
		sshs, sshCPUs = append(sshs, forty.sshWall), append(sshCPUs, forty.sshCPU)
	}
	rows := []rig.Row{
		{What: "4 hosts, Start to last first heartbeat", Got: rig.Seconds(fours), Wanted: "3 s", Peer: "ssh loop that installs the same package: " + rig.Seconds(floors)},
		{What: "40 targets, empty setup script, all phases", Got: rig.Seconds(forties), Wanted: "3 s", Peer: "40 × ssh host true: " + rig.Seconds(sshs)},
		{What: "  CPU of the server for it", Got: rig.Seconds(cpus), Wanted: "2 s", Peer: "CPU of the 40 ssh clients: " + rig.Seconds(sshCPUs)},
	}
	return append(rows, sizes...), nil
}

// roundOfFour installs four fresh hosts by Hostler and four others by a bare loop.
func roundOfFour(ctx context.Context) (took, floor float64, sizes []rig.Row, err error) {
	err = rig.WithLab(ctx, lab.Options{Name: "bench", Count: 8}, func(l *lab.Lab, dir string) error {
		s, err := rig.StartServer(ctx, l, dir)
		if err != nil {
			return err
		}
		defer s.Stop()
		started := time.Now()
		id, err := s.Bootstrap(ctx, "node[1-4].lab.test")
		if err != nil {
			return err
		}
		if err := s.Await(ctx, id); err != nil {
			return err
		}
		took = time.Since(started).Seconds()
		if floor, err = bareLoop(ctx, l, l.Hosts[4:]); err != nil {
			return err
		}
		sizes, err = sizesOf(ctx, l, s)
		return err
	})
	return took, floor, sizes, err
}

// agentDeb is the size that the published list tells of the agent's deb.
func agentDeb(repository string) (int64, error) {
	list, err := os.ReadFile(filepath.Join(repository, "channels/stable/current/dists/stable/main/binary-amd64/Packages"))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(list), "\nSize: ")
	size, _, _ := strings.Cut(rest, "\n")
	return strconv.ParseInt(size, 10, 64)
}

// sizesOf measures a server and an agent that have been running for a moment.
func sizesOf(ctx context.Context, l *lab.Lab, s *rig.Server) ([]rig.Row, error) {
	agent, err := l.Hosts[0].Exec(ctx, "sh", "-c", "cat /proc/$(systemctl show -P MainPID hostler-agent)/status")
	if err != nil {
		return nil, err
	}
	own, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.PID()))
	if err != nil {
		return nil, err
	}
	deb, err := agentDeb(filepath.Join(s.Data, "repo/repositories/apt"))
	if err != nil {
		return nil, err
	}
	return []rig.Row{
		{What: "agent, RSS", Got: rig.Megabytes(rig.Resident(agent)), Wanted: "12 MB"},
		{What: "agent, package", Got: rig.Megabytes(deb), Wanted: "8 MB"},
		{What: "server, first start to ready", Got: fmt.Sprintf("%.2f s", s.Ready.Seconds()), Wanted: "1 s"},
		{What: "server, RSS with 4 hosts", Got: rig.Megabytes(rig.Resident(string(own))), Wanted: "120 MB"},
	}, nil
}
