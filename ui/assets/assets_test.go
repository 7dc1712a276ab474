package assets

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/fstest"
)

func TestServe(t *testing.T) {
	s := open(fstest.MapFS{
		"dist/manifest.json":   {Data: []byte(`{"app.css":"app.1a2b.css","mark.svg":"mark.3c4d.svg"}`)},
		"dist/app.1a2b.css":    {Data: []byte("body{}")},
		"dist/app.1a2b.css.gz": {Data: []byte("zipped")},
		"dist/mark.3c4d.svg":   {Data: []byte("<svg/>")},
	})
	for _, c := range []struct {
		name, method, path, accept string
		status                     int
		body, encoding             string
	}{
		{"plain", "GET", s.path("app.css"), "", 200, "body{}", ""},
		{"compressed", "GET", s.path("app.css"), "br, gzip;q=0.8", 200, "zipped", "gzip"},
		{"compression refused", "GET", s.path("app.css"), "gzip;q=0", 200, "body{}", ""},
		{"not worth compressing", "GET", s.path("mark.svg"), "gzip", 200, "<svg/>", ""},
		{"head", "HEAD", s.path("app.css"), "", 200, "", ""},
		{"plain name", "GET", Prefix + "app.css", "", 404, "404 page not found\n", ""},
		{"manifest", "GET", Prefix + "manifest.json", "", 404, "404 page not found\n", ""},
		{"post", "POST", s.path("app.css"), "", 405, "Method Not Allowed\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), c.method, c.path, http.NoBody)
			r.Header.Set("Accept-Encoding", c.accept)
			w := httptest.NewRecorder()
			http.StripPrefix(Prefix, s).ServeHTTP(w, r)
			if w.Code != c.status || w.Body.String() != c.body || w.Header().Get("Content-Encoding") != c.encoding {
				t.Errorf("got %d %q encoding %q, want %d %q encoding %q",
					w.Code, w.Body, w.Header().Get("Content-Encoding"), c.status, c.body, c.encoding)
			}
			immutable := w.Header().Get("Cache-Control") == "public, max-age=31536000, immutable"
			if immutable != (c.status == 200) {
				t.Errorf("Cache-Control %q with status %d", w.Header().Get("Cache-Control"), w.Code)
			}
		})
	}
}

func TestWithoutABuild(t *testing.T) {
	s := open(fstest.MapFS{"dist/.gitkeep": {}})
	if got := s.path("app.js"); got != "/assets/app.js" {
		t.Errorf("path is %q, want the plain name", got)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/app.js", http.NoBody))
	if w.Code != 404 {
		t.Errorf("status %d, want 404", w.Code)
	}
}
