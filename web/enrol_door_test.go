package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/event"
	"hostler/server/trust"
)

// Who came with a token that does not admit it is on that token's page, and is let in or turned away there.
func TestApprovalOnTheTokensPage(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	made := s.enrolToken(trust.TokenRequest{Host: "*.rack.test"})
	path := fmt.Sprintf("/trust/tokens/%d", made.ID)
	if strings.Contains(b.get(path).body, "Not admitted by the token") {
		t.Error("nobody came, and the page has a list")
	}
	asks := map[string]func() reply{}
	for _, name := range []string{"a.lab.test", "b.lab.test"} {
		csr, _ := newCSR(t, name)
		asks[name] = func() reply {
			return send(t, s.hostClient(nil), post, s.handshake.URL+wire.PathEnroll, strings.NewReader(
				toJSON(t, wire.EnrollRequest{Hostname: name, Token: made.Token, CSR: csr})), nil)
		}
		if r := asks[name](); r.failure(t).Code != "token_scope" {
			t.Fatalf("%s is answered with %d %s", name, r.status, r.body)
		}
	}
	if n := len(s.events(event.EnrolWaiting)); n != 2 {
		t.Errorf("%d are told to wait", n)
	}
	shown := b.get(path).body
	for _, want := range []string{"a.lab.test", "b.lab.test", `formaction="/trust/waiting/refuse"`, "its enrolment token is for another host"} {
		if !strings.Contains(shown, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	form := url.Values{"only": {s.rowOf("a.lab.test")}, "next": {path}}
	if r := b.post("/trust/waiting/sign", form); r.location() != path {
		t.Errorf("signing led to %d %s", r.status, r.location())
	}
	b.post("/trust/waiting/refuse", url.Values{"only": {s.rowOf("b.lab.test")}, "next": {path}})
	if r := asks["a.lab.test"](); r.status != http.StatusOK {
		t.Errorf("the one that was signed is answered with %d %s", r.status, r.body)
	}
	if r := asks["b.lab.test"](); r.failure(t).Code != "token_scope" {
		t.Errorf("the one that was refused is answered with %d %s", r.status, r.body)
	}
	if shown = b.get(path).body; strings.Contains(shown, `name="only"`) || !strings.Contains(shown, "Refused") {
		t.Error("the page does not say what was decided, or asks again")
	}
	var list enrolRequestsReply
	if s.api(get, api+"/enrol-requests?state=refused", "").json(t, &list); len(list.Items) != 1 || list.Items[0].Token == nil || *list.Items[0].Token != made.ID || list.Items[0].Refusal != "token_scope" {
		t.Errorf("the API says %+v", list)
	}
}

// It is the same where somebody waits for hosts that are registered by hand.
func TestApprovalWhereHostsArrive(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	path := b.newDraft("dc1")
	b.post(path+"/hosts", url.Values{"method": {"manual"}, "hosts": {""}, "version": {b.version(path + "/hosts")}})
	b.get(path + "/manual")
	draft := must[[]db.Draft](t)(s.db.OpenDrafts(t.Context()))[0]
	token, _ := s.web.tokens.get(draft.ID, db.Now())
	b.post(path+"/token", nil) // the former token has ended
	if got := s.ask(asked{host: "late.test", token: token.secret}); got != "token_ended" {
		t.Fatalf("it is answered with %q", got)
	}
	shown := b.get(path + "/manual").body
	if !strings.Contains(shown, "late.test") || !strings.Contains(shown, `value="`+path+`/manual"`) {
		t.Error("the page does not show who came with a token that has ended")
	}
}
