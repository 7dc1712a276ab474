package web

import (
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"hostler/agent/wire"
	"hostler/db"
)

func TestRemovingAHostFromItsPage(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	client, sn := s.agent("node1.lab.test")
	id := s.registerAs(client, sn, "node1.lab.test")
	_, other := s.register("node2.lab.test")
	link := fmt.Sprintf("/host-removals/new?host=%d", id)
	if r := b.get(fmt.Sprintf("/hosts/%d", id)); !strings.Contains(r.body, link) {
		t.Fatalf("the host's page does not lead to %s", link)
	}
	r := b.get(link)
	if r.status != http.StatusOK || !strings.Contains(r.body, ">node1.lab.test</textarea>") || !strings.Contains(r.body, `value="stop" checked`) {
		t.Fatalf("the form is %d:\n%s", r.status, r.body)
	}
	form := url.Values{"hosts": {"node1.lab.test"}, "action": {"gone"}, "typed": {"node2.lab.test"}}
	if r := b.post("/host-removals/new", form); r.status != http.StatusUnprocessableEntity || !strings.Contains(r.body, "neither the name of the only host") {
		t.Errorf("another name is answered with %d", r.status)
	}
	form.Set("typed", "Node1.lab.test")
	to := b.post("/host-removals/new", form)
	if to.status != http.StatusSeeOther {
		t.Fatalf("the removal is answered with %d:\n%s", to.status, to.body)
	}
	var operation int64
	if _, err := fmt.Sscanf(to.header.Get("Location"), "/operations/%d", &operation); err != nil {
		t.Fatal(err)
	}
	s.awaitOperation(operation, db.Done)
	if r := b.get(fmt.Sprintf("/hosts/%d", id)); r.status != http.StatusNotFound {
		t.Errorf("the removed host's page is answered with %d", r.status)
	}
	if r := b.get(to.header.Get("Location")); !strings.Contains(r.body, "1 done") || strings.Contains(r.body, fmt.Sprintf(`href="/hosts/%d"`, id)) {
		t.Errorf("the operation's page is\n%s", r.body)
	}
	if r := b.get("/hosts"); strings.Contains(r.body, "node1.lab.test") || !strings.Contains(r.body, fmt.Sprintf("/hosts/%d", other)) {
		t.Error("the list has the wrong host")
	}
	// Its agent is refused, and comes back only when somebody lets it in.
	if _, err := s.db.CurrentCertificate(t.Context(), sn); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("its certificate: %v", err)
	}
	if r := s.enrol("node1.lab.test", ""); !strings.Contains(r.body, "approval_pending") {
		t.Errorf("without a token it is answered with %d %s", r.status, r.body)
	}
	// Of several their number is to be typed.
	s.register("node3.lab.test")
	form = url.Values{"all": {"1"}, "action": {"stop"}, "typed": {"node2.lab.test"}}
	if r := b.post("/host-removals/new", form); r.status != http.StatusUnprocessableEntity {
		t.Errorf("one name for two hosts is answered with %d", r.status)
	}
	form.Set("typed", "2")
	if r := b.post("/host-removals/new", form); r.status != http.StatusSeeOther {
		t.Errorf("two hosts are answered with %d", r.status)
	}
}

// A host whose agent cannot be told to go is offered as one that is gone, with one click.
func TestAFailedRemovalLeadsToForgettingTheHost(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	client, id := s.register("node1.lab.test")
	operation := s.work("/host-removals", map[string]any{"targets": map[string]any{"hosts": "node1.lab.test"}})
	j := s.job(client, "node1.lab.test")
	s.agentPost(client, wire.PathJobResult, []wire.JobResult{{ID: j.ID, ErrCode: wire.ErrCodeUnknownAction, Message: "unknown", Elapsed: 1}})
	s.awaitOperation(operation, db.Failed)
	link := fmt.Sprintf("/host-removals/new?gone=1&only=failed&operation=%d", operation)
	if r := b.get(fmt.Sprintf("/operations/%d", operation)); !strings.Contains(r.body, html.EscapeString(link)) {
		t.Fatalf("the operation's page does not lead to %s:\n%s", link, r.body)
	}
	if r := b.get(link); !strings.Contains(r.body, ">node1.lab.test</textarea>") || !strings.Contains(r.body, `value="gone" checked`) {
		t.Errorf("the form is %d:\n%s", r.status, r.body)
	}
	s.awaitOperation(s.work("/host-removals", map[string]any{"targets": map[string]any{"hosts": "node1.lab.test"}, "gone": true}), db.Done)
	if _, known := s.web.Fleet.Get(t.Context(), id); known {
		t.Error("the host is not forgotten")
	}
	if r := b.get("/metrics"); !strings.Contains(r.body, "hostler_hosts_removed_total 1") {
		t.Error("the removal is not counted")
	}
}
