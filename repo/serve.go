package repo

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"hostler/agent/wire"
)

// immutable matches paths below a repository that hold their content's digest.
var immutable = regexp.MustCompile(`^(pool/|packages/|files/|dists/.*/by-hash/|repodata/[0-9a-f]{64}-)`)

var contentTypes = map[string]string{
	".deb": "application/vnd.debian.binary-package",
	".rpm": "application/x-rpm",
	".gz":  "application/gzip",
	".tgz": "application/gzip",
	".zip": "application/zip",
	".xz":  "application/x-xz",
	".xml": "application/xml",
	".asc": "text/plain; charset=us-ascii",
	".gpg": "application/pgp-keys",
}

// Handler serves the repositories below wire.PathRepo; mount it there with the path left whole. It answers GET and
// HEAD, with ranges and validators, lists no directory, and answers 503 for the server's own repositories and the
// key until they are published:
//
//	/repo/key.asc, /repo/key.gpg                         the public key, or both while it is changed
//	/repo/NAME/dists/CHANNEL/…, /repo/NAME/pool/…        apt
//	/repo/NAME/CHANNEL/repodata/…, …/packages/…          yum
//	/repo/NAME/CHANNEL/SHA256SUMS, …/FILE, …/files/…     archives
//
// What yum and archive repositories have in their channel "stable" is also there without the channel's name.
func (s *Store) Handler() http.Handler { return http.HandlerFunc(s.serve) }

func (s *Store) serve(w http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	name, below := strings.CutPrefix(req.URL.Path, wire.PathRepo)
	if !below || !fs.ValidPath(name) {
		http.NotFound(w, req)
		return
	}
	found, err := s.lookUp(name)
	if err == nil && found.absent != nil {
		err = s.serveComing(w, req, found)
	} else if err == nil {
		err = found.serve(w, req)
	}
	var absent *AbsentError
	switch {
	case err == nil:
	case req.Context().Err() != nil: // nobody reads it any more
	case errors.As(err, &absent):
		w.Header().Set("Retry-After", "30")
		http.Error(w, absent.Error(), http.StatusBadGateway)
	case errors.Is(err, errNotYet):
		w.Header().Set("Retry-After", "2")
		http.Error(w, "the package repository is not published yet", http.StatusServiceUnavailable)
	case errors.Is(err, fs.ErrNotExist):
		http.NotFound(w, req)
	default:
		s.log.Error("cannot serve a file of the package repository", "path", name, "err", err)
		http.Error(w, "cannot read the file", http.StatusInternalServerError)
	}
}

var errNotYet = errors.New("not published yet")

// served is what a path means.
type served struct {
	roots []string // directories to look for file in; only the first that has it counts
	file  string
	text  []byte // instead of a file

	name      string // decides the content type
	tag       string // the validator; "" makes one of date and size
	date      time.Time
	immutable bool
	counted   func()   // called when it is found; packages have it
	absent    *Package // what is to be fetched first
}

// lookUp finds out what a path below wire.PathRepo means.
func (s *Store) lookUp(name string) (*served, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	first, rest, _ := strings.Cut(name, "/")
	r := s.repositories[first]
	switch {
	case name == "key.asc" || name == "key.gpg":
		return s.lookUpKey(name)
	case r == nil && own[first] != "":
		return nil, errNotYet
	case r == nil || rest == "":
		return nil, fs.ErrNotExist
	case r.Kind == Apt:
		if channel, found := strings.CutPrefix(rest, "dists/"); found {
			channel, _, _ = strings.Cut(channel, "/")
			return r.lookUpIndex(channel, rest)
		}
		return s.lookUpPackage(r, rest)
	}
	channel, below, found := strings.Cut(rest, "/")
	if !found || r.channels[channel] == nil {
		channel, below = Stable, rest
	}
	if r.Kind == Yum {
		if strings.HasPrefix(below, "repodata/") {
			return r.lookUpIndex(channel, below)
		}
		return s.lookUpPackage(r, below)
	}
	if c := r.channels[channel]; c != nil && !strings.Contains(below, "/") {
		if below == sumsFile || below == sumsFile+".asc" {
			return r.lookUpIndex(channel, below)
		}
		p := s.packages[c.current().files[below]]
		if p == nil {
			return nil, fs.ErrNotExist
		}
		found := s.contentOf(p)
		found.immutable = false // the next snapshot may have another one of this name
		return found, nil
	}
	return s.lookUpPackage(r, below)
}

// lookUpKey finds the public key once there is something that it vouches for.
func (s *Store) lookUpKey(name string) (*served, error) {
	ready := s.repositories[AgentApt] != nil
	for _, r := range s.repositories {
		ready = ready || !r.Own()
	}
	if !ready {
		return nil, errNotYet
	}
	told := s.keys.Load().told
	text := told.armored
	if name == "key.gpg" {
		text = told.binary
	}
	return &served{text: text, name: name, tag: told.tag()}, nil
}

// lookUpIndex finds a file of what a channel publishes and, for paths with a digest, of what it published before.
func (r *repository) lookUpIndex(channel, name string) (*served, error) {
	c := r.channels[channel]
	if c == nil {
		return nil, fs.ErrNotExist
	}
	found := &served{file: name, name: name, date: c.current().Published, immutable: immutable.MatchString(name)}
	for _, p := range c.shelf {
		found.roots = append(found.roots, p.dir)
		if !found.immutable {
			break
		}
	}
	return found, nil
}

// lookUpPackage finds a package by a path that holds its digest.
func (s *Store) lookUpPackage(r *repository, name string) (*served, error) {
	rest, found := strings.CutPrefix(name, pools[r.Kind])
	digest, file, _ := strings.Cut(rest, "/")
	p := s.packages[digest]
	if !found || p == nil || p.Kind != r.Kind {
		return nil, fs.ErrNotExist
	}
	switch file {
	case p.File:
		return s.contentOf(p), nil
	case p.File + ".sha256":
		return &served{text: []byte(p.Digest + "  " + p.File + "\n"), name: file, tag: p.Digest + "-sum", immutable: true}, nil
	}
	return nil, fs.ErrNotExist
}

func (s *Store) contentOf(p *Package) *served {
	found := &served{
		roots: []string{s.packageDir(p.Digest)}, file: contentFile, name: p.File, tag: p.Digest, date: p.Uploaded, immutable: true,
		counted: func() { s.counts.request(p) },
	}
	if s.absent[p.Digest] {
		found.absent = p
	}
	return found
}

// serve answers with what was found. On an error nothing was written.
func (f *served) serve(w http.ResponseWriter, req *http.Request) error {
	content, size, closing, err := f.open()
	if err != nil {
		return err
	}
	defer closing()
	if f.counted != nil && req.Method == http.MethodGet {
		f.counted()
	}
	f.describe(w.Header(), size)
	http.ServeContent(w, req, f.name, f.date, content)
	return nil
}

// describe tells what a file is.
func (f *served) describe(header http.Header, size int64) {
	header.Set("Cache-Control", "no-cache")
	if f.immutable {
		header.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	contentType, known := contentTypes[path.Ext(f.name)]
	if !known {
		contentType = "text/plain; charset=utf-8" // Packages, Release, InRelease, SHA256SUMS
		if strings.Contains(f.name, "/by-hash/") || f.counted != nil {
			contentType = "application/octet-stream"
		}
	}
	header.Set("Content-Type", contentType)
	header.Set("X-Content-Type-Options", "nosniff")
	tag := f.tag
	if tag == "" {
		tag = fmt.Sprintf("%x-%x", f.date.Unix(), size)
	}
	header.Set("ETag", `"`+tag+`"`)
}

// open opens the first of the files that is there.
func (f *served) open() (content io.ReadSeeker, size int64, closing func(), err error) {
	if f.text != nil {
		return strings.NewReader(string(f.text)), int64(len(f.text)), func() {}, nil
	}
	err = fs.ErrNotExist
	for _, root := range f.roots {
		var file *os.File
		if file, err = os.OpenInRoot(root, filepath.FromSlash(f.file)); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, 0, nil, err
		}
		stat, err := file.Stat()
		if err == nil && !stat.Mode().IsRegular() {
			err = fs.ErrNotExist
		}
		if err != nil {
			_ = file.Close() // only read
			return nil, 0, nil, err
		}
		return file, stat.Size(), func() { _ = file.Close() }, nil
	}
	return nil, 0, nil, err
}
