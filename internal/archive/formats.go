package archive

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"strings"
)

func walkTar(c *check, f *os.File, _ int64) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("cannot read the archive: %w", err)
	}
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		return c.blame(err)
	}
	content := &counted{c, unzipped}
	entries := tar.NewReader(content)
	for {
		header, err := entries.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return c.blame(err)
		}
		e, err := tarEntry(header, entries)
		if err != nil {
			return err
		}
		if e == nil {
			continue
		}
		if err := c.take(e); err != nil {
			return err
		}
	}
	_, err = io.Copy(io.Discard, &blamed{c, content})
	return err
}

// tarEntry returns nil for what only describes others.
func tarEntry(header *tar.Header, content io.Reader) (*Entry, error) {
	e := &Entry{Name: header.Name, Mode: fs.FileMode(header.Mode) & fs.ModePerm, Target: header.Linkname}
	switch header.Typeflag {
	case tar.TypeReg:
		e.Kind, e.Content = File, content
	case tar.TypeDir:
		e.Kind = Directory
	case tar.TypeSymlink:
		e.Kind = Symlink
	case tar.TypeLink:
		e.Kind = Hardlink
	case tar.TypeXGlobalHeader:
		return nil, nil
	default:
		return nil, refuse("%.80q is neither file, directory nor link", header.Name)
	}
	return e, nil
}

// A zip's list of members is in memory as a whole, so it is bounded before it is read.
const maxDirectory = 16 << 20 // bytes

func walkZip(c *check, f *os.File, size int64) error {
	if err := c.countMembers(f, size); err != nil {
		return err
	}
	directory := &limited{f, maxDirectory}
	archive, err := zip.NewReader(directory, size)
	if err != nil {
		return c.blame(err)
	}
	directory.left = math.MaxInt64 // what comes now is content
	for _, member := range archive.File {
		if err := c.takeMember(member); err != nil {
			return err
		}
	}
	return nil
}

// countMembers refuses a zip64 file by the number of members that it claims: archive/zip takes memory for as many.
// Without zip64 the number has 16 bits.
func (c *check) countMembers(f io.ReaderAt, size int64) error {
	const (
		locator   = "PK\x06\x07" // names the place of
		end       = "PK\x06\x06" // which holds the number
		tailMost  = 20 + 22 + 1<<16
		offsetAt  = 8
		membersAt = 32
	)
	tail := make([]byte, min(size, tailMost))
	if _, err := f.ReadAt(tail, size-int64(len(tail))); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("cannot read the archive: %w", err)
	}
	for {
		at := bytes.Index(tail, []byte(locator))
		if at < 0 || len(tail) < at+offsetAt+8 {
			return nil
		}
		var record [membersAt + 8]byte
		if _, err := f.ReadAt(record[:], int64(binary.LittleEndian.Uint64(tail[at+offsetAt:])&math.MaxInt64)); err == nil &&
			string(record[:4]) == end && binary.LittleEndian.Uint64(record[membersAt:]) > uint64(c.bounds.Count) {
			return refuse("it has more than %d entries", c.bounds.Count)
		}
		tail = tail[at+len(locator):]
	}
}

// limited reads so much and no more.
type limited struct {
	io.ReaderAt
	left int64
}

func (l *limited) ReadAt(p []byte, at int64) (int, error) {
	n, err := l.ReaderAt.ReadAt(p, at)
	if l.left -= int64(n); l.left < 0 {
		return 0, refuse("its list of members has more than %d bytes", maxDirectory)
	}
	return n, err
}

func (c *check) takeMember(member *zip.File) error {
	if member.Flags&1 != 0 {
		return refuse("%.80q is encrypted", member.Name)
	}
	e := &Entry{Name: member.Name, Mode: member.Mode() & fs.ModePerm}
	unzipped, err := member.Open()
	if err != nil {
		return c.blame(err)
	}
	defer func() { _ = unzipped.Close() }() // only read
	content := &counted{c, unzipped}
	switch kind := member.Mode().Type(); {
	case kind.IsDir() || strings.HasSuffix(member.Name, "/"):
		e.Kind = Directory
	case kind == fs.ModeSymlink:
		target, err := io.ReadAll(io.LimitReader(content, maxName+1))
		if err != nil {
			return c.blame(err)
		}
		e.Kind, e.Target = Symlink, string(target)
	case kind.IsRegular():
		e.Kind, e.Content = File, content
	default:
		return refuse("%.80q is neither file, directory nor link", member.Name)
	}
	return c.take(e)
}
