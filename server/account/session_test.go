package account_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"

	"hostler/db"
	"hostler/db/dbtest"
	"hostler/internal/bearer"
	"hostler/server/account"
	"hostler/server/event"
)

func TestLogin(t *testing.T) {
	r := newRig(t)
	u := r.createUser("alice")
	for _, c := range []struct{ name, password string }{
		{"alice", "wrong horse"},
		{"alice", ""},
		{"alice", password + " "},
		{"ALICE", password},
		{"nobody", password},
		{"", ""},
		{"alice", strings.Repeat("x", 100_000)},
		{"' OR 1=1 --", password},
	} {
		if _, err := r.login(c.name, c.password); !errors.Is(err, account.ErrWrongCredentials) || err.Error() != account.ErrWrongCredentials.Error() {
			t.Errorf("%q: %v", c.name, err)
		}
	}
	if n := r.count(event.UserLoginFailed); n != 8 {
		t.Errorf("%d failures were recorded", n)
	}
	secret, err := r.login("alice", password)
	r.must(err)
	id, err := r.accounts.BySession(t.Context(), secret)
	r.must(err)
	if id.Name != "alice" || id.UserID != u.ID || id.Token || id.Session != secret {
		t.Errorf("got %+v", id)
	}
	kept, err := r.db.SessionByHash(t.Context(), bearer.Hash(secret), r.clock.Now())
	r.must(err)
	if strings.Contains(fmt.Sprintf("%+v", kept), secret) || kept.Address != "10.0.0.1" {
		t.Errorf("kept %+v", kept)
	}
	if n := r.count(event.UserLogin); n != 1 {
		t.Errorf("%d logins were recorded", n)
	}
}

// TestUnknownUserTakesTheSamePath looks at the memory that a try takes, which a busy machine does not change:
// nothing but hashing takes so much.
func TestUnknownUserTakesTheSamePath(t *testing.T) {
	r := newRig(t)
	u := r.createUser("alice")
	known, _, _, err := argon2id.DecodeHash(u.PasswordHash)
	r.must(err)
	unknown, _, _, err := argon2id.DecodeHash(account.UnknownUser)
	r.must(err)
	if *known != *unknown {
		t.Errorf("a user's password costs %+v, an unknown one's %+v", *known, *unknown)
	}
	for _, name := range []string{"alice", "nobody"} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := r.login(name, "wrong horse"); !errors.Is(err, account.ErrWrongCredentials) {
			t.Error(err)
		}
		runtime.ReadMemStats(&after)
		if n, want := after.TotalAlloc-before.TotalAlloc, uint64(known.Memory)<<10; n < want {
			t.Errorf("a wrong password for %s took %d bytes, hashing takes %d", name, n, want)
		}
	}
}

func TestWrongPasswordsDelay(t *testing.T) {
	for _, name := range []string{"alice", "nobody"} {
		r := newRig(t)
		r.createUser("alice")
		fail := func(want error) {
			t.Helper()
			if _, err := r.login(name, "wrong horse"); !errors.Is(err, want) {
				t.Fatalf("%s: got %v, want %v", name, err, want)
			}
		}
		for range 6 {
			fail(account.ErrWrongCredentials)
		}
		for _, wait := range []time.Duration{2, 4, 8, 16, 32, 64, 128, 256, 300, 300} {
			wait *= time.Second
			fail(account.ErrTooManyTries)
			r.clock.Advance(wait - time.Millisecond)
			if _, err := r.login(name, password); !errors.Is(err, account.ErrTooManyTries) {
				t.Fatalf("%s: the right password did not wait: %v", name, err)
			}
			r.clock.Advance(time.Millisecond)
			fail(account.ErrWrongCredentials)
		}
		if name == "nobody" {
			continue
		}
		if _, err := r.accounts.Login(t.Context(), account.Attempt{Name: "nobody", Password: password}); !errors.Is(err, account.ErrWrongCredentials) {
			t.Errorf("another name waits, too: %v", err)
		}
		r.clock.Advance(5 * time.Minute)
		if _, err := r.login(name, password); err != nil {
			t.Fatal(err)
		}
		for range 5 { // a login forgets what was wrong before it
			fail(account.ErrWrongCredentials)
		}
		if _, err := r.login(name, password); err != nil {
			t.Error(err)
		}
	}
}

func TestManyTriesAtOnceAreNotFree(t *testing.T) {
	r := newRig(t)
	r.createUser("alice")
	errs := make([]error, 24)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { _, errs[i] = r.login("alice", "wrong horse") })
	}
	wg.Wait()
	looked := 0
	for _, err := range errs {
		if errors.Is(err, account.ErrWrongCredentials) {
			looked++
		} else if !errors.Is(err, account.ErrTooManyTries) {
			t.Error(err)
		}
	}
	if looked > 8 { // six, and what may be under way on the other slot
		t.Errorf("%d of %d passwords were tried at once", looked, len(errs))
	}
}

func TestSessionsEndAndAreRenewed(t *testing.T) {
	r := newRig(t)
	r.createUser("alice")
	secret, err := r.login("alice", password)
	r.must(err)
	alive := func() bool {
		t.Helper()
		_, err := r.accounts.BySession(t.Context(), secret)
		if err != nil && !errors.Is(err, account.ErrNotLoggedIn) {
			t.Fatal(err)
		}
		return err == nil
	}
	end := func() time.Time {
		t.Helper()
		s, err := r.db.SessionByHash(t.Context(), bearer.Hash(secret), r.clock.Now())
		r.must(err)
		return s.ExpiresAt
	}
	first := end()
	r.clock.Advance(5 * time.Minute)
	if !alive() || !end().Equal(first) {
		t.Error("a use within five minutes was written down")
	}
	r.clock.Advance(6 * time.Hour)
	if !alive() || !end().Equal(r.clock.Now().Add(12*time.Hour)) {
		t.Errorf("a use did not move the end: %s", end())
	}
	r.clock.Advance(12*time.Hour - time.Millisecond)
	if !alive() {
		t.Error("it ended before its time")
	}
	r.clock.Advance(12 * time.Hour)
	if alive() {
		t.Error("it did not end")
	}
	if _, err := r.accounts.BySession(t.Context(), ""); !errors.Is(err, account.ErrNotLoggedIn) {
		t.Errorf("no session: %v", err)
	}
}

func TestLogout(t *testing.T) {
	r := newRig(t)
	r.createUser("alice")
	one, err := r.login("alice", password)
	r.must(err)
	other, err := r.login("alice", password)
	r.must(err)
	for range 2 {
		r.must(r.accounts.Logout(t.Context(), one))
	}
	if _, err := r.accounts.BySession(t.Context(), one); !errors.Is(err, account.ErrNotLoggedIn) {
		t.Errorf("it was not ended: %v", err)
	}
	if _, err := r.accounts.BySession(t.Context(), other); err != nil {
		t.Errorf("another session was ended: %v", err)
	}
}

func TestTokens(t *testing.T) {
	r := newRig(t)
	secret, err := r.createToken("ci")
	r.must(err)
	for range 2 {
		id, err := r.accounts.ByToken(t.Context(), secret)
		r.must(err)
		if id.Name != "token:ci" || !id.Token || id.UserID != 0 {
			t.Errorf("got %+v", id)
		}
	}
	kept, err := r.db.APITokenByHash(t.Context(), bearer.Hash(secret), r.clock.Now())
	r.must(err)
	if kept.LastUsedAt == nil || !kept.LastUsedAt.Equal(r.clock.Now()) || strings.Contains(fmt.Sprintf("%+v", kept), secret) {
		t.Errorf("kept %+v", kept)
	}
	if _, err := r.createToken("ci"); !errors.Is(err, db.ErrDuplicate) {
		t.Errorf("a name twice: %v", err)
	}
	var field *account.FieldError
	if _, err := r.createToken("c i"); !errors.As(err, &field) || field.Field != "name" {
		t.Errorf("a bad name: %v", err)
	}
	for _, wrong := range []string{"", "ci", bearer.Hash(secret), secret + "x"} {
		if _, err := r.accounts.ByToken(t.Context(), wrong); !errors.Is(err, account.ErrNotLoggedIn) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	if _, err := r.accounts.BySession(t.Context(), secret); !errors.Is(err, account.ErrNotLoggedIn) {
		t.Errorf("a token is no session: %v", err)
	}
	if n := r.count(event.TokenCreated); n != 1 {
		t.Errorf("%d tokens were recorded", n)
	}
}

func TestFullDiskLocksNobodyOut(t *testing.T) {
	r := newRig(t)
	r.createUser("alice")
	session, err := r.login("alice", password)
	r.must(err)
	token, err := r.createToken("ci")
	r.must(err)
	for _, table := range []string{"sessions", "api_tokens"} {
		dbtest.Refuse(t, r.url, "UPDATE", table, "TRUE")
	}
	r.clock.Advance(time.Hour)
	if id, err := r.accounts.BySession(t.Context(), session); err != nil || id.Name != "alice" {
		t.Errorf("a session: %+v, %v", id, err)
	}
	if id, err := r.accounts.ByToken(t.Context(), token); err != nil || id.Name != "token:ci" {
		t.Errorf("a token: %+v, %v", id, err)
	}
}

func TestFailedLoginsAreRecordedInModeration(t *testing.T) {
	r := newRig(t)
	r.createUser("alice")
	const typed = "my secret, in the wrong field"
	for _, name := range []string{typed, "alice"} {
		if _, err := r.login(name, "wrong horse"); !errors.Is(err, account.ErrWrongCredentials) {
			t.Fatal(err)
		}
	}
	es, err := r.db.Events(t.Context(), db.EventQuery{})
	r.must(err)
	if es[0].Params["user"] != "alice" || es[1].Kind != event.UserLoginFailed || es[1].Params["address"] != "10.0.0.1" {
		t.Errorf("recorded %+v", es[:2])
	}
	if strings.Contains(fmt.Sprintf("%+v", es), typed) {
		t.Error("what was typed for a name is kept, be it a name or not")
	}
	for i := range 20 {
		if _, err := r.login(fmt.Sprint("nobody", i), "x"); !errors.Is(err, account.ErrWrongCredentials) {
			t.Fatal(err)
		}
	}
	if n := r.count(event.UserLoginFailed); n != 10 {
		t.Errorf("22 failures of a minute were recorded %d times", n)
	}
	r.clock.Advance(time.Minute)
	if _, err := r.login("nobody", "x"); !errors.Is(err, account.ErrWrongCredentials) {
		t.Fatal(err)
	}
	if n := r.count(event.UserLoginFailed); n != 11 {
		t.Errorf("a minute later there are %d records", n)
	}
}
