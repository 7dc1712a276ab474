package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/trust"
	"hostler/ui/page"
)

// TestWizardChecksItsHosts goes from hosts that have arrived through their checks to the summary.
func TestWizardChecksItsHosts(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	s.register("stranger.lab.test")
	path := b.newDraft("dc1")
	form := b.hostsForm(path, "", "")
	form.Set("method", page.MethodManual)
	b.upload(path+"/hosts", form, scripts)
	draft := func() *db.Draft { return &must[[]db.Draft](t)(s.db.OpenDrafts(t.Context()))[0] }
	id := draft().ID
	agents, ids := map[string]*http.Client{}, map[string]int64{}
	for _, name := range []string{"node1.lab.test", "node2.lab.test"} {
		client, sn := s.agentBy(trust.TokenSpec{Hostname: name, DraftID: &id, Cluster: "dc1", Uses: 1, Lifetime: time.Minute}, name)
		agents[name], ids[name] = client, s.registerAs(client, sn, name)
	}
	if r := b.get(path + "/manual"); !strings.Contains(r.body, "Check the hosts") {
		t.Error("the step before does not lead there")
	}
	shows := func(when string, want ...string) {
		t.Helper()
		r := b.get(path + "/checks")
		for _, text := range want {
			if !strings.Contains(r.body, text) {
				t.Errorf("%s the page does not say %q: %d %s", when, text, r.status, r.body)
			}
		}
		if strings.Contains(r.body, "stranger.lab.test") {
			t.Errorf("%s the page shows a host that is not the draft's", when)
		}
	}
	shows("before", "node1.lab.test", "never checked", "Check 2 hosts that were not checked")

	start := func(form url.Values) *db.Operation {
		t.Helper()
		before := s.newest()
		if r := b.post(path+"/checks", form); r.location() != path+"/checks" {
			t.Fatalf("starting answered %d %s", r.status, r.body)
		}
		d := draft()
		if e := s.only(before); e.Action != "host.check" || d.HostCheckID == nil || d.Step != page.WizardChecks {
			t.Fatalf("it is recorded as %s, the draft is %+v", e.Action, d)
		}
		return must[*db.Operation](t)(s.db.Operation(t.Context(), *d.HostCheckID))
	}
	first := start(nil)
	before := s.newest()
	if r := b.post(path+"/checks", nil); r.location() != path+"/checks" || *draft().HostCheckID != first.ID || len(s.entries(before)) != 0 {
		t.Errorf("a second click started another check")
	}
	full := func(f *wire.Findings) { f.Mounts[0].Free = 1 << 20 }
	s.tell(agents["node1.lab.test"], "node1.lab.test", s.well("node1.lab.test", 1, full))
	s.tell(agents["node2.lab.test"], "node2.lab.test", s.well("node2.lab.test", 2, func(f *wire.Findings) { f.Clock = wire.CheckClock{} }))
	s.awaitOperation(first.ID, db.Done)
	shows("after the check", "/ is full", "Check 1 failed host again", path+"/checks/report?format=html", path+"/checks/accept", path+"/checks?state=fail")
	if r := b.get(path); r.location() != path+"/checks" {
		t.Errorf("the draft goes on at %s", r.location())
	}
	if r := b.get(path + "/checks/report?format=json"); !strings.Contains(r.body, "node2.lab.test") || strings.Contains(r.body, "stranger.lab.test") {
		t.Errorf("the report is %s", r.body)
	}

	// A warning may stay, and what fails is gone on with when somebody says so alone.
	accept := url.Values{"warning": {"time_service"}, "reason": {"so be it"}}
	if r := b.post(path+"/checks/accept", accept); r.location() != path+"/checks" || s.checks("").verdict("node2.lab.test", "time_service") != "accepted none" {
		t.Errorf("accepting answered %d %s", r.status, r.body)
	}
	before = s.newest()
	r := b.post(path+"/checks/next", nil)
	if r.location() != path+"/checks?asked=yes#go-on" || len(s.entries(before)) != 0 {
		t.Errorf("going on answered %d %s", r.status, r.location())
	}
	if r := b.get(path + "/checks?asked=yes"); !strings.Contains(r.body, "1 host has failed checks") || !strings.Contains(r.body, `name="despite"`) {
		t.Errorf("it does not ask: %s", r.body)
	}
	if d := draft(); d.Step != page.WizardChecks {
		t.Errorf("the draft is at %s", d.Step)
	}

	// Mended and checked again, and it alone, it is in nobody's way.
	second := start(url.Values{"state": {"fail"}, "again": {"yes"}})
	if tasks := must[[]db.Task](t)(s.db.Tasks(t.Context(), second.ID)); len(tasks) != 1 || tasks[0].Name != "node1.lab.test" {
		t.Fatalf("checked again are %+v", tasks)
	}
	s.tell(agents["node1.lab.test"], "node1.lab.test", s.well("node1.lab.test", 1, func(*wire.Findings) {}))
	s.awaitOperation(second.ID, db.Done)
	third := start(url.Values{"host": {idText(ids["node2.lab.test"])}})
	if tasks := must[[]db.Task](t)(s.db.Tasks(t.Context(), third.ID)); len(tasks) != 1 || tasks[0].Name != "node2.lab.test" {
		t.Fatalf("checked again are %+v", tasks)
	}
	s.tell(agents["node2.lab.test"], "node2.lab.test", s.well("node2.lab.test", 2, full))
	s.awaitOperation(third.ID, db.Done)
	before = s.newest()
	if r := b.post(path+"/checks/next", url.Values{"despite": {"yes"}}); r.location() != path+"/summary" || draft().Step != page.WizardSummary {
		t.Errorf("going on all the same answered %d %s", r.status, r.body)
	}
	if e := s.only(before); e.Action != "wizard.pass_checks" || !strings.Contains(string(e.Became), `"failed_or_unchecked":1`) {
		t.Errorf("it is recorded as %+v", e)
	}
	if r := b.get(path + "/summary"); !strings.Contains(r.body, "Failed: 1 · Passed: 1") || !strings.Contains(r.body, path+"/checks") {
		t.Errorf("the summary does not tell how the checks ended: %s", r.body)
	}
}

// The step is not there before agents get onto hosts.
func TestWizardChecksNothingBeforeItsHosts(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	path := b.newDraft("dc1")
	if r := b.get(path + "/checks"); r.location() != path+"/hosts" {
		t.Errorf("the page answered %d %s", r.status, r.location())
	}
}
