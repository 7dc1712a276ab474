// Package apt writes the index of a Debian package repository: Packages in three compressions with their by-hash
// copies, Release, and its two signatures (wiki.debian.org/DebianRepository/Format). It reads packages and writes
// below a directory it is given; it neither builds packages nor serves them. SHA-256 is the only digest used.
package apt

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strconv"
	"strings"
)

// Package is one deb in the pool.
type Package struct {
	Filename string // path below the repository's root, slash-separated
	Size     int64  // bytes
	SHA256   string // lower-case hexadecimal
	Control  string // the control file's paragraph, without a line end
}

// Read describes the deb in file, which the index is to name filename.
func Read(file, filename string) (Package, error) {
	f, err := os.Open(file)
	if err != nil {
		return Package{}, fmt.Errorf("cannot read package: %w", err)
	}
	defer func() { _ = f.Close() }() // only read
	digest := sha256.New()
	size, err := io.Copy(digest, f)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return Package{}, fmt.Errorf("cannot read package %s: %w", path.Base(filename), err)
	}
	control, err := readControl(f)
	if err != nil {
		return Package{}, fmt.Errorf("cannot understand package %s: %w", path.Base(filename), err)
	}
	return Package{Filename: filename, Size: size, SHA256: hex.EncodeToString(digest.Sum(nil)), Control: control}, nil
}

// Field returns one field of the control paragraph, or "".
func (p Package) Field(name string) string {
	for line := range strings.Lines(p.Control) {
		if value, found := strings.CutPrefix(line, name+":"); found {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// stanza is the package's paragraph in Packages.
func (p Package) stanza() string {
	return fmt.Sprintf("%s\nFilename: %s\nSize: %d\nSHA256: %s\n", p.Control, p.Filename, p.Size, p.SHA256)
}

// readControl finds the control file in a deb: an ar archive (deb(5)) whose second member is control.tar.gz.
func readControl(deb io.Reader) (string, error) {
	magic := make([]byte, 8)
	if _, err := io.ReadFull(deb, magic); err != nil || string(magic) != "!<arch>\n" {
		return "", errors.New("it is not a deb")
	}
	for {
		header := make([]byte, 60)
		if _, err := io.ReadFull(deb, header); err != nil {
			return "", fmt.Errorf("it has no control.tar.gz: %w", err)
		}
		name := strings.TrimRight(string(header[:16]), " /")
		size, err := strconv.ParseInt(strings.TrimSpace(string(header[48:58])), 10, 64)
		if err != nil || size < 0 {
			return "", errors.New("it is damaged: a member has no size")
		}
		if name == "control.tar.gz" {
			return controlFile(io.LimitReader(deb, size))
		}
		if _, err := io.CopyN(io.Discard, deb, size+size%2); err != nil {
			return "", fmt.Errorf("it is cut off: %w", err)
		}
	}
}

func controlFile(archive io.Reader) (string, error) {
	zipped, err := gzip.NewReader(archive)
	if err != nil {
		return "", err
	}
	members := tar.NewReader(zipped)
	for {
		member, err := members.Next()
		if err != nil {
			return "", fmt.Errorf("it has no control file: %w", err)
		}
		if path.Clean(member.Name) != "control" {
			continue
		}
		var text bytes.Buffer
		if _, err := io.Copy(&text, io.LimitReader(members, 1<<20)); err != nil {
			return "", err
		}
		return strings.TrimSpace(text.String()), nil
	}
}
