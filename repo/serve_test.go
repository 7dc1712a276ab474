package repo

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func sha256Hex(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// fieldOf returns the first value of a field in a control-file text.
func fieldOf(text, name string) string {
	_, rest, _ := strings.Cut("\n"+text, "\n"+name+": ")
	value, _, _ := strings.Cut(rest, "\n")
	return value
}

func TestNothingIsServedBeforeTheFirstPublication(t *testing.T) {
	answer := get(t, mustOpen(t, t.TempDir()), "key.asc")
	if answer.Code != http.StatusServiceUnavailable {
		t.Errorf("status = %d, want 503", answer.Code)
	}
}

func TestServe(t *testing.T) {
	r := mustOpen(t, t.TempDir())
	mustPublish(t, r, "1.0.0")
	packages := get(t, r, "apt/dists/stable/main/binary-amd64/Packages").Body.String()
	deb := fieldOf(packages, "Filename")
	for _, test := range []struct {
		method, path string
		header       [2]string
		status       int
		cache        string
	}{
		{method: "GET", path: "/repo/key.asc", status: 200, cache: "no-cache"},
		{method: "GET", path: "/repo/key.gpg", status: 200, cache: "no-cache"},
		{method: "HEAD", path: "/repo/apt/dists/stable/InRelease", status: 200, cache: "no-cache"},
		{method: "GET", path: "/repo/yum/repodata/repomd.xml", status: 200, cache: "no-cache"},
		{method: "GET", path: "/repo/apt/" + deb, status: 200, cache: "public, max-age=31536000, immutable"},
		{method: "GET", path: "/repo/apt/" + deb, header: [2]string{"Range", "bytes=8-67"}, status: 206},
		{method: "POST", path: "/repo/key.asc", status: 405},
		{method: "GET", path: "/repo/", status: 404},
		{method: "GET", path: "/repo/apt/", status: 404},
		{method: "GET", path: "/repo/apt", status: 404},
		{method: "GET", path: "/repo/apt/pool", status: 404},
		{method: "GET", path: "/repo/apt/dists/stable", status: 404},
		{method: "GET", path: "/repo/apt/dists/other/InRelease", status: 404},
		{method: "GET", path: "/repo/apt/manifest.json", status: 404},
		{method: "GET", path: "/repo/apt/dists/manifest.json", status: 404},
		{method: "GET", path: "/repo/yum/stable/repodata/repomd.xml", status: 200, cache: "no-cache"},
		{method: "GET", path: "/repo/static/SHA256SUMS", status: 200, cache: "no-cache"},
		{method: "GET", path: "/repo/static/stable/SHA256SUMS.asc", status: 200, cache: "no-cache"},
		{method: "GET", path: "/repo/static/hostler-agent-linux-amd64.tar.gz", status: 200, cache: "no-cache"},
		{method: "GET", path: "/repo/static/manifest.json", status: 404},
		{method: "GET", path: "/repo/nothing/key.asc", status: 404},
		{method: "GET", path: "/repo/../keys/signing.asc", status: 404},
		{method: "GET", path: "/repo/apt/../../../keys/signing.asc", status: 404},
		{method: "GET", path: "/repo/%2e%2e/%2e%2e/keys/signing.asc", status: 404},
		{method: "GET", path: "/repo//key.asc", status: 404},
		{method: "GET", path: "/key.asc", status: 404},
	} {
		t.Run(test.method+" "+test.path, func(t *testing.T) {
			request := httptest.NewRequestWithContext(t.Context(), test.method, test.path, nil)
			if test.header[0] != "" {
				request.Header.Set(test.header[0], test.header[1])
			}
			answer := httptest.NewRecorder()
			r.Handler().ServeHTTP(answer, request)
			if answer.Code != test.status {
				t.Fatalf("status = %d, want %d", answer.Code, test.status)
			}
			if got := answer.Header().Get("Cache-Control"); test.cache != "" && got != test.cache {
				t.Errorf("Cache-Control = %q, want %q", got, test.cache)
			}
			if test.status == 206 && answer.Body.Len() != 60 {
				t.Errorf("a range of 60 bytes has %d", answer.Body.Len())
			}
			if test.method == "HEAD" && answer.Body.Len() > 0 {
				t.Error("HEAD has a body")
			}
		})
	}
}

func TestValidatorsFollowThePublication(t *testing.T) {
	r := mustOpen(t, t.TempDir())
	mustPublish(t, r, "1.0.0")
	const path = "/repo/apt/dists/stable/InRelease"
	first := get(t, r, "apt/dists/stable/InRelease").Header()
	conditional := func(name, value string) int {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		request.Header.Set(name, value)
		answer := httptest.NewRecorder()
		r.Handler().ServeHTTP(answer, request)
		return answer.Code
	}
	if got := conditional("If-None-Match", first.Get("ETag")); got != http.StatusNotModified {
		t.Errorf("unchanged, by ETag: status %d, want 304", got)
	}
	if got := conditional("If-Modified-Since", first.Get("Last-Modified")); got != http.StatusNotModified {
		t.Errorf("unchanged, by date: status %d, want 304", got)
	}
	mustPublish(t, r, "1.0.1") // within the same second
	if got := conditional("If-None-Match", first.Get("ETag")); got != http.StatusOK {
		t.Errorf("changed, by ETag: status %d, want 200", got)
	}
	if got := conditional("If-Modified-Since", first.Get("Last-Modified")); got != http.StatusOK {
		t.Errorf("changed, by date: status %d, want 200", got)
	}
}

func TestClientInMidUpdateFindsWhatItsIndexNames(t *testing.T) {
	r := mustOpen(t, t.TempDir())
	clock := time.Now()
	r.now = func() time.Time { return clock }
	mustPublish(t, r, "1.0.0")
	packages := get(t, r, "apt/dists/stable/main/binary-amd64/Packages").Body.Bytes()
	named := []string{
		"apt/dists/stable/main/binary-amd64/by-hash/SHA256/" + sha256Hex(packages),
		"apt/" + fieldOf(string(packages), "Filename"),
	}
	for _, part := range strings.Split(get(t, r, "yum/repodata/repomd.xml").Body.String(), `href="`)[1:] {
		href, _, _ := strings.Cut(part, `"`)
		named = append(named, "yum/"+href)
	}
	mustPublish(t, r, "1.0.1")
	for _, path := range named {
		if got := get(t, r, path).Code; got != http.StatusOK {
			t.Errorf("one publication later, %s: status %d, want 200", path, got)
		}
	}
	if text := get(t, r, "apt/dists/stable/main/binary-amd64/Packages").Body.String(); !strings.Contains(text, "Version: 1.0.1") {
		t.Errorf("the list by its plain name is not the new one:\n%s", text)
	}
	clock = clock.Add(3 * supersededKeep)
	mustPublish(t, r, "1.0.2")
	mustPublish(t, r, "1.0.3")
	if got := get(t, r, named[0]).Code; got != http.StatusNotFound {
		t.Errorf("hours later, %s: status %d, want 404", named[0], got)
	}
}
