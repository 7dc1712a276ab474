package repo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	// snapshotsKeep is how many of a repository's newest snapshots stay, beside those that channels need.
	snapshotsKeep = 50
	// piecesKeep is how long a part of an index stays that no index used.
	piecesKeep = 7 * 24 * time.Hour
)

// Sweep removes what nothing needs any more: snapshots that are old and that no channel points at, can be rolled
// back to or still serves to clients in mid-update, and then packages that are in no snapshot. It may run while
// packages are served: what a client has begun to read it reads to its end.
func (s *Store) Sweep(ctx context.Context) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	s.mu.RLock()
	repositories := slices.Collect(maps.Values(s.repositories))
	s.mu.RUnlock()
	var failed, unsafe error
	for _, r := range repositories {
		failed = errors.Join(failed, s.sweepSnapshots(r))
		unsafe = errors.Join(unsafe, syncFile(filepath.Join(r.dir, snapshotsDir)))
	}
	if unsafe == nil { // a snapshot that a power loss brings back must find its packages
		failed = errors.Join(failed, s.sweepPackages(ctx))
	}
	if failed = errors.Join(failed, unsafe, s.cache.Sweep(s.now().Add(-piecesKeep))); failed != nil {
		return fmt.Errorf("cannot remove everything that repositories no longer need: %w", failed)
	}
	return nil
}

func (s *Store) sweepSnapshots(r *repository) error {
	var failed error
	s.mu.RLock()
	channels := slices.Collect(maps.Values(r.channels))
	s.mu.RUnlock()
	for _, c := range channels {
		failed = errors.Join(failed, s.prune(c))
	}
	s.mu.RLock()
	needed := map[int]bool{}
	for _, c := range channels {
		for _, p := range c.shelf {
			needed[p.Snapshot] = true
		}
		for _, number := range c.current().History {
			needed[number] = true
		}
	}
	numbers := slices.Sorted(maps.Keys(r.snapshots))
	s.mu.RUnlock()
	for _, number := range numbers[:max(0, len(numbers)-snapshotsKeep)] {
		if needed[number] {
			continue
		}
		if err := os.Remove(r.snapshotFile(number)); err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		s.mu.Lock()
		delete(r.snapshots, number)
		s.mu.Unlock()
	}
	return failed
}

// sweepPackages removes the packages that are in no snapshot.
func (s *Store) sweepPackages(ctx context.Context) error {
	s.mu.RLock()
	needed := make(map[string]bool, len(s.packages))
	for _, r := range s.repositories {
		for _, snapshot := range r.snapshots {
			for _, digest := range snapshot.Packages {
				needed[digest] = true
			}
		}
	}
	var loose []*Package
	for digest, p := range s.packages {
		if !needed[digest] {
			loose = append(loose, p)
		}
	}
	s.mu.RUnlock()
	for _, p := range loose {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.removePackage(p); err != nil {
			return err
		}
	}
	return nil
}

// removePackage takes a package's name away first: one that is removed half-way would stop the next start.
func (s *Store) removePackage(p *Package) error {
	s.mu.Lock()
	delete(s.packages, p.Digest)
	if s.sources[p.Source] == p.Digest {
		delete(s.sources, p.Source)
	}
	s.mu.Unlock()
	s.counts.forget(p.Digest)
	gone := filepath.Join(s.dir, incomingDir, abandoned+p.Digest)
	if err := os.Rename(s.packageDir(p.Digest), gone); err != nil {
		return err
	}
	s.log.Info("removed a package that is in no snapshot", "file", p.File, "digest", p.Digest)
	return os.RemoveAll(gone)
}

// Refresh publishes channels anew whose index another version of this program or another key has made.
func (s *Store) Refresh(ctx context.Context) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	s.mu.RLock()
	type stale struct {
		r    *repository
		name string
		manifest
	}
	var all []stale
	for _, r := range s.repositories {
		for name, c := range r.channels {
			if c.current().Inputs != s.surroundings(&r.Definition, name) {
				all = append(all, stale{r, name, c.current().manifest})
			}
		}
	}
	s.mu.RUnlock()
	var failed error
	for _, one := range all {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.publish(one.r, one.name, one.manifest); err != nil {
			failed = errors.Join(failed, fmt.Errorf("cannot publish %s in channel %s anew: %w", one.r.Name, one.name, err))
		}
	}
	return failed
}
