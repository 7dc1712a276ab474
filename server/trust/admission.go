package trust

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"slices"

	"github.com/google/uuid"

	"hostler/agent/wire"
	"hostler/db"
)

// admitTogether bounds how many agents are looked up and recorded together.
const admitTogether = 100

// admission is an agent with a token that asks for a certificate, and what comes of it.
type admission struct {
	by     claim
	public *ecdsa.PublicKey
	token  *db.EnrolToken

	cost    bool // it takes a use of the token
	record  *db.Certificate
	text    string // the certificate, PEM
	refused *wire.Error
}

// traces are what the host may be known by.
func (a *admission) traces() db.Traces {
	return db.Traces{Hostname: a.by.hostname, KeyHash: a.by.keyHash, Machine: a.by.machine}
}

// admitAll decides on agents that came at the same time, one after the other, but looks them up and records them together.
// One of which the decision could depend on another's record waits for that.
func (c *CA) admitAll(ctx context.Context, all []*admission) error {
	c.admitting.Lock()
	defer c.admitting.Unlock()
	for len(all) > 0 {
		n := min(len(all), admitTogether)
		later, err := c.admitSome(ctx, all[:n])
		if err != nil {
			return err
		}
		all = append(later, all[n:]...)
	}
	return nil
}

// admitSome does so with those of which no decision depends on another's record, and returns the others. The first one
// is never among those.
func (c *CA) admitSome(ctx context.Context, all []*admission) (later []*admission, err error) {
	traces := make([]db.Traces, len(all))
	for i, a := range all {
		traces[i] = a.traces()
	}
	known, err := c.db.KnownTraces(ctx, traces)
	if err != nil {
		return nil, err
	}
	var some []*admission
	taken := map[string]bool{} // names, keys and machines of those, and the serial numbers that they get
	for i, a := range all {
		marks := []string{a.by.hostname, a.by.keyHash, a.by.machine}
		if slices.ContainsFunc(append(marks, canonicalSN(a.by.wish)), func(mark string) bool { return mark != "" && taken[mark] }) {
			later = append(later, a)
			continue
		}
		if err := c.decide(ctx, a, known[i]); errors.As(err, &a.refused) {
			continue
		} else if err != nil {
			return nil, err
		}
		if taken[a.record.AgentSN] {
			later = append(later, a)
			continue
		}
		for _, mark := range append(marks, a.record.AgentSN) {
			taken[mark] = true
		}
		some = append(some, a)
	}
	return later, c.recordAll(ctx, some)
}

// canonicalSN is a serial number as it is recorded; "" for what is none.
func canonicalSN(wish string) string {
	id, err := uuid.Parse(wish)
	if err != nil {
		return ""
	}
	return id.String()
}

// decide refuses an agent with a *wire.Error, or signs its certificate, which is not recorded yet. known says that there are
// certificates of its name, key or machine.
func (c *CA) decide(ctx context.Context, a *admission, known bool) error {
	a.cost, a.record, a.refused = true, nil, nil
	like := &db.Certificate{
		Hostname: a.by.hostname, Machine: a.by.machine, TokenID: &a.token.ID, TaskID: a.token.TaskID, DraftID: a.token.DraftID,
		Cluster: a.token.Cluster, Tags: a.token.Tags,
	}
	if known {
		latest, err := c.db.LatestCertificates(ctx, a.traces())
		if err != nil {
			return err
		}
		if again := admitted(latest, a); again != nil {
			a.cost, like = false, again
		} else if err := checkReturn(latest, a.token, a.by); err != nil {
			return err
		}
	}
	var err error
	if like.AgentSN == "" {
		if like.AgentSN, err = c.serialFor(ctx, a.by, nil); err != nil {
			return err
		}
	}
	a.record, a.text, err = c.certify(a.public, like)
	return err
}

// admitted finds the certificate that the same token has brought the same key already. An answer that was lost on its way
// must not leave the host outside with a token that is used up: it gets its certificate again.
func admitted(latest []db.Certificate, a *admission) *db.Certificate {
	for i := range latest {
		l := &latest[i]
		if l.KeyHash == a.by.keyHash && l.Hostname == a.by.hostname && l.TokenID != nil && *l.TokenID == a.token.ID && l.RevokedAt == nil {
			return l
		}
	}
	return nil
}

// recordAll records certificates together with the uses of tokens that they cost; who finds none left is refused. The
// records come before the answers: a certificate that nobody recorded would be refused. A server that dies here must not
// leave a token that is used up and admitted nobody.
func (c *CA) recordAll(ctx context.Context, some []*admission) error {
	return c.db.Tx(ctx, func(tx *db.DB) error {
		var records []db.Certificate
		for _, a := range some {
			a.refused = nil
			if a.cost {
				if err := use(ctx, tx, a.token); errors.As(err, &a.refused) {
					continue
				} else if err != nil {
					return err
				}
			}
			records = append(records, *a.record)
		}
		return tx.CreateCertificates(ctx, records)
	})
}
