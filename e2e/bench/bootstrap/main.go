// Command bootstrap measures, on lab hosts, what bootstrapping costs, and prints it as a table beside what a
// bare ssh loop takes for the same in the same run. "make bench-bootstrap" builds what it needs and calls it
// as root. It decides nothing: whoever reads the table does.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"text/tabwriter"
	"time"

	"hostler/e2e/lab"
)

const rounds = 3 // the table shows medians

// row is one line of the table.
type row struct{ what, got, limit, peer string }

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	rows, err := measure(ctx)
	if err != nil {
		return err
	}
	load, _ := os.ReadFile("/proc/loadavg")
	fmt.Fprintf(os.Stdout, "\n%d cores, medians of %d rounds, load average before the table %.14s\n", runtime.NumCPU(), rounds, load)
	fmt.Fprintf(os.Stdout, "Lab hosts run on this machine; what they sync does not reach its disk.\n\n")
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "measured\tHostler\twanted\tpeer in this run")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.what, r.got, r.limit, r.peer)
	}
	return w.Flush()
}

func measure(ctx context.Context) ([]row, error) {
	var fours, floors, forties, cpus, sshs, sshCPUs []float64
	var sizes []row
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
	rows := []row{
		{"4 hosts, Start to last first heartbeat", seconds(fours), "3 s", "ssh loop that installs the same package: " + seconds(floors)},
		{"40 targets, empty setup script, all phases", seconds(forties), "3 s", "40 × ssh host true: " + seconds(sshs)},
		{"  CPU of the server for it", seconds(cpus), "2 s", "CPU of the 40 ssh clients: " + seconds(sshCPUs)},
	}
	return append(rows, sizes...), nil
}

// roundOfFour installs four fresh hosts by Hostler and four others by a bare loop.
func roundOfFour(ctx context.Context) (took, floor float64, sizes []row, err error) {
	err = withLab(ctx, lab.Options{Name: "bench", Count: 8}, func(l *lab.Lab, dir string) error {
		s, err := startServer(ctx, l, dir)
		if err != nil {
			return err
		}
		defer s.stop()
		started := time.Now()
		id, err := s.bootstrap(ctx, "node[1-4].lab.test")
		if err != nil {
			return err
		}
		if err := s.await(ctx, id); err != nil {
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

func withLab(ctx context.Context, o lab.Options, do func(l *lab.Lab, dir string) error) (err error) {
	dir, err := os.MkdirTemp("", "hostler-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	l, err := lab.Start(ctx, o)
	if err != nil {
		return err
	}
	defer func() {
		if e := l.Stop(context.WithoutCancel(ctx)); err == nil {
			err = e
		}
	}()
	return do(l, dir)
}

func seconds(values []float64) string {
	slices.Sort(values)
	return fmt.Sprintf("%.2f s (%.2f–%.2f)", values[len(values)/2], values[0], values[len(values)-1])
}

// program is the path of a built binary.
func program(name string) string {
	path, err := filepath.Abs(filepath.Join("bin", name))
	if err != nil {
		return name
	}
	return path
}
