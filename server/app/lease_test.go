package app

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"hostler/db/dbtest"
)

func TestOneServerPerDatabase(t *testing.T) {
	const lifetime = 5 * time.Second
	d := dbtest.Open(t)
	server := func(holder string) *lease {
		return &lease{db: d, log: slog.New(slog.DiscardHandler), holder: holder, lifetime: lifetime}
	}
	take := func(l *lease) {
		t.Helper()
		if err := l.take(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	first, second := server("one 1"), server("two 2")
	take(first)
	ctx, kill := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- first.keep(ctx) }()
	if err := second.take(t.Context()); err == nil || !strings.Contains(err.Error(), "the server on one has been using it since 20") {
		t.Errorf("a second server got %v", err)
	}
	kill()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	again := time.Now()
	take(server("one 1"))
	if waited := time.Since(again); waited > lifetime/2 {
		t.Errorf("a restart in the same data directory waited %s", waited)
	}
	take(second) // the first one was killed and does not renew
	if err := server("one 1").keep(t.Context()); err == nil || !strings.Contains(err.Error(), "another server") {
		t.Errorf("a server that lost the database goes on: %v", err)
	}
	if err := second.release(t.Context()); err != nil {
		t.Error(err)
	}
	if owned, err := server("three 3").renew(t.Context()); err != nil || !owned {
		t.Errorf("after an orderly stop: %t, %v", owned, err)
	}
}

func TestADataDirectoryIsOneHolder(t *testing.T) {
	dir := t.TempDir()
	first, err := holderOf(dir)
	if err != nil {
		t.Fatal(err)
	}
	again, err := holderOf(dir)
	if err != nil || again != first {
		t.Errorf("named %q, then %q, %v", first, again, err)
	}
	other, err := holderOf(t.TempDir())
	host, hostErr := os.Hostname()
	if err != nil || hostErr != nil || other == first || !strings.HasPrefix(other, host+" ") {
		t.Errorf("another directory is %q, %v", other, err)
	}
}
