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
)

const (
	enrolments = 1000
	waiting    = 10_000
	rounds     = 3  // of enrolments
	together   = 32 // enrolments at a time
)

func main() {
	if err := run(); err != nil {
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
		for i := range more {
			more[i].What = base.name + ", " + more[i].What
		}
		rows = append(rows, more...)
	}
	return rig.Print(os.Stdout, rounds, rows, "Server, database and load share this machine.")
}

// measure measures one database.
func measure(ctx context.Context, url, dir string) ([]rig.Row, error) {
	s, err := start(ctx, url, dir)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	var rates, costs, loads []float64
	for round := range rounds {
		hosts, err := applicants(round)
		if err != nil {
			return nil, err
		}
		before, own := rig.ProcessCPU(s.cmd.Process.Pid), rig.ProcessCPU(os.Getpid())
		took, err := s.enrolMany(ctx, round, hosts)
		if err != nil {
			return nil, err
		}
		rates = append(rates, enrolments/took.Seconds())
		costs = append(costs, (rig.ProcessCPU(s.cmd.Process.Pid)-before)/enrolments)
		loads = append(loads, (rig.ProcessCPU(os.Getpid())-own)/enrolments)
	}
	pages, err := s.timePages(ctx)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := s.signAll(ctx); err != nil {
		return nil, err
	}
	signing := time.Since(began)
	return []rig.Row{
		{What: fmt.Sprintf("%d enrolments with registration", enrolments), Got: fmt.Sprintf("%.0f/s", rig.Median(rates)), Wanted: "400/s"},
		{What: "  the server's processor time for one", Got: milliseconds(costs)},
		{What: "  the load's", Got: milliseconds(loads)},
		{What: fmt.Sprintf("page of a queue of %d", waiting), Got: milliseconds(pages), Wanted: "100 ms"},
		{What: fmt.Sprintf("  the slowest of all %d pages", len(pages)), Got: fmt.Sprintf("%.1f ms", slices.Max(pages)*1000), Wanted: "100 ms"},
		{What: fmt.Sprintf("signing all %d", waiting), Got: fmt.Sprintf("%.1f s", signing.Seconds()), Wanted: "20 s"},
	}, nil
}

func milliseconds(values []float64) string { return fmt.Sprintf("%.1f ms", rig.Median(values)*1000) }
