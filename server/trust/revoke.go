package trust

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"hostler/db"
)

// MaxRevoke bounds how many serial numbers and host names one revocation may have.
const MaxRevoke = 1000

// RevokeRequest says which certificates to revoke. A host that has one more that is valid goes on with that.
type RevokeRequest struct {
	Serials []string `json:"serials,omitempty"` // hex, as they are shown; colons and capitals are allowed
	Hosts   []string `json:"hosts,omitempty"`   // every certificate of these host names
}

// FieldError is what is wrong with one field of a request.
type FieldError struct {
	Field   string // as in JSON
	Code    string // for a text in another language; "" where there is none
	Message string
}

// Error tells the field and what is wrong with it.
func (e *FieldError) Error() string { return e.Field + ": " + e.Message }

// Revoke revokes what is valid of the certificates that r names, and returns it: from then on this server refuses them,
// and others as soon as they hear of it. A request that names what the authority never signed is a *FieldError, and
// revokes nothing. Revoking twice is no error.
func (c *CA) Revoke(ctx context.Context, r RevokeRequest, by string) ([]db.Certificate, error) {
	serials, hosts := clean(r.Serials, canonicalSerial), clean(r.Hosts, Canonical)
	switch n := len(serials) + len(hosts); {
	case n == 0:
		return nil, &FieldError{Field: "hosts", Message: "say which hosts or which serial numbers"}
	case n > MaxRevoke:
		return nil, &FieldError{Field: "hosts", Message: fmt.Sprintf("at most %d hosts and serial numbers can be revoked at once", MaxRevoke)}
	}
	// A certificate that is being renewed must not have its successor signed after this has looked for it.
	c.admitting.Lock()
	defer c.admitting.Unlock()
	return c.revokeNow(ctx, db.Revocation{Serials: serials, Hosts: hosts, By: by, At: c.now()})
}

// revokeNow is Revoke for what is checked; c.admitting is held.
func (c *CA) revokeNow(ctx context.Context, r db.Revocation) ([]db.Certificate, error) {
	revoked, unknown, err := c.db.RevokeCertificates(ctx, r)
	if err != nil {
		return nil, err
	}
	if unknown != nil {
		return nil, unknownError(unknown)
	}
	c.deny(revoked)
	return revoked, nil
}

// RevokeAgent revokes every certificate of an agent, expired ones, too, and returns those that were not revoked yet. Its host can
// come back only when somebody lets it in anew.
func (c *CA) RevokeAgent(ctx context.Context, agentSN, by string) ([]db.Certificate, error) {
	c.admitting.Lock()
	defer c.admitting.Unlock()
	revoked, err := c.db.RevokeAgent(ctx, agentSN, by, c.now())
	if err == nil {
		c.deny(revoked)
	}
	return revoked, err
}

// deny has certificates refused from now on, here and by other servers.
func (c *CA) deny(revoked []db.Certificate) {
	denials := make([]db.Denial, len(revoked))
	for i := range revoked {
		denials[i] = db.Denial{Serial: revoked[i].Serial, NotAfter: revoked[i].NotAfter}
	}
	c.denied.add(denials)
	if len(denials) > 0 {
		c.publish(denials)
	}
}

func unknownError(unknown *db.Revocation) *FieldError {
	if len(unknown.Serials) > 0 {
		return &FieldError{Field: "serials", Message: "no certificate has the serial number " + strings.Join(unknown.Serials, ", ")}
	}
	return &FieldError{Field: "hosts", Message: "there is no certificate of " + strings.Join(unknown.Hosts, ", ")}
}

// canonicalSerial is the form in which serial numbers are kept.
func canonicalSerial(serial string) string {
	return strings.ToLower(strings.ReplaceAll(strings.TrimSpace(serial), ":", ""))
}

// clean brings values into their canonical form and leaves out empty ones and those that are there already.
func clean(values []string, form func(string) string) []string {
	var cleaned []string
	for _, v := range values {
		if v = form(v); v != "" && !slices.Contains(cleaned, v) {
			cleaned = append(cleaned, v)
		}
	}
	return cleaned
}
