package web

import (
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// sendPackages uploads files as the page's form does where there are no scripts.
func (b *browser) sendPackages(path string, fields []string, files ...string) reply {
	b.s.t.Helper()
	body, contentType := formWith(b.s.t, append([]string{"csrf", b.csrf()}, fields...), files...)
	return send(b.s.t, b.client, post, b.s.public.URL+path, body, map[string]string{"Content-Type": contentType, "Origin": b.s.public.URL})
}

// shows fails for each text that a page does not have.
func shows(t testing.TB, what string, r reply, status int, texts ...string) {
	t.Helper()
	if r.status != status {
		t.Errorf("%s answered %d, not %d", what, r.status, status)
	}
	for _, text := range texts {
		if !strings.Contains(r.body, text) {
			t.Errorf("%s does not show %q", what, text)
		}
	}
}

func TestRepositoryOfAPerson(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	form := url.Values{"name": {"Tools"}, "kind": {"archive"}, "channels": {"dev, production"}, "description": {"What the racks need"}}
	shows(t, "a wrong name", b.post("/repositories", form), http.StatusUnprocessableEntity, "a name has lower-case letters", `value="dev, production"`, `value="What the racks need"`)
	form.Set("name", "tools")
	if r := b.post("/repositories", form); r.location() != "/repositories/tools" {
		t.Fatalf("making a repository answered %d %s", r.status, r.body)
	}
	again := send(t, b.client, get, s.public.URL+"/repositories", nil, map[string]string{"Sec-Fetch-Mode": "cors"})
	if strings.Contains(again.body, "The repository is there.") {
		t.Error("a page that reads itself again takes the notice that is for the next one")
	}
	shows(t, "the repository", b.get("/repositories/tools"), http.StatusOK, "The repository is there.", "No packages yet", "What the racks need")
	shows(t, "the list", b.get("/repositories"), http.StatusOK, `href="/repositories/tools?channel=production"`)

	first, second := string(archiveOf(t, "first")), string(archiveOf(t, "second"))
	const upload = "/repositories/tools/upload"
	shows(t, "an upload without files", b.sendPackages(upload, []string{"channel", "dev"}), http.StatusUnprocessableEntity, "This is needed.")
	shows(t, "an upload", b.sendPackages(upload, []string{"channel", "dev", "version", "", "arch", "amd64"}, "tool-1.0.tar.gz", first, "broken-1.0.tar.gz", first[:50]),
		http.StatusOK, "1 package was added to dev", "tool 1.0 amd64", "Refused", "broken-1.0.tar.gz")
	shows(t, "another", b.sendPackages(upload, []string{"channel", "dev", "arch", "amd64"}, "tool-1.1.tar.gz", second), http.StatusOK, "snapshot 3")
	sent := s.upload(string(archiveOf(t, "third")))
	shows(t, "what scripts sent before", b.sendPackages(upload, []string{"channel", "production", "arch", "amd64", "uploaded", sent.ID + " tool-1.2.tar.gz"}), http.StatusOK, "1 package was added to production", "tool 1.2 amd64")
	shows(t, "what was never sent", b.sendPackages(upload, []string{"channel", "dev", "uploaded", strings.Repeat("0", 64) + " tool-1.3.tar.gz"}), http.StatusUnprocessableEntity, "This is needed.")
	shows(t, "an upload to no channel", b.sendPackages(upload, []string{"channel", "none"}, "tool-1.2.tar.gz", first), http.StatusUnprocessableEntity, "no channel")

	shows(t, "what was searched for", b.get("/repositories/tools?channel=dev&search=TOOL"), http.StatusOK, "1.0", "1.1")
	shows(t, "nothing", b.get("/repositories/tools?channel=dev&search=zzz"), http.StatusOK, "No package matches")
	shows(t, "a snapshot", b.get("/repositories/tools?snapshot=2"), http.StatusOK, "1.0", "snapshot 2")
	shows(t, "the snapshots", b.get("/repositories/tools/snapshots"), http.StatusOK, "+1 −0", "/repositories/tools/diff?from=2&amp;to=3")
	shows(t, "what changed", b.get("/repositories/tools/diff?from=1&to=3"), http.StatusOK, "Added (2)")
	shows(t, "no change", b.get("/repositories/tools/diff?from=3&to=3"), http.StatusOK, "Both have the same packages")

	const promote = "/repositories/tools/promote"
	shows(t, "a wrong channel", b.post(promote, url.Values{"channel": {"dists"}, "snapshot": {"3"}}), http.StatusUnprocessableEntity, "cannot be a channel", `value="dists"`)
	shows(t, "a wrong snapshot", b.post(promote, url.Values{"channel": {"production"}, "snapshot": {"x"}}), http.StatusUnprocessableEntity, "has no snapshot")
	shows(t, "a channel that is not there", b.post(promote, url.Values{"channel": {"prod-eu"}, "snapshot": {"3"}}), http.StatusUnprocessableEntity, "no channel prod-eu")
	if r := b.post(promote, url.Values{"channel": {"staging"}, "snapshot": {"2"}, "create": {"1"}}); r.location() != "/repositories/tools/channels" {
		t.Errorf("promoting to a new channel answered %d %s", r.status, r.body)
	}
	for _, snapshot := range []string{"2", "3"} {
		if r := b.post(promote, url.Values{"channel": {"production"}, "snapshot": {snapshot}}); r.location() != "/repositories/tools/channels" {
			t.Errorf("promoting answered %d %s", r.status, r.body)
		}
	}
	shows(t, "the channels", b.get("/repositories/tools/channels"), http.StatusOK, "The channel was moved.", "Back to 2", "/repositories/tools/diff?from=3&amp;to=2")
	back := url.Values{"channel": {"production"}, "snapshot": {"3"}}
	if r := b.post("/repositories/tools/rollback", back); r.location() != "/repositories/tools/channels" {
		t.Errorf("rolling back answered %d %s", r.status, r.body)
	}
	if r := b.post("/repositories/tools/rollback", back); r.status != http.StatusConflict {
		t.Errorf("the second click answered %d", r.status)
	}
	if r := b.post("/repositories/tools/rollback", url.Values{"channel": {"production"}}); r.status != http.StatusBadRequest {
		t.Errorf("a form that does not say what it saw answered %d", r.status)
	}

	found := regexp.MustCompile(`/repositories/tools/packages/[0-9a-f]{64}`).FindString(b.get("/repositories/tools?channel=dev&search=tool").body)
	shows(t, "a package", b.get(found), http.StatusOK, "Take out of a channel", "SHA256:", "bin/tool")
	if r := b.post(found+"/drop", url.Values{"channel": {"dev"}}); r.location() != "/repositories/tools?channel=dev" {
		t.Errorf("taking a package out answered %d %s", r.status, r.body)
	}
	shows(t, "the use", b.get("/repositories/tools/use"), http.StatusOK, "/repo/tools/production/SHA256SUMS", "without a package manager")
	shows(t, "apt's use", b.get("/repositories/apt/use"), http.StatusNotFound)

	shows(t, "the question", b.get("/repositories/tools/remove"), http.StatusOK, "this cannot be undone")
	if r := b.post("/repositories/tools/remove", nil); r.location() != "/repositories" {
		t.Errorf("removing answered %d %s", r.status, r.body)
	}
	shows(t, "what is gone", b.get("/repositories/tools"), http.StatusNotFound)
}

func TestUploadFormOfAnotherSite(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	s.addPackage("tools", "tool-1.0.tar.gz")
	body, contentType := formWith(t, []string{"channel", "stable", "csrf", b.csrf()}, "tool-1.1.tar.gz", string(archiveOf(t, "second")))
	if r := send(t, b.client, post, s.public.URL+"/repositories/tools/upload", body, map[string]string{"Content-Type": contentType}); r.status != http.StatusForbidden {
		t.Errorf("a form whose proof comes late answered %d", r.status)
	}
}

func TestTheWatchedFolderIsShown(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	folder := filepath.Join(s.dir, "drop")
	if err := errors.Join(os.Mkdir(folder, 0o700), os.WriteFile(filepath.Join(folder, "<lost>.deb"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.get("/repositories").body, "lost") {
		t.Error("what nobody has looked at is shown")
	}
	s.web.Folder.Look(t.Context())
	shows(t, "the repositories", b.get("/repositories"), http.StatusOK, "<code>&lt;lost&gt;.deb</code> packages belong into the folder of a channel")
	if r := b.post("/repositories", url.Values{"name": {"tools"}, "kind": {"archive"}, "channels": {"stable"}}); r.location() != "/repositories/tools" {
		t.Fatalf("making a repository answered %d %s", r.status, r.body)
	}
	shows(t, "an upload", b.get("/repositories/tools/upload"), http.StatusOK, folder+"/tools/stable")
	shows(t, "the events", b.get("/events"), http.StatusOK, "&lt;lost&gt;.deb: packages belong into the folder of a channel")
	shows(t, "the API", s.api(get, api+"/watched-folder", ""), http.StatusOK, `"path":"`+folder+`"`, `"code":"misplaced"`)
	shows(t, "the metrics", b.get("/metrics"), http.StatusOK, "hostler_watched_folder_problems 1", `hostler_watched_folder_files_total{result="refused"} 0`)
}
