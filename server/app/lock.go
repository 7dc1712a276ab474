package app

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"

	"hostler/db"
)

// lockFile is held by the server that works in a data directory.
const lockFile = "serve.lock"

var errServing = errors.New("another hostler serves from it")

// lock takes a file lock that ends with the process, however it ends; errServing when another process has it.
func lock(path string, flags int) (unlock func() error, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|flags, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = errServing
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f.Close, nil
}

// Prepare makes the database fit for a command that runs beside a server: it migrates it when no server works in the
// data directory, and only checks its version when one does, because that one must not find it changed.
func Prepare(ctx context.Context, d *db.DB, data string) (err error) {
	unlock, err := lock(filepath.Join(data, lockFile), 0)
	switch {
	case errors.Is(err, errServing):
		return d.CheckVersion(ctx)
	case errors.Is(err, os.ErrNotExist): // no server has ever been there
		return d.Migrate(ctx)
	case err != nil:
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	return d.Migrate(ctx)
}
