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
)

// newcomer brings a host in with a token of no name and registers it.
func (s *server) newcomer(name, machine string) (c *http.Client, sn string) {
	s.t.Helper()
	facts := &wire.Facts{MachineID: machine}
	c, sn = s.agentOn(trust.TokenSpec{Uses: 1, Lifetime: time.Minute}, name, facts)
	if r := send(s.t, c, post, s.secured.URL+wire.PathRegister, strings.NewReader(toJSON(s.t, wire.RegisterRequest{Hostname: name, AgentSN: sn, Facts: facts})), nil); r.status != http.StatusOK {
		s.t.Fatalf("%s is answered with %d %s", name, r.status, r.body)
	}
	return c, sn
}

// Two hosts that tokens have brought under one name are on the page of conflicts, with what has happened and the ways out.
func TestNamesakesAreSettledOnThePage(t *testing.T) {
	for button, turnedAway := range map[string]int{"Replace: twin.test": 0, "Refuse: twin.test": 1} {
		t.Run(button, func(t *testing.T) {
			s := newServer(t)
			b := s.setUp()
			first, sn := s.newcomer("twin.test", "c0ffee")
			s.beat(first, "twin.test")
			if strings.Contains(b.get("/trust/waiting").body, "Two hosts under one name") {
				t.Error("one host is no pair")
			}
			second, other := s.newcomer("twin.test", "decade")
			if sn == other {
				t.Fatal("both have one number")
			}
			page := b.get("/trust/waiting").body
			if !strings.Contains(page, "Two hosts under one name") || !strings.Contains(page, `aria-label="`+button+`"`) {
				t.Fatalf("the page does not tell of them")
			}
			away := []string{sn, other}[turnedAway]
			for range 2 { // a double click
				if r := b.post("/trust/namesakes", url.Values{"turn_away": {away}}); r.location() != "/trust/waiting" {
					t.Errorf("it answered %d %s", r.status, r.location())
				}
			}
			for i, c := range []*http.Client{first, second} {
				c.CloseIdleConnections() // it was cut, perhaps
				r := send(t, c, post, s.secured.URL+wire.PathStatus, strings.NewReader(`{"hostname":"twin.test"}`), nil)
				if gone := r.status == http.StatusForbidden; gone != (i == turnedAway) {
					t.Errorf("host %d is answered with %d %s", i, r.status, r.body)
				}
			}
			if strings.Contains(b.get("/trust/waiting").body, "Two hosts under one name") {
				t.Error("they are settled, and still on the page")
			}
			if r := b.post("/trust/namesakes", url.Values{"turn_away": {"nobody"}}); r.status != http.StatusNotFound {
				t.Errorf("a host that nobody knows answered %d", r.status)
			}
		})
	}
}

// Hosts that are kept are no conflict any more, also for the API; a third one is another conflict.
func TestNamesakesAreKept(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	s.newcomer("twin.test", "c0ffee")
	_, second := s.newcomer("twin.test", "decade")
	listed := func() (list namesakesReply) {
		t.Helper()
		s.api(http.MethodGet, "/api/v1/namesakes", "").json(t, &list)
		return list
	}
	if l := listed(); len(l.Items) != 1 || l.Items[0].Name != "twin.test" || l.Items[0].Newcomer.AgentSN != second {
		t.Fatalf("listed are %+v", l)
	}
	if !strings.Contains(b.get("/trust/waiting").body, `name="keep" value="`+second+`"`) {
		t.Fatal("the page does not offer to keep both")
	}
	for range 2 { // a double click
		if r := b.post("/trust/namesakes", url.Values{"keep": {second}}); r.location() != "/trust/waiting" {
			t.Errorf("it answered %d %s", r.status, r.location())
		}
	}
	if l := listed(); len(l.Items) != 0 || strings.Contains(b.get("/trust/waiting").body, "Two hosts under one name") {
		t.Errorf("kept, and still listed: %+v", l)
	}
	_, third := s.newcomer("twin.test", "facade")
	if l := listed(); len(l.Items) != 1 || l.Items[0].Former.AgentSN != second || l.Items[0].Newcomer.AgentSN != third {
		t.Fatalf("after a third one %+v", l)
	}
	if r := s.api(http.MethodPost, "/api/v1/namesakes/turn-away", `{"agentsn":"`+third+`"}`); r.status != http.StatusOK {
		t.Errorf("to turn it away answered %d %s", r.status, r.body)
	}
	if l := listed(); len(l.Items) != 0 {
		t.Errorf("turned away, and still listed: %+v", l)
	}
	if r := s.api(http.MethodPost, "/api/v1/namesakes/keep", `{"agentsn":"nobody"}`); r.status != http.StatusNotFound {
		t.Errorf("a host that nobody knows answered %d", r.status)
	}
}

// The stories of hosts that wait under a name that somebody has.
func TestStoriesOfConflicts(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	wait := func(name, machine string) {
		csr, _ := newCSR(t, name)
		r := send(t, s.hostClient(nil), post, s.handshake.URL+wire.PathEnroll, strings.NewReader(
			toJSON(t, wire.EnrollRequest{Hostname: name, CSR: csr, Facts: &wire.Facts{MachineID: machine}})), nil)
		if r.failure(t).Code != "approval_pending" {
			t.Fatalf("%s is answered with %d %s", name, r.status, r.body)
		}
	}
	known := func(name string) *http.Client { c, _ := s.newcomer(name, "c0ffee"+name); return c }
	known("reinstalled.test")
	s.beat(known("alive.test"), "alive.test")
	s.agentOn(trust.TokenSpec{Uses: 1, Lifetime: time.Minute}, "gone.test", &wire.Facts{MachineID: "c0ffee"}) // and never registers
	known("revoked.test")
	s.revoke(`{"hosts":["revoked.test"]}`)
	wait("reinstalled.test", "c0ffeereinstalled.test")
	for _, name := range []string{"alive.test", "gone.test", "revoked.test", "twice.test", "twice.test"} {
		wait(name, "")
	}
	stories := map[string]string{}
	requests, _, err := s.db.EnrolRequests(t.Context(), db.EnrolRequestQuery{State: db.EnrolWaiting})
	if err != nil {
		t.Fatal(err)
	}
	for i := range requests {
		stories[requests[i].Hostname] = must[string](t)(s.web.enrolStory(t.Context(), &requests[i]))
	}
	for _, story := range []string{"reinstalled", "alive", "gone", "revoked", "twice"} {
		if stories[story+".test"] != story {
			t.Errorf("of %s.test it tells %q", story, stories[story+".test"])
		}
	}
	page := b.get("/trust/waiting").body
	for _, way := range []string{"Replace: alive.test", "Keep both: alive.test", "Refuse: alive.test", "Keep both: twice.test", "Sign: revoked.test"} {
		if !strings.Contains(page, `aria-label="`+way+`"`) {
			t.Errorf("the page does not offer %q", way)
		}
	}
}
