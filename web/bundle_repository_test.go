package web

import (
	"net/http"
	"strings"
	"testing"

	"hostler/repo"
)

// TestASnapshotIsCarriedByPages exports on the page of one repository and imports on that of another.
func TestASnapshotIsCarriedByPages(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	s.addPackage("tools", "tool-1.0.tar.gz")
	if err := s.web.Repo.Create(repo.Definition{Name: "carried", Kind: repo.Archive}, []string{"stable", "other"}); err != nil {
		t.Fatal(err)
	}
	shows(t, "the form", b.get("/repositories/tools/snapshots"), http.StatusOK, "Export as a file", s.web.Repo.KeyFingerprint(), `href="/repositories/tools/import"`)
	bundle := b.get("/repositories/tools/export?snapshot=2&since=")
	if bundle.status != http.StatusOK || !strings.Contains(bundle.header.Get("Content-Disposition"), "tools-2.hostler-repo") {
		t.Fatalf("the export answered %d %v", bundle.status, bundle.header)
	}
	const path = "/repositories/carried/import"
	shows(t, "the page", b.get(path), http.StatusOK, "Fingerprint of the other server")
	shows(t, "no file", b.sendPackages(path, []string{"channel", "other"}), http.StatusUnprocessableEntity, "This is needed.")
	shows(t, "a wrong key", b.sendPackages(path, []string{"channel", "other", "key", "00"}, "x", bundle.body), http.StatusUnprocessableEntity, "not signed by the key 00")
	shows(t, "no channel", b.sendPackages(path, []string{"channel", "none"}, "x", bundle.body), http.StatusUnprocessableEntity, "no channel")
	if r := b.sendPackages(path, []string{"channel", "other", "key", s.web.Repo.KeyFingerprint()}, "x", bundle.body); r.location() != "/repositories/carried/channels" {
		t.Fatalf("the import answered %d %s", r.status, r.body)
	}
	shows(t, "what came", b.get("/repositories/carried?channel=other"), http.StatusOK, "tool", "1.0")
	if r := b.get("/repositories/tools/export?snapshot=9"); r.status != http.StatusUnprocessableEntity {
		t.Errorf("an export of nothing answered %d", r.status)
	}
}
