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

// The record of a certificate may outlive what it proves: that of a registered host stays.
func TestACertificateThatEndedLongAgoIsNotReplaced(t *testing.T) {
	r := newRig(t)
	key := newKey(t)
	_, err := r.ca.Enrol(t.Context(), wire.EnrollRequest{Hostname: "node1", Token: r.token(trust.TokenSpec{}), CSR: request(t, key, nil)}, here)
	r.must(err)
	r.clock.Advance((7 + 31) * day)
	if _, got := r.fetch("node1", key); got != "approval_pending" {
		t.Errorf("a month after its end it is answered with %q", got)
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

// TestARemovedAgentWaitsForApproval: neither an expired certificate nor a rule lets a host in again that was removed.
func TestARemovedAgentWaitsForApproval(t *testing.T) {
	r := newRig(t)
	key := newKey(t)
	reply, err := r.ca.Enrol(t.Context(), wire.EnrollRequest{Hostname: "node1.lab.test", Token: r.token(trust.TokenSpec{}), CSR: request(t, key, nil)}, here)
	r.must(err)
	rule, err := r.ca.NewSignRule(t.Context(), trust.SignRuleRequest{Host: "*.lab.test"}, "alice")
	r.must(err)
	r.clock.Advance(8 * day)
	revoked, err := r.ca.RevokeAgent(t.Context(), reply.AgentSN, "alice")
	if err != nil || len(revoked) != 1 || revoked[0].AgentSN != reply.AgentSN {
		t.Fatalf("revoked are %v, %v", revoked, err)
	}
	if again, err := r.ca.RevokeAgent(t.Context(), reply.AgentSN, "alice"); err != nil || len(again) > 0 {
		t.Errorf("revoked again are %v, %v", again, err)
	}
	if c, got := r.fetch("node1.lab.test", key); c != nil || got != "approval_pending" {
		t.Errorf("under rule %d it is answered with %q", rule.ID, got)
	}
	q := r.arrive("node1.lab.test", key, nil)
	r.sign(trust.Decision{IDs: []int64{q.ID}})
	if c, got := r.fetch("node1.lab.test", key); c == nil {
		t.Errorf("signed by a person it is answered with %q", got)
	}
}
