package db

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

//go:embed migrations
var migrations embed.FS

// Migrate brings the schema to this binary's version. It refuses a database that is newer than the binary,
// because an older program would silently ignore what the newer one keeps there.
func (d *DB) Migrate(ctx context.Context) (err error) {
	unlock, err := d.lockMigrations(ctx)
	if err != nil {
		return fmt.Errorf("cannot lock the database for migration: %w", err)
	}
	defer func() { err = errors.Join(err, unlock()) }()
	p, err := d.provider()
	if err != nil {
		return fmt.Errorf("cannot read the migrations: %w", err)
	}
	have, err := p.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("cannot read the database's version: %w", err)
	}
	if want := newest(p); have > want {
		return fmt.Errorf("cannot use the database: it has version %d and this program knows only %d; "+
			"start the newer hostler that made it, or restore a backup", have, want)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("cannot migrate the database: %w", err)
	}
	return nil
}

// CheckVersion refuses a database whose schema is not exactly this binary's; it changes nothing.
func (d *DB) CheckVersion(ctx context.Context) error {
	p, err := d.provider()
	if err != nil {
		return fmt.Errorf("cannot read the migrations: %w", err)
	}
	have, err := p.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("cannot read the database's version: %w", err)
	}
	if want := newest(p); have != want {
		return fmt.Errorf("cannot use the database: the server that is running made it version %d, and this program wants %d; "+
			"use the same hostler as the server", have, want)
	}
	return nil
}

func (d *DB) provider() (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations/"+d.dialect)
	if err != nil {
		return nil, err
	}
	s, err := d.sql()
	if err != nil {
		return nil, err
	}
	dialect := goose.DialectSQLite3
	if d.dialect == "mysql" {
		dialect = goose.DialectMySQL
	}
	return goose.NewProvider(dialect, s, files, goose.WithDisableGlobalRegistry(true))
}

func newest(p *goose.Provider) int64 {
	var v int64
	for _, s := range p.ListSources() {
		v = max(v, s.Version)
	}
	return v
}

// lockMigrations keeps two servers that start together from migrating at once. SQLite's single writer
// belongs to one process's data directory, so only MySQL needs it.
func (d *DB) lockMigrations(ctx context.Context) (unlock func() error, err error) {
	if d.dialect != "mysql" {
		return func() error { return nil }, nil
	}
	s, err := d.sql()
	if err != nil {
		return nil, err
	}
	c, err := s.Conn(ctx)
	if err != nil {
		return nil, err
	}
	var got int
	if err := c.QueryRowContext(ctx, "SELECT GET_LOCK(CONCAT(DATABASE(), '.hostler.migrate'), 60)").Scan(&got); err != nil || got != 1 {
		return nil, errors.Join(errors.New("another server has been migrating for a minute"), err, c.Close())
	}
	return func() error {
		_, err := c.ExecContext(context.WithoutCancel(ctx), "DO RELEASE_LOCK(CONCAT(DATABASE(), '.hostler.migrate'))")
		return errors.Join(err, c.Close())
	}, nil
}
