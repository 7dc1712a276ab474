// Command repo measures the package repository: how long it takes until one package more is published beside 5,000,
// for debs and for rpms, beside what Debian's tools need for the same in the same run, and how much memory the server
// has while it serves a gigabyte to twenty clients. A figure of publishing is that of the upload, from its first byte to the
// answer, when hosts see it; that of another tool is from the start of its command to its end. "make bench-repo" builds and installs what it needs and calls it.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"hostler/e2e/bench/rig"
)

const (
	stored  = 5000 // packages in the repository before
	rounds  = 5    // each adds one
	batch   = 1000 // packages in one upload while the repository is filled
	clients = 20
	served  = 1 << 30 // bytes, by all clients together
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
	fmt.Fprintf(os.Stderr, "building %d debs and as many rpms\n", stored+rounds)
	debs, err := buildAll(ctx, filepath.Join(dir, "debs"), "deb")
	if err != nil {
		return err
	}
	rpms, err := buildAll(ctx, filepath.Join(dir, "rpms"), "rpm")
	if err != nil {
		return err
	}
	s, err := rig.StartLocal(ctx, dir, "")
	if err != nil {
		return err
	}
	defer s.Stop()
	var rows []rig.Row
	for _, kind := range []struct {
		name  string
		files []string
		peers []*peer
	}{{"apt", debs, []*peer{aptFtparchive, reprepro}}, {"yum", rpms, []*peer{createrepo}}} {
		more, err := publishing(ctx, s, filepath.Join(dir, kind.name), kind.name, kind.files, kind.peers)
		if err != nil {
			return err
		}
		rows = append(rows, more...)
	}
	row, err := serving(ctx, s, dir)
	if err != nil {
		return err
	}
	return rig.Print(os.Stdout, rounds, append(rows, row), "Server, tools and clients share this machine. Hostler reads, signs and syncs what it publishes; the other tools neither sign nor sync here.")
}

// publishing measures the server and its peers in turn, so that each round finds the machine alike.
func publishing(ctx context.Context, s *rig.Local, dir, kind string, files []string, peers []*peer) ([]rig.Row, error) {
	fmt.Fprintf(os.Stderr, "filling the %s repositories\n", kind)
	before := files[:stored]
	if err := create(ctx, s, kind+"-bench", kind); err != nil {
		return nil, err
	}
	add := func(files ...string) error { return upload(ctx, s, kind+"-bench", files...) }
	for at := 0; at < stored; at += batch {
		if err := add(before[at:min(at+batch, stored)]...); err != nil {
			return nil, err
		}
	}
	tools := make([]func(context.Context, string) error, len(peers))
	for i, p := range peers {
		var err error
		if tools[i], err = p.fill(ctx, filepath.Join(dir, p.name), before); err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
	}
	took, peersTook := []float64{}, make([][]float64, len(peers))
	for _, file := range files[stored:] {
		seconds, err := timed(func() error { return add(file) })
		if err != nil {
			return nil, err
		}
		took = append(took, seconds)
		for i, tool := range tools {
			if seconds, err = timed(func() error { return tool(ctx, file) }); err != nil {
				return nil, fmt.Errorf("%s: %w", peers[i].name, err)
			}
			peersTook[i] = append(peersTook[i], seconds)
		}
	}
	var rows []rig.Row
	for i, p := range peers {
		half := min(1, rig.Median(peersTook[i])/2)
		rows = append(rows, rig.Row{
			What: fmt.Sprintf("one more beside %d, %s", stored, kind), Got: rig.Seconds(took),
			Wanted: fmt.Sprintf("%.2f s", half), Peer: p.name + " " + rig.Seconds(peersTook[i]),
		})
	}
	return rows, nil
}

func create(ctx context.Context, s *rig.Local, name, kind string) error {
	return s.API.Post(ctx, "repositories", map[string]string{"name": name, "kind": kind}, nil)
}

// upload has files published; when it returns hosts see them.
func upload(ctx context.Context, s *rig.Local, repository string, files ...string) error {
	var answer struct{ Added int }
	if err := s.API.UploadPackages(ctx, repository, "", files, nil, &answer); err != nil {
		return err
	}
	if answer.Added != len(files) {
		return fmt.Errorf("of %d packages %d were taken", len(files), answer.Added)
	}
	return nil
}

func timed(do func() error) (seconds float64, err error) {
	began := time.Now()
	err = do()
	return time.Since(began).Seconds(), err
}
