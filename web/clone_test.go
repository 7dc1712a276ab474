package web

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/event"
	"hostler/server/trust"
)

// TestAttackACopiedCertificate registers with another machine's certificate: it is refused, and recorded once.
func TestAttackACopiedCertificate(t *testing.T) {
	s := newServer(t)
	c, _ := s.agentOn(trust.TokenSpec{Uses: 1, Lifetime: time.Minute}, "node1.lab.test", &wire.Facts{MachineID: "c0ffee"})
	register := func(machine string) reply {
		body := toJSON(t, wire.RegisterRequest{Hostname: "node1.lab.test", Facts: &wire.Facts{MachineID: machine}})
		return send(t, c, post, s.secured.URL+wire.PathRegister, strings.NewReader(body), nil)
	}
	if r := register("c0ffee"); r.status != http.StatusOK {
		t.Errorf("the machine itself is answered with %d %s", r.status, r.body)
	}
	for range 2 {
		if r := register("decade"); r.status != http.StatusForbidden || r.failure(t).Code != "machine_changed" {
			t.Errorf("another machine is answered with %d %s", r.status, r.body)
		}
	}
	events := must[[]db.Event](t)(s.db.Events(t.Context(), db.EventQuery{Kind: event.HostCloned}))
	if len(events) != 1 || events[0].Params["machine"] != "decade" || events[0].HostID == nil || events[0].Severity != db.SeverityError {
		t.Errorf("recorded %+v", events)
	}
}

// TestATwinOfAHostIsFound has two agents report in turn that share the certificate and the machine id. The later one is sent
// for a certificate of its own, and the first one goes on; an agent that is started anew is no twin.
func TestATwinOfAHostIsFound(t *testing.T) {
	s := newServer(t)
	c, _ := s.agentOn(trust.TokenSpec{Uses: 1, Lifetime: time.Minute}, "node1.lab.test", &wire.Facts{MachineID: "c0ffee"})
	beat := func(instance string) reply {
		body := toJSON(t, wire.StatusRequest{Hostname: "node1.lab.test", Step: 10, Agents: []wire.ChildAgent{}, Instance: instance})
		return send(t, c, post, s.secured.URL+wire.PathStatus, strings.NewReader(body), nil)
	}
	body := toJSON(t, wire.RegisterRequest{Hostname: "node1.lab.test", Facts: &wire.Facts{MachineID: "c0ffee"}})
	if r := send(t, c, post, s.secured.URL+wire.PathRegister, strings.NewReader(body), nil); r.status != http.StatusOK {
		t.Fatalf("the host is answered with %d %s", r.status, r.body)
	}
	for _, instance := range []string{"before", "original", "before", "original", "original", "copy"} { // one message came late
		if r := beat(instance); r.status != http.StatusOK {
			t.Fatalf("%s is answered with %d %s", instance, r.status, r.body)
		}
	}
	refused := 0
	for range 4 {
		if r := beat("original"); r.status != http.StatusOK {
			t.Errorf("the original is answered with %d %s", r.status, r.body)
		}
		if r := beat("copy"); r.status == http.StatusForbidden && r.failure(t).Code == "machine_changed" {
			refused++
		}
	}
	if refused < 2 {
		t.Errorf("the copy was refused %d times", refused)
	}
	events := must[[]db.Event](t)(s.db.Events(t.Context(), db.EventQuery{Kind: event.HostTwin}))
	if len(events) != 1 || events[0].Params["host"] != "node1.lab.test" || events[0].HostID == nil || events[0].Severity != db.SeverityError {
		t.Errorf("recorded %+v", events)
	}
}
