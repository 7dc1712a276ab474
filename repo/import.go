package repo

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"hostler/repo/sign"
)

// BundleError refuses a bundle. Its code is one of BundleCodes.
type BundleError struct{ Code, Message string }

// Error is the plain cause.
func (e *BundleError) Error() string { return e.Message }

// BundleCodes are those of BundleError.
var BundleCodes = []string{"bundle_unreadable", "bundle_format", "bundle_signature", "bundle_kind", "bundle_changed", "bundle_incomplete", "bundle_missing", "bundle_package"}

// Import says what to do with a bundle.
type Import struct {
	Repository string
	Channel    string // "" for the one that uploads go to
	// Key is the fingerprint of the key that must have signed it, in hex; "" for this server's own.
	Key string
	By  string
}

// Imported is what an import came to.
type Imported struct {
	Repository string `json:"repository"`
	Channel    string `json:"channel"`
	Snapshot   int    `json:"snapshot"` // that the channel points at now
	Packages   int    `json:"packages"` // of the snapshot
	Brought    int    `json:"brought"`  // that the bundle had
	From       int    `json:"from"`     // the snapshot's number where it was exported
}

// Bounds of a bundle.
const (
	mostManifest       = 256 << 20 // bytes
	mostBundlePackages = 1_000_000
)

// Import makes a channel have what a bundle has. All of it is read and held against its signature and checksums before
// anything is changed; a bundle that cannot be taken is told by a *BundleError.
func (s *Store) Import(ctx context.Context, in Import, bundle io.Reader) (*Imported, error) {
	f, err := s.Fill(in.Repository, in.Channel)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := &incoming{store: s, filling: f, in: in, tar: tar.NewReader(bundle), came: map[string]bool{}}
	if err := b.read(ctx); err != nil {
		return nil, explain(err)
	}
	if _, err := io.Copy(io.Discard, bundle); err != nil { // what follows the end, so that the sender is heard out
		return nil, explain(err)
	}
	if err := b.take(ctx); err != nil {
		return nil, err
	}
	filled, err := f.Commit(ctx, in.By)
	if err != nil {
		return nil, err
	}
	return &Imported{f.repository, f.channel, filled.Snapshot, filled.Packages, len(b.came), b.manifest.Snapshot}, nil
}

// incoming is a bundle that is being read.
type incoming struct {
	store    *Store
	filling  *Filling
	in       Import
	tar      *tar.Reader
	manifest BundleManifest
	came     map[string]bool // packages that are there, by their digests
}

func refuseBundle(code, format string, args ...any) error {
	return &BundleError{code, fmt.Sprintf(format, args...)}
}

// read reads the bundle to its end and keeps its packages aside.
func (b *incoming) read(ctx context.Context) error {
	signed, err := b.small(bundleManifest)
	if err != nil {
		return err
	}
	signature, err := b.small(bundleSignature)
	if err != nil {
		return err
	}
	key, err := b.small(bundleKey)
	if err != nil {
		return err
	}
	keys := b.store.keys.Load().told.fingerprints
	if given := strings.ToLower(strings.Join(strings.Fields(b.in.Key), "")); given != "" {
		keys = []string{given}
	}
	for _, fingerprint := range keys {
		if err = sign.Verify(key, fingerprint, signed, signature, b.store.now); err == nil {
			break
		}
	}
	if err != nil {
		return refuseBundle("bundle_signature", "it is not signed by the key %s: %s", strings.Join(keys, " or "), err)
	}
	if err := b.understand(signed); err != nil {
		return err
	}
	return b.packages(ctx)
}

// small reads the next file of the tar, which must be this one.
func (b *incoming) small(name string) ([]byte, error) {
	header, err := b.tar.Next()
	if err != nil {
		return nil, unreadableBundle(err)
	}
	if header.Name != name || header.Typeflag != tar.TypeReg || header.Size > mostManifest {
		return nil, refuseBundle("bundle_unreadable", "it is no bundle: %.80q stands where %s must be", header.Name, name)
	}
	data, err := io.ReadAll(b.tar)
	return data, unreadableBundle(err)
}

// unreadableBundle tells what is wrong with the file from what is wrong with the way to it.
func unreadableBundle(err error) error {
	if errors.Is(err, tar.ErrHeader) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return refuseBundle("bundle_unreadable", "it is no bundle, or was cut off")
	}
	return err
}

var digestText = regexp.MustCompile(`^[0-9a-f]{64}$`)

func (b *incoming) understand(signed []byte) error {
	m := &b.manifest
	if err := json.Unmarshal(signed, m); err != nil {
		return refuseBundle("bundle_unreadable", "its manifest cannot be understood")
	}
	switch {
	case m.Format != bundleFormat:
		return refuseBundle("bundle_format", "it is of the format %d; this server knows %d", m.Format, bundleFormat)
	case m.Kind != b.filling.kind:
		return refuseBundle("bundle_kind", "it is of the kind %s, and the repository of the kind %s", m.Kind, b.filling.kind)
	case len(m.Packages) > mostBundlePackages:
		return refuseBundle("bundle_unreadable", "it has more than %d packages", mostBundlePackages)
	}
	for i := range m.Packages {
		if !digestText.MatchString(m.Packages[i].Digest) {
			return refuseBundle("bundle_unreadable", "%.80q is no digest of a package", m.Packages[i].Digest)
		}
	}
	return nil
}

// packages reads the packages, each held against the signed manifest.
func (b *incoming) packages(ctx context.Context) error {
	want := map[string]BundlePackage{}
	for _, p := range b.manifest.Packages {
		if p.Included {
			want[bundlePackages+p.Digest] = p
		}
	}
	for {
		header, err := b.tar.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return unreadableBundle(err)
		}
		p, found := want[header.Name]
		if !found || b.came[p.Digest] || header.Typeflag != tar.TypeReg || header.Size != p.Size {
			return refuseBundle("bundle_changed", "%.120q is not what its manifest tells", header.Name)
		}
		if err := b.keep(p); err != nil {
			return err
		}
		b.came[p.Digest] = true
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	if len(b.came) != len(want) {
		return refuseBundle("bundle_incomplete", "%d of its %d packages are missing", len(want)-len(b.came), len(want))
	}
	return nil
}

func (b *incoming) file(digest string) string { return filepath.Join(b.filling.dir, digest) }

// keep writes a package aside.
func (b *incoming) keep(p BundlePackage) error {
	f, err := os.OpenFile(b.file(p.Digest), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	sum := sha256.New()
	_, err = io.Copy(io.MultiWriter(f, sum), b.tar)
	if err := errors.Join(unreadableBundle(err), f.Close()); err != nil {
		return err
	}
	if hexSum(sum) != p.Digest {
		return refuseBundle("bundle_changed", "the content of %.120q is not what its manifest tells", p.File)
	}
	return nil
}

// take stores what was read. What the bundle leaves to an earlier one must be there.
func (b *incoming) take(ctx context.Context) error {
	var missing int
	var first string
	for _, p := range b.manifest.Packages {
		has, err := b.filling.Has(ctx, p.Digest, nil)
		if err != nil {
			return err
		}
		if !has && !p.Included {
			if missing++; first == "" {
				first = p.File
			}
		}
	}
	if missing > 0 {
		return refuseBundle("bundle_missing", "it has only what is new since snapshot %d, and %d of the packages before are not here, such as %.120q: import the earlier bundle first",
			b.manifest.Since, missing, first)
	}
	for _, p := range b.manifest.Packages {
		if !b.came[p.Digest] {
			continue
		}
		if err := b.takeOne(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

func (b *incoming) takeOne(ctx context.Context, p BundlePackage) error {
	if has, err := b.filling.Has(ctx, p.Digest, nil); has || err != nil {
		return err
	}
	f, err := os.Open(b.file(p.Digest))
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // only read
	err = b.filling.Take(ctx, Upload{Name: p.File, Content: f, By: b.in.By, Version: p.Version, Arch: p.Arch})
	var refused *RefusedError
	if errors.As(err, &refused) {
		return refuseBundle("bundle_package", "%s", refused)
	}
	return err
}
