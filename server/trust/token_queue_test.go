package trust_test

import (
	"testing"
	"time"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/trust"
)

// A host whose token does not admit it waits beside that token, and gets its certificate when somebody signs it all the same.
func TestHostsThatATokenDoesNotAdmitWaitBesideIt(t *testing.T) {
	r := newRig(t)
	secret := r.token(trust.TokenSpec{Hostname: "*.rack.test"})
	token := r.tokenID(secret)
	key := newKey(t)
	ask := func(name string) (wire.EnrollReply, string) {
		reply, err := r.ca.Enrol(t.Context(), wire.EnrollRequest{Hostname: name, Token: secret, CSR: request(t, key, nil)}, here)
		return reply, code(err)
	}
	for range 2 {
		if _, got := ask("node1.test"); got != "token_scope" {
			t.Errorf("it is answered with %q", got)
		}
	}
	waiting := r.beside(token)
	if len(waiting) != 1 || waiting[0].State != db.EnrolWaiting || waiting[0].Refusal != "token_scope" {
		t.Fatalf("beside the token there are %+v", waiting)
	}
	signed, err := r.ca.Sign(t.Context(), trust.Decision{IDs: []int64{waiting[0].ID}}, "alice")
	if err != nil || len(signed) != 1 {
		t.Fatalf("signed are %+v, %v", signed, err)
	}
	reply, refused := ask("node1.test")
	if refused != "" || reply.AgentSN != signed[0].AgentSN {
		t.Errorf("once it is signed it is answered with %q: %+v", refused, reply)
	}
	if r.usesLeft(secret) != 1 {
		t.Error("it cost a use of the token")
	}
	if _, got := ask("node2.test"); got != "token_scope" {
		t.Errorf("under another name it is answered with %q", got)
	}
}

func TestHostsThatATokenDoesNotAdmitAreRefused(t *testing.T) {
	r := newRig(t)
	secret := r.token(trust.TokenSpec{Uses: 1})
	r.enrol("node1", "", secret)
	key := newKey(t)
	ask := func() string {
		_, err := r.ca.Enrol(t.Context(), wire.EnrollRequest{Hostname: "node2", Token: secret, CSR: request(t, key, nil)}, here)
		return code(err)
	}
	if got := ask(); got != "token_used" {
		t.Errorf("it is answered with %q", got)
	}
	_, err := r.ca.Refuse(t.Context(), trust.Decision{IDs: []int64{r.beside(r.tokenID(secret))[0].ID}}, "alice")
	r.must(err)
	r.clock.Advance(time.Hour)
	if got := ask(); got != "token_used" && got != "token_expired" {
		t.Errorf("once it is refused it is answered with %q", got)
	}
	if all := r.beside(r.tokenID(secret)); len(all) != 1 || all[0].State != db.EnrolRefused {
		t.Errorf("beside the token there are %+v", all)
	}
}

// Where nobody may wait, a token that admits nobody does not change that.
func TestAttackClosedQueueByATokenThatIsOfNoUse(t *testing.T) {
	r := newRig(t)
	r.must(r.ca.SetQueueOpen(t.Context(), false))
	secret := r.token(trust.TokenSpec{Hostname: "other"})
	for _, token := range []string{secret, "nonsense"} {
		_, err := r.ca.Enrol(t.Context(), wire.EnrollRequest{Hostname: "node1", Token: token, CSR: request(t, newKey(t), nil)}, here)
		if got := code(err); got != "token_scope" && got != "token_unknown" {
			t.Errorf("it is answered with %q", got)
		}
	}
	if n, err := r.db.CountWaiting(t.Context()); n != 0 || err != nil {
		t.Errorf("%d wait, %v", n, err)
	}
}

// beside are the hosts that came with a token which does not admit them.
func (r *rig) beside(token int64) []db.EnrolRequest {
	r.Helper()
	rs, err := r.db.EnrolRequestsOfToken(r.Context(), token, 10)
	r.must(err)
	return rs
}
