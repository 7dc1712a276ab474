package repo

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"hostler/repo/apt"
	"hostler/repo/yum"
)

// Kind is what a repository holds and for whom.
type Kind string

// The kinds of repositories.
const (
	Apt     Kind = "apt"     // debs, for apt
	Yum     Kind = "yum"     // rpms, for yum, dnf and zypper
	Archive Kind = "archive" // tar.gz and zip archives, for child agents and hosts without a package manager
)

// Kinds lists all.
var Kinds = []Kind{Apt, Yum, Archive}

// Package is a stored package. It never changes.
type Package struct {
	Digest   string    `json:"digest"`           // of the file, hex SHA-256
	Source   string    `json:"source,omitempty"` // of what was uploaded, where that was signed anew
	Kind     Kind      `json:"kind"`
	File     string    `json:"file"` // its name
	Size     int64     `json:"size"` // bytes
	Name     string    `json:"name"`
	Version  string    `json:"version"`
	Arch     string    `json:"arch"`
	Summary  string    `json:"summary"`
	Unsigned bool      `json:"unsigned,omitempty"` // an rpm that had no signature when it came
	Key      string    `json:"key,omitempty"`      // fingerprint of the key that signed an rpm
	Vouched  string    `json:"vouched,omitempty"`  // fingerprint of the key whose signature was checked when it came
	Uploaded time.Time `json:"uploaded"`
	By       string    `json:"by"`
	Origin   *Origin   `json:"origin,omitempty"` // of one that is fetched, or was, when somebody asked for it
}

// Detail is what only a look at one package needs.
type Detail struct {
	Description string    `json:"description"`
	URL         string    `json:"url"`
	License     string    `json:"license"`
	Maintainer  string    `json:"maintainer"`
	Installed   int64     `json:"installed"` // bytes
	Requires    []string  `json:"requires"`
	Provides    []string  `json:"provides"`
	Conflicts   []string  `json:"conflicts"`
	Recommends  []string  `json:"recommends"`
	Files       []string  `json:"files"`
	Changes     []Changed `json:"changes,omitempty"`
}

// Changed is an entry of a package's changelog.
type Changed struct {
	At     time.Time `json:"at"`
	Author string    `json:"author"`
	Text   string    `json:"text"`
}

// Files of a stored package.
const (
	recordFile  = "record.json"
	detailFile  = "detail.json"
	contentFile = "file"
	stanzaFile  = "stanza" // of an apt list
)

// packageDir is where a package is, complete or not at all.
func (s *Store) packageDir(digest string) string {
	return filepath.Join(s.dir, packagesDir, digest[:2], digest)
}

// pools are the directories that packages seem to be in.
var pools = map[Kind]string{Apt: "pool/", Yum: "packages/", Archive: "files/"}

// Path is where a package is served, below wire.PathRepo and a repository's name.
func (p *Package) Path() string {
	return pools[p.Kind] + p.Digest + "/" + p.File
}

// compareVersions orders versions as the package manager of a kind does.
func compareVersions(kind Kind, a, b string) int {
	if kind == Yum {
		return yum.Compare(a, b)
	}
	return apt.Compare(a, b)
}

// comparePackages orders by name, then newest first, then architecture.
func comparePackages(a, b *Package) int {
	return cmp.Or(strings.Compare(a.Name, b.Name), -compareVersions(a.Kind, a.Version, b.Version),
		strings.Compare(a.Arch, b.Arch), strings.Compare(a.Digest, b.Digest))
}

// loaders is how many packages are read at the same time at start.
const loaders = 8

// loadPackages reads the records of all stored packages.
func (s *Store) loadPackages() error {
	names, err := filepath.Glob(filepath.Join(s.dir, packagesDir, "??", "*"))
	if err != nil {
		return err
	}
	jobs, failed := make(chan string), make([]error, loaders)
	var readers sync.WaitGroup
	for i := range loaders {
		readers.Go(func() {
			for dir := range jobs {
				var p Package
				if err := readJSON(filepath.Join(dir, recordFile), &p); err != nil {
					failed[i] = errors.Join(failed[i], err)
					continue
				}
				s.mu.Lock()
				s.keep(&p)
				s.mu.Unlock()
			}
		})
	}
	for _, dir := range names {
		jobs <- dir
	}
	close(jobs)
	readers.Wait()
	return errors.Join(failed...)
}

// keep makes a package known. s.mu is held. What was promised is absent until its content is there. Of several that were made of one upload, that with the signature of the
// key of now stands for it.
func (s *Store) keep(p *Package) {
	s.packages[p.Digest] = p
	if p.Origin != nil {
		if _, err := os.Stat(filepath.Join(s.packageDir(p.Digest), contentFile)); errors.Is(err, os.ErrNotExist) {
			s.absent[p.Digest] = true
		}
	}
	if p.Source != "" && (s.sources[p.Source] == "" || s.isSigned(p)) {
		s.sources[p.Source] = p.Digest
	}
}

// Package finds a stored package by its digest.
func (s *Store) Package(digest string) (*Package, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	p, found := s.packages[digest]
	if !found {
		return nil, ErrNotFound
	}
	return p, nil
}

// PackageOf finds a package that a repository has in one of its snapshots.
func (s *Store) PackageOf(repository, digest string) (*Package, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r := s.repositories[repository]
	if r == nil || r.uses[digest] == 0 {
		return nil, ErrNotFound
	}
	return s.packages[digest], nil
}

// Detail reads what only a look at one package needs.
func (s *Store) Detail(digest string) (*Detail, error) {
	if _, err := s.Package(digest); err != nil {
		return nil, err
	}
	var d Detail
	err := readJSON(filepath.Join(s.packageDir(digest), detailFile), &d)
	if errors.Is(err, os.ErrNotExist) {
		return nil, ErrNotFound
	}
	return &d, err
}

// archiveName takes "name-1.2.3-linux-amd64.tar.gz" apart; the version and the architecture may be missing.
var archiveName = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9._+~]*(?:-[A-Za-z][A-Za-z0-9._+~]*)*?)(?:[-_]v?([0-9][A-Za-z0-9.+~]*))?(?:[-_](?:linux[-_])?(amd64|x86_64|arm64|aarch64|all|noarch))?\.(?:tar\.gz|tgz|zip)$`)
