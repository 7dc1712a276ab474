// Package install puts the files of child agents on the host: archives into trees of their own, packages through the
// package manager.
//
// An archive's tree is complete before anything points to it. The switch from one to the next is a record on the
// disk, a link and a definition; a crash between them is made good by going back, at the next start and before any
// child agent is looked at. The package starts and stops nothing.
package install

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"hostler/agent/state"
	"hostler/agent/wire"
)

// Place is where child agents are kept.
type Place struct {
	Dir         string // a directory for each, below the agent's state
	Definitions string // agents.d
}

// Names of what is in a child agent's directory.
const (
	currentLink = "current"      // to the tree in force
	changeFile  = "change.json"  // a switch that is under way
	keptFile    = "kept.json"    // what a job gave besides files
	packageFile = "package.json" // which package it came in
)

func (p *Place) dir(name string) string { return filepath.Join(p.Dir, name) }

// Current is the path at which a child agent's tree is found, whichever is in force.
func (p *Place) Current(name string) string { return filepath.Join(p.dir(name), currentLink) }

// target returns what the link points to, "" where there is none.
func (p *Place) target(name string) string {
	target, _ := os.Readlink(p.Current(name)) // no link, no tree
	return target
}

// Change is a switch from one version to another. Everything that is needed to go back is in it.
type Change struct {
	Name          string  `json:"name"`
	From          string  `json:"from"` // what the link pointed to; "" if there was none
	To            string  `json:"to"`
	File          string  `json:"file"`           // that defines the child agent, or is to
	OldDefinition *string `json:"old_definition"` // nil: there was none
	NewDefinition *string `json:"new_definition"` // nil: it stays as it is

	place *Place
}

// Begin notes on the disk what is about to be done; Apply does it.
func (p *Place) Begin(name, to string, definition *string) (*Change, error) {
	file, err := p.definition(name)
	if err != nil {
		return nil, err
	}
	c := &Change{Name: name, From: p.target(name), To: to, File: file, NewDefinition: definition, place: p}
	old, err := os.ReadFile(file)
	switch {
	case err == nil:
		text := string(old)
		c.OldDefinition = &text
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("cannot read the definition in force: %w", err)
	}
	if err := os.MkdirAll(p.dir(name), 0o711); err != nil { //nolint:gosec // other users' child agents live below it
		return nil, fmt.Errorf("cannot make the child agent's directory: %w", err)
	}
	return c, p.write(name, changeFile, c)
}

// Apply makes the new version the one in force.
func (c *Change) Apply() error {
	if c.To != "" && c.To != c.From {
		if err := c.place.point(c.Name, c.To); err != nil {
			return err
		}
	}
	if c.NewDefinition == nil {
		return nil
	}
	return c.place.define(c.File, *c.NewDefinition)
}

// Undo makes the old version the one in force again. It may be done twice.
func (c *Change) Undo() error {
	if c.To != "" {
		if err := c.place.point(c.Name, c.From); err != nil {
			return err
		}
	}
	if c.NewDefinition == nil {
		return nil
	}
	if c.OldDefinition == nil {
		return c.place.undefine(c.File)
	}
	return c.place.define(c.File, *c.OldDefinition)
}

// End forgets the record: what is in force now stays.
func (c *Change) End() error { return c.place.remove(c.Name, changeFile) }

// Recover goes back from every switch that a crash cut short, and returns the names of those child agents. The
// jobs begin anew afterwards.
func (p *Place) Recover() (names []string, err error) {
	records, _ := filepath.Glob(filepath.Join(escape(p.Dir), "*", changeFile)) // the pattern is sound
	for _, path := range records {
		c := Change{place: p}
		name := filepath.Base(filepath.Dir(path))
		content, readErr := os.ReadFile(path)
		if readErr == nil {
			readErr = json.Unmarshal(content, &c)
		}
		if c.File == "" {
			c.File = p.own(name) // the record is an earlier version's, which knew no other
		}
		if readErr == nil {
			readErr = errors.Join(c.Undo(), c.End())
		}
		if readErr != nil {
			err = errors.Join(err, fmt.Errorf("cannot go back to the former version of %s: %w", name, readErr))
			continue
		}
		names = append(names, name)
	}
	return names, err
}

// point makes the link point to a tree, or removes it for "".
func (p *Place) point(name, to string) error {
	link := p.Current(name)
	if to == "" {
		if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cannot take the version out of force: %w", err)
		}
		return state.SyncDir(p.dir(name))
	}
	fresh := link + ".new"
	_ = os.Remove(fresh) // of an attempt that a crash cut short
	if err := os.Symlink(to, fresh); err != nil {
		return fmt.Errorf("cannot put the version in force: %w", err)
	}
	if err := os.Rename(fresh, link); err != nil {
		return fmt.Errorf("cannot put the version in force: %w", err)
	}
	return state.SyncDir(p.dir(name))
}

// Kept is what a job gave a child agent besides its tree.
type Kept struct {
	Envs       map[string]string `json:"envs,omitempty"`
	Limits     *wire.Limits      `json:"limits,omitempty"`
	Definition string            `json:"definition,omitempty"` // Digest of the one that a job wrote last
}

// Kept returns what was given last.
func (p *Place) Kept(name string) (Kept, error) {
	var kept Kept
	err := p.read(name, keptFile, &kept)
	return kept, err
}

// Keep remembers what was given.
func (p *Place) Keep(name string, kept Kept) error { return p.write(name, keptFile, &kept) }

// Forget removes all that is kept of a child agent.
func (p *Place) Forget(name string) error {
	if err := os.RemoveAll(p.dir(name)); err != nil {
		return fmt.Errorf("cannot remove the child agent's files: %w", err)
	}
	return nil
}

func (p *Place) read(name, file string, into any) error {
	content, err := os.ReadFile(filepath.Join(p.dir(name), file))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(content, into)
	}
	if err != nil {
		return fmt.Errorf("cannot read what is kept of %s: %w", name, err)
	}
	return nil
}

func (p *Place) write(name, file string, value any) error {
	if err := os.MkdirAll(p.dir(name), 0o711); err != nil { //nolint:gosec // other users' child agents live below it
		return fmt.Errorf("cannot make the child agent's directory: %w", err)
	}
	content, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return fmt.Errorf("cannot encode what is kept of %s: %w", name, err)
	}
	return state.WriteFile(filepath.Join(p.dir(name), file), content, 0o600)
}

func (p *Place) remove(name, file string) error {
	if err := os.Remove(filepath.Join(p.dir(name), file)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot remove what is kept of %s: %w", name, err)
	}
	return state.SyncDir(p.dir(name))
}
