package trust

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"hostler/db"
	"hostler/db/dbtest"
	"hostler/internal/seal"
)

// gathering is an authority on which agents come at the same time.
type gathering struct {
	*testing.T
	db *db.DB
	ca *CA
}

func newGathering(t *testing.T) *gathering {
	t.Helper()
	d := dbtest.Open(t)
	ca, err := OpenCA(d, t.TempDir(), seal.NewKey(), db.Now)
	if err != nil {
		t.Fatal(err)
	}
	return &gathering{t, d, ca}
}

func (r *gathering) token(uses int) *db.EnrolToken {
	r.Helper()
	_, token, err := r.ca.mint(r.Context(), TokenSpec{Uses: uses, Lifetime: time.Hour})
	if err != nil {
		r.Fatal(err)
	}
	return token
}

// agent is one with a key of its own.
func (r *gathering) agent(name, wish string, token *db.EnrolToken) *admission {
	r.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		r.Fatal(err)
	}
	return &admission{by: claim{wish: wish, hostname: name, keyHash: keyHash(&key.PublicKey)}, public: &key.PublicKey, token: token}
}

// come has agents come at once and returns the codes of their refusals. Whoever is admitted is on record.
func (r *gathering) come(agents ...*admission) []string {
	r.Helper()
	if err := r.ca.admitAll(r.Context(), agents); err != nil {
		r.Fatal(err)
	}
	codes := make([]string, len(agents))
	for i, a := range agents {
		if a.refused != nil {
			codes[i] = a.refused.Code
			continue
		}
		if got, err := r.db.Certificate(r.Context(), a.record.Serial); err != nil || got.AgentSN != a.record.AgentSN || got.Hostname != a.by.hostname {
			r.Errorf("%s is recorded as %+v, %v", a.by.hostname, got, err)
		}
	}
	return codes
}

func (r *gathering) wants(got []string, want ...string) {
	r.Helper()
	if !slices.Equal(got, want) {
		r.Errorf("got %q, want %q", got, want)
	}
}

func TestTogetherTheyTakeNoMoreUsesThanThereAre(t *testing.T) {
	r := newGathering(t)
	few, other := r.token(2), r.token(1)
	r.wants(r.come(r.agent("a", "", few), r.agent("b", "", few), r.agent("c", "", few), r.agent("d", "", other)), "", "", "token_used", "")
	left, err := r.db.EnrolTokenByID(t.Context(), few.ID)
	if err != nil || left.UsesLeft != 0 {
		t.Errorf("%d uses are left, %v", left.UsesLeft, err)
	}
}

func TestTogetherTheyAreManyMoreThanAreLookedUpAtOnce(t *testing.T) {
	r := newGathering(t)
	const n = 2*admitTogether + 1
	token := r.token(n)
	var agents []*admission
	for i := range n {
		agents = append(agents, r.agent(fmt.Sprint("host", i), "", token))
	}
	r.wants(r.come(agents...), make([]string, n)...)
}

func TestTogetherOneGetsItsCertificateAgain(t *testing.T) {
	r := newGathering(t)
	token := r.token(1)
	first := r.agent("a", "", token)
	again := *first // the answer was lost on its way, and it asks once more
	r.wants(r.come(first, &again), "", "")
	if again.record.AgentSN != first.record.AgentSN || again.record.Serial == first.record.Serial {
		t.Errorf("got %s %s, then %s %s", first.record.AgentSN, first.record.Serial, again.record.AgentSN, again.record.Serial)
	}
}

func TestTogetherNoTwoGetOneSerialNumber(t *testing.T) {
	r := newGathering(t)
	token, wish := r.token(3), uuid.NewString()
	a, b, c := r.agent("a", wish, token), r.agent("b", wish, token), r.agent("c", uuid.NewString(), token)
	r.wants(r.come(a, b, c), "", "", "")
	if a.record.AgentSN != wish || b.record.AgentSN == wish || c.record.AgentSN != c.by.wish {
		t.Errorf("got %s, %s and %s; the first two wished for %s, the third for %s", a.record.AgentSN, b.record.AgentSN, c.record.AgentSN, wish, c.by.wish)
	}
}

func TestTogetherATurnedAwayHostIsRefusedAlone(t *testing.T) {
	r := newGathering(t)
	token := r.token(3)
	r.wants(r.come(r.agent("away", "", token)), "")
	if _, err := r.ca.Revoke(t.Context(), RevokeRequest{Hosts: []string{"away"}}, "somebody"); err != nil {
		t.Fatal(err)
	}
	r.wants(r.come(r.agent("a", "", token), r.agent("away", "", token), r.agent("b", "", token)), "", "host_revoked", "")
}
