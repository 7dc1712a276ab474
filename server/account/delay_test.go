package account_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"hostler/server/account"
)

func TestAttackLoginGuessing(t *testing.T) {
	r := newRig(t)
	r.createUser("alice")
	guess := func(name, address string) error {
		_, err := r.accounts.Login(t.Context(), account.Attempt{Name: name, Password: "wrong horse", Address: address})
		return err
	}
	for range 6 {
		if err := guess("alice", "192.0.2.66"); !errors.Is(err, account.ErrWrongCredentials) {
			t.Fatal(err)
		}
	}
	if err := guess("alice", "192.0.2.66"); !errors.Is(err, account.ErrTooManyTries) {
		t.Errorf("the guesser was answered %v", err)
	}
	// Whoever has the account works on from elsewhere.
	if _, err := r.login("alice", password); err != nil {
		t.Errorf("the owner was answered %v", err)
	}
	// Other names from the same address come to an end, too, also when one of them is the guesser's own.
	r.createUser("mallory")
	waits := func(most int, name, address func(i int) string) bool {
		for i := range most {
			if errors.Is(guess(name(i), address(i)), account.ErrTooManyTries) {
				return true
			}
			if i == 10 {
				_, _ = r.accounts.Login(t.Context(), account.Attempt{Name: "mallory", Password: password, Address: address(i)})
			}
		}
		return false
	}
	const evil = "192.0.2.66"
	r.clock.Advance(2 * time.Second)
	if !waits(35, func(i int) string { return fmt.Sprint("user", i) }, func(int) string { return evil }) {
		t.Error("one address may guess at any number of names")
	}
	// One name from many addresses, too; those of an IPv6 network are one.
	if !waits(60, func(int) string { return "bob" }, func(i int) string { return fmt.Sprintf("203.0.113.%d", i) }) {
		t.Error("many addresses may guess at one name for ever")
	}
	if !waits(7, func(int) string { return "carol" }, func(i int) string { return fmt.Sprintf("2001:db8::%d", i+1) }) {
		t.Error("every address of an IPv6 network has its own tries")
	}
	// It is no lock: after a while the right password is right.
	r.clock.Advance(2 * time.Hour)
	if _, err := r.accounts.Login(t.Context(), account.Attempt{Name: "alice", Password: password, Address: "192.0.2.66"}); err != nil {
		t.Errorf("later: %v", err)
	}
}

// TestInventedNamesPushNobodyOut fills the memory of wrong passwords while somebody has to wait.
func TestInventedNamesPushNobodyOut(t *testing.T) {
	r := newRig(t)
	d := account.NewDelays(r.clock.Now)
	for range 10 {
		d.Failed("alice", "192.0.2.66")
	}
	for i := range 3 * account.TriesKept {
		d.Failed(fmt.Sprint("invented", i), fmt.Sprint("address", i))
		if n := d.Len(); n > account.TriesKept {
			t.Fatalf("%d names are kept", n)
		}
	}
	if d.Wait("alice", "192.0.2.66") <= 0 {
		t.Error("who has to wait was forgotten")
	}
}
