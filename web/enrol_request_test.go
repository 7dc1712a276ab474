package web

import (
	"crypto/ecdsa"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/internal/testclock"
	"hostler/server/event"
	"hostler/server/trust"
)

// waiter is an agent without a token.
type waiter struct {
	s         *server
	name, csr string
	key       *ecdsa.PrivateKey
}

func (s *server) waiter(name string) *waiter {
	csr, key := newCSR(s.t, name)
	w := &waiter{s, name, csr, key}
	if r := w.ask(); r.status != http.StatusForbidden || r.failure(s.t).Code != "approval_pending" {
		s.t.Fatalf("%s is answered %d %s", name, r.status, r.body)
	}
	return w
}

func (w *waiter) ask() reply {
	w.s.t.Helper()
	return send(w.s.t, w.s.hostClient(nil), post, w.s.handshake.URL+wire.PathEnroll, strings.NewReader(
		toJSON(w.s.t, wire.EnrollRequest{Hostname: w.name, CSR: w.csr, Facts: &wire.Facts{OS: wire.OS{Name: "Debian GNU/Linux 12"}, Arch: "amd64"}})), nil)
}

func TestWaitingHostsByTheAPI(t *testing.T) {
	s := newServer(t)
	first, second, third := s.waiter("node1.lab.test"), s.waiter("node2.lab.test"), s.waiter("node3.lab.test")
	first.ask()
	if events := s.events(event.EnrolWaiting); len(events) != 3 || events[0].Params["fingerprint"] == "" {
		t.Errorf("recorded are %+v", events)
	}
	var list enrolRequestsReply
	s.api(get, api+"/enrol-requests?limit=2", "").json(t, &list)
	if len(list.Items) != 2 || list.Items[0].Host != "node1.lab.test" || list.Items[0].OS != "Debian GNU/Linux 12" || list.Next == "" {
		t.Fatalf("the list is %+v", list)
	}
	var rest enrolRequestsReply
	s.api(get, api+"/enrol-requests?limit=2&after="+list.Next, "").json(t, &rest)
	if len(rest.Items) != 1 || rest.Items[0].Host != "node3.lab.test" || rest.Next != "" {
		t.Errorf("the rest is %+v", rest)
	}
	var reply decidedReply
	s.api(post, api+"/enrol-requests/refuse", `{"hosts":["node3.lab.test"]}`).json(t, &reply)
	if reply.Decided != 1 || reply.Waiting != 2 {
		t.Errorf("refused: %+v", reply)
	}
	s.api(post, api+"/enrol-requests/sign", `{"all":true}`).json(t, &reply)
	if reply.Decided != 2 || reply.Waiting != 0 {
		t.Errorf("signed: %+v", reply)
	}
	for _, w := range []*waiter{first, second} {
		if r := w.ask(); r.status != http.StatusOK {
			t.Errorf("%s is answered %d %s", w.name, r.status, r.body)
		}
	}
	if r := third.ask(); r.failure(t).Code != "enrol_refused" {
		t.Errorf("the refused one is answered %d %s", r.status, r.body)
	}
	if events := s.events(event.EnrolSigned); len(events) != 2 || events[0].Actor != "token:ci" {
		t.Errorf("recorded are %+v", events)
	}
	if events := s.events(event.EnrolDenied); len(events) != 1 || events[0].Params["host"] != "node3.lab.test" {
		t.Errorf("recorded are %+v", events)
	}
	for _, body := range []string{"{}", `{"all":true,"ids":[1]}`, `{"hosts":["node9"]}`} {
		if r := s.api(post, api+"/enrol-requests/sign", body); r.status != http.StatusUnprocessableEntity {
			t.Errorf("%s answered %d", body, r.status)
		}
	}
	var cleaned cleanReply
	s.api(post, api+"/certificates/clean", `{"hosts":["node1.lab.test"]}`).json(t, &cleaned)
	if len(cleaned.Revoked) != 1 || cleaned.Requests != 1 || len(s.events(event.CertificateRevoked)) != 1 {
		t.Errorf("cleaned is %+v", cleaned)
	}
}

func TestWaitingPage(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	if r := b.get("/trust/waiting"); !strings.Contains(r.body, "No host waits") {
		t.Errorf("the empty page answered %d", r.status)
	}
	w := s.waiter("node1.lab.test")
	other := s.waiter("node2.lab.test")
	shown := b.get("/trust/waiting").body
	q := must[*db.EnrolRequest](t)(s.db.EnrolRequestByKey(t.Context(), s.events(event.EnrolWaiting)[0].Params["fingerprint"]))
	for _, want := range []string{"node1.lab.test", "127.0.0.1", "Debian GNU/Linux 12", "Sign all 2", strings.ToUpper(q.KeyHash[:2]) + ":" + strings.ToUpper(q.KeyHash[2:4])} {
		if !strings.Contains(shown, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if r := b.post("/trust/waiting/sign", url.Values{"next": {"/trust/waiting"}}); r.location() != "/trust/waiting" {
		t.Errorf("nothing chosen answered %d %s", r.status, r.location())
	}
	if r := w.ask(); r.failure(t).Code != "approval_pending" {
		t.Errorf("nothing chosen signed it: %d", r.status)
	}
	row := s.rowOf("node1.lab.test")
	for range 2 { // a double click
		b.post("/trust/waiting/sign", url.Values{"request": {row}})
	}
	if r := w.ask(); r.status != http.StatusOK {
		t.Errorf("it is answered %d %s", r.status, r.body)
	}
	b.post("/trust/waiting/refuse", url.Values{"only": {s.rowOf("node2.lab.test")}})
	if r := other.ask(); r.failure(t).Code != "enrol_refused" {
		t.Errorf("it is answered %d %s", r.status, r.body)
	}
	for state, name := range map[string]string{"signed": "node1.lab.test", "refused": "node2.lab.test"} {
		if r := b.get("/trust/waiting?state=" + state); !strings.Contains(r.body, name) || strings.Contains(r.body, `name="only"`) {
			t.Errorf("the list of those that are %s answered %d", state, r.status)
		}
	}
}

// Who signs all hosts signs those that the page has counted.
func TestAttackHostThatComesAfterThePage(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	seen := s.waiter("node1.lab.test")
	all := regexp.MustCompile(`name="all" value="(\d+)"`).FindStringSubmatch(b.get("/trust/waiting").body)
	late := s.waiter("node2.lab.test")
	if r := b.get("/trust/waiting?search=node1"); strings.Contains(r.body, `name="all"`) {
		t.Error("a search offers to sign all hosts")
	}
	b.post("/trust/waiting/sign", url.Values{"all": {all[1]}})
	if r := seen.ask(); r.status != http.StatusOK {
		t.Errorf("it is answered %d %s", r.status, r.body)
	}
	if r := late.ask(); r.failure(t).Code != "approval_pending" {
		t.Errorf("nobody has seen it, and it is answered %d", r.status)
	}
	if r := b.post("/trust/waiting/sign", url.Values{"all": {"1; DROP"}}); r.status != http.StatusBadRequest {
		t.Errorf("what is no number is answered %d", r.status)
	}
}

// rowOf is the number of the request of a host, as the page sends it.
func (s *server) rowOf(name string) string {
	s.t.Helper()
	var list enrolRequestsReply
	s.api(get, api+"/enrol-requests?search="+name, "").json(s.t, &list)
	if len(list.Items) != 1 {
		s.t.Fatalf("%s waits %d times", name, len(list.Items))
	}
	return toJSON(s.t, list.Items[0].ID)
}

func TestAttackFloodOfUnknownHosts(t *testing.T) {
	s := newServer(t)
	clock := testclock.New(db.Now())
	s.web.enrolments = newLimiter(clock.Now, 3, 1)
	known := s.waiter("node1.lab.test")
	token := s.enrolToken(trust.TokenRequest{})
	for range 5 { // who waits already may ask as often as it likes
		known.ask()
	}
	for range 2 {
		s.enrol("node2.lab.test", "wrong")
	}
	r := s.enrol("node2.lab.test", "wrong")
	if r.status != http.StatusTooManyRequests || r.header.Get("Retry-After") == "" {
		t.Errorf("the flood is answered %d %s", r.status, r.body)
	}
	clock.Advance(time.Second)
	if r := s.enrol("node3.lab.test", token.Token); r.status != http.StatusOK {
		t.Errorf("a second later a good host is answered %d %s", r.status, r.body)
	}
}

func TestLimiterIsPerAddress(t *testing.T) {
	clock := testclock.New(db.Now())
	l := newLimiter(clock.Now, 2, 1)
	a := netip.MustParseAddr("2001:db8::1")
	for range 2 {
		if l.spent(a) {
			t.Fatal("it is spent too early")
		}
		l.count(a)
	}
	for address, want := range map[string]bool{"2001:db8::1": true, "2001:db8::ffff": true, "2001:db8:0:1::1": false, "10.1.2.3": false} {
		if got := l.spent(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s is spent: %t", address, got)
		}
	}
	l.count(netip.Addr{}) // an address that is not known is one like others
	clock.Advance(1500 * time.Millisecond)
	if l.spent(a) {
		t.Error("it does not recover")
	}
}
