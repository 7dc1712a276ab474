package web

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/event"
	"hostler/server/trust"
)

// enrolToken makes an enrolment token by the API.
func (s *server) enrolToken(ask trust.TokenRequest) newEnrolTokenReply {
	s.t.Helper()
	r := s.api(post, api+"/enrol-tokens", toJSON(s.t, ask))
	if r.status != http.StatusCreated {
		s.t.Fatalf("the token answered %d %s", r.status, r.body)
	}
	var reply newEnrolTokenReply
	r.json(s.t, &reply)
	return reply
}

// enrol asks for a certificate and returns the answer.
func (s *server) enrol(hostname, token string) reply {
	s.t.Helper()
	csr, _ := newCSR(s.t, hostname)
	return send(s.t, s.hostClient(nil), post, s.handshake.URL+wire.PathEnroll, strings.NewReader(
		toJSON(s.t, wire.EnrollRequest{Hostname: hostname, Token: token, CSR: csr})), nil)
}

func TestEnrolTokensByTheAPI(t *testing.T) {
	s := newServer(t)
	made := s.enrolToken(trust.TokenRequest{Host: "*.lab.test", Networks: "127.0.0.0/8,::1", Uses: 2, Note: "rack 12"})
	if made.State != db.EnrolTokenOpen || made.CreatedBy != "token:ci" || made.CAPin != s.web.CA.Pin() {
		t.Errorf("made is %+v", made)
	}
	if r := s.enrol("node1.lab.test", made.Token); r.status != http.StatusOK {
		t.Errorf("it answered %d %s", r.status, r.body)
	}
	if r := s.enrol("lab.test", made.Token); r.failure(t).Code != "token_scope" {
		t.Errorf("the bare domain was answered %d %s", r.status, r.body)
	}
	elsewhere := s.enrolToken(trust.TokenRequest{Networks: "10.0.0.0/8"})
	if r := s.enrol("node2.lab.test", elsewhere.Token); r.failure(t).Code != "token_network" || !strings.Contains(r.body, "127.0.0.1") {
		t.Errorf("a host from elsewhere was answered %d %s", r.status, r.body)
	}
	var list enrolTokensReply
	if r := s.api(get, api+"/enrol-tokens?state=open", ""); strings.Contains(r.body, made.Token) {
		t.Error("the list tells the secret")
	} else if r.json(t, &list); len(list.Items) != 2 || list.Items[1].UsesLeft != 1 {
		t.Errorf("the list is %+v", list)
	}
	for range 2 { // a double click
		var ended enrolTokenReply
		s.api(post, fmt.Sprintf("%s/enrol-tokens/%d/end", api, made.ID), "{}").json(t, &ended)
		if ended.State != db.EnrolTokenEnded || ended.EndedBy != "token:ci" {
			t.Errorf("ended is %+v", ended)
		}
	}
	if r := s.enrol("node3.lab.test", made.Token); r.failure(t).Code != "token_ended" {
		t.Errorf("an ended token was answered %d %s", r.status, r.body)
	}
	if n := len(s.events(event.AdmissionEnded)); n != 1 {
		t.Errorf("its end was recorded %d times", n)
	}
	for _, e := range s.events(event.AdmissionMade) {
		if strings.Contains(toJSON(t, e.Params), made.Token) {
			t.Error("an event tells the secret")
		}
	}
}

func TestEnrolTokenPages(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	if r := b.get("/trust/tokens"); !strings.Contains(r.body, "No enrolment tokens yet") {
		t.Errorf("the empty page answered %d", r.status)
	}
	form := url.Values{"host": {"web*.lab.test"}, "uses": {"2"}, "minutes": {"30"}, "note": {"rack 12"}}
	for field, wrong := range map[string]string{"host": "*", "uses": "0", "minutes": "x", "networks": "lab"} {
		bad := cloneForm(form)
		bad.Set(field, wrong)
		if r := b.post("/trust/tokens/new", bad); r.status != http.StatusUnprocessableEntity || !strings.Contains(r.body, `href="#field-`+field) || !strings.Contains(r.body, "rack 12") {
			t.Errorf("%s=%s answered %d", field, wrong, r.status)
		}
	}
	made := b.post("/trust/tokens/new", form)
	if !strings.HasPrefix(made.location(), "/trust/tokens/") {
		t.Fatalf("it answered %d %s", made.status, made.body)
	}
	path := made.location()
	shown := b.get(path)
	secret := regexp.MustCompile(`<span>([A-Za-z0-9_-]{43})</span>`).FindStringSubmatch(shown.body)
	if secret == nil || !strings.Contains(shown.body, "setup-agent.sh") {
		t.Fatalf("the page shows no commands: %d", shown.status)
	}
	if r := s.enrol("web1.lab.test", secret[1]); r.status != http.StatusOK {
		t.Errorf("its token answered %d %s", r.status, r.body)
	}
	if r := b.get(path); !strings.Contains(r.body, "web1.lab.test") || !strings.Contains(r.body, "1 of 2") {
		t.Error("the page does not show whom the token has admitted")
	}
	if r := b.get("/trust/tokens?state=open"); !strings.Contains(r.body, "rack 12") || strings.Contains(r.body, secret[1]) {
		t.Error("the list lacks the token, or tells its secret")
	}
	if r := b.post(path+"/end", nil); r.location() != "/trust/tokens" {
		t.Errorf("its end answered %d %s", r.status, r.location())
	}
	if r := b.get(path); strings.Contains(r.body, secret[1]) || strings.Contains(r.body, path+"/end") {
		t.Error("an ended token is shown as if it were of use")
	}
	if r := s.enrol("web2.lab.test", secret[1]); r.failure(t).Code != "token_ended" {
		t.Errorf("an ended token was answered %d %s", r.status, r.body)
	}
}
