package upstream

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/therootcompany/xz"
)

// Trust is what vouches for an upstream.
type Trust string

// What may vouch for an upstream.
const (
	TrustIndex    Trust = "index"    // a signature of its index
	TrustPackages Trust = "packages" // one of each package; only rpms have one
	TrustNothing  Trust = "nothing"  // the way to it: checksums are kept, but whoever answers makes them
)

// Source says where an upstream is, and which part of it counts.
type Source struct {
	Kind          string   `json:"kind"` // Apt or Yum
	URL           string   `json:"url"`
	Suite         string   `json:"suite,omitempty"`      // of apt
	Components    []string `json:"components,omitempty"` // of apt; none: all
	Architectures []string `json:"architectures"`        // none: all that it has
	Trust         Trust    `json:"trust"`
	Keys          string   `json:"keys,omitempty"`    // public keys as text; of TrustIndex and TrustPackages
	Expired       bool     `json:"expired,omitempty"` // an index that says that its time is over is taken, too
}

// Index is what an upstream has.
type Index struct {
	Kind     string
	Date     time.Time // that it says of itself
	Packages []*Package
}

// Package is one of an upstream.
type Package struct {
	Name, Version, Arch string
	Component           string // of apt
	Path                string // below the upstream's address
	Sum                 Sum
	Stanza              string // of apt: its paragraph

	provides []Relation
	files    []string
	needs    []need
	weak     []need // what it recommends
	unclear  []string
}

// Bounds of an index.
const (
	mostSigned   = 16 << 20 // bytes of the signed file
	mostList     = 4 << 30  // bytes of a list, unpacked
	mostPackages = 1_000_000
	mostStanza   = 4 << 20 // bytes of one package's part
)

// Reader reads an upstream's index.
type Reader struct {
	Client *Client
	Source Source
	Keys   *Keyring // nil with TrustNothing
	Dir    string   // for files under way, of which nothing stays
	Now    func() time.Time
}

// rounds is how often an index is read anew that changes while it is read.
const rounds = 3

// Read reads the index. One that changes meanwhile is read anew.
func (r *Reader) Read(ctx context.Context) (*Index, error) {
	for round := 1; ; round++ {
		index, err := r.read(ctx)
		if round == rounds || !changed(err) {
			return index, err
		}
		if err := r.Client.pause(ctx, round); err != nil {
			return nil, err
		}
	}
}

func (r *Reader) read(ctx context.Context) (*Index, error) {
	if r.Source.Kind == Yum {
		return r.readYum(ctx)
	}
	return r.readApt(ctx)
}

// list fetches a list that the index tells the sum of, and unpacks it as the ending of its name says.
func (r *Reader) list(ctx context.Context, where, ending string, want Sum, use func(io.Reader) error) error {
	if !fs.ValidPath(where) {
		return problem(CodeUnreadable, r.Source.URL, "its index names a list at %.120q, which is no path", where)
	}
	address := join(r.Source.URL, where)
	if !want.known() {
		return problem(CodeUnreadable, address, "the index tells no sha256 or sha512 of it")
	}
	file, err := os.CreateTemp(r.Dir, "list-*")
	if err != nil {
		return err
	}
	defer func() {
		_ = file.Close() // only read by now
		_ = os.Remove(file.Name())
	}()
	body := r.Client.Open(ctx, address, want)
	defer func() { _ = body.Close() }() // read to its end
	if _, err := io.Copy(file, body); err != nil {
		return err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	plain, closing, err := unpack(file, ending)
	if err == nil {
		err = use(&bounded{r: plain, left: mostList})
		closing()
	}
	if err != nil {
		return &Problem{Code: CodeUnreadable, What: address, Cause: "it cannot be understood", Err: err}
	}
	return nil
}

func unpack(file io.Reader, ending string) (io.Reader, func(), error) {
	switch ending {
	case ".gz":
		r, err := gzip.NewReader(file)
		return r, func() {}, err
	case ".xz":
		r, err := xz.NewReader(file, xz.DefaultDictMax)
		return r, func() {}, err
	case ".zst":
		r, err := zstd.NewReader(file, zstd.WithDecoderMaxMemory(mostList), zstd.WithDecoderMaxWindow(128<<20), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, nil, err
		}
		return r, r.Close, nil
	case "", ".xml":
		return file, func() {}, nil
	}
	return nil, nil, fmt.Errorf("its compression %q is not known", ending)
}

// bounded refuses what is longer than it should be.
type bounded struct {
	r    io.Reader
	left int64
}

func (b *bounded) Read(to []byte) (int, error) {
	n, err := b.r.Read(to)
	if b.left -= int64(n); b.left < 0 {
		return n, fmt.Errorf("it has more than %d bytes", int64(mostList))
	}
	return n, err
}

// add takes a package into the index, once.
func (ix *Index) add(p *Package, seen map[string]bool) error {
	switch {
	case !fs.ValidPath(p.Path) || strings.ContainsFunc(p.Path, func(r rune) bool { return r < ' ' || r == '\\' || r == 0x7f }):
		return fmt.Errorf("package %.80q is at %.120q, which is no path", p.Name, p.Path)
	case p.Name == "" || p.Version == "" || p.Arch == "":
		return fmt.Errorf("a package at %.120q has no name, version or architecture", p.Path)
	case !p.Sum.known():
		return fmt.Errorf("package %.80q has no sha256 or sha512", p.Name)
	case len(ix.Packages) == mostPackages:
		return fmt.Errorf("it has more than %d packages", mostPackages)
	}
	if key := p.Sum.Hex + p.Path; !seen[key] {
		seen[key] = true
		ix.Packages = append(ix.Packages, p)
	}
	return nil
}

// everywhere says whether a package is for every architecture.
func (p *Package) everywhere() bool { return p.Arch == "all" || p.Arch == "noarch" }

// wanted says whether packages of an architecture are wanted.
func (s *Source) wanted(arch string) bool {
	return len(s.Architectures) == 0 || arch == "all" || arch == "noarch" || slices.Contains(s.Architectures, arch)
}

// File is the package's file name.
func (p *Package) File() string { return path.Base(p.Path) }
