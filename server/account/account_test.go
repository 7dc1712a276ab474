package account_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"hostler/db"
	"hostler/db/dbtest"
	"hostler/internal/bearer"
	"hostler/internal/testclock"
	"hostler/server/account"
	"hostler/server/event"
)

const password = "correct horse"

// rig is the register with its parts.
type rig struct {
	*testing.T
	db       *db.DB
	url      string // of db
	clock    *testclock.Clock
	accounts *account.Accounts
}

func newRig(t *testing.T) *rig {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	bus, err := event.OpenBus("", log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(bus.Close)
	url := dbtest.Migrated(t)
	r := &rig{T: t, db: dbtest.OpenURL(t, url), url: url, clock: testclock.New(db.Now())}
	r.accounts = account.New(r.db, event.NewLog(r.db, bus, log), log, r.clock.Now)
	return r
}

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func (r *rig) createUser(name string) *db.User {
	r.Helper()
	u, err := r.accounts.CreateUser(r.Context(), "root", name, password, account.RoleAdministrator)
	r.must(err)
	return u
}

func (r *rig) login(name, password string) (string, error) {
	return r.accounts.Login(r.Context(), account.Attempt{Name: name, Password: password, Address: "10.0.0.1"})
}

func (r *rig) createToken(name string) (string, error) {
	r.Helper()
	_, secret, err := r.accounts.CreateToken(r.Context(), account.TokenSpec{Name: name, Role: account.RoleAdministrator, By: "root"})
	return secret, err
}

// count counts the events of a kind.
func (r *rig) count(kind string) int {
	r.Helper()
	es, err := r.db.Events(r.Context(), db.EventQuery{Limit: 500})
	r.must(err)
	n := 0
	for _, e := range es {
		if e.Kind == kind {
			n++
		}
		if strings.Contains(fmt.Sprint(e.Params), password) {
			r.Errorf("an event holds the password: %+v", e)
		}
	}
	return n
}

func TestCheckUser(t *testing.T) {
	for _, c := range []struct{ name, password, code string }{
		{"alice", password, ""},
		{"a", "0p1v2x3m4k", ""},
		{"Al.ice_2@lab-1", password, ""},
		{strings.Repeat("a", 64), strings.Repeat("correct ho", 25) + "rse 12", ""},
		{"alice", "正确的马电池订书钉呀", ""}, // ten characters
		{"", password, "name_invalid"},
		{".alice", password, "name_invalid"},
		{"-alice", password, "name_invalid"},
		{"al ice", password, "name_invalid"},
		{"alice\n", password, "name_invalid"},
		{"<b>", password, "name_invalid"},
		{"ålice", password, "name_invalid"},
		{strings.Repeat("a", 65), password, "name_invalid"},
		{"alice", "", "password_short"},
		{"alice", "123456789", "password_short"},
		{"alice", "正确的马电池订书钉", "password_short"},
		{"alice", strings.Repeat("b", 257), "password_long"},
		{"alice.smith", "alice.smith", "password_name"},
		{"alice", "aaaaaaaaaaaa", "password_weak"},
		{"alice", "1234567890", "password_weak"},
		{"alice", "abcdefghijklmnop", "password_weak"},
		{"alice", "qwertyuiop", "password_weak"},
		{"alice", "1qaz2wsx3edc", "password_weak"},
		{"alice", "Password123!", "password_weak"},
		{"alice", "hostler-admin-2026", "password_weak"},
		{"alice", "alicealice1", "password_weak"},
		{"alice", "Alice.Alice.Alice", "password_weak"},
		{"alice", "abababababababab", "password_weak"},
		{"alice", "correct horse", ""},
		{"alice", "Tr0ub4dor&3", ""},
		{"alice", "kT9vQx2mBz", ""},
	} {
		err := account.CheckUser(c.name, c.password)
		var field *account.FieldError
		errors.As(err, &field)
		switch {
		case c.code == "" && err != nil:
			t.Errorf("%q, %q: %v", c.name, c.password, err)
		case c.code != "" && (field == nil || field.Code != c.code || field.Text == "" || !strings.HasPrefix(c.code, field.Field+"_")):
			t.Errorf("%q, %q: got %+v, want %s", c.name, c.password, err, c.code)
		}
	}
}

func TestSetUpOnce(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	token, err := r.accounts.SetUpToken(ctx)
	r.must(err)
	if again, err := r.accounts.SetUpToken(ctx); err != nil || again != token || len(token) < 40 {
		t.Errorf("the token is %q, then %q: %v", token, again, err)
	}
	if open, err := r.accounts.SetUpOpen(ctx); err != nil || !open {
		t.Errorf("the set-up is closed: %v", err)
	}
	for _, wrong := range []string{"", "x", token + "x", token[1:], bearer.New()} {
		if _, err := r.accounts.SetUp(ctx, wrong, "alice", password); !errors.Is(err, account.ErrWrongSetUpToken) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	var field *account.FieldError
	if _, err := r.accounts.SetUp(ctx, token, "alice", "short"); !errors.As(err, &field) {
		t.Errorf("a short password: %v", err)
	}
	errs := make([]error, 4)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { _, errs[i] = r.accounts.SetUp(ctx, token, fmt.Sprint("user", i), password) })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else if !errors.Is(err, account.ErrSetUpDone) {
			t.Error(err)
		}
	}
	if n, err := r.db.CountUsers(ctx); won != 1 || n != 1 || err != nil {
		t.Errorf("%d of four set it up; there are %d users: %v", won, n, err)
	}
	if err := r.accounts.CheckSetUp(ctx, token); !errors.Is(err, account.ErrSetUpDone) {
		t.Errorf("the link still works: %v", err)
	}
	if token, err := r.accounts.SetUpToken(ctx); err != nil || token != "" {
		t.Errorf("another link was made: %q, %v", token, err)
	}
	if open, err := r.accounts.SetUpOpen(ctx); err != nil || open {
		t.Errorf("the set-up is open: %v", err)
	}
	if n := r.count(event.UserCreated); n != 1 {
		t.Errorf("%d users were recorded", n)
	}
}

func TestAdministratorFromTheCommandLineClosesTheSetUp(t *testing.T) {
	r := newRig(t)
	token, err := r.accounts.SetUpToken(t.Context())
	r.must(err)
	r.createUser("alice")
	if _, err := r.accounts.SetUp(t.Context(), token, "mallory", password); !errors.Is(err, account.ErrSetUpDone) {
		t.Errorf("got %v", err)
	}
}

func TestCreateUser(t *testing.T) {
	r := newRig(t)
	u := r.createUser("alice")
	if u.Role != account.RoleAdministrator || !strings.HasPrefix(u.PasswordHash, "$argon2id$") {
		t.Errorf("got %+v", u)
	}
	if _, err := r.accounts.CreateUser(t.Context(), "root", "alice", password, account.RoleOperator); !errors.Is(err, db.ErrDuplicate) {
		t.Errorf("a name twice: %v", err)
	}
	other := r.createUser("Alice") // names are as typed
	if other.PasswordHash == u.PasswordHash {
		t.Error("the same password has the same hash")
	}
}

func TestSetPassword(t *testing.T) {
	r := newRig(t)
	u := r.createUser("alice")
	session, err := r.login("alice", password)
	r.must(err)
	var field *account.FieldError
	if err := r.accounts.SetPassword(t.Context(), "root", u, "short"); !errors.As(err, &field) {
		t.Errorf("a short password: %v", err)
	}
	if err := r.accounts.SetPassword(t.Context(), "root", &db.User{ID: 99, Name: "nobody"}, password); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("nobody's password: %v", err)
	}
	r.must(r.accounts.SetPassword(t.Context(), "root", u, "battery staple"))
	if _, err := r.accounts.BySession(t.Context(), session); !errors.Is(err, account.ErrNotLoggedIn) {
		t.Errorf("a session outlived its password: %v", err)
	}
	if _, err := r.login("alice", password); !errors.Is(err, account.ErrWrongCredentials) {
		t.Errorf("the old password: %v", err)
	}
	if _, err := r.login("alice", "battery staple"); err != nil {
		t.Error(err)
	}
}

func TestLoginGivesUpWithItsContext(t *testing.T) {
	r := newRig(t)
	r.createUser("alice")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.accounts.Login(ctx, account.Attempt{Name: "alice", Password: password}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
