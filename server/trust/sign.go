package trust

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"net"
	"slices"
	"strings"

	"hostler/db"
)

// Sign signs the certificates of hosts that wait, and returns them; their agents fetch them when they ask next. Who named
// a host by hand wants just that one, so that it gets back the serial number that its name had, and who had that until now is revoked,
// unless AsNew says that there are two hosts; of all together none does, and those with a conflict are left.
func (c *CA) Sign(ctx context.Context, d Decision, by string) ([]db.Certificate, error) {
	choice, err := c.choice(ctx, d)
	if err != nil {
		return nil, err
	}
	var signed []db.Certificate
	for after := int64(0); ; {
		some, last, err := c.signSome(ctx, choice, after, !choice.All && !d.AsNew, by)
		signed = append(signed, some...)
		if err != nil || last == 0 {
			return signed, err
		}
		after = last
	}
}

// signSome signs the next of the requests that are chosen; last is 0 when there are no more.
func (c *CA) signSome(ctx context.Context, choice db.EnrolChoice, after int64, named bool, by string) (signed []db.Certificate, last int64, err error) {
	// Others enrol in between: it is held for a part of them at a time.
	c.admitting.Lock()
	defer c.admitting.Unlock()
	requests, err := c.db.ChosenEnrolRequests(ctx, choice, after, signTogether)
	if err != nil || len(requests) == 0 {
		return nil, 0, err
	}
	last = requests[len(requests)-1].ID
	if choice.All {
		if requests, err = c.withoutConflict(ctx, requests); err != nil {
			return nil, 0, err
		}
	}
	signed, err = c.signThese(ctx, requests, named, by)
	return signed, last, err
}

// withoutConflict leaves those out that have a conflict by now: others have come, were admitted or were turned away since they
// asked. It is noted with them.
func (c *CA) withoutConflict(ctx context.Context, requests []db.EnrolRequest) (clear []db.EnrolRequest, err error) {
	suspects, err := c.suspects(ctx, requests)
	if err != nil {
		return nil, err
	}
	for i := range requests {
		q := &requests[i]
		if !suspects[i] {
			clear = append(clear, *q)
			continue
		}
		conflict, err := c.conflict(ctx, q.ID, claim{hostname: q.Hostname, keyHash: q.KeyHash, machine: q.Machine})
		if err != nil {
			return nil, err
		}
		if conflict == "" {
			clear = append(clear, *q)
		} else if err := c.db.SetEnrolConflict(ctx, q.ID, conflict); err != nil {
			return nil, err
		}
	}
	return clear, nil
}

// suspects says of each of some requests whether it can have a conflict at all: there is a certificate of its name, its key or
// its machine, or another request of its name.
func (c *CA) suspects(ctx context.Context, requests []db.EnrolRequest) ([]bool, error) {
	traces, names := make([]db.Traces, len(requests)), make([]string, len(requests))
	for i := range requests {
		q := &requests[i]
		traces[i], names[i] = db.Traces{Hostname: q.Hostname, KeyHash: q.KeyHash, Machine: q.Machine}, q.Hostname
	}
	suspects, err := c.db.KnownTraces(ctx, traces)
	if err != nil {
		return nil, err
	}
	twice, err := c.db.AskedTwice(ctx, names)
	for i, name := range names {
		suspects[i] = suspects[i] || slices.Contains(twice, name)
	}
	return suspects, err
}

// signThese signs requests together. named says that somebody wants just these. c.admitting is held.
func (c *CA) signThese(ctx context.Context, requests []db.EnrolRequest, named bool, by string) (signed []db.Certificate, err error) {
	if len(requests) == 0 {
		return nil, nil
	}
	given := map[string]bool{} // numbers that this part has given away
	now := c.now()
	for i := range requests {
		q := &requests[i]
		public, err := checkRequest(q.CSR, q.Hostname)
		if err != nil {
			return nil, err
		}
		sn, err := c.serialFor(ctx, claim{q.AgentSN, q.Hostname, q.KeyHash, q.Machine, named}, given)
		if err != nil {
			return nil, err
		}
		given[sn] = true
		record, pem, err := c.certify(public, &db.Certificate{AgentSN: sn, Hostname: q.Hostname, Machine: q.Machine})
		if err != nil {
			return nil, err
		}
		q.State, q.DecidedAt, q.DecidedBy, q.Serial, q.Certificate, q.AgentSN = db.EnrolSigned, &now, by, record.Serial, pem, sn
		signed = append(signed, *record)
	}
	if err := c.db.StoreSigned(ctx, signed, requests); err != nil {
		return nil, err
	}
	if named {
		return signed, c.supersede(ctx, signed, by)
	}
	return signed, nil
}

// supersede revokes the certificates of those whose places other hosts have taken: one serial number is one host's. c.admitting is held.
func (c *CA) supersede(ctx context.Context, by []db.Certificate, who string) error {
	for i := range by {
		serials, err := c.db.CertificatesBeside(ctx, &by[i], c.now())
		if err != nil {
			return err
		}
		if len(serials) == 0 {
			continue
		}
		if _, err := c.revokeNow(ctx, db.Revocation{Serials: serials, By: who, At: c.now()}); err != nil {
			return err
		}
	}
	return nil
}

// certify signs a certificate for whom like names. It is not recorded yet.
func (c *CA) certify(public *ecdsa.PublicKey, like *db.Certificate) (record *db.Certificate, pem string, err error) {
	r := *like
	now := c.now()
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: r.AgentSN},
		NotBefore: now.Add(-backdate), NotAfter: now.Add(c.lifetime),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if ip := net.ParseIP(r.Hostname); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{r.Hostname}
	}
	signs := c.inForce.Load().signs
	leaf, err := signs.sign(template, public)
	if err != nil {
		return nil, "", err
	}
	sum := sha256.Sum256(leaf.Raw)
	r.Serial, r.Fingerprint = leaf.SerialNumber.Text(16), hex.EncodeToString(sum[:])
	r.KeyHash, r.Authority, r.RenewAskedAt = keyHash(public), shortPin(signs.pin), nil
	r.NotBefore, r.NotAfter, r.CreatedAt = leaf.NotBefore, leaf.NotAfter, now
	return &r, string(pemBlock("CERTIFICATE", leaf.Raw)), nil
}

// Refuse refuses hosts that wait, and returns their requests. Their keys get no certificate from then on.
func (c *CA) Refuse(ctx context.Context, d Decision, by string) ([]db.EnrolRequest, error) {
	choice, err := c.choice(ctx, d)
	if err != nil {
		return nil, err
	}
	c.admitting.Lock()
	defer c.admitting.Unlock()
	var refused []db.EnrolRequest
	for after := int64(0); ; {
		some, err := c.db.ChosenEnrolRequests(ctx, choice, after, signTogether)
		if err != nil || len(some) == 0 {
			return refused, err
		}
		for i := range some { // all of a full queue would be too much to hold
			some[i].CSR, some[i].Facts, some[i].Certificate = "", nil, ""
		}
		ids := make([]int64, len(some))
		for i := range some {
			ids[i] = some[i].ID
		}
		if err := c.db.RefuseEnrolRequests(ctx, ids, by, c.now()); err != nil {
			return refused, err
		}
		refused = append(refused, some...)
		after = ids[len(ids)-1]
	}
}

// Clean revokes what is valid of the certificates of hosts and forgets their requests, refused ones too, so that they may
// ask anew. It returns the certificates and how many requests there were. A name that has neither is a *FieldError, and
// nothing is done then.
func (c *CA) Clean(ctx context.Context, hosts []string, by string) (revoked []db.Certificate, requests int64, err error) {
	hosts = clean(hosts, Canonical)
	if n := len(hosts); n == 0 || n > MaxRevoke {
		return nil, 0, &FieldError{Field: "hosts", Message: fmt.Sprintf("name from 1 to %d hosts", MaxRevoke)}
	}
	certified, err := c.db.CertifiedHosts(ctx, hosts)
	if err != nil {
		return nil, 0, err
	}
	asking, err := c.db.AskingHosts(ctx, hosts)
	if err != nil {
		return nil, 0, err
	}
	var unknown []string
	for _, host := range hosts {
		if !slices.Contains(certified, host) && !slices.Contains(asking, host) {
			unknown = append(unknown, host)
		}
	}
	if len(unknown) > 0 {
		return nil, 0, &FieldError{Field: "hosts", Message: "there is neither a certificate nor a request of " + strings.Join(unknown, ", ")}
	}
	if len(certified) > 0 {
		if revoked, err = c.Revoke(ctx, RevokeRequest{Hosts: certified}, by); err != nil {
			return nil, 0, err
		}
	}
	requests, err = c.db.DeleteEnrolRequestsOf(ctx, hosts)
	return revoked, requests, err
}
