// Package apt reads debs and writes the index of a Debian package repository: Packages in three compressions with
// their by-hash copies, Release, and its two signatures (wiki.debian.org/DebianRepository/Format). It reads packages
// and writes below a directory it is given; it neither builds packages nor serves them. SHA-256 is the only digest
// used.
package apt

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"regexp"
	"strings"
)

// Package is one deb in the pool.
type Package struct {
	Filename string // path below the repository's root, slash-separated
	Size     int64  // bytes
	SHA256   string // lower-case hexadecimal
	Control  string // the control file's paragraph, without a line end and without fields that say where a deb is
	Files    []string
}

// Read describes the deb in file, which the index is to name filename. All of it is unpacked, to nowhere: one that
// was cut off or damaged on its way is refused.
func Read(file, filename string) (Package, error) {
	f, err := os.Open(file)
	if err != nil {
		return Package{}, fmt.Errorf("cannot read package: %w", err)
	}
	defer func() { _ = f.Close() }() // only read
	digest := sha256.New()
	counted := &counter{r: io.TeeReader(bufio.NewReaderSize(f, 1<<20), digest)}
	pkg, err := read(counted)
	if err != nil {
		return Package{}, fmt.Errorf("cannot understand package %s: %w", path.Base(filename), err)
	}
	pkg.Filename, pkg.Size, pkg.SHA256 = filename, counted.n, hex.EncodeToString(digest.Sum(nil))
	return pkg, nil
}

// Listed describes a deb by its paragraph in a list of somebody else. What that says of where it is does not count.
func Listed(stanza string, size int64, sha256 string) (Package, error) {
	control, err := paragraph(stanza)
	if err != nil {
		return Package{}, err
	}
	p := Package{Size: size, SHA256: sha256, Control: control}
	return p, p.check()
}

// counter counts what is read.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// Field returns one field of the control paragraph, or "".
func (p Package) Field(name string) string {
	for line := range strings.Lines(p.Control) {
		if field, value, found := strings.Cut(line, ":"); found && strings.EqualFold(field, name) {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// LongField is a field with its continuation lines, without what marks them (deb822(5)).
func (p Package) LongField(name string) string {
	var text strings.Builder
	within := false
	for line := range strings.Lines(p.Control) {
		line = strings.TrimRight(line, "\n")
		if line[0] != ' ' && line[0] != '\t' {
			field, value, _ := strings.Cut(line, ":")
			if within = strings.EqualFold(field, name); within {
				text.WriteString(strings.TrimSpace(value) + "\n")
			}
		} else if within {
			if line = line[1:]; line == "." {
				line = ""
			}
			text.WriteString(line + "\n")
		}
	}
	return strings.TrimSpace(text.String())
}

// Stanza is the package's paragraph in Packages.
func (p Package) Stanza() string {
	return fmt.Sprintf("%s\nFilename: %s\nSize: %d\nSHA256: %s\n", p.Control, p.Filename, p.Size, p.SHA256)
}

var (
	fieldLine    = regexp.MustCompile(`^[!-9;-~]+:`)
	plainName    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9+.-]*$`)
	plainVersion = regexp.MustCompile(`^([0-9]+:)?[A-Za-z0-9.+~-]+$`)
)

// ours are the fields that the repository writes: what a deb claims for itself would be taken for the truth.
var ours = map[string]bool{"filename": true, "size": true, "md5sum": true, "sha1": true, "sha256": true, "sha512": true}

// paragraph takes a control file's one paragraph for the index.
func paragraph(control string) (string, error) {
	var kept strings.Builder
	skipping := true
	for line := range strings.Lines(strings.TrimSpace(control) + "\n") {
		line = strings.TrimRight(line, " \t\r\n")
		switch {
		case line == "":
			return "", errors.New("its control file has more than one paragraph")
		case strings.ContainsFunc(line, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
			return "", errors.New("its control file holds control characters")
		case line[0] == '#':
			continue
		case fieldLine.MatchString(line):
			name, _, _ := strings.Cut(line, ":")
			skipping = ours[strings.ToLower(name)]
		case line[0] != ' ' && line[0] != '\t' || kept.Len() == 0 && !skipping:
			return "", fmt.Errorf("its control file has a line that is no field: %.80q", line)
		}
		if !skipping {
			kept.WriteString(line + "\n")
		}
	}
	return strings.TrimSuffix(kept.String(), "\n"), nil
}

// check refuses a package that an index cannot hold.
func (p Package) check() error {
	for _, field := range []struct {
		name  string
		valid *regexp.Regexp
	}{{"Package", plainName}, {"Version", plainVersion}, {"Architecture", plainName}} {
		if value := p.Field(field.name); !field.valid.MatchString(value) {
			return fmt.Errorf("its control file says %.80q as %s", value, field.name)
		}
	}
	return nil
}
