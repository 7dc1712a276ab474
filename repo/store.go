// Package repo is the server's package repository: everything that a host installs, without the internet. It keeps
// the signing key, takes debs, rpms and archives, builds the agent's own packages, and serves repositories for apt,
// for yum and of plain archives.
//
// A package is stored once, by its digest. A snapshot is an immutable list of packages; a channel of a repository
// points at one of its snapshots, and promoting and rolling back move that pointer. On disk, below the directory
// given to Open:
//
//	keys/signing.asc                          the private key, mode 0600
//	keys/next.asc, keys/rotation              while the key is changed: the new one, and how far the change is
//	packages/3f/3f…/                          a package: the file, unless that is to come on demand, record.json, detail.json,
//	                                          its parts of the indexes
//	repositories/NAME/repository.json         what it is
//	repositories/NAME/snapshots/12.json       a list of packages
//	repositories/NAME/channels/CH/publications/00000007/   the index of a snapshot, whole and signed
//	repositories/NAME/channels/CH/current     a link to the publication that is served
//	pieces/                                   compressed parts of indexes; may be removed at any time
//	incoming/                                 what is under way, such as uploads; emptied at start
//
// Everything gets its name when it is whole and safe on the disk: first packages, then the snapshot, then the
// publication, and last the link. A server that dies in between serves the former publication on, and clients see
// the former or the new one, never a mix. Files whose path holds their digest stay reachable for a while after
// they were superseded, for clients that read an index just before it changed.
//
// One process at a time may work in the directory; the server's lock on its data sees to that. The package knows no
// hosts, and fetches nothing itself: who has promised packages brings them when they are asked for (see Supply).
package repo

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"hostler/repo/piece"
	"hostler/repo/sign"
)

// Store holds all repositories. It is safe for concurrent use.
type Store struct {
	dir   string
	log   *slog.Logger
	now   func() time.Time
	cache *piece.Cache

	keyName  string // of keys that are made
	keys     atomic.Pointer[keyring]
	rotating sync.Mutex // held while the keys change

	// changing is held while repositories come and go and packages are removed, and for reading while something happens
	// in one repository, whose own lock is held then, too.
	changing sync.RWMutex

	looking chan struct{} // has as many as are looked through

	mu           sync.RWMutex // guards what follows
	packages     map[string]*Package
	sources      map[string]string // digests of packages by those of what was uploaded
	repositories map[string]*repository
	held         map[string]int  // how many fillings and bundles need a package, by its digest
	absent       map[string]bool // digests of packages that are promised and have not come

	demand demand

	counts counts
}

// Errors that callers tell apart with errors.Is.
var (
	ErrNotFound = errors.New("there is no such thing")
	ErrFull     = errors.New("there is no space left on the server")
)

// FieldError refuses what was asked for because of one of its fields.
type FieldError struct{ Field, Code, Message string }

// Error is the plain cause.
func (e *FieldError) Error() string { return e.Message }

// lookers is how many uploads are looked through at a time.
const lookers = 4

// Open opens the store in dir and makes it, key included, when it is not there. What was published last is served
// at once; what a server that died left unfinished is removed. The key's name holds this machine's host name.
func Open(dir string, log *slog.Logger) (*Store, error) { return open(dir, log, time.Now) }

func open(dir string, log *slog.Logger, now func() time.Time) (*Store, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("cannot name the repository's signing key: %w", err)
	}
	s := &Store{
		dir: dir, log: log, now: now, cache: piece.NewCache(filepath.Join(dir, piecesDir), filepath.Join(dir, incomingDir), now),
		looking: make(chan struct{}, lookers), packages: map[string]*Package{}, sources: map[string]string{}, repositories: map[string]*repository{},
		held: map[string]int{}, absent: map[string]bool{}, demand: demand{turn: make(chan struct{}, fetchers), flights: map[string]*flight{}},
	}
	if err := s.clear(); err != nil {
		return nil, fmt.Errorf("cannot make the package repository: %w", err)
	}
	if err := s.openKeys("Hostler repository " + host); err != nil {
		return nil, err
	}
	if err := s.loadPackages(); err != nil {
		return nil, fmt.Errorf("cannot open the stored packages: %w", err)
	}
	if err := s.loadRepositories(); err != nil {
		return nil, fmt.Errorf("cannot open what the repository published last: %w", err)
	}
	return s, nil
}

// clear makes the store's directories and empties those of what is unfinished.
func (s *Store) clear() error {
	if err := os.RemoveAll(filepath.Join(s.dir, incomingDir)); err != nil {
		return err
	}
	for _, dir := range []string{incomingDir, packagesDir, repositoriesDir} {
		if err := os.MkdirAll(filepath.Join(s.dir, dir), 0o750); err != nil {
			return err
		}
	}
	return nil
}

const (
	incomingDir     = "incoming"
	keysDir         = "keys"
	packagesDir     = "packages"
	repositoriesDir = "repositories"
	piecesDir       = "pieces"
	unfinished      = ".new-"  // what the names of what is not whole yet begin with
	abandoned       = ".gone-" // and of what is being removed
)

// signer is the key that signs now.
func (s *Store) signer() *sign.Key { return s.keys.Load().signs }

// PublicKeyArmored is the public keys that hosts are to trust: one, or two while the key is changed.
func (s *Store) PublicKeyArmored() []byte { return s.keys.Load().told.armored }

// KeyFingerprint is the fingerprint of the key that signs now, in lower-case hex.
func (s *Store) KeyFingerprint() string { return s.signer().Fingerprint() }

// explain tells a full disk from other failures.
func explain(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}
