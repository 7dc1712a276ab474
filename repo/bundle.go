package repo

import (
	"archive/tar"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// A bundle is a snapshot as one file, for servers that no network reaches: a tar of manifest.json, its signature, the key
// that made that, and the packages by their digests.
const (
	bundleFormat    = 1
	bundleManifest  = "manifest.json"
	bundleSignature = "manifest.json.asc"
	bundleKey       = "key.asc"
	bundlePackages  = "packages/"
)

// BundleManifest says what a bundle is.
type BundleManifest struct {
	Format        int             `json:"format"`
	Repository    string          `json:"repository"`
	Kind          Kind            `json:"kind"`
	Architectures []string        `json:"architectures"`
	Description   string          `json:"description"`
	Snapshot      int             `json:"snapshot"`
	Since         int             `json:"since,omitempty"` // an earlier snapshot, whose packages are not in the file
	Created       time.Time       `json:"created"`
	Packages      []BundlePackage `json:"packages"` // all of the snapshot
}

// BundlePackage is one of a bundle's packages.
type BundlePackage struct {
	Digest   string `json:"digest"`
	Size     int64  `json:"size"`
	File     string `json:"file"`
	Version  string `json:"version"`
	Arch     string `json:"arch"`
	Included bool   `json:"included"` // its content is in the file
}

// Bundle is one that is about to be written.
type Bundle struct {
	Manifest BundleManifest
	Size     int64 // bytes of the file

	store     *Store
	signed    []byte
	signature []byte
	key       []byte // that the signature is by
	held      []string
}

// Export gets a snapshot ready to be written as a bundle: without the packages that an earlier one has, since, unless that
// is 0. What it needs is kept until Close.
func (s *Store) Export(repository string, number, since int) (*Bundle, error) {
	s.mu.Lock()
	b, err := s.bundle(repository, number, since)
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if b.signed, err = json.Marshal(&b.Manifest); err == nil {
		key := s.signer()
		b.key = key.PublicArmored()
		b.signature, err = key.DetachedArmored(b.signed)
	}
	if err != nil {
		b.Close()
		return nil, fmt.Errorf("cannot sign the bundle: %w", err)
	}
	for _, size := range []int64{int64(len(b.signed)), int64(len(b.signature)), int64(len(b.key))} {
		b.Size += entrySize(size)
	}
	b.Size += 2 * tarBlock // the end
	return b, nil
}

// bundle is Export with s.mu held.
func (s *Store) bundle(repository string, number, since int) (*Bundle, error) {
	r := s.repositories[repository]
	if r == nil {
		return nil, ErrNotFound
	}
	snapshot, earlier := r.snapshots[number], r.snapshots[since]
	switch {
	case r.Own():
		return nil, &FieldError{"repository", "own", "the server's own repositories are not exported: each server makes its own"}
	case snapshot == nil:
		return nil, &FieldError{"snapshot", "no_snapshot", fmt.Sprintf("the repository has no snapshot %d", number)}
	case since != 0 && earlier == nil:
		return nil, &FieldError{"since", "no_snapshot", fmt.Sprintf("the repository has no snapshot %d", since)}
	}
	b := &Bundle{store: s, Manifest: BundleManifest{
		Format: bundleFormat, Repository: r.Name, Kind: r.Kind, Architectures: r.Architectures, Description: r.Description,
		Snapshot: number, Since: since, Created: snapshot.Created, Packages: []BundlePackage{},
	}}
	for _, digest := range snapshot.Packages {
		p := s.packages[digest]
		one := BundlePackage{Digest: digest, Size: p.Size, File: p.File, Version: p.Version, Arch: p.Arch, Included: true}
		if earlier != nil {
			_, found := slices.BinarySearch(earlier.Packages, digest)
			one.Included = !found
		}
		if one.Included {
			b.Size += entrySize(p.Size)
			b.held = append(b.held, digest)
			s.held[digest]++
		}
		b.Manifest.Packages = append(b.Manifest.Packages, one)
	}
	return b, nil
}

const tarBlock = 512

// entrySize is what a file takes of a tar.
func entrySize(size int64) int64 { return tarBlock + (size+tarBlock-1)/tarBlock*tarBlock }

// Close lets go of what the bundle needs.
func (b *Bundle) Close() {
	s := b.store
	s.mu.Lock()
	defer s.mu.Unlock()
	s.release(b.held)
	b.held = nil
}

// release lets go of what was held. s.mu is held.
func (s *Store) release(digests []string) {
	for _, digest := range digests {
		if s.held[digest]--; s.held[digest] == 0 {
			delete(s.held, digest)
		}
	}
}

// Gather has fetched what the bundle is to have and what has not come. Without it Write fails at the first such package.
func (b *Bundle) Gather(ctx context.Context) error {
	for _, digest := range b.held {
		if err := b.store.Bring(ctx, digest); err != nil {
			return err
		}
	}
	return nil
}

// Name is what the file may be called.
func (b *Bundle) Name() string {
	name := fmt.Sprintf("%s-%d", b.Manifest.Repository, b.Manifest.Snapshot)
	if b.Manifest.Since > 0 {
		name += fmt.Sprintf("-since-%d", b.Manifest.Since)
	}
	return name + ".hostler-repo"
}

// Write writes the bundle, Size bytes.
func (b *Bundle) Write(ctx context.Context, w io.Writer) error {
	out := tar.NewWriter(w)
	for _, part := range []struct {
		name string
		data []byte
	}{{bundleManifest, b.signed}, {bundleSignature, b.signature}, {bundleKey, b.key}} {
		if err := b.begin(out, part.name, int64(len(part.data))); err != nil {
			return err
		}
		if _, err := out.Write(part.data); err != nil {
			return err
		}
	}
	for _, p := range b.Manifest.Packages {
		if !p.Included {
			continue
		}
		if err := cmp.Or(ctx.Err(), b.add(out, p)); err != nil {
			return err
		}
	}
	return out.Close()
}

func (b *Bundle) begin(out *tar.Writer, name string, size int64) error {
	// GNU's format takes sizes beyond 8 GiB without entries of its own, so that Size can be told before.
	return out.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: size, ModTime: b.Manifest.Created.Truncate(time.Second), Format: tar.FormatGNU})
}

func (b *Bundle) add(out *tar.Writer, p BundlePackage) error {
	f, err := os.Open(filepath.Join(b.store.packageDir(p.Digest), contentFile))
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // only read
	if err := b.begin(out, bundlePackages+p.Digest, p.Size); err != nil {
		return err
	}
	_, err = io.Copy(out, f)
	return err
}
