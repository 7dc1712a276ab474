package client

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

// A form that ends well is published. One of which a file could not be read must not end well.
func TestAnUploadThatFailsHasNoEnd(t *testing.T) {
	heard := make(chan error, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		parts, err := r.MultipartReader()
		for err == nil {
			var part io.Reader
			if part, err = parts.NextPart(); err == nil {
				_, err = io.Copy(io.Discard, part)
			}
		}
		heard <- err
	}))
	defer server.Close()
	c, err := New(server.URL, "token", "")
	if err != nil {
		t.Fatal(err)
	}
	there := filepath.Join(t.TempDir(), "there.deb")
	if err := os.WriteFile(there, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	var out Uploaded
	if err := c.UploadPackages(t.Context(), "tools", "", []string{there, there + ".missing"}, nil, &out); err == nil {
		t.Error("it did not fail")
	}
	if err := <-heard; err == nil || err == io.EOF { //nolint:errorlint // an EOF within another error is no end of the form
		t.Errorf("the server took what came for the whole form: %v", err)
	}
}
