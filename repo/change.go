package repo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// States of a Verdict.
const (
	Added   = "added"
	Present = "present" // it was there already
	Refused = "refused"
)

// Verdict is what became of one uploaded file.
type Verdict struct {
	File     string    `json:"file"` // its name as it was uploaded
	State    string    `json:"state"`
	Code     string    `json:"code,omitempty"` // of a refusal, one of RefusalCodes
	Reason   string    `json:"reason,omitempty"`
	Warnings []Warning `json:"warnings"`
	Package  *Package  `json:"package,omitempty"`
}

// Warning is something about a package that a person should know. Other is what it is compared with.
type Warning struct {
	Code    string `json:"code"` // one of WarningCodes
	Message string `json:"message"`
	Other   string `json:"other,omitempty"`
}

// WarningCodes are those of warnings.
var WarningCodes = []string{"older", "architecture", "unsigned"}

// Result is what an upload came to.
type Result struct {
	Repository string    `json:"repository"`
	Channel    string    `json:"channel"`
	Snapshot   int       `json:"snapshot"` // that the channel points at now
	Files      []Verdict `json:"files"`
	Added      int       `json:"added"`
}

// Commit puts what was received into a channel: a new snapshot that has it beside what is there. Files that cannot
// be taken are told and the others go on. channel may be "" for the one that uploads go to.
func (s *Store) Commit(ctx context.Context, repository, channel string, files []*Received, by string) (*Result, error) {
	defer func() {
		for _, got := range files {
			s.Discard(got)
		}
	}()
	s.changing.Lock()
	defer s.changing.Unlock()
	r, c, err := s.find(repository, channel)
	if err != nil {
		return nil, err
	}
	s.mu.RLock()
	inputs := r.snapshots[c.current().Snapshot].Inputs // the agents in it stay
	s.mu.RUnlock()
	return s.commit(ctx, r, c, files, Snapshot{By: by, Inputs: inputs}, nil)
}

// commit is Commit with the lock held. drop says which packages of the channel the new ones replace; then each of these
// must be taken.
func (s *Store) commit(ctx context.Context, r *repository, c *channel, files []*Received, made Snapshot, drop func(*Package) bool) (*Result, error) {
	s.mu.RLock()
	made.Parent = c.current().Snapshot
	there := newShelf(r, s.packages)
	for _, digest := range r.snapshots[made.Parent].Packages {
		if p := s.packages[digest]; drop == nil || !drop(p) {
			there.put(p)
		}
	}
	s.mu.RUnlock()
	result := &Result{Repository: r.Name, Channel: c.name, Snapshot: made.Parent, Files: make([]Verdict, len(files))}
	for i, got := range files {
		if err := s.recognize(got); err != nil {
			return nil, err
		}
		v := there.judge(got)
		if v.State == Refused && drop != nil {
			return nil, fmt.Errorf("%s: %s", v.File, v.Reason)
		}
		if v.State == Added {
			if err := s.settle(got); err != nil {
				return nil, fmt.Errorf("cannot store %s: %w", got.Name, explain(err))
			}
			result.Added++
		}
		result.Files[i] = v
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	made.Packages = there.digests()
	number, err := s.move(r, c, made)
	result.Snapshot = number
	return result, err
}

// recognize looks again whether an upload is stored: what was true when it came may have changed since.
func (s *Store) recognize(got *Received) error {
	if got.Refused != "" {
		return nil
	}
	p := s.known(cmp.Or(got.pkg.Source, got.pkg.Digest))
	if p == nil && got.stored {
		return fmt.Errorf("cannot take %s: it was removed meanwhile: %w", got.Name, ErrChanged)
	}
	if p != nil {
		s.Discard(got)
		got.pkg, got.stored = p, true
	}
	return nil
}

// move makes a snapshot of made and points a channel at it, unless it is what the channel has.
func (s *Store) move(r *repository, c *channel, made Snapshot) (int, error) {
	s.mu.RLock()
	now := c.current().manifest
	same := slices.Equal(r.snapshots[now.Snapshot].Packages, made.Packages) && r.snapshots[now.Snapshot].Inputs == made.Inputs
	s.mu.RUnlock()
	if same {
		return now.Snapshot, nil
	}
	snapshot, err := s.writeSnapshot(r, made)
	if err != nil {
		return now.Snapshot, explain(err)
	}
	if err := s.point(r, c.name, snapshot.Number, made.By); err != nil {
		s.forgetSnapshot(r, snapshot.Number)
		return now.Snapshot, fmt.Errorf("cannot publish %s in channel %s: %w", r.Name, c.name, err)
	}
	return snapshot.Number, nil
}

// point lets a channel, which may be new, point at a snapshot.
func (s *Store) point(r *repository, channel string, snapshot int, by string) error {
	s.mu.RLock()
	var history []int
	if c := r.channels[channel]; c != nil {
		history = append(slices.Clone(c.current().History), c.current().Snapshot)
	}
	s.mu.RUnlock()
	history = history[max(0, len(history)-historyMost):]
	return s.publish(r, channel, manifest{Snapshot: snapshot, By: by, History: history})
}

// settle gives a package its place, if it has none yet.
func (s *Store) settle(got *Received) error {
	if got.dir == "" {
		return nil
	}
	final := s.packageDir(got.pkg.Digest)
	if err := os.MkdirAll(filepath.Dir(final), 0o750); err != nil {
		return err
	}
	if err := os.Rename(got.dir, final); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	} else if err == nil {
		got.dir = ""
	}
	if err := errors.Join(syncFile(filepath.Dir(final)), syncFile(filepath.Join(s.dir, packagesDir))); err != nil {
		return err
	}
	s.mu.Lock()
	s.keep(got.pkg)
	s.mu.Unlock()
	return nil
}

// find finds a channel; "" is the one that uploads go to.
func (s *Store) find(repository, channel string) (*repository, *channel, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r, found := s.repositories[repository]
	if !found {
		return nil, nil, ErrNotFound
	}
	if channel == "" {
		channel = r.Channel
	}
	c, found := r.channels[channel]
	if !found {
		return nil, nil, &FieldError{"channel", "no_channel", fmt.Sprintf("the repository has no channel %.40q", channel)}
	}
	return r, c, nil
}

// Promote lets a channel, which may be a new one, point at a snapshot.
func (s *Store) Promote(repository, channel string, snapshot int, by string) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	r, err := s.repository(repository)
	if err != nil {
		return err
	}
	if err := checkChannel(channel); err != nil {
		return err
	}
	s.mu.RLock()
	c, exists := r.channels[channel], r.snapshots[snapshot] != nil
	same := c != nil && c.current().Snapshot == snapshot
	full := c == nil && len(r.channels) >= mostChannels
	s.mu.RUnlock()
	switch {
	case !exists:
		return &FieldError{"snapshot", "no_snapshot", fmt.Sprintf("the repository has no snapshot %d", snapshot)}
	case full:
		return &FieldError{"channel", "channels", fmt.Sprintf("a repository has at most %d channels", mostChannels)}
	case same:
		return nil // the other click has done it
	}
	if err := s.point(r, channel, snapshot, by); err != nil {
		return fmt.Errorf("cannot publish %s in channel %s: %w", r.Name, channel, err)
	}
	return nil
}

// Rollback lets a channel point at the snapshot that it pointed at before, and returns that. from is the snapshot
// that the caller saw it pointing at: when it is another one by now, somebody was faster and nothing is done.
func (s *Store) Rollback(repository, channel string, from int, by string) (int, error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	r, c, err := s.find(repository, channel)
	if err != nil {
		return 0, err
	}
	s.mu.RLock()
	now := c.current().manifest
	history := slices.Clone(now.History)
	for len(history) > 0 && r.snapshots[history[len(history)-1]] == nil {
		history = history[:len(history)-1]
	}
	s.mu.RUnlock()
	if from != 0 && from != now.Snapshot {
		return 0, ErrChanged
	}
	if len(history) == 0 {
		return 0, &FieldError{"channel", "no_history", "the channel has pointed at no other snapshot that is still there"}
	}
	to := history[len(history)-1]
	if err := s.publish(r, c.name, manifest{Snapshot: to, By: by, History: history[:len(history)-1]}); err != nil {
		return 0, fmt.Errorf("cannot publish %s in channel %s: %w", r.Name, c.name, err)
	}
	return to, nil
}

// ErrChanged says that somebody else changed a channel meanwhile.
var ErrChanged = errors.New("somebody else changed this channel meanwhile")

// Drop takes packages out of a channel: a new snapshot without them. Earlier snapshots keep them.
func (s *Store) Drop(repository, channel string, digests []string, by string) (int, error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	r, c, err := s.find(repository, channel)
	if err != nil {
		return 0, err
	}
	s.mu.RLock()
	now := r.snapshots[c.current().Snapshot]
	kept := slices.DeleteFunc(slices.Clone(now.Packages), func(digest string) bool { return slices.Contains(digests, digest) })
	var agents bool
	for _, digest := range digests {
		agents = agents || r.Own() && s.packages[digest] != nil && s.packages[digest].isAgent()
	}
	s.mu.RUnlock()
	if agents {
		return 0, &FieldError{"packages", "own", "the server publishes its agents itself; they cannot be removed"}
	}
	if len(now.Packages)-len(kept) != len(slices.Compact(slices.Sorted(slices.Values(digests)))) {
		return 0, &FieldError{"packages", "no_package", "the channel does not have each of these packages"}
	}
	return s.move(r, c, Snapshot{By: by, Parent: now.Number, Packages: kept, Inputs: now.Inputs})
}
