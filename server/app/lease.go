package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"

	"hostler/db"
)

const (
	leaseName     = "server" // also the setting that tells since when the lease is held
	leaseLifetime = 15 * time.Second
)

// lease makes one server the only one on its database: a second would take the first one's running tasks for
// abandoned ones and sign with another authority. It is a row that its holder renews three times in its lifetime.
type lease struct {
	db       *db.DB
	log      *slog.Logger
	holder   string // host name and the data directory's id
	lifetime time.Duration
}

// openLease waits for the server before to be gone. One that was killed in the same data directory is not waited
// for: serve.lock proves that it is gone.
func (a *App) openLease(ctx context.Context) error {
	holder, err := holderOf(a.opts.Data)
	if err != nil {
		return fmt.Errorf("cannot tell this server from others: %w", err)
	}
	l := &lease{db: a.db, log: a.log, holder: holder, lifetime: leaseLifetime}
	if err := l.take(ctx); err != nil {
		return err
	}
	a.atStop("the database's lease", l.release)
	a.background("renewing the database's lease", func(ctx context.Context) {
		if err := l.keep(ctx); err != nil {
			select {
			case a.failed <- err:
			default: // it stops for another reason already
			}
		}
	})
	return nil
}

// holderOf names the server of a data directory.
func holderOf(data string) (string, error) {
	host, err := os.Hostname()
	if err != nil {
		return "", err
	}
	path := filepath.Join(data, "server.id")
	id, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		id = []byte(uuid.NewString())
		err = os.WriteFile(path, id, 0o600)
	}
	return host + " " + strings.TrimSpace(string(id)), err
}

// take waits until the lease is free. A holder that renews it is alive, and the error names it.
func (l *lease) take(ctx context.Context) error {
	pause := time.NewTicker(l.lifetime / 30)
	defer pause.Stop()
	var first *db.Lease
	for {
		owned, err := l.renew(ctx)
		if err != nil {
			return err
		}
		if owned {
			return l.db.SetSetting(ctx, leaseName, db.Now().Format(time.RFC3339))
		}
		held, err := l.db.Lease(ctx, leaseName)
		if err != nil {
			return err
		}
		host, _, _ := strings.Cut(held.Holder, " ")
		switch {
		case first == nil:
			first = held
			l.log.Warn("waiting for another server's hold on the database to end, or to be renewed", "host", host, "ends", held.ExpiresAt)
		case held.Holder != first.Holder || !held.ExpiresAt.Equal(first.ExpiresAt):
			return l.taken(ctx, host)
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (l *lease) taken(ctx context.Context, host string) error {
	since, err := l.db.Setting(ctx, leaseName)
	if err != nil && !errors.Is(err, db.ErrNotFound) {
		return err
	}
	return fmt.Errorf("cannot use the database: the server on %s has been using it since %s, and one database serves one server; "+
		"stop that one first, or give this one a database of its own", host, since)
}

func (l *lease) renew(ctx context.Context) (owned bool, err error) {
	now := db.Now()
	_, owned, err = l.db.TakeLease(ctx, leaseName, l.holder, now, now.Add(l.lifetime))
	return owned, err
}

// keep renews the lease until ctx ends; the error is that another server has it.
func (l *lease) keep(ctx context.Context) error {
	often := time.NewTicker(l.lifetime / 3)
	defer often.Stop()
	for {
		select {
		case <-often.C:
		case <-ctx.Done():
			return nil
		}
		owned, err := l.renew(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			l.log.Error("cannot renew the hold on the database", "err", err)
		case !owned:
			return errors.New("cannot go on: another server has taken the database over, because this one could not reach it")
		}
	}
}

func (l *lease) release(ctx context.Context) error {
	return l.db.ReleaseLease(ctx, leaseName, l.holder)
}
