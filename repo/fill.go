package repo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Filling brings together what a channel is to have, and then makes it just that. What it has is kept from Sweep until
// Close. A server that dies in between keeps the packages that came: the next filling finds them.
type Filling struct {
	store      *Store
	repository string
	channel    string
	kind       Kind
	began      time.Time
	held       map[string]bool
	dir        string
}

// Filled is what a filling came to.
type Filled struct {
	Snapshot int
	Packages int
	// Left are files that the channel cannot have beside others: the same package with another content.
	Left []string
}

// Fill begins a filling; channel may be "" for the one that uploads go to. The caller must Close it.
func (s *Store) Fill(repository, channel string) (*Filling, error) {
	r, err := s.repository(repository)
	if err != nil {
		return nil, err
	}
	c, err := s.channel(r, channel)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(filepath.Join(s.dir, incomingDir), "fill-*")
	if err != nil {
		return nil, explain(err)
	}
	return &Filling{store: s, repository: r.Name, channel: c.name, kind: r.Kind, began: s.now(), held: map[string]bool{}, dir: dir}, nil
}

// Dir is a directory for what only the filling needs. It goes with Close.
func (f *Filling) Dir() string { return f.dir }

// Has says whether a package is stored that was made of what has this SHA-256, and takes it if so. Where keys are given, by
// their fingerprints, only one counts for which one of them has vouched: others came without that being asked.
func (f *Filling) Has(ctx context.Context, digest string, keys []string) (bool, error) {
	s := f.store
	s.changing.RLock() // nothing is swept in between
	defer s.changing.RUnlock()
	p := s.known(digest)
	if p == nil || p.Kind != f.kind || s.Absent(p.Digest) || keys != nil && !slices.Contains(keys, p.Vouched) {
		return false, nil
	}
	if !s.isSigned(p) {
		var err error
		if p, err = s.signAnew(ctx, p); err != nil {
			return false, fmt.Errorf("cannot sign a stored package anew: %w", explain(err))
		}
	}
	f.hold(p)
	return true, nil
}

// Take receives a package and stores it at once. A file that is no package of the repository's kind is told by a
// *RefusedError.
func (f *Filling) Take(ctx context.Context, up Upload) error {
	s := f.store
	got, err := s.receive(ctx, f.kind, f.repository, up)
	if err != nil {
		return err
	}
	defer s.Discard(got)
	s.changing.RLock()
	defer s.changing.RUnlock()
	if err := s.recognize(ctx, got); err != nil {
		return err
	}
	if got.Refused != "" {
		return &RefusedError{got.Name, got.Code, got.Refused}
	}
	if err := s.settle(got); err != nil {
		return fmt.Errorf("cannot store %s: %w", got.Name, explain(err))
	}
	f.hold(got.pkg)
	return nil
}

// RefusedError tells of a file that cannot be a package of a repository. Its code is one of RefusalCodes.
type RefusedError struct{ File, Code, Reason string }

// Error tells all of it.
func (e *RefusedError) Error() string { return e.File + ": " + e.Reason }

func (f *Filling) hold(p *Package) {
	s := f.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if !f.held[p.Digest] {
		f.held[p.Digest] = true
		s.held[p.Digest]++
	}
}

// Commit makes the channel have what the filling has, and nothing else. Where it has that already, nothing changes.
func (f *Filling) Commit(ctx context.Context, by string) (*Filled, error) {
	s := f.store
	r, done, err := s.change(f.repository)
	if err != nil {
		return nil, err
	}
	defer done()
	c, err := s.channel(r, f.channel)
	if err != nil {
		return nil, err
	}
	made := Snapshot{By: by}
	filled := &Filled{}
	s.mu.RLock()
	made.Parent = c.current().Snapshot
	list := newShelf(r, nil)
	for _, p := range f.inOrder() {
		if list.byIdentity[p.identity()] != nil {
			filled.Left = append(filled.Left, p.File)
			continue
		}
		list.put(p)
	}
	s.mu.RUnlock()
	made.Packages = list.digests()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	filled.Packages = len(made.Packages)
	filled.Snapshot, err = s.move(r, c, made)
	return filled, err
}

// inOrder are the held packages: of two that are the same to a client the one comes first that was there first.
func (f *Filling) inOrder() []*Package {
	all := make([]*Package, 0, len(f.held))
	for digest := range maps.Keys(f.held) {
		all = append(all, f.store.packages[digest])
	}
	slices.SortFunc(all, func(a, b *Package) int {
		return cmp.Or(a.Uploaded.Compare(b.Uploaded), cmp.Compare(a.Digest, b.Digest))
	})
	return all
}

// Close lets go of what was held.
func (f *Filling) Close() {
	s := f.store
	s.mu.Lock()
	s.release(slices.Collect(maps.Keys(f.held)))
	f.held = nil
	s.mu.Unlock()
	if err := os.RemoveAll(f.dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		s.log.Warn("cannot remove what a filling needed; the next start does", "dir", f.dir, "err", err)
	}
}

// Verifier checks a signature of what can be read, and tells the fingerprint of the key that made it; see rpm.Verify.
type Verifier func(signed io.Reader, signature []byte) (key string, err error)
