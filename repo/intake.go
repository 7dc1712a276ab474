package repo

import (
	"bufio"
	"cmp"
	"context"
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

// intake makes a package of an upload.
type intake struct {
	dir    string
	key    *sign.Key
	pkg    Package
	detail Detail
}

func (s *Store) intake(dir string, p Package) *intake {
	return &intake{dir: dir, key: s.signer(), pkg: p}
}

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
	return in.describe(found)
}

// describe takes what is known of a deb, and writes its part of the index.
func (in *intake) describe(found apt.Package) error {
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
