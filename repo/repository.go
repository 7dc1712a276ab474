package repo

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// Definition is what a repository is. Only its description may change.
type Definition struct {
	Name string `json:"name"`
	Kind Kind   `json:"kind"`
	// Architectures are those that it is for, as its package manager calls them. Packages of others are taken, too,
	// with a warning.
	Architectures []string  `json:"architectures"`
	Description   string    `json:"description"`
	Channel       string    `json:"channel"` // that uploads go to unless they name another
	Created       time.Time `json:"created"`
	By            string    `json:"by"`
}

// Stable is the channel of the server's own repositories. That of a yum or archive repository is served at the
// repository's own address, too.
const Stable = "stable"

// Names of the server's own repositories: hosts get the agent from them.
const (
	AgentApt    = "apt"
	AgentYum    = "yum"
	AgentStatic = "static"
)

// own are the server's own repositories.
var own = map[string]Kind{AgentApt: Apt, AgentYum: Yum, AgentStatic: Archive}

// IsOwn says whether a name is that of one of the server's own repositories.
func IsOwn(name string) bool { return own[name] != "" }

// Own says whether a repository is the server's own, which cannot be removed.
func (d *Definition) Own() bool { return own[d.Name] != "" }

// repository is one that is there. What follows changing is guarded by Store.mu.
type repository struct {
	Definition
	dir      string
	changing sync.Mutex // held while its channels and snapshots change; see Store.change

	snapshots map[int]*Snapshot
	channels  map[string]*channel
	uses      map[string]int // in how many snapshots a package is
	size      int64          // bytes of these packages
}

func newRepository(dir string) *repository {
	return &repository{dir: dir, snapshots: map[int]*Snapshot{}, channels: map[string]*channel{}, uses: map[string]int{}}
}

// change locks a repository for a change of it; changes of others go on. The caller must call done.
func (s *Store) change(name string) (r *repository, done func(), err error) {
	s.changing.RLock()
	r, err = s.repository(name)
	if err != nil {
		s.changing.RUnlock()
		return nil, nil, err
	}
	r.changing.Lock()
	return r, func() {
		r.changing.Unlock()
		s.changing.RUnlock()
	}, nil
}

var (
	namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)
	archPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$`)
	// taken are names of channels that mean something else in a path.
	taken = []string{"packages", "repodata", "files", "dists", "pool"}
)

// defaultArchitectures are those of most hosts.
var defaultArchitectures = map[Kind][]string{Apt: {"amd64", "arm64"}, Yum: {"x86_64", "aarch64"}, Archive: {"amd64", "arm64"}}

// mostChannels bounds a repository: each of its channels has an index on the disk.
const mostChannels = 32

// Create makes a repository with at least one channel, each empty and published; uploads go to the first. The server
// makes its own itself. The error is a *FieldError when something about the request is wrong.
func (s *Store) Create(d Definition, channels []string) error {
	if own[d.Name] != "" {
		return &FieldError{"name", "own", "this name is that of one of the server's own repositories"}
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	return s.create(d, channels, Snapshot{By: d.By})
}

func (s *Store) create(d Definition, channels []string, first Snapshot) error {
	if d.Architectures == nil {
		d.Architectures = defaultArchitectures[d.Kind]
	}
	if len(channels) == 0 {
		channels = []string{Stable}
	}
	if err := s.checkDefinition(&d, channels); err != nil {
		return err
	}
	d.Created, d.Channel = s.now().UTC(), channels[0]
	stage, err := os.MkdirTemp(filepath.Join(s.dir, repositoriesDir), unfinished+"*")
	if err != nil {
		return fmt.Errorf("cannot make the repository: %w", explain(err))
	}
	defer func() { _ = os.RemoveAll(stage) }() // nothing is left there once it has its name
	r := newRepository(stage)
	r.Definition = d
	if err := s.fill(r, channels, first); err != nil {
		return fmt.Errorf("cannot make the repository: %w", explain(err))
	}
	final := filepath.Join(s.dir, repositoriesDir, d.Name)
	if err := errors.Join(os.Rename(stage, final), syncFile(filepath.Dir(final))); err != nil {
		return fmt.Errorf("cannot make the repository: %w", explain(err))
	}
	made, err := s.readRepository(final)
	if err != nil {
		return fmt.Errorf("cannot read the repository that was made: %w", err)
	}
	s.mu.Lock()
	s.repositories[d.Name] = made
	s.mu.Unlock()
	return nil
}

// fill writes what a new repository begins with.
func (s *Store) fill(r *repository, channels []string, first Snapshot) error {
	if err := os.Mkdir(filepath.Join(r.dir, snapshotsDir), 0o750); err != nil {
		return err
	}
	if err := writeJSON(filepath.Join(r.dir, definitionFile), r.Definition); err != nil {
		return err
	}
	made, err := s.writeSnapshot(r, first)
	if err != nil {
		return err
	}
	for _, name := range channels {
		if err := s.publish(r, name, manifest{Snapshot: made.Number, By: r.By}); err != nil {
			return err
		}
	}
	return syncFile(r.dir)
}

func (s *Store) checkDefinition(d *Definition, channels []string) error {
	switch {
	case !namePattern.MatchString(d.Name):
		return &FieldError{"name", "name", "a name has lower-case letters, digits and hyphens, at most 63"}
	case !slices.Contains(Kinds, d.Kind):
		return &FieldError{"kind", "kind", "a repository is of the kind apt, yum or archive"}
	case len(d.Architectures) == 0 || len(d.Architectures) > 16:
		return &FieldError{"architectures", "architectures", "a repository has 1 to 16 architectures"}
	case len(channels) > mostChannels:
		return &FieldError{"channels", "channels", fmt.Sprintf("a repository has at most %d channels", mostChannels)}
	case len(d.Description) > 500 || strings.ContainsFunc(d.Description, func(r rune) bool { return r < ' ' }):
		return &FieldError{"description", "description", "a description is one line of at most 500 bytes"}
	}
	for _, arch := range d.Architectures {
		if !archPattern.MatchString(arch) {
			return &FieldError{"architectures", "architecture", fmt.Sprintf("%.40q is no architecture", arch)}
		}
	}
	for _, name := range channels {
		if err := checkChannel(name); err != nil {
			return err
		}
	}
	if twice := duplicate(d.Architectures); twice != "" {
		return &FieldError{"architectures", "architecture", fmt.Sprintf("%s is in it twice", twice)}
	}
	if twice := duplicate(channels); twice != "" {
		return &FieldError{"channels", "channel", fmt.Sprintf("%s is in it twice", twice)}
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.repositories[d.Name] != nil {
		return &FieldError{"name", "exists", "there is a repository of this name"}
	}
	return nil
}

// duplicate is the first of several that are the same; "" when there are none.
func duplicate(names []string) string {
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			return name
		}
	}
	return ""
}

func checkChannel(name string) error {
	if !namePattern.MatchString(name) || slices.Contains(taken, name) {
		return &FieldError{"channel", "channel", fmt.Sprintf("%.40q cannot be a channel: lower-case letters, digits and hyphens, and none of %s",
			name, strings.Join(taken, ", "))}
	}
	return nil
}

// Remove removes a repository with its snapshots and channels. Packages that no other one has go with the next Sweep.
func (s *Store) Remove(name string) error {
	gone, err := s.takeAway(name)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(gone); err != nil {
		s.log.Warn("cannot remove all of a repository; the next start goes on", "repository", name, "err", err)
	}
	return nil
}

// takeAway takes a repository's name from it and returns where it is now.
func (s *Store) takeAway(name string) (gone string, err error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	r, err := s.repository(name)
	if err != nil {
		return "", err
	}
	if r.Own() {
		return "", &FieldError{"name", "own", "the server's own repositories cannot be removed: hosts get their agent from them"}
	}
	gone, err = os.MkdirTemp(filepath.Join(s.dir, repositoriesDir), abandoned+"*") // one of the name may be on its way out already
	if err == nil {
		err = errors.Join(os.Rename(r.dir, filepath.Join(gone, name)), syncFile(filepath.Dir(gone)))
	}
	if err != nil {
		return "", fmt.Errorf("cannot remove the repository: %w", explain(err))
	}
	s.mu.Lock()
	delete(s.repositories, name)
	s.mu.Unlock()
	return gone, nil
}

func (s *Store) repository(name string) (*repository, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r, found := s.repositories[name]
	if !found {
		return nil, ErrNotFound
	}
	return r, nil
}

const (
	definitionFile = "repository.json"
	snapshotsDir   = "snapshots"
	channelsDir    = "channels"
)

func (s *Store) loadRepositories() error {
	root := filepath.Join(s.dir, repositoriesDir)
	entries, err := os.ReadDir(root)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		dir := filepath.Join(root, entry.Name())
		if strings.HasPrefix(entry.Name(), unfinished) || strings.HasPrefix(entry.Name(), abandoned) {
			if err := os.RemoveAll(dir); err != nil {
				return err
			}
			continue
		}
		r, err := s.readRepository(dir)
		if err != nil {
			return fmt.Errorf("cannot open repository %s: %w", entry.Name(), err)
		}
		s.repositories[r.Name] = r
	}
	return nil
}

func (s *Store) readRepository(dir string) (*repository, error) {
	r := newRepository(dir)
	if err := readJSON(filepath.Join(dir, definitionFile), &r.Definition); err != nil {
		return nil, err
	}
	if err := s.readSnapshots(r); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(filepath.Join(dir, channelsDir))
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		c, err := s.readChannel(r, entry.Name())
		if err != nil {
			return nil, fmt.Errorf("channel %s: %w", entry.Name(), err)
		}
		if c != nil {
			r.channels[c.name] = c
		}
	}
	return r, nil
}

// Repository describes a repository and its channels.
type Repository struct {
	Definition
	Own      bool      `json:"own"` // the server's own
	Channels []Channel `json:"channels"`
	Packages int       `json:"packages"` // in all snapshots that are kept
	Size     int64     `json:"size"`     // of these, in bytes
}

// Repositories lists all by name.
func (s *Store) Repositories() []Repository {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := make([]Repository, 0, len(s.repositories))
	for _, name := range slices.Sorted(maps.Keys(s.repositories)) {
		all = append(all, s.describe(s.repositories[name]))
	}
	return all
}

// Repository describes one.
func (s *Store) Repository(name string) (*Repository, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r, found := s.repositories[name]
	if !found {
		return nil, ErrNotFound
	}
	d := s.describe(r)
	return &d, nil
}

// Channel describes a channel; "" is the one that uploads go to.
func (s *Store) Channel(repository, name string) (*Channel, error) {
	r, err := s.repository(repository)
	if err != nil {
		return nil, err
	}
	c, err := s.channel(r, name)
	if err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	d := c.describe(r)
	return &d, nil
}

// describe is Repository of r. s.mu is held.
func (s *Store) describe(r *repository) Repository {
	d := Repository{Definition: r.Definition, Own: r.Own()}
	for _, name := range slices.Sorted(maps.Keys(r.channels)) {
		d.Channels = append(d.Channels, r.channels[name].describe(r))
	}
	d.Packages, d.Size = len(r.uses), r.size
	return d
}
