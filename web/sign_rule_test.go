package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"hostler/db"
	"hostler/server/event"
)

func TestSignRulesByPageAndAPI(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	if r := b.get("/trust/policies"); r.status != http.StatusOK || !strings.Contains(r.body, "There are none. Every host without a token waits") {
		t.Errorf("the page answered %d", r.status)
	}
	if r := b.post("/trust/policies", url.Values{"host": {"*"}, "note": {"rack 12"}}); r.status != http.StatusUnprocessableEntity || !strings.Contains(r.body, "rack 12") {
		t.Errorf("a wrong rule answered %d", r.status)
	}
	if r := b.post("/trust/policies", url.Values{"host": {"*.lab.test"}, "networks": {"127.0.0.0/8"}}); r.location() != "/trust/policies" {
		t.Fatalf("the rule answered %d %s", r.status, r.body)
	}
	if r := b.get("/trust/policies"); !strings.Contains(r.body, "*.lab.test") || !strings.Contains(r.body, "Whoever can choose a name is let in") {
		t.Error("the page lacks the rule or the warning")
	}
	csr, _ := newCSR(t, "node1.lab.test")
	w := &waiter{s: s, name: "node1.lab.test", csr: csr}
	if r := w.ask(); r.status != http.StatusOK {
		t.Errorf("it is answered %d %s", r.status, r.body)
	}
	if events := s.events(event.EnrolDecided); len(events) != 1 || events[0].Actor != "rule:1" || events[0].Params["verdict"] != "signed" {
		t.Errorf("recorded are %+v", events)
	}
	var list signRulesReply
	s.api(get, api+"/sign-rules", "").json(t, &list)
	if len(list.Items) != 1 || list.Items[0].CreatedBy != testUser {
		t.Errorf("the list is %+v", list)
	}
	var made db.SignRule
	s.api(post, api+"/sign-rules", `{"host":"web*.test"}`).json(t, &made)
	for range 2 { // a double click
		if r := b.post("/trust/policies/1/remove", nil); r.location() != "/trust/policies" {
			t.Errorf("the removal answered %d", r.status)
		}
	}
	if r := s.api(post, api+"/sign-rules/1/remove", "{}"); r.status != http.StatusNotFound {
		t.Errorf("a removed rule answered %d", r.status)
	}
	s.waiter("node2.lab.test")
	if n := len(s.events(event.SignRuleRemoved)); n != 1 {
		t.Errorf("the removal was recorded %d times", n)
	}
}
