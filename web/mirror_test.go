package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"hostler/db"
	"hostler/repo"
	"hostler/repo/upstream"
	"hostler/repo/upstream/upstreamtest"
	"hostler/server/mirror"
)

// addMirrors makes an apt repository with so many mirrors and a channel that has none, "free", and returns its place in
// the API.
func (s *server) addMirrors(repository string, count int) string {
	s.t.Helper()
	channels := []string{"free"}
	for i := range count {
		channels = append(channels, fmt.Sprintf("upstream%d", i))
	}
	if err := s.web.Repo.Create(repo.Definition{Name: repository, Kind: repo.Apt, By: "tester"}, channels); err != nil {
		s.t.Fatal(err)
	}
	for _, channel := range channels[1:] {
		must[*mirror.Mirror](s.t)(s.web.Mirrors.Create(s.t.Context(), mirror.Request{Repository: repository, Channel: channel, Definition: mirror.Definition{
			Source: upstream.Source{URL: "http://127.0.0.1:1/debian", Suite: "stable", Trust: upstream.TrustNothing},
		}}, "tester"))
	}
	return api + "/repositories/" + repository
}

// TestMirrorOfAPerson makes, runs, changes and removes a mirror by the pages, of a real upstream.
func TestMirrorOfAPerson(t *testing.T) {
	u := upstreamtest.New(t, "apt")
	u.Add(
		upstreamtest.Package{Name: "web", Version: "1", Arch: "amd64", Depends: []string{"libweb"}},
		upstreamtest.Package{Name: "libweb", Version: "1", Arch: "amd64"}, upstreamtest.Package{Name: "other", Version: "1", Arch: "amd64"},
	)
	u.Index()
	s := newServer(t)
	b := s.setUp()
	if err := s.web.Repo.Create(repo.Definition{Name: "debian", Kind: repo.Apt, Architectures: []string{"amd64"}}, []string{"upstream", "production"}); err != nil {
		t.Fatal(err)
	}
	const path = "/repositories/debian/mirrors"
	shows(t, "no mirrors", b.get(path), http.StatusOK, "No mirrors yet", "New mirror", `<option value="production"`)
	form := url.Values{
		"channel": {"upstream"}, "url": {u.URL}, "suite": {"stable"}, "trust": {"index"}, "keys": {"no key"}, "packages": {"web\n\n"}, "newest": {"1"},
		"schedule": {"30 2 * * *"}, "bandwidth": {"many"},
	}
	shows(t, "a wrong number", b.post(path, form), http.StatusUnprocessableEntity, "this is no number", "no key", `value="many"`)
	form.Set("bandwidth", "10240")
	shows(t, "a wrong key", b.post(path, form), http.StatusUnprocessableEntity, "there is no public key in it", `value="30 2 * * *"`)
	form.Set("keys", string(u.Key.PublicArmored()))
	if r := b.post(path, form); r.location() != path {
		t.Fatalf("making a mirror answered %d %s", r.status, r.body)
	}
	shows(t, "the mirror", b.get(path), http.StatusOK, "The mirror is there.", u.URL+" stable", "1 name, with what it needs", "never")
	shows(t, "the form", b.get(path+"/1"), http.StatusOK, "-----BEGIN PGP PUBLIC KEY BLOCK-----", `value="10240"`)
	r := b.post(path+"/1/run", nil)
	operation := regexp.MustCompile(`^/operations/(\d+)$`).FindStringSubmatch(r.location())
	if operation == nil {
		t.Fatalf("running it answered %d %s", r.status, r.body)
	}
	var id int64
	if _, err := fmt.Sscan(operation[1], &id); err != nil {
		t.Fatal(err)
	}
	s.awaitOperation(id, db.Done)
	shows(t, "its operation", b.get(r.location()), http.StatusOK, "Mirror debian/upstream", "2 packages, ")
	shows(t, "what it brought", b.get("/repositories/debian?channel=upstream"), http.StatusOK, "libweb")
	if body := b.get("/repositories/debian?channel=upstream").body; strings.Contains(body, "other") {
		t.Error("it has brought more than what is wanted")
	}
	shows(t, "the metrics", b.get("/metrics"), http.StatusOK, `hostler_mirror_last_run_failed{channel="upstream",repository="debian"} 0`,
		`hostler_mirror_last_run_timestamp_seconds{channel="upstream",repository="debian"} 1`)
	form.Set("packages", "")
	if r := b.post(path+"/1", form); r.location() != path {
		t.Errorf("changing it answered %d %s", r.status, r.body)
	}
	shows(t, "the changed mirror", b.get(path), http.StatusOK, "The mirror was changed.", "all packages")
	form.Set("url", "debian")
	shows(t, "a wrong change", b.post(path+"/1", form), http.StatusUnprocessableEntity, "address begins with http://")
	if r := b.post(path+"/1/remove", nil); r.location() != path {
		t.Errorf("removing it answered %d %s", r.status, r.body)
	}
	shows(t, "what is left", b.get(path), http.StatusOK, "The mirror was removed.", "No mirrors yet")
	shows(t, "a mirror that is gone", b.get(path+"/1"), http.StatusNotFound)
}

func TestMirrorsOfPrograms(t *testing.T) {
	s := newServer(t)
	path := s.addMirrors("debian", 1) + "/mirrors"
	if r := s.api(post, path, `{"url":"ftp://x"}`); r.status != http.StatusUnprocessableEntity || !strings.Contains(r.body, `"url"`) {
		t.Errorf("a wrong address answered %d %s", r.status, r.body)
	}
	if r := s.api(get, api+"/repositories/none/mirrors", ""); r.status != http.StatusNotFound {
		t.Errorf("mirrors of no repository answered %d %s", r.status, r.body)
	}
	r := s.api(post, path+"/1/run", "")
	var started startedReply
	if err := json.Unmarshal([]byte(r.body), &started); err != nil || r.status != http.StatusCreated {
		t.Fatalf("running it answered %d %s", r.status, r.body)
	}
	s.awaitOperation(started.OperationID, db.Failed)
	if r := s.api(get, path+"/1", ""); !strings.Contains(r.body, `"state":"failed"`) {
		t.Errorf("after the failure it is %s", r.body)
	}
	s.api(post, api+"/repositories/debian/remove", "")
	if all := must[[]mirror.Mirror](t)(s.web.Mirrors.List(t.Context(), "")); len(all) > 0 {
		t.Errorf("a repository that is gone has the mirrors %+v", all)
	}
}
