package account

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/alexedwards/argon2id"

	"hostler/db"
	"hostler/internal/bearer"
	"hostler/server/event"
)

// Identity is who acts.
type Identity struct {
	Name    string // user or token name
	UserID  int64  // 0 for a token
	Token   bool   // true: an API token, no browser
	Session string // the cookie's value of a session; secret
}

// Login checks a password and begins a session; the secret returned goes into a cookie. After several wrong
// passwords the name has to wait, longer each time: ErrTooManyTries.
func (a *Accounts) Login(ctx context.Context, name, password, address string) (secret string, err error) {
	u, err := a.db.UserByName(ctx, name)
	if err != nil && !errors.Is(err, db.ErrNotFound) {
		return "", err
	}
	known := err == nil
	err = a.try(ctx, name, u.PasswordHash, password, known)
	if errors.Is(err, ErrWrongCredentials) && a.recordsFailure() {
		failed := db.Event{Kind: event.UserLoginFailed, Severity: db.SeverityWarning, Params: map[string]string{"address": address}}
		if known { // what else is typed there may be a password
			failed.Params["user"] = u.Name
		}
		a.events.Record(ctx, failed)
	}
	if err != nil {
		return "", err
	}
	secret = bearer.New()
	now := a.now()
	err = a.db.CreateSession(ctx, &db.Session{
		Hash: bearer.Hash(secret), UserID: u.ID, Address: address, CreatedAt: now, LastUsedAt: now, ExpiresAt: now.Add(sessionLifetime),
	})
	if err != nil {
		return "", err
	}
	a.events.Record(ctx, db.Event{Kind: event.UserLogin, Actor: u.Name, Params: map[string]string{"user": u.Name, "address": address}})
	return secret, nil
}

// unknownUser is compared with when there is no such user, so that the time taken does not tell.
const unknownUser = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// try checks a password, counts it when it is wrong and forgets the wrong ones when it is right. All of that
// happens in one slot: of many that come at once none may pass before those ahead of it are counted.
func (a *Accounts) try(ctx context.Context, name, hash, password string, known bool) error {
	select {
	case a.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-a.slots }()
	name = clip(name) // no user has a longer one, and invented ones must not fill the memory
	if wait := a.wait(name); wait > 0 {
		return fmt.Errorf("%w: wait %s", ErrTooManyTries, wait.Round(time.Second))
	}
	if !known {
		hash = unknownUser
	}
	ok := len(password) <= maxPassword
	if ok {
		var err error
		if ok, err = argon2id.ComparePasswordAndHash(password, hash); err != nil {
			return fmt.Errorf("cannot check the password: %w", err)
		}
	}
	if !ok || !known {
		a.failed(name)
		return ErrWrongCredentials
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.tries, name)
	return nil
}

// wait is how long a name has to wait before its next try.
func (a *Accounts) wait(name string) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.tries[name].until.Sub(a.now())
}

// failed counts a wrong password: from the sixth on a name waits 2, 4, 8 … seconds, at most 5 minutes.
func (a *Accounts) failed(name string) {
	const most, remembered = 5 * time.Minute, 10_000
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.tries) >= remembered {
		clear(a.tries)
	}
	t := a.tries[name]
	t.wrong++
	if over := t.wrong - freeTries; over > 0 {
		t.until = a.now().Add(min(most, time.Second<<min(over, 16)))
	}
	a.tries[name] = t
}

// recordsFailure reports whether a failed login is to be recorded: whoever may try must not fill the database.
func (a *Accounts) recordsFailure() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now := a.now(); now.Sub(a.failuresSince).Abs() >= time.Minute {
		a.failuresSince, a.failures = now, 0
	}
	a.failures++
	return a.failures <= failuresRecorded
}

// BySession finds who a session's secret belongs to and keeps the session alive; ErrNotLoggedIn otherwise. A database
// that can be read and not written, as with a full disk, locks nobody out.
func (a *Accounts) BySession(ctx context.Context, secret string) (Identity, error) {
	now := a.now()
	s, err := a.db.SessionByHash(ctx, bearer.Hash(secret), now)
	if errors.Is(err, db.ErrNotFound) {
		return Identity{}, ErrNotLoggedIn
	}
	if err != nil {
		return Identity{}, err
	}
	if now.Sub(s.LastUsedAt) > sessionTouch {
		if err := a.db.TouchSession(ctx, s.ID, now, now.Add(sessionLifetime)); err != nil {
			a.log.Error("cannot note that a session was used; it may end early", "user", s.User.Name, "err", err)
		}
	}
	return Identity{Name: s.User.Name, UserID: s.UserID, Session: secret}, nil
}

// Logout ends a session.
func (a *Accounts) Logout(ctx context.Context, secret string) error {
	return a.db.DeleteSession(ctx, bearer.Hash(secret))
}

// CreateToken makes an API token; it is returned once. db.ErrDuplicate when the name is taken.
func (a *Accounts) CreateToken(ctx context.Context, name string) (string, error) {
	if !namePattern.MatchString(name) {
		return "", &FieldError{"name", "name_invalid", "a token's name has 1 to 64 letters, digits and . _ @ -, and begins with a letter or digit"}
	}
	secret := bearer.New()
	if err := a.db.CreateAPIToken(ctx, &db.APIToken{Name: name, Hash: bearer.Hash(secret), CreatedAt: a.now()}); err != nil {
		return "", err
	}
	a.events.Record(ctx, db.Event{Kind: event.TokenCreated, Params: map[string]string{"token": name}})
	return secret, nil
}

// ByToken finds which program a bearer token belongs to; ErrNotLoggedIn otherwise.
func (a *Accounts) ByToken(ctx context.Context, secret string) (Identity, error) {
	t, err := a.db.APITokenByHash(ctx, bearer.Hash(secret))
	if errors.Is(err, db.ErrNotFound) {
		return Identity{}, ErrNotLoggedIn
	}
	if err != nil {
		return Identity{}, err
	}
	now := a.now()
	if t.LastUsedAt == nil || now.Sub(*t.LastUsedAt) > sessionTouch {
		if err := a.db.TouchAPIToken(ctx, t.ID, now); err != nil {
			a.log.Error("cannot note that a token was used", "token", t.Name, "err", err)
		}
	}
	return Identity{Name: "token:" + t.Name, Token: true}, nil
}

// clip bounds a name to what a user's may have.
func clip(s string) string {
	const most = 64
	if len(s) > most {
		return s[:most]
	}
	return s
}
