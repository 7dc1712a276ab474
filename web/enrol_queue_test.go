package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/account"
	"hostler/server/event"
	"hostler/server/trust"
)

func TestQueueIsClosedOnThePage(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	if r := b.get("/trust/policies"); !strings.Contains(r.body, `action="/trust/queue"`) {
		t.Fatalf("the page answered %d without the switch", r.status)
	}
	if r := s.person("bob", account.RoleOperator).get("/trust/policies"); strings.Contains(r.body, `action="/trust/queue"`) {
		t.Error("an operator is offered the switch")
	}
	if r := b.post("/trust/queue", url.Values{"open": {"false"}}); r.location() != "/trust/policies" {
		t.Errorf("the switch answered %d", r.status)
	}
	request, _ := newCSR(t, "node1.lab.test")
	body := toJSON(t, wire.EnrollRequest{Hostname: "node1.lab.test", CSR: request})
	r := send(t, s.hostClient(nil), http.MethodPost, s.handshake.URL+wire.PathEnroll, strings.NewReader(body), nil)
	if r.status != http.StatusForbidden || r.failure(t).Code != "queue_closed" {
		t.Errorf("a host without a token was answered %d %s", r.status, r.body)
	}
	if n := len(s.eventsOf(event.EnrolQueueClosed)); n != 1 {
		t.Errorf("it was recorded %d times", n)
	}
}

// eventsOf are the events of a kind.
func (s *server) eventsOf(kind string) (found []db.Event) {
	s.t.Helper()
	for _, e := range must[[]db.Event](s.t)(s.db.Events(s.t.Context(), db.EventQuery{Limit: 500})) {
		if e.Kind == kind {
			found = append(found, e)
		}
	}
	return found
}

func TestASecondHostOfANameIsTold(t *testing.T) {
	s := newServer(t)
	_, id := s.register("node1.lab.test")
	if n := len(s.eventsOf(event.HostNamesake)); n != 0 {
		t.Fatalf("%d namesakes were told of one host", n)
	}
	s.agentBy(trust.TokenSpec{Hostname: "node1.lab.test", Uses: 1, Lifetime: time.Minute}, "node1.lab.test") // installed anew: it takes its own place
	if n := len(s.eventsOf(event.HostNamesake)); n != 0 {
		t.Errorf("a host that was installed anew was told as a second one, %d times", n)
	}
	_, sn := s.agentBy(trust.TokenSpec{Uses: 1, Lifetime: time.Minute}, "Node1.Lab.Test")
	told := s.eventsOf(event.HostNamesake)
	if len(told) != 1 || told[0].Params["agentsn"] != sn || *told[0].HostID != id || told[0].Params["host"] != "node1.lab.test" {
		t.Errorf("told were %+v", told)
	}
}

// TestHostNames brings hosts in under all kinds of names, and looks for the name and for what the host calls itself on its page.
func TestHostNames(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	for _, c := range []struct{ what, given, fqdn, name string }{
		{"a short name", "web01", "web01.dc1.example", "web01"},
		{"an IPv4 address", "10.1.2.3", "db1.dc1.example", "10.1.2.3"},
		{"an IPv6 address", "2001:db8::7", "db2.dc1.example", "2001:db8::7"},
		{"an alias", "mail.dc1.example", "mx01.dc1.example", "mail.dc1.example"},
		{"upper case", "WEB02.Dc1.Example", "web02.dc1.example", "web02.dc1.example"},
		{"a digit first", "9front.dc1.example", "9front.dc1.example", "9front.dc1.example"},
		{"only digits", "4711", "4711.dc1.example", "4711"},
		{"a dot at the end", "web03.dc1.example.", "web03.dc1.example", "web03.dc1.example"},
		{"an underscore", "build_7.dc1.example", "build-7.dc1.example", "build_7.dc1.example"},
		{"one that does not know itself", "web04.dc1.example", "localhost.localdomain", "web04.dc1.example"},
	} {
		client, sn := s.agentBy(trust.TokenSpec{Uses: 1, Lifetime: time.Minute}, c.given)
		body := toJSON(t, wire.RegisterRequest{Hostname: c.given, AgentSN: sn, Version: "1", Facts: &wire.Facts{FQDN: c.fqdn}})
		if r := send(t, client, http.MethodPost, s.secured.URL+wire.PathRegister, strings.NewReader(body), nil); r.status != http.StatusOK {
			t.Errorf("%s: the registration answered %d: %s", c.what, r.status, r.body)
			continue
		}
		s.beat(client, c.given)
		host := must[*db.Host](t)(s.db.HostBySN(t.Context(), sn))
		if host.Name != c.name || host.FQDN != c.fqdn {
			t.Errorf("%s: it is called %q and calls itself %q", c.what, host.Name, host.FQDN)
		}
		r := b.get("/hosts/" + idText(host.ID))
		if r.status != http.StatusOK || !strings.Contains(r.body, c.name) || !strings.Contains(r.body, c.fqdn) {
			t.Errorf("%s: its page answered %d without both names", c.what, r.status)
		}
		if r := b.get("/hosts?search=" + url.QueryEscape(c.name)); !strings.Contains(r.body, "/hosts/"+idText(host.ID)) {
			t.Errorf("%s: the list does not find it", c.what)
		}
	}
	for _, bad := range []string{"", "-oProxyCommand", "web 1", "web;1", "../web", strings.Repeat("a", 254)} {
		request, _ := newCSR(t, "x")
		token := must[string](t)(s.web.CA.MintToken(t.Context(), trust.TokenSpec{Uses: 1, Lifetime: time.Minute}))
		body := toJSON(t, wire.EnrollRequest{Hostname: bad, Token: token, CSR: request})
		if r := send(t, s.hostClient(nil), http.MethodPost, s.handshake.URL+wire.PathEnroll, strings.NewReader(body), nil); r.status < 400 || r.status >= 500 {
			t.Errorf("%q was answered %d", bad, r.status)
		}
	}
}
