package web

import (
	"context"
	"crypto/x509"
	"net/http"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/trust"
)

const (
	identityTTL    = time.Minute
	identitiesKept = 100_000
	refusalEvery   = time.Minute
	certificateKey = "certificate"
)

// identify finds the record of the client certificate that TLS has verified.
func (w *Web) identify(c *gin.Context) error {
	if c.Request.TLS == nil || len(c.Request.TLS.VerifiedChains) == 0 {
		return refuse(http.StatusForbidden, "certificate_missing", "this port is for hosts with a client certificate", "enrol the host first")
	}
	leaf := c.Request.TLS.PeerCertificates[0]
	// The connection is noted before the deny list is asked: whichever comes first, the note or the revocation, the
	// other one finds it.
	w.peers.note(c.Request.Context(), serialOf(leaf))
	record, err := w.agents.find(c.Request.Context(), w.CA, leaf)
	if refusal(err) {
		c.Header("Connection", "close") // it is of no more use
	}
	if err != nil {
		return err
	}
	c.Set(certificateKey, record)
	return nil
}

// serialOf is a certificate's serial number as it is recorded.
func serialOf(leaf *x509.Certificate) string { return leaf.SerialNumber.Text(16) }

// certificate is who the agent proved to be.
func certificate(c *gin.Context) *db.Certificate {
	v, _ := c.Get(certificateKey)
	record, _ := v.(*db.Certificate)
	return record
}

// identities remembers certificates for a while, so that a heartbeat costs no query.
type identities struct {
	now func() time.Time

	mu    sync.Mutex
	known map[string]known // by serial number
}

type known struct {
	record *db.Certificate
	until  time.Time
}

func newIdentities(now func() time.Time) *identities {
	return &identities{now: now, known: map[string]known{}}
}

func (i *identities) find(ctx context.Context, ca *trust.CA, leaf *x509.Certificate) (*db.Certificate, error) {
	now, serial := i.now(), serialOf(leaf)
	if err := ca.CheckRevoked(serial); err != nil {
		return nil, err
	}
	// TLS looked at the end of the certificate when the connection began; connections live long.
	if now.After(leaf.NotAfter) {
		return nil, &wire.Error{Code: "certificate_expired", Message: "this certificate has expired", Hint: "enrol the host again"}
	}
	i.mu.Lock()
	k, ok := i.known[serial]
	i.mu.Unlock()
	if ok && now.Before(k.until) {
		return k.record, ca.Check(k.record) // whom the authorities trust may have changed since
	}
	record, err := ca.Identify(ctx, leaf)
	if err != nil {
		return nil, err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.known) >= identitiesKept {
		clear(i.known)
	}
	i.known[serial] = known{record, now.Add(identityTTL)}
	return record, ca.Check(record)
}

// forget has a certificate's record read again.
func (i *identities) forget(serial string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.known, serial)
}

// throttle lets one thing per key and time pass.
type throttle struct {
	now   func() time.Time
	every time.Duration

	mu   sync.Mutex
	last map[string]time.Time
}

func newThrottle(now func() time.Time, every time.Duration) *throttle {
	return &throttle{now: now, every: every, last: map[string]time.Time{}}
}

func (t *throttle) allow(key string) bool {
	const kept = 10_000
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	if at, ok := t.last[key]; ok && now.Sub(at) < t.every {
		return false
	}
	if len(t.last) >= kept {
		clear(t.last)
	}
	t.last[key] = now
	return true
}
