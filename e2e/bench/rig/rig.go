// Package rig is what the benchmarks share: a lab with a server in it, figures of processes, and the table in which
// they are printed. It measures nothing by itself and decides nothing: whoever reads the table does.
package rig

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"text/tabwriter"

	"hostler/e2e/lab"
)

// Row is one line of the table.
type Row struct{ What, Got, Wanted, Peer string }

// InLab is what readers of figures from the lab have to know.
const InLab = "Lab hosts run on this machine; what they sync does not reach its disk."

// Print writes the table, under a line that says on what machine and how often it was measured, and what else is to be
// known.
func Print(out io.Writer, rounds int, rows []Row, note string) error {
	load, _ := os.ReadFile("/proc/loadavg")
	fmt.Fprintf(out, "\n%d cores, medians of %d rounds, load average before the table %.14s\n", runtime.NumCPU(), rounds, load)
	fmt.Fprintf(out, "%s\n\n", note)
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "measured\tHostler\twanted\tpeer in this run")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.What, r.Got, r.Wanted, r.Peer)
	}
	return w.Flush()
}

// WithLab calls do with a fresh lab and a directory that is gone afterwards.
func WithLab(ctx context.Context, o lab.Options, do func(l *lab.Lab, dir string) error) (err error) {
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

// Seconds writes the median of durations in seconds, and their range.
func Seconds(values []float64) string {
	return fmt.Sprintf("%.2f s (%.2f–%.2f)", Median(values), slices.Min(values), slices.Max(values))
}

// Median is the middle one of some values.
func Median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// Program is the path of a built binary.
func Program(name string) string {
	path, err := filepath.Abs(filepath.Join("bin", name))
	if err != nil {
		return name
	}
	return path
}
