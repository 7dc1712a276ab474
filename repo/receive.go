package repo

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"hostler/internal/archive"
	"hostler/repo/apt"
	"hostler/repo/rpm"
	"hostler/repo/sign"
	"hostler/repo/yum"
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

// intake makes a package of an upload.
type intake struct {
	dir    string
	key    *sign.Key
	pkg    Package
	detail Detail
}

func (s *Store) intake(dir string, p Package) *intake { return &intake{dir: dir, key: s.key, pkg: p} }

// finish writes what is known of the package beside it.
func (in *intake) finish() error {
	for name, value := range map[string]any{recordFile: in.pkg, detailFile: in.detail} {
		data, err := json.Marshal(value)
		if err == nil {
			err = os.WriteFile(filepath.Join(in.dir, name), data, 0o600)
		}
		if err != nil {
			return err
		}
	}
	return syncTree(in.dir)
}

func (in *intake) content() string { return filepath.Join(in.dir, contentFile) }

func unreadable(err error) error { return &refusal{"unreadable", reason(err)} }

// reason is the innermost thing that is wrong, without the names of files on the server.
func reason(err error) string {
	text := err.Error()
	for _, known := range []string{"cannot understand package " + contentFile, archive.ErrRefused.Error()} {
		if _, after, found := strings.Cut(text, known+": "); found {
			text = after
		}
	}
	return printable(text)
}

func (in *intake) deb() error {
	found, err := apt.Read(in.content(), contentFile)
	if err != nil {
		return unreadable(err)
	}
	p := &in.pkg
	p.Name, p.Version, p.Arch, p.Size = found.Field("Package"), found.Field("Version"), found.Field("Architecture"), found.Size
	p.Summary = printable(found.Field("Description"))
	version := p.Version
	if _, after, found := strings.Cut(version, ":"); found {
		version = after // a colon in a path would have to be escaped
	}
	p.File = fmt.Sprintf("%s_%s_%s.deb", p.Name, version, p.Arch)
	found.Filename = p.Path()
	in.detail = debDetail(found)
	return os.WriteFile(filepath.Join(in.dir, stanzaFile), []byte(found.Stanza()), 0o600)
}

func debDetail(p apt.Package) Detail {
	list := func(field string) []string {
		var items []string
		for item := range strings.SplitSeq(p.Field(field), ",") {
			if item = strings.TrimSpace(item); item != "" {
				items = append(items, item)
			}
		}
		return items
	}
	d := Detail{
		Description: p.LongField("Description"), URL: p.Field("Homepage"), Maintainer: p.Field("Maintainer"), Files: p.Files,
		Requires: append(list("Pre-Depends"), list("Depends")...), Provides: list("Provides"),
		Conflicts: append(list("Conflicts"), list("Breaks")...), Recommends: list("Recommends"),
	}
	if _, err := fmt.Sscan(p.Field("Installed-Size"), &d.Installed); err == nil {
		d.Installed *= 1024
	}
	return d
}

func (in *intake) rpm(verifier Verifier) error {
	before, err := yum.Read(in.content(), contentFile, in.pkg.Uploaded)
	if err != nil {
		return unreadable(err)
	}
	if verifier != nil {
		if in.pkg.Vouched, err = verify(in.content(), verifier); err != nil {
			return err
		}
	}
	in.pkg.Unsigned, in.pkg.Source = !before.Signed, in.pkg.Digest
	return in.signRPM()
}

// verify tells which key vouches for an rpm.
func verify(file string, check Verifier) (key string, err error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // only read
	err = rpm.Verify(bufio.NewReaderSize(f, 1<<20), func(signed io.Reader, signature []byte) (err error) {
		key, err = check(signed, signature)
		return err
	})
	if err != nil {
		return "", &refusal{"bad_signature", "it has no signature by a key that was given: " + printable(err.Error())}
	}
	return key, nil
}

// signRPM signs an rpm that can be read, and takes what is made of it.
func (in *intake) signRPM() error {
	if err := in.sign(); err != nil {
		return err
	}
	found, err := yum.Read(in.content(), contentFile, in.pkg.Uploaded)
	if err != nil {
		return fmt.Errorf("cannot read the package that was signed: %w", err)
	}
	p := &in.pkg
	p.Key = in.key.Fingerprint()
	p.Digest, p.Name, p.Version, p.Arch, p.Size = found.SHA256, found.Name, found.EVR(), found.Arch, found.Size
	p.Summary = printable(found.Summary)
	p.File = fmt.Sprintf("%s-%s-%s.%s.rpm", found.Name, found.Version, found.Release, found.Arch)
	found.Location = p.Path()
	in.detail = rpmDetail(&found)
	for _, kind := range yum.Kinds {
		text, err := found.Text(kind)
		if err == nil {
			err = os.WriteFile(filepath.Join(in.dir, kind), text, 0o600)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// sign replaces the file by one that has the repository's signature and no other.
func (in *intake) sign() error {
	from, err := os.Open(in.content())
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }() // only read
	signed := filepath.Join(in.dir, unfinished+contentFile)
	to, err := os.OpenFile(signed, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(to, 1<<20)
	err = rpm.Sign(out, from, in.key.Detached)
	if err := errors.Join(err, out.Flush(), to.Close()); err != nil {
		return fmt.Errorf("cannot sign the package: %w", err)
	}
	return os.Rename(signed, in.content())
}

func rpmDetail(p *yum.Package) Detail {
	d := Detail{
		Description: p.Description, URL: p.URL, License: p.License, Maintainer: p.Packager, Installed: int64(p.Installed),
		Requires: relationTexts(p.Requires), Provides: relationTexts(p.Provides),
		Conflicts: relationTexts(p.Conflicts), Recommends: relationTexts(p.Recommended),
	}
	for _, file := range p.Files {
		if file.Type != "dir" {
			d.Files = append(d.Files, file.Path)
		}
	}
	for _, c := range p.Changes {
		d.Changes = append([]Changed{{At: c.When(), Author: c.Author, Text: c.Text}}, d.Changes...)
	}
	return d
}

func relationTexts(relations []yum.Relation) []string {
	var texts []string
	for _, r := range relations {
		texts = append(texts, r.String())
	}
	return texts
}

// plainFile is what the name of an archive may be: it becomes a part of paths.
var plainFile = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+~-]{0,199}$`)

// claimOf is what the name of an archive, and whoever brings it, say of it.
func claimOf(up Upload) (*Package, error) {
	name := filepath.Base(strings.ReplaceAll(up.Name, `\`, "/"))
	if !plainFile.MatchString(name) {
		return nil, &refusal{"bad_name", "its name may have letters, digits and . _ + ~ - only, at most 200"}
	}
	parts := archiveName.FindStringSubmatch(name)
	if up.program {
		parts = archiveName.FindStringSubmatch(name + ".tar.gz")
	}
	if parts == nil {
		return nil, &refusal{"bad_name", "its name does not end with .tar.gz, .tgz or .zip"}
	}
	p := &Package{File: name, Name: parts[1], Version: cmp.Or(up.Version, parts[2]), Arch: cmp.Or(up.Arch, parts[3])}
	for _, part := range []string{p.Version, p.Arch} {
		if part != "" && !plainFile.MatchString(part) {
			return nil, &refusal{"bad_name", "its version and architecture may have letters, digits and . _ + ~ - only"}
		}
	}
	return p, nil
}

// archive takes an archive or, of the server's own, a bare program.
func (in *intake) archive(ctx context.Context, claim *Package, program bool) error {
	stat, err := os.Stat(in.content())
	if err != nil {
		return err
	}
	p := &in.pkg
	p.File, p.Name, p.Version, p.Arch, p.Size = claim.File, claim.Name, claim.Version, claim.Arch, stat.Size()
	if program {
		return nil
	}
	return in.lookInto(ctx)
}

// lookInto reads an archive as the agent will.
func (in *intake) lookInto(ctx context.Context) error {
	f, err := os.Open(in.content())
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // only read
	_, err = archive.Walk(ctx, f, archive.DefaultBounds, func(e *archive.Entry) error {
		if e.Kind != archive.Directory {
			in.detail.Files = append(in.detail.Files, e.Name)
		}
		return nil
	})
	if errors.Is(err, archive.ErrRefused) {
		return unreadable(err)
	}
	return err
}

// printable takes out what a terminal or a log would act on, and bounds what is left.
func printable(text string) string {
	const most = 500
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029' || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' {
			return '\ufffd'
		}
		return r
	}, strings.ToValidUTF8(text, "\ufffd"))
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}
