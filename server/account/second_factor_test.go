package account_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"hostler/db"
	"hostler/internal/seal"
	"hostler/internal/totp"
	"hostler/server/account"
	"hostler/server/event"
)

const here = "10.0.0.1"

// owner is somebody with a second factor.
type owner struct {
	*rig
	user   *db.User
	who    account.Identity
	secret totp.Secret
	codes  []string
}

// withFactor makes a user with a second factor, who is logged in.
func (r *rig) withFactor(name string) *owner {
	r.Helper()
	r.accounts.UseKey(seal.NewKey())
	o := &owner{rig: r, user: r.createUser(name)}
	session, err := r.login(name, password)
	r.must(err)
	o.who, err = r.accounts.BySession(r.Context(), session)
	r.must(err)
	r.must(r.accounts.OfferSecondFactor(r.Context(), o.who, here, password))
	f, err := r.accounts.SecondFactor(r.Context(), o.who)
	r.must(err)
	o.secret = f.Offered
	o.codes, err = r.accounts.ConfirmSecondFactor(r.Context(), o.who, here, o.code())
	r.must(err)
	r.clock.Advance(time.Minute) // the code that confirmed it is used up
	return o
}

// code is what the app shows.
func (o *owner) code() string { return o.secret.Code(totp.Step(o.clock.Now())) }

// awaiting begins a login with the password.
func (o *owner) awaiting() string {
	o.Helper()
	secret, err := o.login(o.user.Name, password)
	if !errors.Is(err, account.ErrCodeNeeded) || secret == "" {
		o.Fatalf("the password led to %v", err)
	}
	return secret
}

func (o *owner) show(login, code string) (string, error) {
	return o.accounts.LoginCode(o.Context(), login, code, account.Attempt{Address: here})
}

func TestSecondFactor(t *testing.T) {
	r := newRig(t)
	o := r.withFactor("alice")
	login := o.awaiting()
	if _, err := r.accounts.BySession(t.Context(), login); !errors.Is(err, account.ErrNotLoggedIn) {
		t.Errorf("the password alone is a session: %v", err)
	}
	if all, err := r.accounts.Sessions(t.Context(), o.user.ID); err != nil || len(all) != 1 {
		t.Errorf("listed are %+v, %v", all, err)
	}
	code := o.code()
	session, err := o.show(login, " "+code[:3]+" "+code[3:])
	r.must(err)
	if who, err := r.accounts.BySession(t.Context(), session); err != nil || who.Name != "alice" {
		t.Errorf("the session is %+v, %v", who, err)
	}
	if _, err := o.show(login, code); !errors.Is(err, account.ErrNotLoggedIn) {
		t.Errorf("the login that was finished: %v", err)
	}
	stored, err := r.db.User(t.Context(), o.user.ID)
	r.must(err)
	if strings.Contains(stored.OTPSecret, o.secret.Text()) || stored.OTPOffered != "" {
		t.Errorf("the database has %q and %q", stored.OTPSecret, stored.OTPOffered)
	}
	r.must(r.accounts.ResetSecondFactor(t.Context(), "root", stored))
	if _, err := r.login("alice", password); err != nil {
		t.Errorf("after the reset: %v", err)
	}
	for kind, want := range map[string]int{event.UserSecondFactor: 1, event.UserSecondFactorRemoved: 1} {
		if n := r.count(kind); n != want {
			t.Errorf("%s was recorded %d times", kind, n)
		}
	}
}

func TestAttackCodeReplay(t *testing.T) {
	r := newRig(t)
	o := r.withFactor("alice")
	one, other := o.awaiting(), o.awaiting()
	code := o.code()
	errs := make([]error, 2)
	var wg sync.WaitGroup
	for i, login := range []string{one, other} {
		wg.Go(func() { _, errs[i] = o.show(login, code) })
	}
	wg.Wait()
	if (errs[0] == nil) == (errs[1] == nil) {
		t.Errorf("the same code twice at once: %v", errs)
	}
	earlier := o.secret.Code(totp.Step(r.clock.Now()) - 1) // still in the window, and before the one that was used
	if _, err := o.show(o.awaiting(), earlier); !errors.Is(err, account.ErrWrongCode) {
		t.Errorf("an earlier code: %v", err)
	}
}

// TestAttackCodeGuessing holds that whoever knows the password does not get free guesses at the second factor by giving it again.
func TestAttackCodeGuessing(t *testing.T) {
	r := newRig(t)
	o := r.withFactor("alice")
	for range 5 {
		if _, err := o.show(o.awaiting(), "000000x"); !errors.Is(err, account.ErrWrongCode) {
			t.Fatal(err)
		}
	}
	login := o.awaiting()
	if _, err := o.show(login, "000000x"); !errors.Is(err, account.ErrWrongCode) {
		t.Fatal(err)
	}
	if _, err := o.show(login, o.code()); !errors.Is(err, account.ErrTooManyTries) {
		t.Errorf("the sixth guess did not have to wait: %v", err)
	}
	if _, err := r.login("alice", password); !errors.Is(err, account.ErrTooManyTries) {
		t.Errorf("the password did not have to wait: %v", err)
	}
	r.clock.Advance(3 * time.Second)
	if _, err := o.show(login, o.code()); err != nil {
		t.Errorf("after the wait: %v", err)
	}
}

func TestRecoveryCodes(t *testing.T) {
	r := newRig(t)
	o := r.withFactor("alice")
	if len(o.codes) != 10 {
		t.Fatalf("there are %d", len(o.codes))
	}
	if _, err := o.show(o.awaiting(), strings.ToLower(o.codes[3])); err != nil {
		t.Errorf("the fourth: %v", err)
	}
	if _, err := o.show(o.awaiting(), o.codes[3]); !errors.Is(err, account.ErrWrongCode) {
		t.Errorf("the fourth again: %v", err)
	}
	if f, err := r.accounts.SecondFactor(t.Context(), o.who); err != nil || f.Codes != 9 {
		t.Errorf("left are %d, %v", f.Codes, err)
	}
	if _, err := r.accounts.RenewRecoveryCodes(t.Context(), o.who, here, password, "nonsense"); !errors.Is(err, account.ErrWrongCode) {
		t.Errorf("without the code: %v", err)
	}
	fresh, err := r.accounts.RenewRecoveryCodes(t.Context(), o.who, here, password, o.code())
	r.must(err)
	if _, err := o.show(o.awaiting(), o.codes[5]); !errors.Is(err, account.ErrWrongCode) {
		t.Errorf("one that was replaced: %v", err)
	}
	if _, err := o.show(o.awaiting(), fresh[5]); err != nil {
		t.Errorf("a new one: %v", err)
	}
	if n := r.count(event.UserRecoveryCode); n != 2 {
		t.Errorf("%d uses were recorded", n)
	}
}

func TestSettingUpASecondFactor(t *testing.T) {
	r := newRig(t)
	r.accounts.UseKey(seal.NewKey())
	ctx := t.Context()
	r.createUser("alice")
	one, err := r.login("alice", password)
	r.must(err)
	other, err := r.login("alice", password)
	r.must(err)
	who, err := r.accounts.BySession(ctx, one)
	r.must(err)
	if err := r.accounts.OfferSecondFactor(ctx, who, here, "wrong horse"); !errors.Is(err, account.ErrWrongCredentials) {
		t.Errorf("without the password: %v", err)
	}
	if _, err := r.accounts.ConfirmSecondFactor(ctx, who, here, "123456"); !errors.Is(err, account.ErrSecondFactor) {
		t.Errorf("before one is offered: %v", err)
	}
	r.must(r.accounts.OfferSecondFactor(ctx, who, here, password))
	first, err := r.accounts.SecondFactor(ctx, who)
	r.must(err)
	r.must(r.accounts.OfferSecondFactor(ctx, who, here, password))
	if _, err := r.accounts.ConfirmSecondFactor(ctx, who, here, first.Offered.Code(totp.Step(r.clock.Now()))); !errors.Is(err, account.ErrWrongCode) {
		t.Errorf("a code of the secret that was offered before: %v", err)
	}
	if _, err := r.login("alice", password); err != nil {
		t.Errorf("what is not confirmed is asked for: %v", err)
	}
	second, err := r.accounts.SecondFactor(ctx, who)
	r.must(err)
	if _, err := r.accounts.ConfirmSecondFactor(ctx, who, here, second.Offered.Code(totp.Step(r.clock.Now()))); err != nil {
		t.Errorf("the right code: %v", err)
	}
	if _, err := r.accounts.BySession(ctx, other); !errors.Is(err, account.ErrNotLoggedIn) {
		t.Errorf("a session from before it: %v", err)
	}
	if _, err := r.accounts.BySession(ctx, one); err != nil {
		t.Errorf("the session that set it up: %v", err)
	}
	if err := r.accounts.OfferSecondFactor(ctx, who, here, password); !errors.Is(err, account.ErrSecondFactor) {
		t.Errorf("a second one: %v", err)
	}
}

func TestRequiringASecondFactor(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	o := r.withFactor("alice")
	_, err := r.accounts.CreateUser(ctx, "root", "bob", password, account.RoleOperator)
	r.must(err)
	r.createUser("carol")
	sessions := map[string]string{}
	for _, name := range []string{"bob", "carol"} {
		sessions[name], err = r.login(name, password)
		r.must(err)
	}
	sessions["alice"], err = o.show(o.awaiting(), o.code())
	r.must(err)
	for rule, want := range map[string]string{account.OfNobody: "", account.OfAdministrators: "carol", account.OfEverybody: "bob carol"} {
		r.must(r.accounts.RequireSecondFactor(ctx, "root", rule))
		var lack []string
		for _, name := range []string{"alice", "bob", "carol"} {
			who, err := r.accounts.BySession(ctx, sessions[name])
			r.must(err)
			if who.LacksFactor {
				lack = append(lack, name)
			}
		}
		if got := strings.Join(lack, " "); got != want {
			t.Errorf("required of %s it is lacked by %q, want %q", rule, got, want)
		}
	}
	var field *account.FieldError
	if err := r.accounts.RequireSecondFactor(ctx, "root", "some"); !errors.As(err, &field) {
		t.Errorf("an unknown rule: %v", err)
	}
}

// TestAttackSecondFactorOfAnother puts the sealed secret of one's own into somebody else's row.
func TestAttackSecondFactorOfAnother(t *testing.T) {
	r := newRig(t)
	o := r.withFactor("mallory")
	alice := r.createUser("alice")
	stored, err := r.db.User(t.Context(), o.user.ID)
	r.must(err)
	r.must(r.db.OfferSecondFactor(t.Context(), alice.ID, stored.OTPSecret))
	r.must(r.db.SetSecondFactor(t.Context(), alice.ID, stored.OTPSecret, 0, r.clock.Now(), nil, ""))
	login, err := r.login("alice", password)
	if !errors.Is(err, account.ErrCodeNeeded) {
		t.Fatal(err)
	}
	if _, err := o.show(login, o.code()); err == nil {
		t.Error("mallory's app opened alice's account")
	}
}
