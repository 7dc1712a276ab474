package repo

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// signedNow finds the snapshot that has a snapshot's packages with the signature of the key of now, and makes it if
// need be. Only rpms have one. The repository is locked.
func (s *Store) signedNow(ctx context.Context, r *repository, number int) (int, error) {
	s.mu.RLock()
	snapshot := r.snapshots[number]
	stale := map[string]*Package{}
	for _, digest := range snapshot.Packages {
		if p := s.packages[digest]; !s.isSigned(p) {
			stale[digest] = p
		}
	}
	s.mu.RUnlock()
	if len(stale) == 0 {
		return number, nil
	}
	packages := slices.Clone(snapshot.Packages)
	for i, digest := range packages {
		if p := stale[digest]; p != nil {
			anew, err := s.signAnew(ctx, p)
			if err != nil {
				return 0, fmt.Errorf("cannot sign %s anew: %w", p.File, explain(err))
			}
			packages[i] = anew.Digest
		}
	}
	slices.Sort(packages)
	s.mu.RLock()
	for _, other := range r.snapshots {
		if slices.Equal(other.Packages, packages) && other.Inputs == snapshot.Inputs {
			s.mu.RUnlock()
			return other.Number, nil
		}
	}
	s.mu.RUnlock()
	made, err := s.writeSnapshot(r, Snapshot{By: snapshot.By, Parent: number, Packages: packages, Inputs: snapshot.Inputs})
	if err != nil {
		return 0, explain(err)
	}
	s.log.Info("signed the packages of a snapshot with another key", "repository", r.Name, "snapshot", number,
		"packages", len(stale), "made", made.Number, "key", s.KeyFingerprint())
	return made.Number, nil
}

// isSigned says whether a package has the signature of the key of now, or needs none.
func (s *Store) isSigned(p *Package) bool { return p.Kind != Yum || p.Key == s.KeyFingerprint() }

// signAnew stores a copy of a package that the key of now has signed. The package itself stays: it never changes.
func (s *Store) signAnew(ctx context.Context, p *Package) (*Package, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if there := s.known(p.Source); there != nil && s.isSigned(there) {
		return there, nil
	}
	dir, err := os.MkdirTemp(filepath.Join(s.dir, incomingDir), "resign-*")
	if err != nil {
		return nil, err
	}
	got := &Received{Name: p.File, dir: dir, pkg: p}
	defer s.Discard(got)
	if err := os.Link(filepath.Join(s.packageDir(p.Digest), contentFile), filepath.Join(dir, contentFile)); err != nil {
		return nil, err
	}
	if err := s.signReceived(got); err != nil {
		return nil, err
	}
	return got.pkg, s.settle(got)
}

// signReceived signs an rpm that has no place yet with the key of now.
func (s *Store) signReceived(got *Received) error {
	in := s.intake(got.dir, *got.pkg)
	if err := in.signRPM(); err != nil {
		return err
	}
	got.pkg = &in.pkg
	return in.finish()
}
