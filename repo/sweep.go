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
	var failed, unsafe error
	for _, name := range s.names() {
		r, done, err := s.change(name)
		if err != nil {
			continue // it was removed meanwhile
		}
		failed = errors.Join(failed, s.sweepSnapshots(r))
		unsafe = errors.Join(unsafe, syncFile(filepath.Join(r.dir, snapshotsDir)))
		done()
	}
	if unsafe == nil { // a snapshot that a power loss brings back must find its packages
		failed = errors.Join(failed, s.sweepPackages(ctx))
	}
	if failed = errors.Join(failed, unsafe, s.cache.Sweep(s.now().Add(-piecesKeep))); failed != nil {
		return fmt.Errorf("cannot remove everything that repositories no longer need: %w", failed)
	}
	return nil
}

// names lists the repositories.
func (s *Store) names() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Sorted(maps.Keys(s.repositories))
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
		s.forget(r, number)
		s.mu.Unlock()
	}
	return failed
}

// sweepPackages removes the packages that are in no snapshot. While it takes their names away nothing else changes;
// what takes long, to remove them, comes behind.
func (s *Store) sweepPackages(ctx context.Context) error {
	gone, failed := s.takeLoose(ctx)
	for _, dir := range gone {
		failed = errors.Join(failed, os.RemoveAll(dir))
	}
	return failed
}

// takeLoose takes their names from the packages that are in no snapshot, and returns where they are now. One that is
// removed half-way under its name would stop the next start.
func (s *Store) takeLoose(ctx context.Context) (gone []string, err error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	for _, p := range s.loose() {
		if err := ctx.Err(); err != nil {
			return gone, err
		}
		dir := filepath.Join(s.dir, incomingDir, abandoned+p.Digest)
		if err := os.Rename(s.packageDir(p.Digest), dir); err != nil {
			return gone, err
		}
		gone = append(gone, dir)
		s.mu.Lock()
		delete(s.packages, p.Digest)
		delete(s.absent, p.Digest)
		if s.sources[p.Source] == p.Digest {
			delete(s.sources, p.Source)
		}
		s.mu.Unlock()
		s.counts.forget(p.Digest)
		s.log.Info("removed a package that is in no snapshot", "file", p.File, "digest", p.Digest)
	}
	return gone, nil
}

// loose lists the packages that are in no snapshot and on their way to none.
func (s *Store) loose() []*Package {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var found []*Package
	for digest, p := range s.packages {
		used := s.held[digest] > 0
		for _, r := range s.repositories {
			used = used || r.uses[digest] > 0
		}
		if !used {
			found = append(found, p)
		}
	}
	return found
}

// Refresh publishes channels anew whose index another version of this program or another key has made.
func (s *Store) Refresh(ctx context.Context) error {
	var failed error
	for _, name := range s.names() {
		if err := ctx.Err(); err != nil {
			return errors.Join(failed, err)
		}
		if err := s.refresh(ctx, name); err != nil && !errors.Is(err, ErrNotFound) {
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

func (s *Store) refresh(ctx context.Context, name string) error {
	r, done, err := s.change(name)
	if err != nil {
		return err
	}
	defer done()
	s.mu.RLock()
	channels := slices.Sorted(maps.Keys(r.channels))
	s.mu.RUnlock()
	var failed error
	for _, channel := range channels {
		s.mu.RLock()
		next := r.channels[channel].current().manifest
		s.mu.RUnlock()
		current, err := s.signedNow(ctx, r, next.Snapshot)
		if err == nil && (current != next.Snapshot || next.Inputs != s.surroundings(&r.Definition, channel)) {
			next.Snapshot = current
			err = s.publish(r, channel, next)
		}
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("cannot publish %s in channel %s anew: %w", name, channel, err))
		}
	}
	return failed
}
