package trust_test

import (
	"errors"
	"testing"
	"time"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/trust"
)

// knownTwice enrols a host, and has another key wait for its name on a machine.
func (r *rig) knownTwice(machine string) (first db.Certificate, second *db.EnrolRequest) {
	r.Helper()
	r.arrive("node1.lab.test", newKey(r.T), &wire.Facts{MachineID: "c0ffee"})
	first = r.sign(trust.Decision{Hosts: []string{"node1.lab.test"}})[0]
	r.host("node1.lab.test", first.AgentSN)
	r.clock.Advance(time.Minute)
	second = r.arrive("node1.lab.test", newKey(r.T), &wire.Facts{MachineID: machine})
	if second.Conflict != db.ConflictKnown {
		r.Fatalf("the conflict is %q", second.Conflict)
	}
	return first, second
}

func TestReplacingAHostTakesItsNumberAndEndsItsCertificates(t *testing.T) {
	r := newRig(t)
	first, second := r.knownTwice("decade")
	signed := r.sign(trust.Decision{IDs: []int64{second.ID}})
	if len(signed) != 1 || signed[0].AgentSN != first.AgentSN {
		t.Fatalf("signed %+v", signed)
	}
	if code(r.ca.CheckRevoked(first.Serial)) != "certificate_revoked" || r.ca.CheckRevoked(signed[0].Serial) != nil {
		t.Error("two hosts have one serial number, or neither has it")
	}
	old, err := r.db.Certificate(t.Context(), first.Serial)
	if err != nil || old.RevokedBy != "alice" {
		t.Errorf("it was revoked by %q: %v", old.RevokedBy, err)
	}
}

func TestKeepingBothGivesTheSecondANumberOfItsOwn(t *testing.T) {
	r := newRig(t)
	first, second := r.knownTwice("decade")
	signed := r.sign(trust.Decision{IDs: []int64{second.ID}, AsNew: true})
	if len(signed) != 1 || signed[0].AgentSN == first.AgentSN || signed[0].AgentSN == "" {
		t.Fatalf("signed %+v", signed)
	}
	if r.ca.CheckRevoked(first.Serial) != nil || r.ca.CheckRevoked(signed[0].Serial) != nil {
		t.Error("one of the two was revoked")
	}
	var wrong *trust.FieldError
	if _, err := r.ca.Sign(t.Context(), trust.Decision{All: true, AsNew: true}, "alice"); !errors.As(err, &wrong) || wrong.Field != "as_new" {
		t.Errorf("all as new: %v", err)
	}
}

func TestAttackACopiedCertificateIsRefusedOnAnotherMachine(t *testing.T) {
	r := newRig(t)
	cert := &db.Certificate{Hostname: "node1.lab.test", Machine: "c0ffee"}
	for name, c := range map[string]struct {
		cert  *db.Certificate
		facts *wire.Facts
		want  string
	}{
		"the machine itself":            {cert, &wire.Facts{MachineID: "C0FFEE"}, ""},
		"another machine":               {cert, &wire.Facts{MachineID: "decade"}, "machine_changed"},
		"one that says nothing":         {cert, &wire.Facts{}, ""},
		"the document's client":         {cert, nil, ""},
		"a certificate made beforehand": {&db.Certificate{Hostname: "node1.lab.test"}, &wire.Facts{MachineID: "decade"}, ""},
	} {
		if got := code(r.ca.CheckMachine(c.cert, c.facts)); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
