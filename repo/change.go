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
	r, done, err := s.change(repository)
	if err != nil {
		return nil, err
	}
	defer done()
	c, err := s.channel(r, channel)
	if err != nil {
		return nil, err
	}
	s.mu.RLock()
	inputs := r.snapshots[c.current().Snapshot].Inputs // the agents in it stay
	s.mu.RUnlock()
	return s.commit(ctx, r, c, files, Snapshot{By: by, Inputs: inputs}, nil)
}

// commit is Commit with the repository locked. drop says which packages of the channel the new ones replace; then each of these
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
		if err := s.recognize(ctx, got); err != nil {
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

// recognize looks again whether an upload is stored, and signed by the key of now: what was true when it came may have changed since.
func (s *Store) recognize(ctx context.Context, got *Received) error {
	if got.Refused != "" {
		return nil
	}
	p := s.known(cmp.Or(got.pkg.Source, got.pkg.Digest))
	if p == nil && got.stored {
		return fmt.Errorf("cannot take %s: it was removed meanwhile: %w", got.Name, ErrChanged)
	}
	var err error
	if p == nil && !s.isSigned(got.pkg) {
		err = s.signReceived(got)
	} else if p != nil && !s.isSigned(p) {
		p, err = s.signAnew(ctx, p)
	}
	if err != nil {
		return fmt.Errorf("cannot sign %s anew: %w", got.Name, explain(err))
	}
	if p == nil {
		return nil
	}
	s.Discard(got)
	got.pkg, got.stored = p, true
	var refused *refusal
	if errors.As(got.claim.fits(p), &refused) {
		got.Refused, got.Code = refused.reason, refused.code
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

// channel finds one of a repository; "" is the one that uploads go to.
func (s *Store) channel(r *repository, name string) (*channel, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	c, found := r.channels[cmp.Or(name, r.Channel)]
	if !found {
		return nil, &FieldError{"channel", "no_channel", fmt.Sprintf("the repository has no channel %.40q", name)}
	}
	return c, nil
}

// Promotion lets a channel point at a snapshot.
type Promotion struct {
	Channel  string
	Snapshot int
	Create   bool // the channel may be a new one
	By       string
}

// Promote lets a channel point at a snapshot. It returns the one that the channel points at now: the same, or, after
// a change of the key, one that has its packages with the new signature.
func (s *Store) Promote(ctx context.Context, repository string, to Promotion) (int, error) {
	r, done, err := s.change(repository)
	if err != nil {
		return 0, err
	}
	defer done()
	if err := checkChannel(to.Channel); err != nil {
		return 0, err
	}
	s.mu.RLock()
	c, exists := r.channels[to.Channel], r.snapshots[to.Snapshot] != nil
	full := c == nil && len(r.channels) >= mostChannels
	s.mu.RUnlock()
	switch {
	case !exists:
		return 0, &FieldError{"snapshot", "no_snapshot", fmt.Sprintf("the repository has no snapshot %d", to.Snapshot)}
	case c == nil && !to.Create:
		return 0, &FieldError{"channel", "no_channel", fmt.Sprintf("the repository has no channel %s: say that it is to be made, if you mean a new one", to.Channel)}
	case full:
		return 0, &FieldError{"channel", "channels", fmt.Sprintf("a repository has at most %d channels", mostChannels)}
	}
	snapshot, err := s.signedNow(ctx, r, to.Snapshot)
	if err == nil && (c == nil || c.current().Snapshot != snapshot) { // or the other click has done it
		err = s.point(r, to.Channel, snapshot, to.By)
	}
	if err != nil {
		return 0, fmt.Errorf("cannot publish %s in channel %s: %w", r.Name, to.Channel, err)
	}
	return snapshot, nil
}

// Rollback lets a channel point at the snapshot that it pointed at before, and returns that, as Promote does. from is
// the snapshot that the caller saw it pointing at: when it is another one by now, somebody was faster and nothing is
// done.
func (s *Store) Rollback(ctx context.Context, repository, channel string, from int, by string) (int, error) {
	r, done, err := s.change(repository)
	if err != nil {
		return 0, err
	}
	defer done()
	c, err := s.channel(r, channel)
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
	to, err := s.signedNow(ctx, r, history[len(history)-1])
	if err == nil {
		err = s.publish(r, c.name, manifest{Snapshot: to, By: by, History: history[:len(history)-1]})
	}
	if err != nil {
		return 0, fmt.Errorf("cannot publish %s in channel %s: %w", r.Name, c.name, err)
	}
	return to, nil
}

// ErrChanged says that somebody else changed a channel meanwhile.
var ErrChanged = errors.New("somebody else changed this channel meanwhile")

// Drop takes packages out of a channel: a new snapshot without them. Earlier snapshots keep them.
func (s *Store) Drop(repository, channel string, digests []string, by string) (int, error) {
	r, done, err := s.change(repository)
	if err != nil {
		return 0, err
	}
	defer done()
	c, err := s.channel(r, channel)
	if err != nil {
		return 0, err
	}
	s.mu.RLock()
	now := r.snapshots[c.current().Snapshot]
	kept := slices.DeleteFunc(slices.Clone(now.Packages), func(digest string) bool { return slices.Contains(digests, digest) })
	var agents bool
	for _, digest := range digests {
		agents = agents || r.Own() && s.packages[digest] != nil && s.packages[digest].IsAgent()
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
