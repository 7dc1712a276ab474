// Package repo is the server's package repository: it keeps the signing key, builds the agent's packages, indexes
// them for apt and for yum, publishes them at once or not at all, and serves them over HTTP.
//
// On disk, below the directory given to Open:
//
//	keys/signing.asc             the private key, mode 0600
//	generations/00000007/        one complete publication: apt/, yum/, static/, agent/, key.asc, key.gpg, manifest.json
//	current                      a link to the generation that is served
//
// A generation never changes once it has its name. Publishing builds a new one beside and moves the link, so a
// client sees the old state or the new one, and a server that dies in the middle serves the old one on. Files
// whose path holds their digest stay reachable for one generation more, for clients that read an index just
// before it changed. The package fetches nothing and knows no hosts.
package repo

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"hostler/repo/sign"
)

// Repository is a package repository on disk. It is safe for concurrent use, also by several processes.
type Repository struct {
	dir string
	log *slog.Logger
	now func() time.Time
	key *sign.Key

	publishing sync.Mutex // held while a new generation is made
	served     atomic.Pointer[shelf]
}

// Open opens the repository in dir and makes it, key included, when it is not there. What was published last is
// served at once. The key's name holds this machine's host name.
func Open(dir string, log *slog.Logger) (*Repository, error) {
	return open(dir, log, time.Now)
}

func open(dir string, log *slog.Logger, now func() time.Time) (*Repository, error) {
	if err := os.MkdirAll(filepath.Join(dir, generationsDir), 0o750); err != nil {
		return nil, fmt.Errorf("cannot make the package repository: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("cannot name the repository's signing key: %w", err)
	}
	key, err := sign.Open(filepath.Join(dir, "keys", "signing.asc"), "Hostler repository "+host, now)
	if err != nil {
		return nil, err
	}
	r := &Repository{dir: dir, log: log, now: now, key: key}
	r.served.Store(&shelf{})
	if err := r.reload(); err != nil {
		return nil, fmt.Errorf("cannot open what the repository published last: %w", err)
	}
	return r, nil
}

// PublicKeyArmored is the public key that vouches for the indexes and the rpm packages.
func (r *Repository) PublicKeyArmored() []byte { return r.key.PublicArmored() }

// shelf is what is served at one moment: the current generation and, for paths that hold a digest, the one before.
type shelf struct {
	current, previous *generation
}

// reload puts on the shelf what the current link points to and the generation before it.
func (r *Repository) reload() error {
	name, err := r.currentName()
	if errors.Is(err, fs.ErrNotExist) {
		return nil // nothing was published yet
	}
	if err != nil {
		return err
	}
	if old := r.served.Load().current; old != nil && old.name == name {
		return nil
	}
	next := &shelf{}
	if next.current, err = r.readGeneration(name); err != nil {
		return err
	}
	names, err := r.generationNames()
	if err != nil {
		return err
	}
	if at := slices.Index(names, name); at > 0 {
		// A courtesy: without the generation before, clients in mid-update start again.
		next.previous, _ = r.readGeneration(names[at-1])
	}
	r.served.Store(next)
	return nil
}
