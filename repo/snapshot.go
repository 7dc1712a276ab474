package repo

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Snapshot is an immutable list of packages.
type Snapshot struct {
	Number  int       `json:"number"`           // within its repository, from 1
	Parent  int       `json:"parent,omitempty"` // the one that it was made from
	Created time.Time `json:"created"`
	By      string    `json:"by"`
	Added   int       `json:"added"` // compared with the parent
	Removed int       `json:"removed"`
	// Inputs is a digest of what the server's own packages in it were built from.
	Inputs   string   `json:"inputs,omitempty"`
	Packages []string `json:"packages"` // digests, sorted

	inOrder func() []*Package // they as lists show them, sorted once when somebody looks
}

// add makes a snapshot known whose packages are. s.mu is held.
func (s *Store) add(r *repository, made *Snapshot) {
	packages := make([]*Package, len(made.Packages))
	for i, digest := range made.Packages {
		p := s.packages[digest]
		packages[i], made.Packages[i] = p, p.Digest // one text for all snapshots
		if r.uses[p.Digest]++; r.uses[p.Digest] == 1 {
			r.size += p.Size
		}
	}
	made.inOrder = sync.OnceValue(func() []*Package {
		slices.SortFunc(packages, comparePackages)
		return packages
	})
	r.snapshots[made.Number] = made
}

// forget is the opposite of add. s.mu is held.
func (s *Store) forget(r *repository, number int) {
	for _, digest := range r.snapshots[number].Packages {
		if r.uses[digest]--; r.uses[digest] == 0 {
			delete(r.uses, digest)
			r.size -= s.packages[digest].Size
		}
	}
	delete(r.snapshots, number)
}

// writeSnapshot keeps a snapshot under the next number.
func (s *Store) writeSnapshot(r *repository, made Snapshot) (*Snapshot, error) {
	s.mu.RLock()
	for number := range r.snapshots {
		made.Number = max(made.Number, number)
	}
	if parent := r.snapshots[made.Parent]; parent != nil {
		added, removed := difference(parent.Packages, made.Packages)
		made.Added, made.Removed = len(added), len(removed)
	}
	s.mu.RUnlock()
	made.Number++
	made.Created = s.now().UTC()
	if made.Packages == nil {
		made.Packages = []string{}
	}
	if err := writeJSON(r.snapshotFile(made.Number), made); err != nil {
		_ = os.Remove(r.snapshotFile(made.Number)) // it may have its name already, and its packages may go
		return nil, fmt.Errorf("cannot keep the snapshot: %w", err)
	}
	s.mu.Lock()
	s.add(r, &made)
	s.mu.Unlock()
	return &made, nil
}

// forgetSnapshot takes back a snapshot that no channel came to point at. One whose file stays is known on: its packages
// must stay, too.
func (s *Store) forgetSnapshot(r *repository, number int) {
	if err := os.Remove(r.snapshotFile(number)); err != nil {
		s.log.Warn("cannot remove a snapshot that was not published", "repository", r.Name, "snapshot", number, "err", err)
		return
	}
	s.mu.Lock()
	s.forget(r, number)
	s.mu.Unlock()
}

func (r *repository) snapshotFile(number int) string {
	return filepath.Join(r.dir, snapshotsDir, strconv.Itoa(number)+".json")
}

func (s *Store) readSnapshots(r *repository) error {
	dir := filepath.Join(r.dir, snapshotsDir)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		file := filepath.Join(dir, entry.Name())
		if strings.HasPrefix(entry.Name(), unfinished) {
			if err := os.Remove(file); err != nil {
				return err
			}
			continue
		}
		var found Snapshot
		if err := readJSON(file, &found); err != nil {
			return err
		}
		for _, digest := range found.Packages {
			if s.packages[digest] == nil {
				return fmt.Errorf("snapshot %d: package %s is missing", found.Number, digest)
			}
		}
		s.add(r, &found)
	}
	return nil
}

// Snapshots lists those of a repository, newest first, without their packages.
func (s *Store) Snapshots(name string) ([]Listed, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r, found := s.repositories[name]
	if !found {
		return nil, ErrNotFound
	}
	numbers := slices.Sorted(maps.Keys(r.snapshots))
	slices.Reverse(numbers)
	all := make([]Listed, len(numbers))
	for i, number := range numbers {
		snapshot := r.snapshots[number]
		all[i] = Listed{
			Number: number, Parent: snapshot.Parent, Created: snapshot.Created, By: snapshot.By, Packages: len(snapshot.Packages),
			Added: snapshot.Added, Removed: snapshot.Removed, Channels: []string{},
		}
		for _, channel := range slices.Sorted(maps.Keys(r.channels)) {
			if r.channels[channel].current().Snapshot == number {
				all[i].Channels = append(all[i].Channels, channel)
			}
		}
	}
	return all, nil
}

// Listed is a snapshot in a list.
type Listed struct {
	Number   int       `json:"number"`
	Parent   int       `json:"parent"` // 0: none
	Created  time.Time `json:"created"`
	By       string    `json:"by"`
	Packages int       `json:"packages"`
	Added    int       `json:"added"` // compared with the parent
	Removed  int       `json:"removed"`
	Channels []string  `json:"channels"` // that point at it
}

// Contents lists the packages of a snapshot, by name and the newest first. The list is shared: nobody changes it.
func (s *Store) Contents(name string, number int) ([]*Package, error) {
	s.mu.RLock()
	snapshot, err := s.snapshot(name, number)
	s.mu.RUnlock()
	if err != nil {
		return nil, err
	}
	return snapshot.inOrder(), nil
}

// snapshot finds one. s.mu is held.
func (s *Store) snapshot(name string, number int) (*Snapshot, error) {
	r, found := s.repositories[name]
	if !found || r.snapshots[number] == nil {
		return nil, ErrNotFound
	}
	return r.snapshots[number], nil
}

// Diff is what changed from one snapshot to another.
type Diff struct {
	From    int        `json:"from"`
	To      int        `json:"to"`
	Added   []*Package `json:"added"`
	Removed []*Package `json:"removed"`
	// Changed are packages of which both have one, of different versions.
	Changed []Change `json:"changed"`
}

// Change is a package that changed its version.
type Change struct {
	From *Package `json:"from"`
	To   *Package `json:"to"`
}

// Diff compares two snapshots of a repository.
func (s *Store) Diff(name string, from, to int) (*Diff, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	before, err := s.snapshot(name, from)
	if err != nil {
		return nil, err
	}
	after, err := s.snapshot(name, to)
	if err != nil {
		return nil, err
	}
	added, removed := difference(before.Packages, after.Packages)
	d := &Diff{From: from, To: to, Added: []*Package{}, Removed: []*Package{}, Changed: []Change{}}
	former := map[[2]string][]*Package{} // by name and architecture
	for _, digest := range removed {
		p := s.packages[digest]
		key := [2]string{p.Name, p.Arch}
		former[key] = append(former[key], p)
	}
	for _, digest := range added {
		p := s.packages[digest]
		if were := former[[2]string{p.Name, p.Arch}]; len(were) == 1 {
			d.Changed = append(d.Changed, Change{were[0], p})
			former[[2]string{p.Name, p.Arch}] = nil
			continue
		}
		d.Added = append(d.Added, p)
	}
	for _, left := range former {
		d.Removed = append(d.Removed, left...)
	}
	slices.SortFunc(d.Added, comparePackages)
	slices.SortFunc(d.Removed, comparePackages)
	slices.SortFunc(d.Changed, func(a, b Change) int { return comparePackages(a.To, b.To) })
	return d, nil
}

// difference compares two sorted lists.
func difference(before, after []string) (added, removed []string) {
	for len(before) > 0 || len(after) > 0 {
		switch {
		case len(before) == 0 || len(after) > 0 && after[0] < before[0]:
			added, after = append(added, after[0]), after[1:]
		case len(after) == 0 || before[0] < after[0]:
			removed, before = append(removed, before[0]), before[1:]
		default:
			before, after = before[1:], after[1:]
		}
	}
	return added, removed
}
