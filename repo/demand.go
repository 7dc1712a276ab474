package repo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"hostler/repo/apt"
)

// Origin is where a package is fetched from when somebody asks for it first.
type Origin struct {
	Mirror int64  `json:"mirror"` // whose way to the upstream it takes, while that is there
	URL    string `json:"url"`    // the upstream's address
	Path   string `json:"path"`   // below it
}

// Fetcher begins to read a package from its origin.
type Fetcher func(ctx context.Context, p *Package) (io.ReadCloser, error)

// Promised is a deb that an upstream's index tells of, and that is to be fetched when somebody asks for it.
type Promised struct {
	Digest string // hex SHA-256
	Size   int64
	Stanza string // its paragraph in the index
	Origin Origin
	By     string
}

// AbsentError says that a package is not here, and why it could not be fetched.
type AbsentError struct {
	File string
	Err  error
}

// Error tells all of it.
func (e *AbsentError) Error() string {
	return fmt.Sprintf("%s is not on this server yet, and cannot be fetched from the upstream: %s", e.File, e.Err)
}

// Unwrap gives what was in the way.
func (e *AbsentError) Unwrap() error { return e.Err }

// errNoFetcher is why nothing can be fetched while the server starts or stops.
var errNoFetcher = errors.New("the server fetches nothing right now")

// fetchers is how many packages are fetched on demand at a time.
const fetchers = 8

// demand fetches what is asked for, each package once for all who ask.
type demand struct {
	turn chan struct{} // has as many as are being fetched

	mu      sync.Mutex
	fetch   Fetcher // nil while nothing is fetched
	ctx     context.Context
	flights map[string]*flight // by the package's digest
	running sync.WaitGroup
}

// flight is a package on its way.
type flight struct {
	file string // grows while it comes
	done chan struct{}
	err  error // once done is closed

	mu    sync.Mutex
	got   int64
	grown chan struct{} // closed and renewed with every piece
}

func (f *flight) Write(piece []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.got += int64(len(piece))
	close(f.grown)
	f.grown = make(chan struct{})
	return len(piece), nil
}

// progress is how many bytes are there, and what tells of more.
func (f *flight) progress() (got int64, grown <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.got, f.grown
}

// Supply lets packages be fetched that are promised, until ctx ends. The caller must call wait, which returns when all that was
// under way has ended, too.
func (s *Store) Supply(ctx context.Context, fetch Fetcher) (wait func()) {
	d := &s.demand
	d.mu.Lock()
	d.fetch, d.ctx = fetch, ctx
	d.mu.Unlock()
	return func() {
		<-ctx.Done()
		d.mu.Lock()
		d.fetch = nil
		d.mu.Unlock()
		d.running.Wait()
	}
}

// Promise takes a package without its content. One that is known already is taken as it is.
func (f *Filling) Promise(ctx context.Context, want Promised) error {
	s := f.store
	if f.kind != Apt {
		return &RefusedError{want.Origin.Path, "wrong_kind", "only debs can be fetched on demand: an rpm is signed anew before it is listed"}
	}
	s.changing.RLock() // nothing is swept in between
	defer s.changing.RUnlock()
	if p := s.known(want.Digest); p != nil && p.Kind == f.kind {
		if err := s.redirect(p, want.Origin); err != nil {
			return fmt.Errorf("cannot store where %s is: %w", p.File, explain(err))
		}
		f.hold(p)
		return nil
	}
	dir, err := os.MkdirTemp(filepath.Join(s.dir, incomingDir), "promised-*")
	if err != nil {
		return explain(err)
	}
	got := &Received{Name: printable(want.Origin.Path), dir: dir}
	defer s.Discard(got)
	in := s.intake(dir, Package{Digest: want.Digest, Kind: Apt, Size: want.Size, Uploaded: s.now().UTC(), By: want.By, Origin: &want.Origin})
	found, err := apt.Listed(want.Stanza, want.Size, want.Digest)
	if err != nil {
		return &RefusedError{got.Name, "unreadable", reason(err)}
	}
	if err := in.describe(found); err != nil {
		return explain(err)
	}
	if err := in.finish(); err != nil {
		return fmt.Errorf("cannot store what is known of %s: %w", in.pkg.File, explain(err))
	}
	got.pkg = &in.pkg
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.settle(got); err != nil {
		return fmt.Errorf("cannot store what is known of %s: %w", in.pkg.File, explain(err))
	}
	f.hold(got.pkg)
	return nil
}

// redirect lets a package that has not come be fetched from where it is now.
func (s *Store) redirect(p *Package, to Origin) error {
	if !s.Absent(p.Digest) || p.Origin != nil && *p.Origin == to {
		return nil
	}
	moved := *p
	moved.Origin = &to
	if err := writeJSON(filepath.Join(s.packageDir(p.Digest), recordFile), &moved); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.packages[p.Digest] = &moved
	return nil
}

// Absent says whether a package is promised and has not come.
func (s *Store) Absent(digest string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.absent[digest]
}

// request begins to fetch a package, unless that is under way. Both results are nil when it has come meanwhile.
func (s *Store) request(p *Package) (*flight, error) {
	d := &s.demand
	d.mu.Lock()
	defer d.mu.Unlock()
	if !s.Absent(p.Digest) { // asked under the lock, which a flight takes to end
		return nil, nil
	}
	if f := d.flights[p.Digest]; f != nil {
		return f, nil
	}
	if d.fetch == nil {
		return nil, &AbsentError{p.File, errNoFetcher}
	}
	dir, err := os.MkdirTemp(filepath.Join(s.dir, incomingDir), "demand-*")
	if err != nil {
		return nil, explain(err)
	}
	to, err := os.OpenFile(filepath.Join(dir, contentFile), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, errors.Join(explain(err), os.RemoveAll(dir))
	}
	f := &flight{file: to.Name(), done: make(chan struct{}), grown: make(chan struct{})}
	d.flights[p.Digest] = f
	ctx, fetch := d.ctx, d.fetch
	d.running.Go(func() {
		err := s.fetch(ctx, p, f, to, fetch)
		if err != nil {
			s.log.Warn("cannot fetch a package that a host asks for", "file", p.File, "digest", p.Digest, "upstream", p.Origin.URL, "err", err)
			err = &AbsentError{p.File, err}
		}
		if removing := os.RemoveAll(dir); removing != nil {
			s.log.Warn("cannot remove what was fetched; the next start does", "dir", dir, "err", removing)
		}
		s.counts.fetch(err == nil)
		d.mu.Lock()
		delete(d.flights, p.Digest)
		d.mu.Unlock()
		f.err = err
		close(f.done)
	})
	return f, nil
}

// fetch brings a package and stores it, if it is what was promised.
func (s *Store) fetch(ctx context.Context, p *Package, f *flight, to *os.File, fetch Fetcher) error {
	select {
	case s.demand.turn <- struct{}{}:
		defer func() { <-s.demand.turn }()
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("%w: %w", errNoFetcher, ctx.Err()), to.Close())
	}
	err := func() error {
		content, err := fetch(ctx, p)
		if err != nil {
			return err
		}
		defer func() { _ = content.Close() }() // only read
		sum := sha256.New()
		size, err := io.Copy(io.MultiWriter(to, sum, f), io.LimitReader(content, p.Size+1))
		if err == nil && (size != p.Size || hex.EncodeToString(sum.Sum(nil)) != p.Digest) {
			err = errors.New("what came is not what the signed index tells")
		}
		return err
	}()
	if err := errors.Join(err, to.Close()); err != nil {
		return explain(err)
	}
	return s.fulfil(ctx, p, filepath.Dir(f.file))
}

// fulfil gives a promised package the content that lies in a directory and has its digest.
func (s *Store) fulfil(ctx context.Context, p *Package, dir string) error {
	select {
	case s.looking <- struct{}{}:
		defer func() { <-s.looking }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return s.deliverUpload(p, dir)
}

// deliverUpload is fulfil for whoever has a turn to look through packages.
func (s *Store) deliverUpload(p *Package, dir string) error {
	in := s.intake(dir, Package{Digest: p.Digest, Kind: p.Kind})
	if err := in.deb(); err != nil {
		return err
	}
	if in.pkg.Name != p.Name || in.pkg.Version != p.Version || in.pkg.Arch != p.Arch {
		return fmt.Errorf("it is %s %s for %s, and the index tells %s %s for %s", in.pkg.Name, in.pkg.Version, in.pkg.Arch, p.Name, p.Version, p.Arch)
	}
	return explain(s.deliver(p, in))
}

// deliver puts the content into the package's directory, and what it tells of itself. Nothing is swept meanwhile.
func (s *Store) deliver(p *Package, in *intake) error {
	s.changing.RLock()
	defer s.changing.RUnlock()
	if !s.Absent(p.Digest) {
		return nil // it has come another way, or nobody wants it any more
	}
	to := s.packageDir(p.Digest)
	if err := errors.Join(writeJSON(filepath.Join(to, detailFile), in.detail), syncFile(in.content())); err != nil {
		return err
	}
	if err := errors.Join(os.Rename(in.content(), filepath.Join(to, contentFile)), syncFile(to)); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.absent, p.Digest)
	return nil
}

// Bring has a package fetched if it has not come, and waits for it.
func (s *Store) Bring(ctx context.Context, digest string) error {
	p, err := s.Package(digest)
	if err != nil {
		return err
	}
	f, err := s.request(p)
	if f == nil || err != nil {
		return err
	}
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return ctx.Err()
	}
}
