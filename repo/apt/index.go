package apt

import (
	"bytes"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"time"

	"hostler/repo/piece"
)

// Signer makes the two signatures of a Release file.
type Signer interface {
	DetachedArmored(message []byte) ([]byte, error)
	ClearSigned(message []byte) ([]byte, error)
}

// Suite is one suite of a repository with a single component, main.
type Suite struct {
	Name          string
	Architectures []string // Debian's names
	Date          time.Time
	// Packages lists the digests of the packages of one architecture, without those of "all".
	Packages map[string][]string
	// Stanza reads the paragraph of the package with a digest, as Package.Stanza made it.
	Stanza func(digest string) ([]byte, error)
}

// All is the architecture of packages that belong to each.
const All = "all"

// listKind names what is in a kept piece; the number is that of its layout.
const listKind = "apt 1"

// Write puts the suite's index below root/dists. Packages of other architectures than the suite's are left out;
// those of architecture "all" belong to each. cache keeps pieces of lists from one time to the next.
func Write(root string, suite Suite, cache *piece.Cache, key Signer) error {
	dir := filepath.Join(root, "dists", suite.Name)
	var entries []string
	for _, arch := range suite.Architectures {
		lines, err := suite.writePackages(dir, arch, cache)
		if err != nil {
			return fmt.Errorf("cannot write the package list for %s: %w", arch, err)
		}
		entries = append(entries, lines...)
	}
	release := suite.release(entries)
	detached, err := key.DetachedArmored(release)
	if err != nil {
		return fmt.Errorf("cannot sign Release: %w", err)
	}
	inline, err := key.ClearSigned(release)
	if err != nil {
		return fmt.Errorf("cannot sign InRelease: %w", err)
	}
	for name, data := range map[string][]byte{"Release": release, "Release.gpg": detached, "InRelease": inline} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return fmt.Errorf("cannot write %s: %w", name, err)
		}
	}
	return nil
}

// writePackages returns the lines that describe what it wrote in Release.
func (s Suite) writePackages(dir, arch string, cache *piece.Cache) ([]string, error) {
	section := "main/binary-" + arch
	byHash := filepath.Join(dir, filepath.FromSlash(section), "by-hash", "SHA256")
	if err := os.MkdirAll(byHash, 0o750); err != nil {
		return nil, err
	}
	names := []string{"Packages", "Packages.gz", "Packages.xz"}
	outs := make([]*piece.Output, len(names))
	for i, name := range names {
		out, err := piece.Create(filepath.Join(dir, filepath.FromSlash(section), name))
		if err != nil {
			return nil, err
		}
		defer func() { _ = out.Close() }() // closed below when all went well
		outs[i] = out
	}
	if err := piece.Join(s.pieces(arch, cache), outs[0], outs[1], outs[2]); err != nil {
		return nil, err
	}
	var lines []string
	for i, out := range outs {
		if err := out.Close(); err != nil {
			return nil, err
		}
		file := filepath.Join(dir, filepath.FromSlash(section), names[i])
		if err := os.Link(file, filepath.Join(byHash, out.SHA256())); err != nil {
			return nil, err
		}
		lines = append(lines, fmt.Sprintf(" %s %d %s/%s\n", out.SHA256(), out.Size(), section, names[i]))
	}
	return lines, nil
}

// pieces are the parts of one architecture's list.
func (s Suite) pieces(arch string, cache *piece.Cache) iter.Seq2[piece.Piece, error] {
	return func(yield func(piece.Piece, error) bool) {
		digests := s.Packages[arch]
		if arch != All {
			digests = append(digests[:len(digests):len(digests)], s.Packages[All]...)
		}
		if len(digests) == 0 {
			yield(piece.Make(nil, true))
			return
		}
		for _, run := range piece.Cut(digests) {
			p, err := cache.Get(piece.Key(listKind, run), true, func() ([]byte, error) { return s.text(run) })
			if !yield(p, err) || err != nil {
				return
			}
		}
	}
}

func (s Suite) text(run []string) ([]byte, error) {
	var text []byte
	for _, digest := range run {
		stanza, err := s.Stanza(digest)
		if err != nil {
			return nil, err
		}
		text = append(append(text, stanza...), '\n')
	}
	return text, nil
}

func (s Suite) release(entries []string) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "Origin: Hostler\nLabel: Hostler\nSuite: %s\nCodename: %s\n", s.Name, s.Name)
	fmt.Fprintf(&out, "Date: %s\n", s.Date.UTC().Format("Mon, 02 Jan 2006 15:04:05 UTC"))
	fmt.Fprintf(&out, "Architectures: %s\nComponents: main\n", strings.Join(s.Architectures, " "))
	fmt.Fprintf(&out, "Description: Hostler packages\nAcquire-By-Hash: yes\nSHA256:\n")
	out.WriteString(strings.Join(entries, ""))
	return out.Bytes()
}
