package trust

import (
	"context"
	"slices"
	"sync"
	"time"

	"hostler/db"
)

// How many hosts are told to renew their certificates: at once, and a second. They all would in one step, otherwise.
const (
	renewalsTogether = 50
	renewalsEach     = 50
)

// Advice is what a host is told of its certificate in the answer to a heartbeat.
type Advice struct {
	CA     string   // the authorities to trust from now on, in PEM; "" leaves them
	Renew  bool     // renew the certificate now
	Trusts []string // of the authorities that it told of, those that it goes on trusting after this
}

// Advise says what a host with a certificate is to do, that told which authorities it trusts, by the beginnings of their pins. A host
// that tells none trusts the one that it was set up with.
func (c *CA) Advise(cert *db.Certificate, trusts []string) (a Advice) {
	as := c.inForce.Load()
	if as.stage != StageNone && as.stage != StageStandby || len(trusts) > 0 {
		if !sameSet(trusts, as.trusted) {
			a.CA = string(as.bundle)
			trusts = slices.DeleteFunc(slices.Clone(trusts), func(pin string) bool { return !slices.Contains(as.trusted, pin) })
		}
	}
	a.Trusts = trusts
	a.Renew = c.wantsRenewal(cert) && c.renewals.allow()
	return a
}

// wantsRenewal says whether a certificate is to be renewed before its time.
func (c *CA) wantsRenewal(cert *db.Certificate) bool {
	as := c.inForce.Load()
	return cert.RenewAskedAt != nil || as.stage == StageSigning && cert.Authority != shortPin(as.signs.pin)
}

func sameSet(a, b []string) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(v string) bool { return !slices.Contains(b, v) })
}

// RenewRequest says which hosts are to renew their certificates now.
type RenewRequest struct {
	Hosts []string `json:"hosts"`
}

// AskRenewal has the valid certificates of hosts renewed, and returns them. Their agents are told with their next heartbeats. A host
// that has none is a *FieldError, and nothing is asked then.
func (c *CA) AskRenewal(ctx context.Context, r RenewRequest) ([]db.Certificate, error) {
	hosts := clean(r.Hosts, Canonical)
	switch n := len(hosts); {
	case n == 0:
		return nil, &FieldError{Field: "hosts", Code: "required", Message: "say which hosts"}
	case n > MaxRevoke:
		return nil, &FieldError{Field: "hosts", Message: "too many hosts at once"}
	}
	asked, unknown, err := c.db.AskRenewal(ctx, hosts, c.now())
	if err == nil && len(unknown) > 0 {
		err = unknownError(&db.Revocation{Hosts: unknown})
	}
	return asked, err
}

// pace lets a number of things pass at once, and then so many a second.
type pace struct {
	now         func() time.Time
	burst, rate float64

	mu   sync.Mutex
	left float64
	at   time.Time
}

func newPace(now func() time.Time, burst, rate float64) *pace {
	return &pace{now: now, burst: burst, rate: rate, left: burst, at: now()}
}

func (p *pace) allow() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	p.left = min(p.burst, p.left+now.Sub(p.at).Seconds()*p.rate)
	p.at = now
	if p.left < 1 {
		return false
	}
	p.left--
	return true
}
