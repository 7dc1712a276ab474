package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"hostler/internal/seal"
	"hostler/server/account"
	"hostler/server/config"
	"hostler/server/trust"
)

// authorityDir is where the certificate authority is kept.
func authorityDir(o config.Options) string { return filepath.Join(o.Data, "ca") }

// masterKey says where the master key may come from.
func masterKey(o config.Options) seal.Source {
	return seal.Source{Environ: os.LookupEnv, Named: o.MasterKey, Kept: filepath.Join(o.Data, "master.key")}
}

// sealedFiles are those in the data directory that the master key opens.
func sealedFiles(o config.Options) ([]seal.Sealed, error) {
	files, err := trust.SealedFiles(authorityDir(o))
	if err != nil {
		return nil, err
	}
	return append(files, account.SealedFiles(o.Data)...), nil
}

// ChangeMasterKey seals what is kept in a data directory with another master key. No server may work there meanwhile.
func ChangeMasterKey(o config.Options) (old, fresh seal.Key, err error) {
	unlock, err := lock(filepath.Join(o.Data, lockFile), 0)
	switch {
	case errors.Is(err, errServing):
		return old, fresh, errors.New("cannot change the master key while the server is running: stop it first")
	case err != nil:
		return old, fresh, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	files, err := sealedFiles(o)
	if err == nil {
		old, fresh, err = masterKey(o).Change(files)
	}
	if err != nil {
		return old, fresh, fmt.Errorf("cannot change the master key: %w", err)
	}
	return old, fresh, nil
}

// openMaster finds the master key, and opens with it the key of the accounts.
func (a *App) openMaster(context.Context) error {
	files, err := sealedFiles(a.opts)
	if err != nil {
		return err
	}
	if a.master, err = masterKey(a.opts).Open(files); err != nil {
		return err
	}
	key, err := account.OpenKey(a.opts.Data, a.master)
	if err != nil {
		return err
	}
	a.accounts.UseKey(key)
	return nil
}
