package trust

import (
	"context"
	"crypto/ecdsa"
	"fmt"
	"time"

	"hostler/agent/wire"
	"hostler/db"
)

// maxRecoveries bounds how often one key gets another certificate. An agent makes a new key with each renewal, so that one
// that reports again does not come near it.
const maxRecoveries = 3

// recoverWithin is how long after its end a certificate still speaks for who has its key.
const recoverWithin = 30 * 24 * time.Hour

// recover gives a host whose certificate has expired another one for the same key: it was away for too long to renew it. done
// is false for who has to wait for a person. The host must not have been turned away, nobody must have its name since, and the
// certificate must not have ended long ago. c.admitting is held.
func (c *CA) recover(ctx context.Context, public *ecdsa.PublicKey, by claim, address string) (reply wire.EnrollReply, done bool, err error) {
	latest, err := c.db.LatestCertificates(ctx, db.Traces{Hostname: by.hostname, KeyHash: by.keyHash, Machine: by.machine})
	if err != nil {
		return reply, false, err
	}
	var mine *db.Certificate
	for i := range latest {
		l := &latest[i]
		if l.RevokedAt != nil || l.Hostname == by.hostname && l.KeyHash != by.keyHash {
			return reply, false, nil
		}
		if l.Hostname == by.hostname && l.KeyHash == by.keyHash {
			mine = l
		}
	}
	if mine == nil {
		return reply, false, nil
	}
	if mine.State(c.now()) == db.CertificateValid {
		return reply, true, &wire.Error{
			Code: "not_expired", Message: fmt.Sprintf("the certificate of this key is good until %s", mine.NotAfter.Format(time.RFC3339)), Hint: "check the host's clock",
		}
	}
	if c.now().After(mine.NotAfter.Add(recoverWithin)) {
		return reply, false, nil
	}
	had, err := c.db.CountCertificatesOfKey(ctx, by.keyHash)
	if err != nil || had > maxRecoveries {
		return reply, false, err
	}
	if reply, err = c.issue(ctx, public, mine); err != nil {
		return reply, false, err
	}
	c.told(ctx, Verdict{
		Request: &db.EnrolRequest{Hostname: by.hostname, KeyHash: by.keyHash, Address: address}, By: "recovery", Signed: true,
		Output: fmt.Sprintf("its certificate expired at %s, and it has the same key", mine.NotAfter.Format(time.RFC3339)),
	})
	return reply, true, nil
}
