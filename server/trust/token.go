package trust

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/internal/bearer"
)

// TokenSpec says whom an enrolment token admits.
type TokenSpec struct {
	Hostname string // the only host name it admits; "" for any
	Cluster  string
	TaskID   *int64 // the bootstrap task it is for
	DraftID  *int64 // the wizard draft it is for
	Uses     int
	Lifetime time.Duration
}

// MintToken makes a token. It is returned once; only its hash is kept.
func (c *CA) MintToken(ctx context.Context, s TokenSpec) (string, error) {
	token := bearer.New()
	now := c.now()
	err := c.db.CreateEnrolToken(ctx, &db.EnrolToken{
		Hash: bearer.Hash(token), Hostname: canonical(s.Hostname), Cluster: s.Cluster, TaskID: s.TaskID, DraftID: s.DraftID,
		UsesLeft: max(1, s.Uses), CreatedAt: now, ExpiresAt: now.Add(s.Lifetime),
	})
	return token, err
}

// EndTokens ends the tokens of a wizard draft before their time. A host that one of them admitted stays.
func (c *CA) EndTokens(ctx context.Context, draftID int64) error {
	return c.db.EndEnrolTokens(ctx, draftID, c.now())
}

// admit finds the token that admits a host, or says in a wire.Error why none does.
func (c *CA) admit(ctx context.Context, token, hostname string) (*db.EnrolToken, error) {
	t, err := c.db.EnrolToken(ctx, bearer.Hash(token))
	if errors.Is(err, db.ErrNotFound) {
		return nil, &wire.Error{
			Code: "token_unknown", Message: "the server does not know this enrolment token",
			Hint: "make a new token in the wizard, or bootstrap the host again",
		}
	}
	if err != nil {
		return nil, err
	}
	if !c.now().Before(t.ExpiresAt) {
		return nil, &wire.Error{
			Code: "token_expired", Message: fmt.Sprintf("the enrolment token expired at %s", t.ExpiresAt.Format(time.RFC3339)),
			Hint: "make a new token in the wizard, or bootstrap the host again",
		}
	}
	if t.Hostname != "" && t.Hostname != hostname {
		return nil, &wire.Error{
			Code: "token_scope", Message: fmt.Sprintf("the enrolment token is for %s, not for %s", t.Hostname, hostname),
			Hint: "use the token that was made for this host",
		}
	}
	return t, nil
}

// use takes one use of a token, or says in a wire.Error that none is left.
func use(ctx context.Context, tx *db.DB, t *db.EnrolToken) error {
	err := tx.UseEnrolToken(ctx, t.ID)
	if errors.Is(err, db.ErrStale) {
		return &wire.Error{
			Code: "token_used", Message: "the enrolment token was used already, or a newer one took its place",
			Hint: "make a new token in the wizard, or bootstrap the host again",
		}
	}
	return err
}
