// Package archive looks through the archives that child agents are installed from, tar.gz and zip, before a host
// gets them: whole, without paths that lead out of where they are unpacked, without devices and bombs. It unpacks
// nothing to the disk.
package archive

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
)

// Bounds of what an archive may hold: those of the agent, which refuses what is beyond them.
const (
	maxBytes   = 4 << 30
	maxEntries = 100_000
	maxRatio   = 200
	ratioFrom  = 16 << 20
	maxName    = 1024
	maxTarget  = 4096
)

// Read reads an archive to its end and lists the files in it.
func Read(name string) ([]string, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	stat, err := f.Stat()
	if err != nil {
		return nil, err
	}
	c := &contents{packed: stat.Size()}
	magic := make([]byte, 4)
	if n, err := f.ReadAt(magic, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	} else if magic = magic[:n]; strings.HasPrefix(string(magic), "\x1f\x8b") {
		err := c.readTar(f)
		return c.files, err
	}
	if text := string(magic); text == "PK\x03\x04" || text == "PK\x05\x06" {
		err := c.readZip(f, stat.Size())
		return c.files, err
	}
	return nil, errors.New("it is neither tar.gz nor zip")
}

// contents collects what is in one archive.
type contents struct {
	packed int64
	bytes  int64
	count  int
	files  []string
}

func (c *contents) readTar(f io.Reader) error {
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		return cut(err)
	}
	entries := tar.NewReader(unzipped)
	for {
		h, err := entries.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return cut(err)
		}
		switch h.Typeflag {
		case tar.TypeDir:
			err = c.add(h.Name, false)
		case tar.TypeReg:
			if err = c.add(h.Name, true); err == nil {
				err = c.skip(entries)
			}
		case tar.TypeSymlink:
			err = c.link(h.Name, beside(h.Name, h.Linkname), h.Linkname)
		case tar.TypeLink:
			err = c.link(h.Name, h.Linkname, h.Linkname)
		case tar.TypeXGlobalHeader:
		default:
			err = fmt.Errorf("%.200q in it is neither a file, nor a directory, nor a link", h.Name)
		}
		if err != nil {
			return err
		}
	}
	// Only here are the checksums of what was packed.
	return c.skip(unzipped)
}

func (c *contents) readZip(f io.ReaderAt, size int64) error {
	z, err := zip.NewReader(f, size)
	if err != nil {
		return cut(err)
	}
	for _, entry := range z.File {
		mode := entry.Mode()
		switch {
		case mode.IsDir():
			err = c.add(entry.Name, false)
		case mode.IsRegular(), mode.Type() == fs.ModeSymlink:
			err = c.readZipped(entry)
		default:
			err = fmt.Errorf("%.200q in it is neither a file, nor a directory, nor a link", entry.Name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *contents) readZipped(entry *zip.File) error {
	content, err := entry.Open()
	if err != nil {
		return err
	}
	defer func() { _ = content.Close() }() // only read
	if entry.Mode().IsRegular() {
		if err := c.add(entry.Name, true); err != nil {
			return err
		}
		return c.skip(content)
	}
	target, err := io.ReadAll(io.LimitReader(content, maxTarget))
	if err != nil {
		return cut(err)
	}
	return c.link(entry.Name, beside(entry.Name, string(target)), string(target))
}

// add notes an entry, if it may be there.
func (c *contents) add(name string, file bool) error {
	if c.count++; c.count > maxEntries {
		return fmt.Errorf("it has more than %d entries", maxEntries)
	}
	if err := within(name); err != nil {
		return err
	}
	if file {
		c.files = append(c.files, path.Clean(name))
	}
	return nil
}

// link notes a link; leads is where it leads to from the archive's root.
func (c *contents) link(name, leads, target string) error {
	if err := within(leads); err != nil || path.IsAbs(target) {
		return fmt.Errorf("the link %.200q in it leads out of it", name)
	}
	return c.add(name, true)
}

// beside is where a link in the directory of name leads to.
func beside(name, target string) string { return path.Join(path.Dir(path.Clean(name)), target) }

// within refuses names that lead out of the directory that an archive is unpacked in.
func within(name string) error {
	clean := path.Clean(name)
	switch {
	case name == "" || len(name) > maxName,
		strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' }),
		path.IsAbs(name), clean == "..", strings.HasPrefix(clean, "../"):
		return fmt.Errorf("the name %.200q in it leads out of it or is no name", name)
	}
	return nil
}

// skip reads an entry, within the bounds of all.
func (c *contents) skip(r io.Reader) error {
	n, err := io.Copy(io.Discard, io.LimitReader(r, maxBytes-c.bytes+1))
	if c.bytes += n; c.bytes > maxBytes {
		return fmt.Errorf("unpacked it has more than %d bytes", int64(maxBytes))
	}
	if c.bytes > ratioFrom && c.bytes/maxRatio > c.packed {
		return fmt.Errorf("unpacked it is more than %d times as large", maxRatio)
	}
	return cut(err)
}

func cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("it is cut off")
	}
	return err
}
