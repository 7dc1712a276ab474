package account

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/alexedwards/argon2id"

	"hostler/db"
	"hostler/internal/bearer"
	"hostler/server/audit"
	"hostler/server/event"
)

// Identity is who acts.
type Identity struct {
	Name      string // user or token name
	UserID    int64  // 0 for a token
	Token     bool   // true: an API token, no browser
	Role      string
	Limit     db.Limit // the hosts that it is about; "": all
	Owner     string   // the role of the person that a token belongs to; "" for none
	OwnerID   int64    // of the person that a token belongs to, or UserID
	Session   string   // the cookie's value of a session; secret
	SessionID int64
	Provider  bool // an identity provider told who it is
	// LacksFactor says that a second factor is required of this person, who has to set it up before anything else.
	LacksFactor bool
}

// Attempt is what somebody gives to log in.
type Attempt struct {
	Name, Password string
	Address        string // where it came from
	Browser        string // as it calls itself
	Issuer         string // of the identity provider that told who it is; "" for a password
}

// Login checks a password and begins a session; the secret returned goes into a cookie. After several wrong
// passwords tries have to wait, longer each time: ErrTooManyTries. With ErrCodeNeeded the secret is that of a login that LoginCode
// finishes.
func (a *Accounts) Login(ctx context.Context, in Attempt) (secret string, err error) {
	u, err := a.db.UserByName(ctx, in.Name)
	if errors.Is(err, db.ErrNotFound) {
		u, err = nil, nil
	}
	if err != nil {
		return "", err
	}
	if u != nil { // what else is typed there may be a password
		audit.About(ctx, u.Name, nil, nil)
	}
	err = a.try(ctx, u, in)
	if errors.Is(err, ErrWrongCredentials) && a.recordsFailure() {
		failed := db.Event{Kind: event.UserLoginFailed, Severity: db.SeverityWarning, Params: map[string]string{"address": in.Address}}
		if u != nil {
			failed.Params["user"] = u.Name
		}
		a.events.Record(ctx, failed)
	}
	if err != nil {
		return "", err
	}
	audit.By(ctx, u.Name)
	if u.OTPSecret != "" {
		audit.About(ctx, u.Name, nil, map[string]bool{"code_needed": true})
		secret, err = a.store(ctx, u, in, db.Session{AwaitsCode: true, ExpiresAt: a.now().Add(codeTime)})
		return secret, errors.Join(err, ErrCodeNeeded)
	}
	return a.begin(ctx, u, in)
}

// LoginCode finishes a login with a code of the second factor, or a recovery code. secret is what Login returned, and of in the
// password is not needed. ErrNotLoggedIn when the login is over, ErrWrongCode, ErrTooManyTries.
func (a *Accounts) LoginCode(ctx context.Context, secret, code string, in Attempt) (session string, err error) {
	s, err := a.db.LoginByHash(ctx, bearer.Hash(secret), a.now())
	if errors.Is(err, db.ErrNotFound) {
		return "", ErrNotLoggedIn
	}
	if err != nil {
		return "", err
	}
	u := &s.User
	audit.By(ctx, u.Name)
	audit.About(ctx, u.Name, nil, nil)
	err = a.tryCode(ctx, u, code, in.Address)
	if errors.Is(err, ErrWrongCode) && a.recordsFailure() {
		a.events.Record(ctx, db.Event{Kind: event.UserLoginFailed, Severity: db.SeverityWarning, Params: map[string]string{"address": in.Address, "user": u.Name}})
	}
	if err != nil {
		return "", err
	}
	if err := a.db.DeleteSession(ctx, s.Hash); err != nil {
		return "", err
	}
	return a.begin(ctx, u, in)
}

// begin makes the session of somebody who has proved who it is.
func (a *Accounts) begin(ctx context.Context, u *db.User, in Attempt) (secret string, err error) {
	now := a.now()
	if secret, err = a.store(ctx, u, in, db.Session{ExpiresAt: now.Add(sessionLifetime)}); err != nil {
		return "", err
	}
	if err := a.db.NoteLogin(ctx, u.ID, now); err != nil {
		a.log.Error("cannot note that somebody logged in", "user", u.Name, "err", err)
	}
	a.events.Record(ctx, db.Event{Kind: event.UserLogin, Actor: u.Name, Params: map[string]string{"user": u.Name, "address": in.Address}})
	return secret, nil
}

// store keeps a session, or a login that awaits its code, and returns its secret.
func (a *Accounts) store(ctx context.Context, u *db.User, in Attempt, s db.Session) (secret string, err error) {
	secret = bearer.New()
	s.Hash, s.UserID, s.Address, s.Browser = bearer.Hash(secret), u.ID, in.Address, clip(strings.ToValidUTF8(in.Browser, ""), 255)
	s.CreatedAt, s.LastUsedAt, s.Issuer = a.now(), a.now(), in.Issuer
	if err := a.db.CreateSession(ctx, &s); err != nil {
		return "", err
	}
	// A password that was changed meanwhile, or a second factor, has ended the sessions that it found, and not this one.
	again, err := a.db.User(ctx, u.ID)
	if err == nil && (again.PasswordHash != u.PasswordHash || again.OTPSecret != u.OTPSecret) {
		err = ErrWrongCredentials
	}
	if err != nil {
		return "", errors.Join(err, a.db.DeleteSession(ctx, s.Hash))
	}
	return secret, nil
}

// unknownUser is compared with when there is no such user, so that the time taken does not tell.
const unknownUser = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// try checks a password, counts it when it is wrong and forgets the wrong ones when it is right; u is nil when there is
// no such user. All of that happens in one slot: of many that come at once none may pass before those ahead of it are
// counted.
func (a *Accounts) try(ctx context.Context, u *db.User, in Attempt) error {
	const longestName = 64 // no user has a longer one, and invented ones must not fill the memory
	name := clip(in.Name, longestName)
	release, err := a.enter(ctx, name, in.Address)
	if err != nil {
		return err
	}
	defer release()
	hash, known := unknownUser, u != nil && u.PasswordHash != "" // somebody of an identity provider has no password
	if known {
		hash = u.PasswordHash
	}
	ok := len(in.Password) <= maxPassword
	if ok {
		var err error
		if ok, err = argon2id.ComparePasswordAndHash(in.Password, hash); err != nil {
			return fmt.Errorf("cannot check the password: %w", err)
		}
	}
	if !ok || !known {
		a.delays.failed(name, in.Address)
		audit.Refuse(ctx, "wrong_password")
		return ErrWrongCredentials
	}
	if u.DisabledAt != nil { // told only to who knows the password
		audit.Refuse(ctx, "disabled")
		return ErrDisabled
	}
	if u.OTPSecret == "" { // who knows the password alone must not get free tries at the second factor by it
		a.delays.succeeded(name, in.Address)
	}
	return nil
}

// enter waits for a slot for a try, unless the try has to wait anyway: ErrTooManyTries. release gives the slot back.
func (a *Accounts) enter(ctx context.Context, name, address string) (release func(), err error) {
	select {
	case a.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	release = func() { <-a.slots }
	if wait := a.delays.wait(name, address); wait > 0 {
		release()
		audit.Refuse(ctx, "too_many_tries")
		return nil, fmt.Errorf("%w: wait %s", ErrTooManyTries, wait.Round(time.Second))
	}
	return release, nil
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
	lacks, err := a.lacksFactor(ctx, s)
	if err != nil {
		return Identity{}, err
	}
	return Identity{
		Name: s.User.Name, UserID: s.UserID, OwnerID: s.UserID, Role: s.User.Role, Limit: db.LimitTo(s.User.HostLabels), Session: secret, SessionID: s.ID, LacksFactor: lacks, Provider: s.Issuer != "",
	}, nil
}

// sessionsListed bounds a list of sessions: the newest are enough to find one that should not be there.
const sessionsListed = 1000

// Sessions lists the sessions of a person, the newest first; userID 0 is everybody.
func (a *Accounts) Sessions(ctx context.Context, userID int64) ([]Browser, error) {
	ss, err := a.db.Sessions(ctx, userID, a.now(), sessionsListed)
	if err != nil {
		return nil, err
	}
	all := make([]Browser, len(ss))
	for i := range ss {
		all[i] = DescribeSession(&ss[i])
	}
	return all, nil
}

// Logout ends a session.
func (a *Accounts) Logout(ctx context.Context, secret string) error {
	if err := a.db.DeleteSession(ctx, bearer.Hash(secret)); err != nil {
		return err
	}
	a.tellEnded()
	return nil
}

// EndSession ends a session by its number; db.ErrNotFound when it is gone or not the user's. userID 0 is anybody.
func (a *Accounts) EndSession(ctx context.Context, userID, id int64) error {
	s, err := a.db.Session(ctx, id)
	if err != nil {
		return err
	}
	audit.About(ctx, s.User.Name, DescribeSession(s), nil)
	if err := a.db.EndSession(ctx, userID, id); err != nil {
		return err
	}
	a.tellEnded()
	return nil
}

// EndOtherSessions ends all of a person's sessions but this one, and says how many.
func (a *Accounts) EndOtherSessions(ctx context.Context, who Identity) (int64, error) {
	n, err := a.db.EndOtherSessions(ctx, who.UserID, bearer.Hash(who.Session))
	audit.About(ctx, who.Name, map[string]int64{"sessions": n + 1}, map[string]int64{"sessions": 1})
	a.tellEnded()
	return n, err
}

// clip bounds a text to so many bytes, and does not cut a character in two.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "")
}
