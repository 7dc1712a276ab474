// Command trust measures how fast hosts are let in: a thousand enrolments from the request to the registration, and a queue
// of ten thousand hosts that is listed and signed. Server and load share this machine. It measures on SQLite, and on MariaDB
// when HOSTLER_TEST_MYSQL names a server. "make bench-trust" builds what it needs and calls it.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"hostler/e2e/bench/rig"
	"hostler/e2e/swarm"
)

const (
	enrolments = 1000
	waiting    = 10_000
	revoked    = 100
	rounds     = 3  // of enrolments
	together   = 32 // enrolments at a time
)

func main() {
	work := run
	if len(os.Args) == 2 && os.Args[1] == bareWord {
		work = runBare
	}
	if err := work(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir, err := os.MkdirTemp("", "hostler-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	floor, err := measureBare(ctx)
	if err != nil {
		return err
	}
	bases := []struct{ name, url string }{{"SQLite", "sqlite:" + filepath.Join(dir, "bench.db")}}
	if server := os.Getenv("HOSTLER_TEST_MYSQL"); server != "" {
		name := fmt.Sprintf("bench_%d", os.Getpid())
		drop, err := createDatabase(ctx, server, name)
		if err != nil {
			return err
		}
		defer drop()
		bases = append(bases, struct{ name, url string }{"MariaDB", strings.TrimSuffix(server, "/") + "/" + name})
	}
	var rows []rig.Row
	for _, base := range bases {
		more, err := measure(ctx, base.url, filepath.Join(dir, base.name))
		if err != nil {
			return fmt.Errorf("%s: %w", base.name, err)
		}
		for i, cost := range floor.tell() {
			more[i].Peer = cost
		}
		for i := range more {
			more[i].What = base.name + ", " + more[i].What
		}
		rows = append(rows, more...)
	}
	return rig.Print(os.Stdout, rounds, rows, "Server, database and load share this machine. The peer is a bare server: two TLS connections, one signature, nothing kept.")
}

// costs is what enrolments cost, a value per round.
type costs struct{ rate, server, load []float64 }

// tell is the costs for people, a line each.
func (c *costs) tell() []string {
	return []string{fmt.Sprintf("%.0f/s", rig.Median(c.rate)), milliseconds(c.server), milliseconds(c.load)}
}

// rounded lets enrol work through rounds of hosts, and says what that cost the process of the server and this one.
func rounded(pid int, enrol func(round int, hosts <-chan *swarm.Applicant) (time.Duration, error)) (c costs, err error) {
	for round := range rounds {
		hosts, err := applicants(round)
		if err != nil {
			return c, err
		}
		before, own := rig.ProcessCPU(pid), rig.ProcessCPU(os.Getpid())
		took, err := enrol(round, hosts)
		if err != nil {
			return c, err
		}
		c.rate = append(c.rate, enrolments/took.Seconds())
		c.server = append(c.server, (rig.ProcessCPU(pid)-before)/enrolments)
		c.load = append(c.load, (rig.ProcessCPU(os.Getpid())-own)/enrolments)
	}
	return c, nil
}

func measureBare(ctx context.Context) (costs, error) {
	b, err := startBare(ctx)
	if err != nil {
		return costs{}, err
	}
	defer b.stop()
	return rounded(b.cmd.Process.Pid, func(_ int, hosts <-chan *swarm.Applicant) (time.Duration, error) {
		return joinAll(ctx, b.to, "", hosts)
	})
}

// measure measures one database.
func measure(ctx context.Context, url, dir string) ([]rig.Row, error) {
	s, err := start(ctx, url, dir)
	if err != nil {
		return nil, err
	}
	defer s.Stop()
	own, err := rounded(s.PID, func(round int, hosts <-chan *swarm.Applicant) (time.Duration, error) {
		return s.enrolMany(ctx, round, hosts)
	})
	if err != nil {
		return nil, err
	}
	pages, err := s.timePages(ctx)
	if err != nil {
		return nil, err
	}
	cut, err := s.timeCut(ctx)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := s.signAll(ctx); err != nil {
		return nil, err
	}
	signing := time.Since(began)
	told := own.tell()
	return []rig.Row{
		{What: fmt.Sprintf("%d enrolments with registration", enrolments), Got: told[0], Wanted: "400/s"},
		{What: "  the server's processor time for one", Got: told[1]},
		{What: "  the load's", Got: told[2]},
		{What: fmt.Sprintf("page of a queue of %d", waiting), Got: milliseconds(pages), Wanted: "100 ms"},
		{What: fmt.Sprintf("  the slowest of all %d pages", len(pages)), Got: fmt.Sprintf("%.1f ms", slices.Max(pages)*1000), Wanted: "100 ms"},
		{What: fmt.Sprintf("signing all %d", waiting), Got: fmt.Sprintf("%.1f s", signing.Seconds()), Wanted: "20 s"},
		{What: fmt.Sprintf("cutting %d open connections of revoked certificates", revoked), Got: fmt.Sprintf("%.0f ms", cut.Seconds()*1000), Wanted: "1 s"},
	}, nil
}

func milliseconds(values []float64) string { return fmt.Sprintf("%.1f ms", rig.Median(values)*1000) }
