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
	"strings"
)

// MaxSize is the most bytes that a package may have.
const MaxSize = 8 << 30

// Received is an upload that is whole and was looked through, but is in no repository yet.
type Received struct {
	Name string // as it was uploaded
	// Refused says why it cannot be a package of the repository that it is for; "" when it can. Its code is one of
	// RefusalCodes.
	Refused, Code string

	pkg    *Package
	claim  *Package // of an archive: what its name and whoever brings it say; a deb or an rpm says that itself
	dir    string   // in incoming; "" when the package is stored already
	stored bool
}

// RefusalCodes are those of Received and Verdict.
var RefusalCodes = []string{"unreadable", "wrong_kind", "bad_name", "conflict", "stored_otherwise", "too_large", "empty", "bad_signature"}

// Upload is a file that is on its way to a repository.
type Upload struct {
	Name    string // of the file
	Content io.Reader
	By      string // who brings it
	// Version and Arch are for archives whose names do not tell.
	Version, Arch string
	// Verify, if not nil, must accept a signature of an rpm.
	Verify Verifier

	program bool // a bare program: only the server itself brings some
}

// Receive takes a file for a repository: it is written to the disk, looked through and, if it is an rpm, signed. A
// file that is no package is told in the answer; the error is for what is no fault of the file, such as a full
// disk. Commit makes use of it, Discard throws it away.
func (s *Store) Receive(ctx context.Context, repository string, up Upload) (*Received, error) {
	r, err := s.repository(repository)
	if err != nil {
		return nil, err
	}
	return s.receive(ctx, r.Kind, r.Name, up)
}

func (s *Store) receive(ctx context.Context, kind Kind, repository string, up Upload) (*Received, error) {
	dir, err := os.MkdirTemp(filepath.Join(s.dir, incomingDir), "upload-*")
	if err != nil {
		return nil, fmt.Errorf("cannot take an upload: %w", explain(err))
	}
	got := &Received{Name: printable(up.Name), dir: dir}
	digest, size, err := s.take(filepath.Join(dir, contentFile), up.Content)
	s.counts.upload(repository, size)
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = s.lookInTurn(ctx, got, kind, up, digest)
	}
	var refused *refusal
	if errors.As(err, &refused) {
		got.Refused, got.Code, err = refused.reason, refused.code, nil
	}
	if err != nil || got.Refused != "" || got.stored {
		s.Discard(got)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot take %s: %w", got.Name, explain(err))
	}
	return got, nil
}

// refusal is what is wrong with a file.
type refusal struct{ code, reason string }

func (r *refusal) Error() string { return r.reason }

// Discard throws away what Commit is not to have.
func (s *Store) Discard(got *Received) {
	if got.dir == "" {
		return
	}
	if err := os.RemoveAll(got.dir); err != nil {
		s.log.Warn("cannot remove an upload; the next start does", "dir", got.dir, "err", err)
	}
	got.dir = ""
}

// take writes an upload.
func (s *Store) take(file string, content io.Reader) (digest string, size int64, err error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", 0, err
	}
	sum := sha256.New()
	size, err = io.Copy(io.MultiWriter(f, sum), io.LimitReader(content, MaxSize+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return "", size, err
	}
	switch {
	case size > MaxSize:
		return "", size, &refusal{"too_large", fmt.Sprintf("it has more than %d bytes", int64(MaxSize))}
	case size == 0:
		return "", size, &refusal{"empty", "it is empty"}
	}
	return hex.EncodeToString(sum.Sum(nil)), size, nil
}

// lookInTurn is look for a few uploads at a time: each may take as much memory as a package's compression wants.
func (s *Store) lookInTurn(ctx context.Context, got *Received, want Kind, up Upload, digest string) error {
	select {
	case s.looking <- struct{}{}:
		defer func() { <-s.looking }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return s.look(ctx, got, want, up, digest)
}

// look finds out what an upload is, and gets everything ready that its directory is to hold.
func (s *Store) look(ctx context.Context, got *Received, want Kind, up Upload, digest string) error {
	if p := s.known(digest); p != nil && p.Kind == want {
		if up.Verify != nil { // it may have come without
			if _, err := verify(filepath.Join(got.dir, contentFile), up.Verify); err != nil {
				return err
			}
		}
		if s.Absent(p.Digest) {
			if err := s.deliverUpload(p, got.dir); err != nil {
				return err
			}
		}
		return got.take(p, up)
	}
	kind, err := kindOf(filepath.Join(got.dir, contentFile))
	if err != nil {
		return err
	}
	if kind != want {
		return &refusal{"wrong_kind", fmt.Sprintf("it is %s, and the repository is of the kind %s", kindNames[kind], want)}
	}
	in := s.intake(got.dir, Package{Digest: digest, Kind: kind, Uploaded: s.now().UTC(), By: up.By})
	switch kind {
	case Apt:
		err = in.deb()
	case Yum:
		err = in.rpm(up.Verify)
	case Archive:
		if got.claim, err = claimOf(up); err == nil {
			err = in.archive(ctx, got.claim, up.program)
		}
	}
	if err != nil {
		return err
	}
	got.pkg = &in.pkg
	return in.finish()
}

// take makes an upload one of what is stored already.
func (got *Received) take(p *Package, up Upload) error {
	if p.Kind == Archive {
		var err error
		if got.claim, err = claimOf(up); err != nil {
			return err
		}
		if err := got.claim.fits(p); err != nil {
			return err
		}
	}
	got.pkg, got.stored = p, true
	return nil
}

// fits says whether an archive that claims to be c is the stored one of the same content: a package has one name.
func (c *Package) fits(p *Package) error {
	if c == nil || c.File == p.File && c.Version == p.Version && c.Arch == p.Arch {
		return nil
	}
	return &refusal{"stored_otherwise", fmt.Sprintf("its content is stored already as %s, of version %q and architecture %q: upload it as that, or change its content", p.File, p.Version, p.Arch)}
}

// known is the stored package that was made of what has this digest, or nil.
func (s *Store) known(digest string) *Package {
	s.mu.RLock()
	defer s.mu.RUnlock()
	p := s.packages[digest]
	if p != nil && s.isSigned(p) {
		return p
	}
	if p != nil {
		digest = p.Source
	}
	if other := s.packages[s.sources[digest]]; other != nil {
		return other
	}
	return p
}

var kindNames = map[Kind]string{Apt: "a deb", Yum: "an rpm", Archive: "no deb and no rpm"}

// kindOf tells packages by how they begin; what is neither deb nor rpm may be an archive.
func kindOf(file string) (Kind, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // only read
	magic := make([]byte, 8)
	n, err := f.ReadAt(magic, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	switch text := string(magic[:n]); {
	case text == "!<arch>\n":
		return Apt, nil
	case strings.HasPrefix(text, "\xed\xab\xee\xdb"):
		return Yum, nil
	}
	return Archive, nil
}
