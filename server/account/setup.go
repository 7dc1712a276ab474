package account

import (
	"context"
	"errors"

	"hostler/db"
	"hostler/internal/bearer"
	"hostler/server/audit"
	"hostler/server/event"
)

// SetUpToken returns the secret of the one-time set-up link, made at the first call, or "" when there is a
// user already.
func (a *Accounts) SetUpToken(ctx context.Context) (string, error) {
	n, err := a.db.CountUsers(ctx)
	if err != nil || n > 0 {
		return "", err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.setUp == "" {
		a.setUp = bearer.New()
	}
	return a.setUp, nil
}

// SetUpOpen reports whether the first administrator is still to be made.
func (a *Accounts) SetUpOpen(ctx context.Context) (bool, error) {
	n, err := a.db.CountUsers(ctx)
	return n == 0, err
}

// CheckSetUp compares the secret of a set-up link: ErrSetUpDone, ErrWrongSetUpToken or nil.
func (a *Accounts) CheckSetUp(ctx context.Context, token string) error {
	want, err := a.SetUpToken(ctx)
	if err != nil {
		return err
	}
	if want == "" {
		return ErrSetUpDone
	}
	if bearer.Hash(token) != bearer.Hash(want) {
		audit.Refuse(ctx, "wrong_link")
		return ErrWrongSetUpToken
	}
	return nil
}

// SetUp makes the first administrator. Of two that try at once, one gets ErrSetUpDone.
func (a *Accounts) SetUp(ctx context.Context, token, name, password string) (*db.User, error) {
	if err := a.CheckSetUp(ctx, token); err != nil {
		return nil, err
	}
	u, err := a.newUser(name, password, RoleAdministrator)
	if err != nil {
		return nil, err
	}
	err = a.db.CreateFirstUser(ctx, u)
	if errors.Is(err, db.ErrDuplicate) {
		return nil, ErrSetUpDone
	}
	if err != nil {
		return nil, err
	}
	audit.By(ctx, u.Name)
	audit.About(ctx, u.Name, nil, DescribeUser(u))
	a.events.Record(ctx, db.Event{Kind: event.UserCreated, Actor: name, Params: map[string]string{"user": name, "role": u.Role}})
	return u, nil
}
