package trust_test

import (
	"crypto/ecdsa"
	"testing"

	"hostler/agent/wire"
	"hostler/server/trust"
)

func TestExpiredCertificateIsReplacedForTheSameKey(t *testing.T) {
	r := newRig(t)
	said := r.verdicts()
	key := newKey(t)
	reply, err := r.ca.Enrol(t.Context(), wire.EnrollRequest{Hostname: "node1", Token: r.token(trust.TokenSpec{Cluster: "dc1"}), CSR: request(t, key, nil)}, here)
	r.must(err)
	if _, got := r.fetch("node1", key); got != "not_expired" {
		t.Errorf("before its end it is answered with %q", got)
	}
	for i := range 3 {
		r.clock.Advance(8 * day)
		c, refused := r.fetch("node1", key)
		if c == nil || c.Subject.CommonName != reply.AgentSN {
			t.Fatalf("recovery %d: %s", i, refused)
		}
		if record, err := r.ca.Identify(t.Context(), c); err != nil || record.Cluster != "dc1" {
			t.Errorf("the record is %+v, %v", record, err)
		}
	}
	if len(*said) != 3 || (*said)[0].By != "recovery" || (*said)[0].Output == "" {
		t.Errorf("told are %+v", *said)
	}
	r.clock.Advance(8 * day)
	if _, got := r.fetch("node1", key); got != "approval_pending" {
		t.Errorf("the fourth time it is answered with %q", got)
	}
}

// TestAttackRecovery holds that an expired certificate gives nobody a name that somebody else has since, and nothing to who
// was turned away.
func TestAttackRecovery(t *testing.T) {
	r := newRig(t)
	old, revoked := newKey(t), newKey(t)
	keys := map[string]*ecdsa.PrivateKey{"node1": old, "node2": revoked}
	for name, key := range keys {
		_, err := r.ca.Enrol(t.Context(), wire.EnrollRequest{Hostname: name, Token: r.token(trust.TokenSpec{}), CSR: request(t, key, nil)}, here)
		r.must(err)
	}
	r.revoke("node2")
	r.clock.Advance(8 * day)
	r.enrol("node1", "", r.token(trust.TokenSpec{Hostname: "node1"}))
	for name, key := range keys {
		_, err := r.ca.Enrol(t.Context(), wire.EnrollRequest{Hostname: name, CSR: request(t, key, nil)}, here)
		if code(err) != "approval_pending" {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := r.ca.Enrol(t.Context(), wire.EnrollRequest{Hostname: "node3", CSR: request(t, old, nil)}, here)
	if code(err) != "approval_pending" {
		t.Errorf("the key under another name: %v", err)
	}
}
