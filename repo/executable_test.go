package repo

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"
)

func TestBareAgentsArePublished(t *testing.T) {
	r := mustOpen(t, t.TempDir())
	if _, err := r.Executable("amd64"); err == nil || !strings.Contains(err.Error(), "nothing is published yet") {
		t.Errorf("before the first publication: %v", err)
	}
	mustPublish(t, r, "1.0.0")
	first, err := r.Executable("arm64")
	if err != nil {
		t.Fatal(err)
	}
	answer := get(t, r, first.Path)
	sum := sha256.Sum256(answer.Body.Bytes())
	if answer.Code != http.StatusOK || hex.EncodeToString(sum[:]) != first.Checksum || !strings.Contains(first.Path, first.Checksum[:16]) ||
		answer.Header().Get("Content-Type") != "application/octet-stream" || first.Version != "1.0.0" {
		t.Errorf("%+v answered %d with %v", first, answer.Code, answer.Header())
	}
	if sums := get(t, r, first.Path+".sha256").Body.String(); sums != first.Checksum+"  hostler-agent-linux-arm64\n" {
		t.Errorf("its digest is served as %q", sums)
	}
	mustPublish(t, r, "2.0.0")
	second, err := r.Executable("arm64")
	if err != nil || second.Path == first.Path {
		t.Errorf("the next one is %+v, %v", second, err)
	}
	if code := get(t, r, first.Path).Code; code != http.StatusOK {
		t.Errorf("who was told the former path gets %d", code)
	}
	if _, err := r.Executable("riscv64"); err == nil || !strings.Contains(err.Error(), "amd64, arm64") {
		t.Errorf("another architecture: %v", err)
	}
	if found, err := mustOpen(t, r.dir).Executable("arm64"); err != nil || found != second {
		t.Errorf("after a restart it is %+v, %v", found, err)
	}
}
