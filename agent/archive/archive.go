// Package archive unpacks tar.gz and zip archives that may be hostile, and packs directories.
//
// An archive is read to its end and checked before the first byte of it is written, and checked again while it is
// written. What would lie outside the directory, links that lead out of it, devices and bombs are refused, never
// left out or mended.
package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"unicode/utf8"

	"hostler/agent/space"
	"hostler/agent/state"
)

// ErrRefused says that something is no archive, or none that may be unpacked.
var ErrRefused = errors.New("the archive is refused")

// Bounds limit what an archive may hold.
type Bounds struct {
	Bytes int64 // of all files together, unpacked
	Count int   // of entries
	Ratio int64 // of unpacked to packed; looked at beyond ratioFrom bytes
}

// DefaultBounds are generous for a program and its files.
var DefaultBounds = Bounds{Bytes: 4 << 30, Count: 100_000, Ratio: 200}

const (
	ratioFrom = 16 << 20 // bytes
	maxName   = 1024     // bytes of a path
)

// kind is what an entry is.
type kind int

const (
	directory kind = iota
	file
	symlink
	hardlink
)

// entry is one member of an archive.
type entry struct {
	name    string // clean, relative, with slashes
	kind    kind
	mode    fs.FileMode // permission bits only
	target  string      // of a link
	content io.Reader   // of a file
}

// walker calls visit for every entry of an archive, in order.
type walker func(ctx context.Context, f *os.File, visit func(*entry) error) error

// Unpack unpacks the archive f into dir, which must exist and be empty. After an error dir may hold part of it;
// where ErrRefused is the reason it holds nothing, unless the archive changed meanwhile.
func Unpack(ctx context.Context, f *os.File, dir string, bounds Bounds) error {
	walk, err := detect(f)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("cannot read the archive: %w", err)
	}
	first := newCheck(bounds, info.Size())
	err = walk(ctx, f, func(e *entry) error {
		if err := first.admit(e); err != nil || e.kind != file {
			return err
		}
		_, err := io.Copy(io.Discard, first.count(e.content))
		return err
	})
	if err != nil {
		return err
	}
	if err := space.Enough(dir, first.bytes); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("cannot unpack the archive: %w", err)
	}
	defer func() { _ = root.Close() }() // what was written through it has been forced to the disk
	again := newCheck(bounds, info.Size())
	var directories []string
	err = walk(ctx, f, func(e *entry) error {
		if err := again.admit(e); err != nil {
			return err
		}
		if e.kind == directory {
			directories = append(directories, e.name)
		}
		return write(root, e, again)
	})
	if err != nil {
		return err
	}
	return syncAll(dir, directories)
}

func detect(f *os.File) (walker, error) {
	magic := make([]byte, 4)
	n, err := f.ReadAt(magic, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("cannot read the archive: %w", err)
	}
	switch text := string(magic[:n]); {
	case strings.HasPrefix(text, "\x1f\x8b"):
		return walkTar, nil
	case text == "PK\x03\x04" || text == "PK\x05\x06":
		return walkZip, nil
	}
	return nil, refuse("it is neither tar.gz nor zip")
}

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrRefused, fmt.Sprintf(format, args...))
}

// check holds the entries of one archive to the rules.
type check struct {
	bounds Bounds
	packed int64
	bytes  int64
	counts int
	seen   map[string]kind // every entry, and the directories above it
}

func newCheck(bounds Bounds, packed int64) *check {
	return &check{bounds: bounds, packed: packed, seen: map[string]kind{}}
}

// admit refuses an entry that may not be there, and notes it.
func (c *check) admit(e *entry) error {
	if c.counts++; c.counts > c.bounds.Count {
		return refuse("it has more than %d entries", c.bounds.Count)
	}
	name, err := cleanName(e.name)
	if err != nil {
		return err
	}
	e.name = name
	for above := path.Dir(e.name); above != "."; above = path.Dir(above) {
		if what, known := c.seen[above]; known && what != directory {
			return refuse("%q lies below what is no directory", e.name)
		}
		c.seen[above] = directory
	}
	if what, known := c.seen[e.name]; known && (what != directory || e.kind != directory) {
		return refuse("%q is in it twice", e.name)
	}
	c.seen[e.name] = e.kind
	switch e.kind {
	case symlink:
		return checkSymlink(e)
	case hardlink:
		if e.target, err = cleanName(e.target); err != nil {
			return err
		}
		if what, known := c.seen[e.target]; !known || what != file {
			return refuse("%q is a link to %q, which is no file of it", e.name, e.target)
		}
	case directory, file:
	}
	return nil
}

// cleanName returns a name without superfluous elements; "." is the directory itself.
func cleanName(name string) (string, error) {
	switch {
	case len(name) > maxName || !utf8.ValidString(name):
		return "", refuse("a name is too long or not UTF-8: %.80q", name)
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' }):
		return "", refuse("a name has a control character or a backslash: %.80q", name)
	case strings.HasPrefix(name, "/"):
		return "", refuse("it has an absolute path: %.80q", name)
	}
	for element := range strings.SplitSeq(name, "/") {
		if element == ".." {
			return "", refuse("it has a path that leads out of it: %.80q", name)
		}
		if len(element) > 255 {
			return "", refuse("a name is too long: %.80q", name)
		}
	}
	return path.Clean(name), nil
}

// checkSymlink lets a link lead anywhere inside. Its own directory is a real one, for nothing lies below a link;
// so counting the ".." at its beginning says where it leads, and a later ".." could not be trusted.
func checkSymlink(e *entry) error {
	if e.target == "" || len(e.target) > maxName || strings.HasPrefix(e.target, "/") || strings.ContainsRune(e.target, 0) {
		return refuse("%q is a link that leads out of it: %.80q", e.name, e.target)
	}
	depth, down := strings.Count(e.name, "/"), false
	for element := range strings.SplitSeq(e.target, "/") {
		switch element {
		case "..":
			depth--
			if down || depth < 0 {
				return refuse("%q is a link that leads out of it: %.80q", e.name, e.target)
			}
		case ".", "":
		default:
			down = true
		}
	}
	return nil
}

// count lets through what the bounds allow.
func (c *check) count(content io.Reader) io.Reader { return &counted{c, content} }

type counted struct {
	*check
	from io.Reader
}

func (r *counted) Read(p []byte) (int, error) {
	n, err := r.from.Read(p)
	r.bytes += int64(n)
	if r.bytes > r.bounds.Bytes {
		return n, refuse("it unpacks to more than %d bytes", r.bounds.Bytes)
	}
	if r.bytes > ratioFrom && r.bytes/max(r.packed, 1) > r.bounds.Ratio {
		return n, refuse("it unpacks to more than %d times its size", r.bounds.Ratio)
	}
	return n, err
}

// write writes one entry below root. A mode keeps its permissions and loses what would give rights away.
func write(root *os.Root, e *entry, c *check) error {
	if above := path.Dir(e.name); above != "." {
		if err := root.MkdirAll(above, 0o755); err != nil {
			return fmt.Errorf("cannot unpack the archive: %w", err)
		}
	}
	var err error
	switch e.kind {
	case directory:
		if e.name != "." {
			err = root.MkdirAll(e.name, 0o755)
		}
	case file:
		return writeFile(root, e, c)
	case symlink:
		err = root.Symlink(e.target, e.name)
	case hardlink:
		err = root.Link(e.target, e.name)
	}
	if err != nil {
		return fmt.Errorf("cannot unpack the archive: %w", err)
	}
	return nil
}

func writeFile(root *os.Root, e *entry, c *check) error {
	f, err := root.OpenFile(e.name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("cannot unpack the archive: %w", err)
	}
	_, err = io.Copy(f, c.count(e.content))
	if err == nil {
		err = f.Chmod(e.mode&0o755 | 0o400)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("cannot unpack the archive: %w", err)
	}
	return nil
}

// syncAll makes the names in the directories durable.
func syncAll(dir string, directories []string) error {
	for _, name := range append(directories, ".") {
		if err := state.SyncDir(path.Join(dir, name)); err != nil {
			return fmt.Errorf("cannot unpack the archive: %w", err)
		}
	}
	return nil
}
