// Package piece makes the lists of a repository's index out of pieces that are kept compressed, so that a list of
// thousands of packages costs one piece's work when one package is added. Joined pieces are one valid file: gzip by
// its members (RFC 1952, 2.2), xz by its blocks (the xz file format, 3). The package knows nothing of packages.
package piece

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"time"

	"github.com/ulikunitz/xz"
)

// Piece is a part of a list, plain and compressed.
type Piece struct {
	Plain []byte
	Gzip  []byte // whole members
	XZ    []byte // one whole stream, or nothing where no xz list is made
}

// Bounds of what packing looks back: the memory of a client that unpacks the list. More than the text would gain nothing, and
// the tables for it take longer to make than a short text to pack.
const (
	mostDictionary  = 1 << 20
	leastDictionary = 4 << 10 // the library's
)

// Make compresses text.
func Make(text []byte, withXZ bool) (Piece, error) {
	p := Piece{Plain: text}
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return p, err
	}
	_, err = w.Write(text)
	if err := errors.Join(err, w.Close()); err != nil {
		return p, err
	}
	p.Gzip = out.Bytes()
	if !withXZ {
		return p, nil
	}
	var packed bytes.Buffer
	x, err := xz.WriterConfig{DictCap: min(max(len(text), leastDictionary), mostDictionary), CheckSum: xz.CRC32}.NewWriter(&packed)
	if err != nil {
		return p, err
	}
	_, err = x.Write(text)
	if err := errors.Join(err, x.Close()); err != nil {
		return p, err
	}
	p.XZ = packed.Bytes()
	return p, nil
}

// Cache keeps pieces in a directory. One that was damaged, or not written whole, is made anew.
type Cache struct {
	dir, unfinished string
	now             func() time.Time
}

// NewCache keeps pieces in dir, which is made when it is needed. They are written in unfinished, which must be on the
// same disk; whoever owns that removes what is left over there. now is the clock of when pieces were used.
func NewCache(dir, unfinished string, now func() time.Time) *Cache {
	return &Cache{dir, unfinished, now}
}

// Get returns the piece that key stands for and makes it from text when it is not there. Whoever makes keys must
// give another one to everything that makes another text.
func (c *Cache) Get(key [sha256.Size]byte, withXZ bool, text func() ([]byte, error)) (Piece, error) {
	name := hex.EncodeToString(key[:])
	file := filepath.Join(c.dir, name[:2], name)
	if p, ok := c.load(file); ok && (p.XZ != nil) == withXZ {
		return p, nil
	}
	plain, err := text()
	if err != nil {
		return Piece{}, err
	}
	p, err := Make(plain, withXZ)
	if err != nil {
		return Piece{}, fmt.Errorf("cannot compress a part of the index: %w", err)
	}
	if err := c.store(file, p); err != nil {
		return Piece{}, fmt.Errorf("cannot keep a part of the index: %w", err)
	}
	return p, nil
}

// headSize is the checksum of a kept piece and the lengths of its three parts.
const headSize = sha256.Size + 3*8

// load reads a kept piece; false when there is none that is whole. Its file is marked as used.
func (c *Cache) load(file string) (Piece, bool) {
	data, err := os.ReadFile(file)
	if err != nil || len(data) < headSize {
		return Piece{}, false
	}
	if sum := sha256.Sum256(data[sha256.Size:]); !bytes.Equal(sum[:], data[:sha256.Size]) {
		return Piece{}, false
	}
	var parts [3][]byte
	rest := data[headSize:]
	for i := range parts {
		size := binary.BigEndian.Uint64(data[sha256.Size+8*i:])
		if size > uint64(len(rest)) {
			return Piece{}, false
		}
		parts[i], rest = rest[:size:size], rest[size:]
	}
	_ = c.use(file) // at worst it is swept too early, and made again
	p := Piece{Plain: parts[0], Gzip: parts[1]}
	if len(parts[2]) > 0 {
		p.XZ = parts[2]
	}
	return p, true
}

// store writes beside and renames. Nothing is forced to the disk: the checksum tells what did not get there.
func (c *Cache) store(file string, p Piece) error {
	var body []byte
	for _, part := range [][]byte{p.Plain, p.Gzip, p.XZ} {
		body = binary.BigEndian.AppendUint64(body, uint64(len(part)))
	}
	body = append(append(append(body, p.Plain...), p.Gzip...), p.XZ...)
	sum := sha256.Sum256(body)
	if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
		return err
	}
	temp, err := os.CreateTemp(c.unfinished, "piece-*")
	if err != nil {
		return err
	}
	_, err = temp.Write(append(sum[:], body...))
	if err = errors.Join(err, temp.Close(), c.use(temp.Name())); err == nil {
		err = os.Rename(temp.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	return nil
}

// use marks a kept piece as used.
func (c *Cache) use(file string) error { return os.Chtimes(file, time.Time{}, c.now()) }

// Sweep removes the pieces that were not used since before.
func (c *Cache) Sweep(before time.Time) error {
	err := filepath.WalkDir(c.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		stat, err := entry.Info()
		if err == nil && stat.ModTime().Before(before) {
			err = os.Remove(path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Join writes one list out of pieces: plain, gzip and, unless xz is nil, xz. The pieces come one by one, so that a
// long list is never in memory as a whole.
func Join(pieces iter.Seq2[Piece, error], plain, gz, xz io.Writer) error {
	var joined xzJoin
	for p, err := range pieces {
		if err != nil {
			return err
		}
		if _, err := plain.Write(p.Plain); err != nil {
			return err
		}
		if _, err := gz.Write(p.Gzip); err != nil {
			return err
		}
		if xz != nil {
			if err := joined.add(xz, p.XZ); err != nil {
				return err
			}
		}
	}
	if xz != nil {
		return joined.end(xz)
	}
	return nil
}
