// Package assets serves the style sheet and the scripts that `npm run build` puts into dist. Names carry a hash
// of their content, so browsers may keep them for ever. Without a build it serves nothing and pages are
// unstyled but whole, which is what a plain `go test ./...` sees. It never reads the disk.
package assets

import (
	"embed"
	"encoding/json"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
)

//go:embed all:dist
var embedded embed.FS

// Prefix is the URL path that Handler is mounted at.
const Prefix = "/assets/"

type file struct {
	body, gzipped []byte // gzipped is nil where compression does not pay
	mediaType     string
}

// store holds what one build made.
type store struct {
	hashed map[string]string // "app.js" -> "app.4f1c2d3e.js"
	files  map[string]file   // by hashed name
}

// built is opened when it is first asked for: commands of the command line need none of it.
var built = sync.OnceValue(func() store { return open(embedded) })

// open reads dist/ of fsys. A missing or unreadable manifest means that nothing was built.
func open(fsys fs.FS) store {
	s := store{hashed: map[string]string{}, files: map[string]file{}}
	b, err := fs.ReadFile(fsys, "dist/manifest.json")
	if err != nil || json.Unmarshal(b, &s.hashed) != nil {
		return s
	}
	for _, name := range s.hashed {
		body, err := fs.ReadFile(fsys, "dist/"+name)
		if err != nil {
			continue
		}
		f := file{body: body, mediaType: mime.TypeByExtension(path.Ext(name))}
		if z, err := fs.ReadFile(fsys, "dist/"+name+".gz"); err == nil {
			f.gzipped = z
		}
		s.files[name] = f
	}
	return s
}

// Path is the URL path of an asset: Path("app.css") -> "/assets/app.4f1c2d3e.css". Without a build it is the
// plain name, which Handler answers with 404.
func Path(name string) string { return built().path(name) }

// Handler serves the assets below Prefix.
func Handler() http.Handler { return http.StripPrefix(Prefix, built()) }

func (s store) path(name string) string {
	if hashed, ok := s.hashed[name]; ok {
		name = hashed
	}
	return Prefix + name
}

// ServeHTTP answers a request whose path is a hashed name.
func (s store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, ok := s.files[r.URL.Path]
	switch {
	case !ok:
		http.NotFound(w, r)
		return
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		return
	}
	h := w.Header()
	h.Set("Content-Type", f.mediaType)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Vary", "Accept-Encoding")
	body := f.body
	if f.gzipped != nil && acceptsGzip(r) {
		h.Set("Content-Encoding", "gzip")
		body = f.gzipped
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodGet {
		_, _ = w.Write(body) // a browser that went away is nobody's error
	}
}

func acceptsGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		coding, q, _ := strings.Cut(strings.TrimSpace(part), ";")
		if coding == "gzip" && strings.TrimSpace(q) != "q=0" {
			return true
		}
	}
	return false
}
