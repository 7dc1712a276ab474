package repo

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path"
	"regexp"
	"strings"

	"hostler/agent/wire"
)

// immutable matches paths that hold their content's digest.
var immutable = regexp.MustCompile(`^(agent/|apt/pool/|apt/dists/.*/by-hash/|yum/packages/|yum/repodata/[0-9a-f]{64}-)`)

var contentTypes = map[string]string{
	".deb": "application/vnd.debian.binary-package",
	".rpm": "application/x-rpm",
	".gz":  "application/gzip",
	".xz":  "application/x-xz",
	".xml": "application/xml",
	".asc": "text/plain; charset=us-ascii",
	".gpg": "application/pgp-keys",
}

// Handler serves the published files below wire.PathRepo; mount it there with the path left whole. It answers GET
// and HEAD, with ranges and validators, lists no directory, and answers 503 until something is published.
func (r *Repository) Handler() http.Handler { return http.HandlerFunc(r.serve) }

func (r *Repository) serve(w http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	name, below := strings.CutPrefix(req.URL.Path, wire.PathRepo)
	if !below || !fs.ValidPath(name) || name == manifestFile {
		http.NotFound(w, req)
		return
	}
	shelf := r.served.Load()
	if shelf.current == nil {
		w.Header().Set("Retry-After", "2")
		http.Error(w, "the package repository is not published yet", http.StatusServiceUnavailable)
		return
	}
	err := shelf.current.serve(w, req, name)
	if errors.Is(err, fs.ErrNotExist) && shelf.previous != nil && immutable.MatchString(name) {
		err = shelf.previous.serve(w, req, name)
	}
	switch {
	case err == nil:
	case errors.Is(err, fs.ErrNotExist):
		http.NotFound(w, req)
	default:
		r.log.Error("cannot serve a file of the package repository", "path", name, "error", err)
		http.Error(w, "cannot read the file", http.StatusInternalServerError)
	}
}

// serve answers with one of the generation's files. On an error nothing was written.
func (g *generation) serve(w http.ResponseWriter, req *http.Request, name string) error {
	file, err := os.OpenInRoot(g.dir, name)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // only read
	stat, err := file.Stat()
	if err != nil {
		return err
	}
	if !stat.Mode().IsRegular() {
		return fs.ErrNotExist
	}
	header := w.Header()
	header.Set("Cache-Control", "no-cache")
	if immutable.MatchString(name) {
		header.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	contentType, known := contentTypes[path.Ext(name)]
	if !known {
		contentType = "text/plain; charset=utf-8" // Packages, Release, InRelease, SHA256SUMS
		if strings.Contains(name, "/by-hash/") || strings.HasPrefix(name, "agent/") {
			contentType = "application/octet-stream"
		}
	}
	header.Set("Content-Type", contentType)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("ETag", fmt.Sprintf(`"%x-%x"`, g.Published.Unix(), stat.Size()))
	http.ServeContent(w, req, name, g.Published, file)
	return nil
}
