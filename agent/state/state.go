// Package state keeps what the agent must remember over a restart, in its state directory.
//
// The directory belongs to one agent process at a time. Every file in it is replaced atomically. The package
// knows nothing of the network and never holds the private key (see enroll).
package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Values are the agent's remembered settings. Those that only a server could have given are forgotten with
// that server.
type Values struct {
	AgentSN string   `json:"agentsn,omitempty"`
	CAPin   string   `json:"ca_pin,omitempty"`  // pin of the CA that the rest of the values came from
	Step    int      `json:"step,omitempty"`    // seconds between heartbeats; 0: as agent.ini says
	Servers []string `json:"svrlist,omitempty"` // "host:port", tried before agent.ini's server
	Tags    string   `json:"tags,omitempty"`    // as the server sent them
}

// Store is an open state directory.
type Store struct {
	dir  string
	lock *os.File

	mu     sync.Mutex
	values Values
	status Status
}

// Names of this package's own files in the directory.
const (
	ValuesFile = "state.json"
	StatusFile = "status.json"
)

// Names of the files that other packages keep in the directory.
const (
	IdentityFile = "identity.pem" // private key and certificate
	RequestFile  = "request.pem"  // private key of a certificate that was asked for and has not come yet
	TrustFile    = "trust.pem"    // CA certificates that the server has told of, beside or in place of the one that has agent.ini's pin
	JournalFile  = "jobs.journal"
	EventsFile   = "events"
	JobsDir      = "jobs"     // a directory for each job
	AgentsDir    = "agents"   // a directory for each child agent that a job has installed
	ChildrenDir  = "children" // what is remembered of each child agent
)

const dirMode = 0o711

// ErrInUse is returned by Open when another process has the directory open.
var ErrInUse = errors.New("another agent is running with this state directory")

// Open creates the directory where it is missing, locks it and reads what is in it. Others may pass through it
// (mode 0711), because scripts and child agents of other users lie below it; what is the agent's own has mode 0600. Remembered
// values that cannot be parsed are an error only in the second result: the Store is usable and empty then,
// because a host that forgot its step is better than one that stays silent.
func Open(dir string) (store *Store, damage, err error) {
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return nil, nil, fmt.Errorf("cannot make state directory: %w", err)
	}
	if err := os.Chmod(dir, dirMode); err != nil { // of an earlier version, or made under another umask
		return nil, nil, fmt.Errorf("cannot open state directory: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot open state directory: %w", err)
	}
	if err := take(lock); err != nil {
		return nil, nil, fmt.Errorf("cannot lock %s: %w", dir, errors.Join(err, lock.Close()))
	}
	store = &Store{dir: dir, lock: lock}
	content, err := os.ReadFile(store.Path(ValuesFile))
	if err == nil {
		err = json.Unmarshal(content, &store.values)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		store.values = Values{}
		return store, fmt.Errorf("cannot read remembered settings: %w", err), nil
	}
	return store, nil, nil
}

// patience is how long a lock may be held by a process that an agent has begun just before it was killed: until that
// process becomes another program, it has what the agent had.
const patience = time.Second

// take takes the lock, or returns ErrInUse.
func take(lock *os.File) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); ; <-tick.C {
		err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return err
		}
		if time.Since(began) > patience {
			return ErrInUse
		}
	}
}

// Close releases the directory.
func (s *Store) Close() error { return s.lock.Close() }

// Path returns the path of a file in the directory.
func (s *Store) Path(name string) string { return filepath.Join(s.dir, name) }

// Values returns a copy of what is remembered now.
func (s *Store) Values() Values {
	s.mu.Lock()
	defer s.mu.Unlock()
	values := s.values
	values.Servers = slices.Clone(values.Servers)
	return values
}

// Update changes the values and writes them; change must not call the Store. When writing fails the change holds in memory all the same and
// goes to the disk with the next one.
func (s *Store) Update(change func(*Values)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.values)
	content, err := json.MarshalIndent(s.values, "", "  ")
	if err != nil {
		return fmt.Errorf("cannot encode settings: %w", err)
	}
	return WriteFile(s.Path(ValuesFile), append(content, '\n'), 0o600)
}
