package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"hostler/db"
	"hostler/server/account"
	"hostler/ui/live"
	"hostler/ui/page"
)

// TestAnEarlierChangeMarksLaterSteps goes back from a check to the first steps and on again.
func TestAnEarlierChangeMarksLaterSteps(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	path := b.newDraft("dc1")
	b.check(path, "node1.lab.test", db.Done)
	draft := func() *db.Draft { return &must[[]db.Draft](t)(s.db.OpenDrafts(t.Context()))[0] }
	start := func(cluster string) {
		t.Helper()
		r := b.post(path+"/start", url.Values{"cluster": {cluster}, "version": {b.version(path + "/start")}})
		if r.location() != path+"/versions" {
			t.Fatalf("the first step answered %d %s", r.status, r.body)
		}
	}
	start("dc1")
	if d := draft(); d.Review != "" || d.Step != page.WizardConnections {
		t.Errorf("nothing has changed, and the draft is at %s with %q to be reviewed", d.Step, d.Review)
	}
	start("dc2")
	if d := draft(); d.Review != "versions,hosts,connections" {
		t.Errorf("to be reviewed are %q", d.Review)
	}
	r := b.get(path + "/versions")
	if strings.Count(r.body, "wizard-review") != 2 || !strings.Contains(r.body, "An earlier step has changed") {
		t.Errorf("the page marks other steps: %s", r.body)
	}
	if r := b.get(path); r.location() != path+"/versions" {
		t.Errorf("the draft goes on at %s", r.location())
	}
	if r := b.get("/"); !strings.Contains(r.body, "needs review") || !strings.Contains(r.body, path+"/versions") {
		t.Error("the overview does not lead there")
	}
	all := url.Values{"family": {"debian", "rhel", "suse", "other"}, "version": {b.version(path + "/versions")}}
	if r := b.post(path+"/versions", all); r.location() != path+"/hosts" || draft().Review != "hosts,connections" {
		t.Errorf("after looking through a step to be reviewed are %q", draft().Review)
	}
	if r := b.save(path, `{"version":`+b.version(path+"/hosts")+`,"hosts":"node2.lab.test"}`); r.status != 200 || draft().Review != "hosts,connections" {
		t.Errorf("saving answered %d, to be reviewed are %q", r.status, draft().Review)
	}

	// What was checked is not what the draft says now.
	form := url.Values{"version": {b.version(path + "/hosts")}}
	if r := b.upload(path+"/connections", form, scripts); r.status != http.StatusUnprocessableEntity || r.failure(t).Fields["reviewed"] == "" {
		t.Errorf("going on answered %d %s", r.status, r.body)
	}
	b.check(path, "node1.lab.test", db.Done)
	if d := draft(); d.Review != "" {
		t.Errorf("after another check to be reviewed are %q", d.Review)
	}
	start("dc3")
	form = url.Values{"version": {b.version(path + "/hosts")}, "reviewed": {"yes"}}
	if r := b.post(path+"/connections", form); r.location() != path+"/confirm" || draft().Review != "" {
		t.Errorf("going on all the same answered %d %s", r.status, r.body)
	}
}

// TestPeopleInOneDraftSeeEachOther follows who has a wizard open over its topic.
func TestPeopleInOneDraftSeeEachOther(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	path := b.newDraft("dc1")
	topic := live.TopicWizard(must[[]db.Draft](t)(s.db.OpenDrafts(t.Context()))[0].ID)
	if r := b.get(path + "/hosts"); !strings.Contains(r.body, topic) || strings.Contains(r.body, "Also here") {
		t.Errorf("the page of somebody alone has %s", r.body)
	}
	other := s.person("bob", account.RoleOperator)
	here := func(s *socket, want string) {
		t.Helper()
		s.next(want, func(d live.Delta) bool { told, there := d.Values["here"]; return there && told == want })
	}
	first := b.open(topic)
	here(first, "")
	second := other.open(topic)
	here(first, "Also here: bob")
	here(second, "Also here: "+testUser)
	if r := other.get(path + "/hosts"); !strings.Contains(r.body, ">Also here: "+testUser+"<") {
		t.Errorf("the page does not tell: %s", r.body)
	}
	third := other.open(topic)
	here(third, "Also here: "+testUser+", you, in another window")
	if err := third.ws.Close(); err != nil {
		t.Fatal(err)
	}
	if err := second.ws.Close(); err != nil {
		t.Fatal(err)
	}
	here(first, "")
}
