package trust_test

import (
	"context"
	"testing"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/trust"
)

func TestClosedQueue(t *testing.T) {
	r := newRig(t)
	r.ca.OnVerdict(func(context.Context, trust.Verdict) {})
	early := newKey(t)
	r.arrive("early.lab.test", early, nil)
	signed := newKey(t)
	r.arrive("signed.lab.test", signed, nil)
	r.sign(trust.Decision{Hosts: []string{"signed.lab.test"}})
	r.must(r.ca.SetQueueOpen(t.Context(), false))
	if _, refused := r.fetch("new.lab.test", newKey(t)); refused != "queue_closed" {
		t.Errorf("a host without a token was answered with %q", refused)
	}
	if _, refused := r.fetch("early.lab.test", early); refused != "approval_pending" {
		t.Errorf("one that waits already was answered with %q", refused)
	}
	if c, refused := r.fetch("signed.lab.test", signed); c == nil {
		t.Errorf("one that is signed was answered with %q", refused)
	}
	if all, _, err := r.db.CountEnrolRequests(t.Context(), db.EnrolWaiting); err != nil || all != 1 {
		t.Errorf("%d wait: %v", all, err)
	}
	_, err := r.ca.NewSignRule(t.Context(), trust.SignRuleRequest{Host: "*.rule.test"}, "alice")
	r.must(err)
	if c, refused := r.fetch("new.rule.test", newKey(t)); c == nil {
		t.Errorf("one that a rule signs was answered with %q", refused)
	}
	r.enrol("token.lab.test", "", r.token(trust.TokenSpec{}))
	r.must(r.ca.SetQueueOpen(t.Context(), true))
	r.arrive("new.lab.test", newKey(t), &wire.Facts{})
}
