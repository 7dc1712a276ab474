package apt

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ulikunitz/xz"
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
}

// Write puts the suite's index below root/dists. Packages of other architectures than the suite's are left out;
// those of architecture "all" belong to each.
func Write(root string, suite Suite, packages []Package, key Signer) error {
	dir := filepath.Join(root, "dists", suite.Name)
	var entries []string
	for _, arch := range suite.Architectures {
		lines, err := writePackages(dir, "main/binary-"+arch, ofArch(packages, arch))
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

func ofArch(packages []Package, arch string) []Package {
	return slices.DeleteFunc(slices.Clone(packages), func(p Package) bool {
		own := p.Field("Architecture")
		return own != arch && own != "all"
	})
}

// writePackages returns the lines that describe what it wrote in Release.
func writePackages(dir, section string, packages []Package) ([]string, error) {
	stanzas := make([]string, len(packages))
	for i, p := range packages {
		stanzas[i] = p.stanza()
	}
	plain := []byte(strings.Join(stanzas, "\n"))
	zipped, err := gzipped(plain)
	if err != nil {
		return nil, err
	}
	xzipped, err := xzipped(plain)
	if err != nil {
		return nil, err
	}
	byHash := filepath.Join(dir, filepath.FromSlash(section), "by-hash", "SHA256")
	if err := os.MkdirAll(byHash, 0o750); err != nil {
		return nil, err
	}
	var lines []string
	for _, file := range []struct {
		name string
		data []byte
	}{{"Packages", plain}, {"Packages.gz", zipped}, {"Packages.xz", xzipped}} {
		sum := sha256.Sum256(file.data)
		digest := hex.EncodeToString(sum[:])
		name := section + "/" + file.name
		err := errors.Join(
			os.WriteFile(filepath.Join(dir, filepath.FromSlash(name)), file.data, 0o600),
			os.WriteFile(filepath.Join(byHash, digest), file.data, 0o600))
		if err != nil {
			return nil, err
		}
		lines = append(lines, fmt.Sprintf(" %s %d %s\n", digest, len(file.data), name))
	}
	return lines, nil
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

func gzipped(data []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	_, err = w.Write(data)
	err = errors.Join(err, w.Close())
	return out.Bytes(), err
}

// xzDictionary bounds the memory of a client that unpacks the list; the library's own default, 8 MiB, also makes
// packing a short list needlessly slow.
const xzDictionary = 1 << 20

func xzipped(data []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := xz.WriterConfig{DictCap: xzDictionary}.NewWriter(&out)
	if err != nil {
		return nil, err
	}
	_, err = w.Write(data)
	err = errors.Join(err, w.Close())
	return out.Bytes(), err
}
