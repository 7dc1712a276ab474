package state

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Status is what the running agent says about itself, for the command "hostler-agent status".
type Status struct {
	PID           int       `json:"pid"`
	Version       string    `json:"version"`
	Server        string    `json:"server,omitempty"`        // "host:port" in use
	ServerSource  string    `json:"server_source,omitempty"` // which list it is from
	Step          int       `json:"step,omitempty"`          // seconds
	LastHeartbeat time.Time `json:"last_heartbeat,omitzero"` // last one that the server answered
	Fingerprint   string    `json:"fingerprint,omitempty"`   // of the key, while somebody has to approve the host
	LastError     string    `json:"last_error,omitempty"`    // empty after a success
	LastErrorTime time.Time `json:"last_error_time,omitzero"`
}

// Note changes the status and replaces its file; change must not call the Store. The file is not forced to the disk: it is of no use after a
// crash, and a disk write per heartbeat would wear flash media. An error is ignored: the status is a
// courtesy, and what does matter on a full disk is told by those who keep it.
func (s *Store) Note(change func(*Status)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.status)
	if content, err := json.Marshal(s.status); err == nil {
		_ = replaceFile(s.Path(StatusFile), append(content, '\n'), 0o600, false)
	}
}

// Peek reads the remembered values and the status in dir without locking it, for a look from outside while
// the agent runs. Missing files give zero values.
func Peek(dir string) (Values, Status, error) {
	var values Values
	var status Status
	for name, into := range map[string]any{ValuesFile: &values, StatusFile: &status} {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if os.IsNotExist(err) {
			continue
		}
		if err == nil {
			err = json.Unmarshal(content, into)
		}
		if err != nil {
			return values, status, fmt.Errorf("cannot read the agent's state: %w", err)
		}
	}
	return values, status, nil
}
