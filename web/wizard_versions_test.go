package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"hostler/db"
	"hostler/internal/distro"
	"hostler/repo/upstream/upstreamtest"
)

// TestVersionsAreWhatHostsGet goes from the page to the operation's parameters, the answer file and the commands by hand.
func TestVersionsAreWhatHostsGet(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	u := upstreamtest.New(t, "apt")
	u.Add(upstreamtest.Package{Name: "hostler-agent", Version: "1.5.0", Arch: "amd64"})
	u.Index()
	path := b.newDraft("dc1")
	form := url.Values{
		"version": {b.version(path + "/versions")}, "family": {"debian", "suse"},
		"url_debian": {u.URL + "/"}, "channel_debian": {"stable"}, "key_debian": {string(u.Key.PublicArmored())},
	}
	again := cloneForm(form)
	again.Set("next", "versions")
	if r := b.upload(path+"/versions", again, scripts); r.status != 200 || !strings.Contains(r.body, "versions?check=yes") {
		t.Fatalf("checking answered %d %s", r.status, r.body)
	}
	if r := b.get(path + "/versions?check=yes"); !strings.Contains(r.body, "hostler-agent 1.5.0: amd64") {
		t.Errorf("the page does not tell what the mirror has: %d %s", r.status, r.body)
	}
	form.Set("version", b.version(path+"/versions"))
	if r := b.upload(path+"/versions", form, scripts); r.status != 200 || !strings.Contains(r.body, path+"/hosts") {
		t.Fatalf("the step answered %d %s", r.status, r.body)
	}

	id := b.check(path, "node1.lab.test", db.Done)
	check := must[*db.Operation](t)(s.db.Operation(t.Context(), id))
	if r := b.post(path+"/connections", url.Values{"version": {b.version(path + "/hosts")}}); r.location() != path+"/confirm" {
		t.Fatalf("the start answered %d %s", r.status, r.body)
	}
	o := must[[]db.Operation](t)(s.db.Operations(t.Context(), 0, 1))[0]
	for _, o := range []*db.Operation{check, &o} {
		got := bootstrapParams(o).Sources
		if len(got) != 2 || got[distro.Debian].URL != u.URL || got[distro.Debian].Channel != "stable" || !strings.HasPrefix(got[distro.Debian].Key, "-----BEGIN PGP") {
			t.Errorf("the %s has %+v", o.Kind, got)
		}
	}
	for _, file := range []string{b.get(path + "/answers.yaml").body, b.get(operationPath(o.ID) + "/answers.yaml").body} {
		if !strings.Contains(file, "  suse: {}\n") || !strings.Contains(file, "url: "+u.URL+"\n") || strings.Contains(file, "rhel") {
			t.Errorf("the answer file has %s", file)
		}
		r := b.upload(b.newDraft("dc2")+"/answers", url.Values{"answers": {file}}, scripts)
		drafts := must[[]db.Draft](t)(s.db.OpenDrafts(t.Context()))
		if r.status != 200 || sourcesOf(&drafts[0])[distro.Debian] != bootstrapParams(&o).Sources[distro.Debian] {
			t.Errorf("a draft filled from it answered %d and has %s", r.status, drafts[0].Versions)
		}
	}
	var said string
	for _, g := range s.web.chosenCommands("token", bootstrapParams(&o).Sources) {
		if g.Family != "debian" && g.Family != "suse" {
			t.Errorf("there are commands for %s", g.Family)
		}
		said += g.Commands[0].Text
	}
	if !strings.Contains(said, "--mirror "+u.URL+" --mirror-key mirror.asc") {
		t.Errorf("the commands are %s", said)
	}
}

// TestVersionsAreChecked holds that nothing goes on with a place that has no agent.
func TestVersionsAreChecked(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	u := upstreamtest.New(t, "apt")
	u.Add(upstreamtest.Package{Name: "other", Version: "1", Arch: "amd64"})
	u.Index()
	s.publishAgent()
	path := b.newDraft("dc1")
	key := string(u.Key.PublicArmored())
	for _, c := range []struct {
		name, field, says string
		form              url.Values
	}{
		{"no family", "family", "at least one", url.Values{}},
		{"no address", "url_debian", "no address of a mirror", url.Values{"family": {"debian"}, "url_debian": {"ftp://x"}}},
		{"a word for the shell", "url_debian", "no address of a mirror", url.Values{"family": {"debian"}, "url_debian": {"http://x/';reboot'"}}},
		{"no key", "key_debian", "no public OpenPGP key", url.Values{"family": {"debian"}, "url_debian": {u.URL}, "key_debian": {"x"}}},
		{"a key alone", "key_debian", "for a mirror", url.Values{"family": {"debian"}, "key_debian": {key}}},
		{"another key", "url_debian", "not signed by the key", url.Values{"family": {"debian"}, "url_debian": {u.URL}, "key_debian": {string(upstreamtest.Stranger().PublicArmored())}}},
		{"no agent", "url_debian", "hostler-agent is not in it", url.Values{"family": {"debian"}, "url_debian": {u.URL}, "key_debian": {key}}},
		{"no suite", "url_debian", "no such file", url.Values{"family": {"debian"}, "url_debian": {u.URL}, "channel_debian": {"bookworm"}, "key_debian": {key}}},
		{"no channel", "channel_rhel", "no such channel", url.Values{"family": {"rhel"}, "channel_rhel": {"nightly"}}},
		{"a channel of a mirror of rpms", "channel_rhel", "one channel", url.Values{"family": {"rhel"}, "url_rhel": {u.URL}, "channel_rhel": {"test"}}},
	} {
		c.form.Set("version", b.version(path+"/versions"))
		if r := b.upload(path+"/versions", c.form, scripts); r.status != http.StatusUnprocessableEntity || !strings.Contains(r.failure(t).Fields[c.field], c.says) {
			t.Errorf("%s answered %d %s", c.name, r.status, r.body)
		}
		if r := b.post(path+"/versions", c.form); r.status != http.StatusUnprocessableEntity || !strings.Contains(r.body, "<h2>Select version</h2>") {
			t.Errorf("%s answered a browser %d", c.name, r.status)
		}
	}
	// What is typed is kept, and nothing starts with it while it is wrong.
	if r := b.save(path, `{"version":`+b.version(path+"/versions")+`,"versions":{"debian":{"url":"ftp://half-typed"}}}`); r.status != 200 {
		t.Fatalf("saving answered %d %s", r.status, r.body)
	}
	if r := b.get(path + "/versions"); !strings.Contains(r.body, "ftp://half-typed") {
		t.Error("what was typed is lost")
	}
	if r := b.upload(path+"/hosts", b.hostsForm(path, "node1.lab.test", sshKey(t)), scripts); r.status != http.StatusUnprocessableEntity || !strings.Contains(r.body, "Select version") {
		t.Errorf("starting answered %d %s", r.status, r.body)
	}
	body := toJSON(t, map[string]any{"hosts": "node1.lab.test", "ssh": map[string]any{"private_key": sshKey(t)}, "versions": map[string]any{"rhel": map[string]any{"channel": "nightly"}}})
	if r := s.api(post, api+"/bootstraps", body); r.status != http.StatusUnprocessableEntity || r.failure(t).Fields["versions.rhel.channel"] == "" {
		t.Errorf("the API answered %d %s", r.status, r.body)
	}
	if ops := must[[]db.Operation](t)(s.db.Operations(t.Context(), 0, 10)); len(ops) != 0 {
		t.Errorf("%d operations were started", len(ops))
	}
}
