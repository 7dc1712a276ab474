package trust

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/internal/bearer"
)

// Bounds of what an operator may ask of a token.
const (
	TokenLifetime    = 15 * time.Minute // unless something else is asked for
	maxTokenLifetime = 30 * 24 * time.Hour
	maxTokenUses     = 100_000
	maxTokenText     = 200 // bytes of a note, a cluster, tags
)

// TokenSpec says whom an enrolment token admits.
type TokenSpec struct {
	Hostname string // the only host name it admits, or a pattern of names; "" for any
	Networks string // the only address ranges that it admits from; "" for any
	Cluster  string
	Tags     string
	Note     string
	By       string // who made it; "" for the server itself
	TaskID   *int64 // the bootstrap task it is for
	DraftID  *int64 // the wizard draft it is for
	Uses     int
	Lifetime time.Duration
}

// MintToken makes a token of a spec that is known to be good. It is returned once; only its hash is kept.
func (c *CA) MintToken(ctx context.Context, s TokenSpec) (string, error) {
	secret, _, err := c.mint(ctx, s)
	return secret, err
}

func (c *CA) mint(ctx context.Context, s TokenSpec) (string, *db.EnrolToken, error) {
	secret, now, uses := bearer.New(), c.now(), max(1, s.Uses)
	t := &db.EnrolToken{
		Hash: bearer.Hash(secret), Note: s.Note, Hostname: Canonical(s.Hostname), Networks: s.Networks, Cluster: s.Cluster, Tags: s.Tags,
		TaskID: s.TaskID, DraftID: s.DraftID, Uses: uses, UsesLeft: uses, CreatedBy: s.By, CreatedAt: now, ExpiresAt: now.Add(s.Lifetime),
	}
	return secret, t, c.db.CreateEnrolToken(ctx, t)
}

// TokenRequest asks for a token.
type TokenRequest struct {
	Host     string `json:"host,omitempty"`     // a host name or a pattern: "*.example", "web*.example"
	Networks string `json:"networks,omitempty"` // address ranges, separated by commas
	Uses     int    `json:"uses,omitempty"`     // hosts that it admits; 0 is one
	Lifetime int    `json:"lifetime,omitempty"` // seconds; 0 is a quarter of an hour
	Cluster  string `json:"cluster,omitempty"`
	Tags     string `json:"tags,omitempty"` // "service=ecs,component"
	Note     string `json:"note,omitempty"` // what it is for
}

// NewToken makes a token for an operator. What is wrong with the request is a *FieldError.
func (c *CA) NewToken(ctx context.Context, r TokenRequest, by string) (secret string, t *db.EnrolToken, err error) {
	spec := TokenSpec{Cluster: r.Cluster, Tags: r.Tags, Note: r.Note, By: by, Uses: r.Uses, Lifetime: TokenLifetime}
	if spec.Hostname, err = parseHosts(r.Host); err != nil {
		return "", nil, &FieldError{Field: "host", Code: "enrol_host", Message: err.Error()}
	}
	if spec.Networks, err = parseNetworks(r.Networks); err != nil {
		return "", nil, &FieldError{Field: "networks", Code: "enrol_networks", Message: err.Error()}
	}
	if r.Uses < 0 || r.Uses > maxTokenUses {
		return "", nil, &FieldError{Field: "uses", Code: "enrol_uses", Message: fmt.Sprintf("a token admits from 1 to %d hosts", maxTokenUses)}
	}
	if r.Lifetime != 0 {
		spec.Lifetime = time.Duration(r.Lifetime) * time.Second
		if r.Lifetime < 0 || r.Lifetime > int(maxTokenLifetime/time.Second) {
			return "", nil, &FieldError{Field: "lifetime", Code: "enrol_lifetime", Message: "a token lives from a second to 30 days"}
		}
	}
	for field, text := range map[string]string{"cluster": r.Cluster, "tags": r.Tags, "note": r.Note} {
		if len(text) > maxTokenText {
			return "", nil, &FieldError{Field: field, Code: "enrol_text", Message: fmt.Sprintf("this has more than %d bytes", maxTokenText)}
		}
	}
	return c.mint(ctx, spec)
}

// EndToken ends a token before its time and says whether it was still open. A host that it admitted stays.
func (c *CA) EndToken(ctx context.Context, id int64, by string) (ended bool, err error) {
	return c.db.EndEnrolToken(ctx, id, by, c.now())
}

// EndTokens ends the tokens of a wizard draft before their time. A host that one of them admitted stays.
func (c *CA) EndTokens(ctx context.Context, draftID int64) error {
	return c.db.EndEnrolTokens(ctx, draftID, c.now())
}

// newToken is what to do when a token is of no use.
const newToken = "make a new token, or bootstrap the host again"

// admit finds the token that admits a host from an address, or says in a wire.Error why none does; a token that is known is
// returned in that case, too.
func (c *CA) admit(ctx context.Context, token, hostname string, from netip.Addr) (*db.EnrolToken, error) {
	t, err := c.db.EnrolToken(ctx, bearer.Hash(token))
	if errors.Is(err, db.ErrNotFound) {
		return nil, &wire.Error{Code: "token_unknown", Message: "the server does not know this enrolment token", Hint: newToken}
	}
	if err != nil {
		return nil, err
	}
	switch {
	case t.EndedAt != nil:
		return t, &wire.Error{Code: "token_ended", Message: "the enrolment token was ended, or a newer one took its place", Hint: newToken}
	case !c.now().Before(t.ExpiresAt):
		return t, &wire.Error{
			Code: "token_expired", Message: fmt.Sprintf("the enrolment token expired at %s", t.ExpiresAt.Format(time.RFC3339)), Hint: newToken,
		}
	case !matchHost(t.Hostname, hostname):
		return t, &wire.Error{
			Code: "token_scope", Message: fmt.Sprintf("the enrolment token is for %s, not for %s", t.Hostname, hostname),
			Hint: "use a token that was made for this host",
		}
	case !matchNetwork(t.Networks, from):
		return t, &wire.Error{
			Code: "token_network", Message: fmt.Sprintf("the enrolment token is for hosts in %s, and this one comes from %s", t.Networks, from),
			Hint: "use a token that was made for hosts at this address",
		}
	}
	return t, nil
}

// use takes one use of a token, or says in a wire.Error that none is left.
func use(ctx context.Context, tx *db.DB, t *db.EnrolToken) error {
	err := tx.UseEnrolToken(ctx, t.ID)
	if errors.Is(err, db.ErrStale) {
		return &wire.Error{Code: "token_used", Message: "the enrolment token was used already", Hint: newToken}
	}
	return err
}
