package account

import (
	"context"
	"errors"
	"slices"
	"time"

	"hostler/db"
	"hostler/internal/bearer"
	"hostler/server/audit"
	"hostler/server/event"
)

// TokenSpec says what an API token is to be.
type TokenSpec struct {
	Name     string
	Role     string
	Labels   string        // tags of the hosts that it is limited to; "" for all that its owner may know of
	Lifetime time.Duration // 0: until it is ended
	Maker    Identity      // whose person it belongs to, and who can give no more than it has; the zero value is nobody
	By       string        // the name of who makes it
}

// CreateToken makes an API token; its secret is returned once. db.ErrDuplicate when the name is taken.
func (a *Accounts) CreateToken(ctx context.Context, spec TokenSpec) (*db.APIToken, string, error) {
	if !namePattern.MatchString(spec.Name) {
		return nil, "", &FieldError{"name", "token_name_invalid", "a token's name has 1 to 64 letters, digits and . _ @ -, and begins with a letter or digit"}
	}
	audit.About(ctx, spec.Name, nil, nil)
	if err := checkRole(spec.Role); err != nil {
		return nil, "", err
	}
	if spec.Maker.Role != "" && !slices.Contains(RolesBelow(spec.Maker.Role), spec.Role) {
		return nil, "", &FieldError{"role", "role_above", "a token cannot do more than the one who makes it"}
	}
	labels, err := checkLimit(spec.Role, spec.Labels)
	if err != nil {
		return nil, "", err
	}
	if spec.Lifetime < 0 || spec.Lifetime > maxTokenLifetime {
		return nil, "", &FieldError{"expires", "expires_invalid", "a token ends within ten years, or not by itself"}
	}
	secret, now := bearer.New(), a.now()
	t := &db.APIToken{Name: spec.Name, Hash: bearer.Hash(secret), Role: spec.Role, HostLabels: labels, CreatedBy: spec.By, CreatedAt: now}
	if spec.Maker.OwnerID != 0 {
		t.UserID = &spec.Maker.OwnerID
	}
	if spec.Lifetime > 0 {
		end := now.Add(spec.Lifetime)
		t.ExpiresAt = &end
	}
	if err := a.db.CreateAPIToken(ctx, t); err != nil {
		return nil, "", err
	}
	audit.About(ctx, t.Name, nil, DescribeToken(t))
	a.events.Record(ctx, db.Event{Kind: event.TokenCreated, Actor: spec.By, Params: map[string]string{"token": spec.Name, "role": spec.Role}})
	return t, secret, nil
}

const maxTokenLifetime = 10 * 365 * 24 * time.Hour

// Token finds a token by its name; db.ErrNotFound.
func (a *Accounts) Token(ctx context.Context, name string) (*db.APIToken, error) {
	return a.db.APITokenByName(ctx, name)
}

// Tokens lists all tokens by name.
func (a *Accounts) Tokens(ctx context.Context) ([]Program, error) {
	var all []Program
	for after := ""; ; {
		ts, err := a.db.APITokens(ctx, 0, after, listPart)
		if err != nil {
			return nil, err
		}
		for i := range ts {
			all = append(all, DescribeToken(&ts[i]))
		}
		if len(ts) < listPart {
			return all, nil
		}
		after = ts[len(ts)-1].Name
	}
}

// EndToken ends a token at once.
func (a *Accounts) EndToken(ctx context.Context, by string, t *db.APIToken) error {
	audit.About(ctx, t.Name, DescribeToken(t), nil)
	if err := a.db.DeleteAPIToken(ctx, 0, t.ID); err != nil {
		return err
	}
	a.events.Record(ctx, db.Event{Kind: event.TokenEnded, Actor: by, Params: map[string]string{"token": t.Name}})
	return nil
}

// ByToken finds which program a bearer token belongs to; ErrNotLoggedIn otherwise.
func (a *Accounts) ByToken(ctx context.Context, secret string) (Identity, error) {
	now := a.now()
	t, err := a.db.APITokenByHash(ctx, bearer.Hash(secret), now)
	if errors.Is(err, db.ErrNotFound) {
		return Identity{}, ErrNotLoggedIn
	}
	if err != nil {
		return Identity{}, err
	}
	if t.LastUsedAt == nil || now.Sub(*t.LastUsedAt) > sessionTouch {
		if err := a.db.TouchAPIToken(ctx, t.ID, now); err != nil {
			a.log.Error("cannot note that a token was used", "token", t.Name, "err", err)
		}
	}
	who := Identity{Name: "token:" + t.Name, Token: true, Role: t.Role, Limit: db.LimitTo(t.HostLabels)}
	if t.User != nil {
		who.Owner, who.OwnerID, who.Limit = t.User.Role, t.User.ID, db.LimitTo(t.HostLabels, t.User.HostLabels)
	}
	return who, nil
}
