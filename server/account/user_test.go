package account_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"hostler/db"
	"hostler/internal/bearer"
	"hostler/server/account"
	"hostler/server/event"
)

func TestSomebodyStaysAdministrator(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	alice := r.createUser("alice")
	for what, err := range map[string]error{
		"another role": r.accounts.SetRole(ctx, "root", alice, account.RoleOperator),
		"disabling":    r.accounts.Disable(ctx, "root", alice),
		"removal":      r.accounts.Remove(ctx, "root", alice),
	} {
		if !errors.Is(err, db.ErrLastAdministrator) {
			t.Errorf("%s of the last administrator: %v", what, err)
		}
	}
	bob := r.createUser("bob")
	r.must(r.accounts.Disable(ctx, "alice", bob))
	if err := r.accounts.Remove(ctx, "root", alice); !errors.Is(err, db.ErrLastAdministrator) {
		t.Errorf("a disabled administrator is left: %v", err)
	}
	r.must(r.accounts.Enable(ctx, "alice", bob))
	r.must(r.accounts.SetRole(ctx, "bob", alice, account.RoleAuditor))
	var field *account.FieldError
	if err := r.accounts.SetRole(ctx, "bob", bob, "root"); !errors.As(err, &field) || field.Code != "role_unknown" {
		t.Errorf("an unknown role: %v", err)
	}
	for kind, want := range map[string]int{event.UserRole: 1, event.UserDisabled: 1, event.UserEnabled: 1, event.UserRemoved: 0} {
		if n := r.count(kind); n != want {
			t.Errorf("%s was recorded %d times", kind, n)
		}
	}
}

// TestAdministratorsRemoveEachOther lets each of two remove the other at the same moment.
func TestAdministratorsRemoveEachOther(t *testing.T) {
	r := newRig(t)
	users := []*db.User{r.createUser("alice"), r.createUser("bob")}
	errs := make([]error, 2)
	var wg sync.WaitGroup
	for i := range users {
		wg.Go(func() { errs[i] = r.accounts.Remove(t.Context(), users[1-i].Name, users[i]) })
	}
	wg.Wait()
	n, err := r.db.CountUsers(t.Context())
	if err != nil || n != 1 || (errs[0] == nil) == (errs[1] == nil) {
		t.Errorf("%d are left: %v", n, errs)
	}
}

func TestDisabledAndRemovedUsers(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	r.createUser("root")
	alice := r.createUser("alice")
	session, err := r.login("alice", password)
	r.must(err)
	who, err := r.accounts.BySession(ctx, session)
	r.must(err)
	_, token, err := r.accounts.CreateToken(ctx, account.TokenSpec{Name: "hers", Role: account.RoleOperator, Maker: who, By: "alice"})
	r.must(err)
	ended := 0
	defer r.accounts.OnEnded(func() { ended++ })()
	r.must(r.accounts.Disable(ctx, "root", alice))
	if ended != 1 {
		t.Error("nobody was told that sessions ended")
	}
	if _, err := r.accounts.BySession(ctx, session); !errors.Is(err, account.ErrNotLoggedIn) {
		t.Errorf("her session: %v", err)
	}
	if _, err := r.accounts.ByToken(ctx, token); !errors.Is(err, account.ErrNotLoggedIn) {
		t.Errorf("her token: %v", err)
	}
	if _, err := r.login("alice", password); !errors.Is(err, account.ErrDisabled) {
		t.Errorf("her login: %v", err)
	}
	if _, err := r.login("alice", "wrong horse"); !errors.Is(err, account.ErrWrongCredentials) {
		t.Errorf("a guess learns that she is disabled: %v", err)
	}
	r.must(r.accounts.Enable(ctx, "root", alice))
	if id, err := r.accounts.ByToken(ctx, token); err != nil || id.Role != account.RoleOperator || id.Owner != account.RoleAdministrator {
		t.Errorf("her token is %+v, %v", id, err)
	}
	for range 2 { // a double click
		r.must(r.accounts.Remove(ctx, "root", alice))
	}
	if _, err := r.db.APITokenByName(ctx, "hers"); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("her token is left: %v", err)
	}
	if n := r.count(event.UserRemoved); n != 1 {
		t.Errorf("she was removed %d times", n)
	}
}

func TestChangePassword(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	r.createUser("alice")
	one, err := r.login("alice", password)
	r.must(err)
	other, err := r.login("alice", password)
	r.must(err)
	who, err := r.accounts.BySession(ctx, one)
	r.must(err)
	if err := r.accounts.ChangePassword(ctx, who, "10.0.0.1", "wrong horse", "battery staple"); !errors.Is(err, account.ErrWrongCredentials) {
		t.Errorf("without the old password: %v", err)
	}
	r.must(r.accounts.ChangePassword(ctx, who, "10.0.0.1", password, "battery staple"))
	if _, err := r.accounts.BySession(ctx, one); err != nil {
		t.Errorf("the session that changed it: %v", err)
	}
	if _, err := r.accounts.BySession(ctx, other); !errors.Is(err, account.ErrNotLoggedIn) {
		t.Errorf("another session: %v", err)
	}
}

func TestSessionsAreListedAndEnded(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	alice, bob := r.createUser("alice"), r.createUser("bob")
	var secrets []string
	for range 3 {
		secret, err := r.accounts.Login(ctx, account.Attempt{Name: "alice", Password: password, Address: "10.0.0.1", Browser: "Firefox"})
		r.must(err)
		secrets = append(secrets, secret)
	}
	all, err := r.accounts.Sessions(ctx, alice.ID)
	r.must(err)
	if len(all) != 3 || all[0].Browser != "Firefox" || all[0].User != "alice" || all[0].ID < all[2].ID {
		t.Fatalf("listed are %+v", all)
	}
	if err := r.accounts.EndSession(ctx, bob.ID, all[2].ID); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("somebody else ended it: %v", err)
	}
	r.must(r.accounts.EndSession(ctx, alice.ID, all[2].ID))
	if _, err := r.accounts.BySession(ctx, secrets[0]); !errors.Is(err, account.ErrNotLoggedIn) {
		t.Errorf("it lives: %v", err)
	}
	who, err := r.accounts.BySession(ctx, secrets[1])
	r.must(err)
	if n, err := r.accounts.EndOtherSessions(ctx, who); n != 1 || err != nil {
		t.Errorf("%d others ended, %v", n, err)
	}
	if left, err := r.accounts.Sessions(ctx, 0); err != nil || len(left) != 1 || left[0].ID != who.SessionID {
		t.Errorf("left are %+v, %v", left, err)
	}
}

func TestTokensEnd(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	made, secret, err := r.accounts.CreateToken(ctx, account.TokenSpec{Name: "ci", Role: account.RoleAuditor, Lifetime: time.Hour, By: "alice"})
	r.must(err)
	if id, err := r.accounts.ByToken(ctx, secret); err != nil || id.Role != account.RoleAuditor || id.May(account.Operate) {
		t.Errorf("it is %+v, %v", id, err)
	}
	r.clock.Advance(time.Hour)
	if _, err := r.accounts.ByToken(ctx, secret); !errors.Is(err, account.ErrNotLoggedIn) {
		t.Errorf("it outlived its end: %v", err)
	}
	_, other, err := r.accounts.CreateToken(ctx, account.TokenSpec{Name: "other", Role: account.RoleOperator})
	r.must(err)
	listed, err := r.accounts.Tokens(ctx)
	r.must(err)
	if len(listed) != 2 || listed[0].Name != "ci" || listed[0].ExpiresAt == nil || listed[0].CreatedBy != "alice" || listed[1].ExpiresAt != nil {
		t.Errorf("listed are %+v", listed)
	}
	found, err := r.accounts.Token(ctx, "other")
	r.must(err)
	r.must(r.accounts.EndToken(ctx, "alice", found))
	if _, err := r.accounts.ByToken(ctx, other); !errors.Is(err, account.ErrNotLoggedIn) {
		t.Errorf("it outlived its end: %v", err)
	}
	if err := r.accounts.EndToken(ctx, "alice", found); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("a second end: %v", err)
	}
	if n, err := r.db.DeleteExpiredAPITokens(ctx, r.clock.Now()); n != 1 || err != nil {
		t.Errorf("%d were tidied, %v", n, err)
	}
	if _, err := r.db.APITokenByHash(ctx, bearer.Hash(secret), made.CreatedAt); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("it is still there: %v", err)
	}
	for spec, code := range map[account.TokenSpec]string{
		{Name: "x", Role: "root"}: "role_unknown",
		{Name: "x", Role: account.RoleAdministrator, Maker: account.Identity{UserID: 1, Role: account.RoleOperator}}: "role_above",
		{Name: "x", Role: account.RoleOperator, Lifetime: -time.Second}:                                              "expires_invalid",
		{Name: "x y", Role: account.RoleOperator}:                                                                    "token_name_invalid",
	} {
		var field *account.FieldError
		if _, _, err := r.accounts.CreateToken(ctx, spec); !errors.As(err, &field) || field.Code != code {
			t.Errorf("%+v: %v", spec, err)
		}
	}
}
