package supervise

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"hostler/agent/process"
	"hostler/agent/state"
	"hostler/agent/wire"
)

// memory is what is remembered of a child agent over a restart of the agent.
type memory struct {
	Want   want              `json:"want,omitempty"`
	Envs   map[string]string `json:"envs,omitempty"`   // over those of the definition
	Limits *wire.Limits      `json:"limits,omitempty"` // instead of those of the definition

	Process  process.ID      `json:"process,omitzero"`  // zero: none
	AtGate   bool            `json:"at_gate,omitempty"` // the word that lets it begin has not been given, as far as is known
	Version  string          `json:"version,omitempty"` // of what runs
	Began    time.Duration   `json:"began,omitempty"`   // when it did, since the boot
	Boot     string          `json:"boot,omitempty"`    // which boot the times are of
	Status   wire.ChildState `json:"status,omitempty"`
	Reason   string          `json:"reason,omitempty"`
	Strikes  int             `json:"strikes,omitempty"`
	Restarts int             `json:"restarts,omitempty"`
	Again    time.Duration   `json:"again,omitempty"`  // when it is started again, since the boot; 0: it is not
	Halted   bool            `json:"halted,omitempty"` // ended for the host's shutdown; it is started again
	LastExit *wire.Exit      `json:"last_exit,omitempty"`
}

// want is what an operator has last asked for.
type want string

const (
	wantDefault want = ""     // as the definition says
	wantUp      want = "up"   // started by a job
	wantDown    want = "down" // stopped by a job: it stays so over restarts and boots
)

func (s *Supervisor) memoryPath(name string) string {
	return filepath.Join(s.StateDir, name+".json")
}

// recall reads what is remembered of a child agent; what cannot be read is as if it were not there.
func (s *Supervisor) recall(name string) (m memory) {
	content, err := os.ReadFile(s.memoryPath(name))
	if err == nil {
		err = json.Unmarshal(content, &m)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.Log.Error("what was remembered of a child agent is damaged", "name", name, "error", err)
		return memory{}
	}
	return m
}

// remember writes it. What an operator has set is forced to the disk; which process there is means nothing after a power
// loss, and a restart must not wait for the disk.
func (s *Supervisor) remember(name string, m *memory, durable bool) error {
	content, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("cannot encode the state of %s: %w", name, err)
	}
	if durable {
		return state.WriteFile(s.memoryPath(name), content, 0o600)
	}
	return state.ReplaceFile(s.memoryPath(name), content, 0o600)
}

// sinceBoot goes on over a suspension, and nobody can set it.
func sinceBoot() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &t) // by its manual page it fails for unknown clocks only
	return time.Duration(t.Nano())
}
