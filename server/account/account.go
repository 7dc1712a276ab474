// Package account knows who may act: the people with their roles, passwords and sessions, the API tokens, and the
// one-time link by which the first administrator is made. It does not know HTTP.
package account

import (
	"errors"
	"log/slog"
	"sync"
	"time"

	"hostler/db"
	"hostler/internal/seal"
	"hostler/server/event"
)

// Errors that callers tell apart with errors.Is.
var (
	ErrWrongCredentials = errors.New("wrong name or password")
	ErrDisabled         = errors.New("the account is disabled")
	ErrNotLoggedIn      = errors.New("not logged in")
	ErrSetUpDone        = errors.New("an administrator exists already")
	ErrWrongSetUpToken  = errors.New("the set-up link is not valid")
	// ErrTooManyTries means that logins wait because of wrong passwords.
	ErrTooManyTries = errors.New("too many wrong passwords")
	// ErrCodeNeeded means that the password was right and the second factor is to be shown.
	ErrCodeNeeded = errors.New("a code is needed")
	ErrWrongCode  = errors.New("wrong code")
	// ErrSecondFactor means that there is none where one is needed, or one where none may be.
	ErrSecondFactor = errors.New("the second factor is not in the state that this is for")
)

// FieldError says what is wrong with one thing that a person typed. Code finds its text in other languages.
type FieldError struct {
	Field string // "name", "password"
	Code  string // "name_invalid", "password_short"
	Text  string // English
}

func (e *FieldError) Error() string { return e.Text }

const (
	sessionLifetime = 12 * time.Hour  // since the last use
	sessionTouch    = 5 * time.Minute // how often a use is written down
	codeTime        = 5 * time.Minute // to show the second factor after the password

	failuresRecorded = 10 // failed logins that become events in a minute
)

// Accounts is the register of people and programs.
type Accounts struct {
	db     *db.DB
	events *event.Log
	log    *slog.Logger
	now    func() time.Time
	slots  chan struct{} // bounds how many passwords are hashed at a time, and so the memory they take
	delays *delays
	key    *seal.Key // of second factors in the database; nil where none are checked

	mu            sync.Mutex
	setUp         string
	failures      int // failed logins in the minute that began at failuresSince
	failuresSince time.Time
	ended         map[int]func()
	counter       int // of ended's keys
}

// New returns the register.
func New(d *db.DB, events *event.Log, log *slog.Logger, now func() time.Time) *Accounts {
	return &Accounts{
		db: d, events: events, log: log, now: now, slots: make(chan struct{}, 2), delays: newDelays(now), ended: map[int]func(){},
	}
}

// OnEnded calls fn, which must not block, whenever sessions may have ended or roles changed by this register. cancel
// ends that.
func (a *Accounts) OnEnded(fn func()) (cancel func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.counter++
	key := a.counter
	a.ended[key] = fn
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.ended, key)
	}
}

func (a *Accounts) tellEnded() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, fn := range a.ended {
		fn()
	}
}
