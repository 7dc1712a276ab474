// Package account knows who may act: the people with their passwords and sessions, the API tokens, and the
// one-time link by which the first administrator is made. It does not know HTTP.
package account

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/alexedwards/argon2id"

	"hostler/db"
	"hostler/internal/bearer"
	"hostler/server/event"
)

// Errors that callers tell apart with errors.Is.
var (
	ErrWrongCredentials = errors.New("wrong name or password")
	ErrNotLoggedIn      = errors.New("not logged in")
	ErrSetUpDone        = errors.New("an administrator exists already")
	ErrWrongSetUpToken  = errors.New("the set-up link is not valid")
	// ErrTooManyTries means that logins for the name wait because of wrong passwords.
	ErrTooManyTries = errors.New("too many wrong passwords")
)

// FieldError says what is wrong with one thing that a person typed. Code finds its text in other languages.
type FieldError struct {
	Field string // "name", "password"
	Code  string // "name_invalid", "password_short"
	Text  string // English
}

func (e *FieldError) Error() string { return e.Text }

// RoleAdministrator may do everything.
const RoleAdministrator = "administrator"

const (
	sessionLifetime = 12 * time.Hour  // since the last use
	sessionTouch    = 5 * time.Minute // how often a use is written down
	minPassword     = 10
	maxPassword     = 256 // hashing more would be a way to keep the server busy
	freeTries       = 5   // wrong passwords before a name has to wait

	failuresRecorded = 10 // failed logins that become events in a minute
)

var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$`)

// hashing follows OWASP's Password Storage Cheat Sheet for argon2id: 19 MiB, two passes.
var hashing = &argon2id.Params{Memory: 19 << 10, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// Accounts is the register of people and programs.
type Accounts struct {
	db     *db.DB
	events *event.Log
	log    *slog.Logger
	now    func() time.Time
	slots  chan struct{} // bounds how many passwords are hashed at a time, and so the memory they take

	mu            sync.Mutex
	setUp         string
	tries         map[string]tries
	failures      int // failed logins in the minute that began at failuresSince
	failuresSince time.Time
}

type tries struct {
	wrong int
	until time.Time
}

// New returns the register.
func New(d *db.DB, events *event.Log, log *slog.Logger, now func() time.Time) *Accounts {
	return &Accounts{db: d, events: events, log: log, now: now, slots: make(chan struct{}, 2), tries: map[string]tries{}}
}

// CheckUser checks a name and a password that are to be set; the error is a *FieldError.
func CheckUser(name, password string) error {
	switch {
	case !namePattern.MatchString(name):
		return &FieldError{"name", "name_invalid", "a name has 1 to 64 letters, digits and . _ @ -, and begins with a letter or digit"}
	case utf8.RuneCountInString(password) < minPassword:
		return &FieldError{"password", "password_short", fmt.Sprintf("a password has at least %d characters", minPassword)}
	case len(password) > maxPassword:
		return &FieldError{"password", "password_long", fmt.Sprintf("a password has at most %d bytes", maxPassword)}
	case password == name:
		return &FieldError{"password", "password_name", "the password must not be the name"}
	}
	return nil
}

// CreateUser makes an administrator; db.ErrDuplicate when the name is taken.
func (a *Accounts) CreateUser(ctx context.Context, name, password string) (*db.User, error) {
	u, err := a.newUser(name, password)
	if err != nil {
		return nil, err
	}
	if err := a.db.CreateUser(ctx, u); err != nil {
		return nil, err
	}
	a.events.Record(ctx, db.Event{Kind: event.UserCreated, Actor: name, Params: map[string]string{"user": name}})
	return u, nil
}

// SetPassword replaces a password and ends the user's sessions.
func (a *Accounts) SetPassword(ctx context.Context, name, password string) error {
	fresh, err := a.newUser(name, password)
	if err != nil {
		return err
	}
	u, err := a.db.UserByName(ctx, name)
	if err != nil {
		return err
	}
	return a.db.SetPassword(ctx, u.ID, fresh.PasswordHash)
}

func (a *Accounts) newUser(name, password string) (*db.User, error) {
	if err := CheckUser(name, password); err != nil {
		return nil, err
	}
	a.slots <- struct{}{}
	hash, err := argon2id.CreateHash(password, hashing)
	<-a.slots
	if err != nil {
		return nil, fmt.Errorf("cannot hash the password: %w", err)
	}
	return &db.User{Name: name, PasswordHash: hash, Role: RoleAdministrator}, nil
}

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
		return ErrWrongSetUpToken
	}
	return nil
}

// SetUp makes the first administrator. Of two that try at once, one gets ErrSetUpDone.
func (a *Accounts) SetUp(ctx context.Context, token, name, password string) (*db.User, error) {
	if err := a.CheckSetUp(ctx, token); err != nil {
		return nil, err
	}
	u, err := a.newUser(name, password)
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
	a.events.Record(ctx, db.Event{Kind: event.UserCreated, Actor: name, Params: map[string]string{"user": name}})
	return u, nil
}
