package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"hostler/db"
	"hostler/repo"
	"hostler/repo/upstream/upstreamtest"
)

// TestMirrorOnDemand lists packages by the pages, shows that they are not here, and tells why they cannot be exported while
// the upstream is away.
func TestMirrorOnDemand(t *testing.T) {
	u := upstreamtest.New(t, "apt")
	u.Add(upstreamtest.Package{Name: "web", Version: "1", Arch: "amd64"})
	u.Index()
	s := newServer(t)
	b := s.setUp()
	if err := s.web.Repo.Create(repo.Definition{Name: "debian", Kind: repo.Apt, Architectures: []string{"amd64"}}, []string{"upstream"}); err != nil {
		t.Fatal(err)
	}
	const path = "/repositories/debian/mirrors"
	form := url.Values{"channel": {"upstream"}, "url": {u.URL}, "suite": {"stable"}, "trust": {"index"}, "keys": {string(u.Key.PublicArmored())}, "on_demand": {"yes"}}
	if r := b.post(path, form); r.location() != path {
		t.Fatalf("making a mirror answered %d %s", r.status, r.body)
	}
	shows(t, "the mirror", b.get(path), http.StatusOK, "all packages · on demand")
	if form := b.get(path + "/1").body; !strings.Contains(form, `name="on_demand" value="1" checked`) {
		t.Error("the form has forgotten what was typed")
	}
	var started startedReply
	s.api(post, api+path+"/1/run", "").json(t, &started)
	s.awaitOperation(started.OperationID, db.Done)
	var listed packagesReply
	s.api(get, api+"/repositories/debian/packages", "").json(t, &listed)
	if len(listed.Items) != 1 || !listed.Items[0].Absent || listed.Items[0].Origin.URL != u.URL {
		t.Fatalf("listed are %+v", listed.Items)
	}
	const absent = "Not here yet"
	shows(t, "the packages", b.get("/repositories/debian"), http.StatusOK, absent)
	shows(t, "the package", b.get("/repositories/debian/packages/"+listed.Items[0].Digest), http.StatusOK, absent)
	if r := s.api(get, api+"/repositories/debian/export", ""); r.status != http.StatusBadGateway || r.failure(t).Code != "package_absent" {
		t.Errorf("an export of what cannot be fetched answered %d %.200s", r.status, r.body)
	}
	shows(t, "the metrics", b.get("/metrics"), http.StatusOK, `hostler_package_fetches_total{result="done"} 0`)
}
