// Package archive reads tar.gz and zip archives that may be hostile. The server looks through one before hosts get
// it, and the agent while it unpacks it, by the same rules: what would lie outside the directory, links that lead
// out of it, devices and bombs are refused, never left out or mended. The package writes nothing.
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
)

// ErrRefused says that something is no archive, or none that may be unpacked.
var ErrRefused = errors.New("the archive is refused")

// Bounds limit what an archive may hold.
type Bounds struct {
	Bytes int64 // that it unpacks to
	Count int   // of entries and of the directories above them
	Names int64 // bytes of all names and targets of links together
	Ratio int64 // of unpacked to packed; looked at beyond ratioFrom bytes
}

// DefaultBounds are generous for a program and its files.
var DefaultBounds = Bounds{Bytes: 4 << 30, Count: 100_000, Names: 16 << 20, Ratio: 200}

const (
	ratioFrom = 16 << 20 // bytes
	maxName   = 1024     // bytes of a path
)

// Kind is what an entry is.
type Kind int

// The kinds of entries.
const (
	Directory Kind = iota
	File
	Symlink
	Hardlink
)

// Entry is one member of an archive.
type Entry struct {
	Name    string // clean, relative, with slashes; "." is the directory that the archive is unpacked in
	Kind    Kind
	Mode    fs.FileMode // permission bits only
	Target  string      // of a link; that of a hard link is the name of an earlier file
	Content io.Reader   // of a file; what visit leaves of it is read to its end
}

// Walk reads an archive to its end, where the checksums are, and calls visit for every entry in order. It returns how
// many bytes it unpacks to. The error wraps ErrRefused when the archive is to blame, and is visit's own
// when that had one.
func Walk(ctx context.Context, f *os.File, bounds Bounds, visit func(*Entry) error) (int64, error) {
	walk, err := detect(f)
	if err != nil {
		return 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return 0, fmt.Errorf("cannot read the archive: %w", err)
	}
	c := &check{ctx: ctx, bounds: bounds, packed: info.Size(), visit: visit, seen: map[string]Kind{}}
	err = walk(c, f, info.Size())
	return c.bytes, err
}

// walker gives a check every entry of an archive.
type walker func(c *check, f *os.File, size int64) error

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
	ctx    context.Context //nolint:containedctx // a reader's method has no place for one
	bounds Bounds
	packed int64
	visit  func(*Entry) error

	bytes, names int64
	seen         map[string]Kind // every entry, and the directories above it
}

// take checks an entry, has it visited and reads what is left of it.
func (c *check) take(e *Entry) error {
	if err := c.admit(e); err != nil {
		return err
	}
	if e.Kind != File {
		return c.visit(e)
	}
	e.Content = &blamed{c, e.Content}
	if err := c.visit(e); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, e.Content)
	return err
}

// admit refuses an entry that may not be there, and notes it.
func (c *check) admit(e *Entry) error {
	name, err := cleanName(e.Name)
	if err != nil {
		return err
	}
	e.Name = name
	if c.names += int64(len(e.Name) + len(e.Target)); c.names > c.bounds.Names {
		return refuse("its names have more than %d bytes together", c.bounds.Names)
	}
	for above := path.Dir(e.Name); above != "."; above = path.Dir(above) {
		what, known := c.seen[above]
		if known && what != Directory {
			return refuse("%q lies below what is no directory", e.Name)
		}
		if known {
			break // and so are those above it
		}
		c.seen[above] = Directory
	}
	if e.Name == "." && e.Kind != Directory {
		return refuse("it has an entry without a name")
	}
	if what, known := c.seen[e.Name]; known && (what != Directory || e.Kind != Directory) {
		return refuse("%q is in it twice", e.Name)
	}
	c.seen[e.Name] = e.Kind
	if len(c.seen) > c.bounds.Count {
		return refuse("it has more than %d entries", c.bounds.Count)
	}
	switch e.Kind {
	case Symlink:
		return checkSymlink(e)
	case Hardlink:
		if e.Target, err = cleanName(e.Target); err != nil {
			return err
		}
		if what, known := c.seen[e.Target]; !known || what != File {
			return refuse("%q is a link to %q, which is no file of it", e.Name, e.Target)
		}
	case Directory, File:
	}
	return nil
}

// cleanName returns a name without superfluous elements; "." is the directory itself.
func cleanName(name string) (string, error) {
	switch {
	case len(name) > maxName || !utf8.ValidString(name):
		return "", refuse("a name has more than %d bytes or is not UTF-8: %.80q", maxName, name)
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
func checkSymlink(e *Entry) error {
	if e.Target == "" || len(e.Target) > maxName || strings.HasPrefix(e.Target, "/") || strings.ContainsRune(e.Target, 0) {
		return refuse("%q is a link that leads out of it: %.80q", e.Name, e.Target)
	}
	depth, down := strings.Count(e.Name, "/"), false
	for element := range strings.SplitSeq(e.Target, "/") {
		switch element {
		case "..":
			depth--
			if down || depth < 0 {
				return refuse("%q is a link that leads out of it: %.80q", e.Name, e.Target)
			}
		case ".", "":
		default:
			down = true
		}
	}
	return nil
}

// counted lets through what the bounds allow.
type counted struct {
	*check
	from io.Reader
}

func (r *counted) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
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

// blamed tells the archive's faults from those of whoever visits it.
type blamed struct {
	*check
	from io.Reader
}

func (r *blamed) Read(p []byte) (int, error) {
	n, err := r.from.Read(p)
	if err == nil || errors.Is(err, io.EOF) {
		return n, err
	}
	return n, r.blame(err)
}

// blame makes an error of reading a refusal, unless it is one already, the disk's, or the end of the context.
func (c *check) blame(err error) error {
	var disk *fs.PathError
	switch {
	case err == nil || errors.Is(err, ErrRefused) || errors.As(err, &disk):
		return err
	case c.ctx.Err() != nil:
		return context.Cause(c.ctx)
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return refuse("it is cut off")
	}
	return refuse("it cannot be read: %v", err)
}
