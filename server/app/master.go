package app

import (
	"errors"
	"os"
	"path/filepath"

	"hostler/internal/seal"
	"hostler/server/config"
	"hostler/server/trust"
)

// authorityDir is where the certificate authority is kept.
func authorityDir(o config.Options) string { return filepath.Join(o.Data, "ca") }

// masterKey says where the master key may come from.
func masterKey(o config.Options) seal.Source {
	return seal.Source{Environ: os.LookupEnv, Named: o.MasterKey, Kept: filepath.Join(o.Data, "master.key")}
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
	return trust.ChangeMasterKey(masterKey(o), authorityDir(o))
}
