package repo

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// AgentFile is one of the published agent's packages, opened.
type AgentFile struct {
	*os.File        // its content
	Name     string // as package managers expect it
	Digest   string // hex SHA-256
	Size     int64  // bytes
}

// AgentFiles opens the published agent's packages: one for each kind of package manager, and for hosts that have none, on each
// architecture. The caller closes them; until then they can be read, whatever is published meanwhile.
func (s *Store) AgentFiles() (files []AgentFile, err error) {
	defer func() {
		if err != nil {
			CloseAll(files)
		}
	}()
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, name := range []string{AgentApt, AgentYum, AgentStatic} {
		r := s.repositories[name]
		if r == nil || r.channels[Stable] == nil {
			return files, errors.New("cannot read the agent's packages: nothing is published yet")
		}
		for _, p := range r.snapshots[r.channels[Stable].current().Snapshot].inOrder() {
			if !p.IsAgent() || filepath.Ext(p.File) == "" { // what agents upgrade themselves with
				continue
			}
			f, err := os.Open(filepath.Join(s.packageDir(p.Digest), contentFile))
			if err != nil {
				return files, fmt.Errorf("cannot read the agent's packages: %w", err)
			}
			files = append(files, AgentFile{f, p.File, p.Digest, p.Size})
		}
	}
	return files, nil
}

// CloseAll closes files that were only read.
func CloseAll(files []AgentFile) {
	for _, f := range files {
		_ = f.Close()
	}
}
