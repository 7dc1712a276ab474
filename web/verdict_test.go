package web

import (
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/internal/testclock"
	"hostler/server/trust"
)

// What the program says of a host is in the audit log, whatever it decided.
func TestTheProgramsOutputIsAudited(t *testing.T) {
	s := newServer(t)
	s.decidedBy(`echo "asked about $1"; [ "$1" = good.test ]`)
	for host, want := range map[string]db.AuditResult{"good.test": db.AuditDone, "bad.test": db.AuditRefused} {
		s.ask(asked{host: host})
		e := s.autosigned(host)
		if e.Actor != "program" || e.Result != want || e.Address != "127.0.0.1" || !strings.Contains(string(e.Became), "asked about "+host) {
			t.Errorf("recorded is %+v", e)
		}
	}
}

// autosigned is the entry about a host that was decided on without asking anybody.
func (s *server) autosigned(host string) db.AuditEntry {
	s.t.Helper()
	var found []db.AuditEntry
	for _, e := range s.entries(0) {
		if e.Action == "enrol_request.autosign" && e.Target == host {
			found = append(found, e)
		}
	}
	if len(found) != 1 {
		s.t.Fatalf("about %s there are %+v", host, found)
	}
	return found[0]
}

// Who gets another certificate for the key of one that has expired is on record, and how that came.
func TestRecoveryIsAudited(t *testing.T) {
	s := newServer(t)
	clock := testclock.New(db.Now())
	s.web.CA = must[*trust.CA](t)(trust.OpenCA(s.db, filepath.Join(s.dir, "ca"), masterKey, clock.Now))
	s.web.CA.OnVerdict(s.web.recordVerdict)
	csr, _ := newCSR(t, "node1.test")
	enrol := func(token string) reply {
		return send(t, s.hostClient(nil), post, s.handshake.URL+wire.PathEnroll, strings.NewReader(
			toJSON(t, wire.EnrollRequest{Hostname: "node1.test", Token: token, CSR: csr})), nil)
	}
	token := must[string](t)(s.web.CA.MintToken(t.Context(), trust.TokenSpec{Uses: 1, Lifetime: time.Hour}))
	if r := enrol(token); r.status != http.StatusOK {
		t.Fatalf("it answered %d %s", r.status, r.body)
	}
	clock.Advance(8 * 24 * time.Hour)
	if r := enrol(""); r.status != http.StatusOK {
		t.Fatalf("the recovery answered %d %s", r.status, r.body)
	}
	if e := s.autosigned("node1.test"); e.Actor != "recovery" || e.Result != db.AuditDone || !strings.Contains(string(e.Became), "its certificate expired at") {
		t.Errorf("recorded is %+v", e)
	}
}

// Every renewal is on record with the host that asked for it, and so is one that was refused.
func TestRenewalsAreAudited(t *testing.T) {
	s := newServer(t)
	c, _ := s.register("node1.test")
	csr, _ := newCSR(t, "node1.test")
	renew := func() {
		send(t, c, post, s.secured.URL+wire.PathRenew, strings.NewReader(toJSON(t, wire.RenewRequest{CSR: csr})), nil)
	}
	before := s.newest()
	renew()
	if e := s.only(before); e.Action != "certificate.renewed" || e.Actor != "host:node1.test" || e.Target != "node1.test" || e.Code != "too_early" {
		t.Errorf("recorded is %+v", e)
	}
	s.web.CA = must[*trust.CA](t)(trust.OpenCA(s.db, filepath.Join(s.dir, "ca"), masterKey, func() time.Time { return db.Now().Add(5 * 24 * time.Hour) }))
	before = s.newest()
	renew()
	if e := s.only(before); e.Action != "certificate.renewed" || e.Result != db.AuditDone || !strings.Contains(string(e.Became), `"serial"`) {
		t.Errorf("recorded is %+v", e)
	}
}

// One address may ask for no more certificates than would keep the server from others, also with a good token.
func TestAttackFloodOfAskingHosts(t *testing.T) {
	s := newServer(t)
	clock := testclock.New(db.Now())
	s.web.asking = newLimiter(clock.Now, 3, 1)
	made := s.enrolToken(trust.TokenRequest{Uses: 10})
	for _, name := range []string{"a.test", "b.test", "c.test"} {
		if got := s.ask(asked{host: name, token: made.Token}); got != "" {
			t.Errorf("%s is answered with %s", name, got)
		}
	}
	if r := s.enrol("d.test", made.Token); r.status != http.StatusTooManyRequests || r.header.Get("Retry-After") == "" {
		t.Errorf("the flood is answered %d %s", r.status, r.body)
	}
	if r := s.api(get, "/metrics", ""); !strings.Contains(r.body, `hostler_enrolments_total{result="limited"} 1`) {
		t.Error("it is not counted")
	}
	clock.Advance(time.Second)
	if got := s.ask(asked{host: "d.test", token: made.Token}); got != "" {
		t.Errorf("a second later it is answered with %s", got)
	}
}

// A rack behind one address, or a cloud that starts hundreds of hosts at once, is no flood.
func TestManyHostsOfOneAddressAreNoFlood(t *testing.T) {
	l := newLimiter(db.Now, askBurst, askRate)
	address := netip.MustParseAddr("192.0.2.1")
	for i := range 1500 {
		if l.spent(address) {
			t.Fatalf("after %d hosts it is spent", i)
		}
		l.count(address)
	}
}
