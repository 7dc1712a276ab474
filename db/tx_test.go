package db_test

import (
	"sync"
	"testing"

	"hostler/db"
	"hostler/db/dbtest"
)

// Two transactions that lock the same rows in opposite orders: MySQL ends one of them, and it runs again.
func TestADeadlockIsRunAgain(t *testing.T) {
	d := dbtest.Open(t)
	ctx := t.Context()
	for _, name := range []string{"a", "b"} {
		must(t, d.SetSetting(ctx, name, "0"))
	}
	var runs [2]int
	holds := [2]chan struct{}{make(chan struct{}), make(chan struct{})}
	transfer := func(i int, first, second string) error {
		return d.Tx(ctx, func(tx *db.DB) error {
			runs[i]++
			if err := tx.SetSetting(ctx, first, "1"); err != nil {
				return err
			}
			if runs[i] == 1 && d.Dialect() == "mysql" { // SQLite begins the second when the first has ended
				close(holds[i])
				<-holds[1-i]
			}
			return tx.SetSetting(ctx, second, "1")
		})
	}
	var errs [2]error
	var both sync.WaitGroup
	both.Go(func() { errs[0] = transfer(0, "a", "b") })
	both.Go(func() { errs[1] = transfer(1, "b", "a") })
	both.Wait()
	must(t, errs[0])
	must(t, errs[1])
	want := 2
	if d.Dialect() == "mysql" {
		want = 3
	}
	if got := runs[0] + runs[1]; got != want {
		t.Errorf("the transactions ran %d times, want %d", got, want)
	}
}
