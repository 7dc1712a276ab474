package repo

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"hostler/repo/apt"
	"hostler/repo/sign"
	"hostler/repo/yum"
)

// layout is part of what a publication is made of: raise it when something about indexes changes that nothing else
// shows.
const layout = "3"

// publish writes the index of a snapshot and makes it what a channel serves. next says which snapshot, who wants
// it and what the channel pointed at before; s.changing is held. After an error the channel is as it was.
func (s *Store) publish(r *repository, name string, next manifest) error {
	began := time.Now()
	c := &channel{name: name, dir: filepath.Join(r.dir, channelsDir, name)}
	s.mu.RLock()
	if there := r.channels[name]; there != nil {
		c = there
	}
	shelf, snapshot := c.shelf, r.snapshots[next.Snapshot]
	s.mu.RUnlock()
	next.Published, next.Inputs = s.date(shelf), s.surroundings(&r.Definition, name)
	if err := os.MkdirAll(filepath.Join(c.dir, publicationsDir), 0o750); err != nil {
		return explain(err)
	}
	stage, err := os.MkdirTemp(filepath.Join(c.dir, publicationsDir), unfinished+"*")
	if err != nil {
		return explain(err)
	}
	defer func() { _ = os.RemoveAll(stage) }() // nothing is left there once it has its name
	if err := s.index(r, name, stage, snapshot, next.Published); err != nil {
		return explain(err)
	}
	if err := writeJSON(filepath.Join(stage, manifestFile), next); err != nil {
		return explain(err)
	}
	dir, err := c.commit(stage)
	if err != nil {
		return explain(err)
	}
	// From here on it is what the channel serves, now and after a start: nothing may fail any more.
	if err := errors.Join(syncFile(c.dir), syncFile(filepath.Dir(c.dir))); err != nil {
		s.log.Error("cannot make sure that a publication survives a power loss", "repository", r.Name, "channel", name, "err", err)
	}
	published := &channel{name: name, dir: c.dir, shelf: append([]*publication{s.publication(r, dir, next, snapshot)}, shelf...)}
	s.tidy(r, published)
	s.mu.Lock()
	r.channels[name] = published
	s.mu.Unlock()
	s.counts.publish(r.Name)
	s.log.Info("repository published", "repository", r.Name, "channel", name, "snapshot", next.Snapshot,
		"packages", len(snapshot.Packages), "took", time.Since(began).Round(time.Millisecond))
	return nil
}

// surroundings is a digest of what a publication depends on beside its snapshot.
func (s *Store) surroundings(d *Definition, channel string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "layout %s\nkey %s\n%s %v %s", layout, s.KeyFingerprint(), d.Kind, d.Architectures, channel))
	return hex.EncodeToString(sum[:])
}

// date is when the new publication says it was made. Clients refuse an index from their future and ignore one that
// is older than what they have, so it lies a little back and never goes back.
func (s *Store) date(shelf []*publication) time.Time {
	date := s.now().Add(-sign.Backdate).UTC().Truncate(time.Second)
	if len(shelf) > 0 && !date.After(shelf[0].Published) {
		date = shelf[0].Published.Add(time.Second)
	}
	return date
}

// index writes what a client asks for first.
func (s *Store) index(r *repository, channel, stage string, snapshot *Snapshot, date time.Time) error {
	switch r.Kind {
	case Apt:
		suite := apt.Suite{Name: channel, Date: date, Packages: map[string][]string{}, Stanza: func(digest string) ([]byte, error) {
			return os.ReadFile(filepath.Join(s.packageDir(digest), stanzaFile))
		}}
		suite.Architectures = slices.Clone(r.Architectures)
		s.mu.RLock()
		for _, digest := range snapshot.Packages {
			arch := s.packages[digest].Arch
			suite.Packages[arch] = append(suite.Packages[arch], digest)
			if arch != apt.All && !slices.Contains(suite.Architectures, arch) {
				suite.Architectures = append(suite.Architectures, arch)
			}
		}
		s.mu.RUnlock()
		return apt.Write(stage, suite, s.cache, s.signer())
	case Yum:
		return yum.Write(stage, yum.Repository{Date: date, Packages: snapshot.Packages, Text: func(digest, kind string) ([]byte, error) {
			return os.ReadFile(filepath.Join(s.packageDir(digest), kind))
		}}, s.cache, s.signer())
	case Archive:
		return s.writeSums(stage, snapshot)
	}
	return fmt.Errorf("cannot write an index of the kind %q", r.Kind)
}

// writeSums lists the files of an archive repository as sha256sum does, with a signature.
func (s *Store) writeSums(stage string, snapshot *Snapshot) error {
	s.mu.RLock()
	lines := make([]string, len(snapshot.Packages))
	for i, digest := range snapshot.Packages {
		lines[i] = digest + "  " + s.packages[digest].File + "\n"
	}
	s.mu.RUnlock()
	sums := []byte(strings.Join(lines, ""))
	signature, err := s.signer().DetachedArmored(sums)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(stage, sumsFile), sums, 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(stage, sumsFile+".asc"), signature, 0o600)
}

const sumsFile = "SHA256SUMS"
