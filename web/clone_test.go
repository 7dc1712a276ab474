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
