// Package command runs a command apart from the agent, so that neither a crash nor an upgrade of the agent
// disturbs it or loses how it ended.
//
// A small runner, the agent's own binary started once more, is the command's parent. It writes the output to
// files in the job's directory, holds the command to its time, and writes down how it ended. The agent watches a
// pipe that the runner alone holds open: a byte says that there is more output, its end that the runner is gone.
// The package knows nothing of jobs and never talks to the server.
package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"hostler/agent/cgroup"
	"hostler/agent/state"
)

// Spec is what a runner runs.
type Spec struct {
	Command   []string      `json:"command"` // the program's absolute path, then its arguments
	Env       []string      `json:"env"`
	Directory string        `json:"directory"`
	User      *User         `json:"user,omitempty"` // nil: the agent's own
	Limit     cgroup.Limit  `json:"limit"`
	Tree      string        `json:"tree,omitempty"` // of control groups; "": there are none
	Timeout   time.Duration `json:"timeout"`
	Keep      int64         `json:"keep"`             // bytes of each stream, half from its head and half from its tail
	Script    string        `json:"script,omitempty"` // a file that is removed when the command has ended
}

// User is whose rights a command has.
type User struct {
	UID    uint32   `json:"uid"`
	GID    uint32   `json:"gid"`
	Groups []uint32 `json:"groups"` // supplementary ones
}

// Outcome is how a command ended.
type Outcome struct {
	ExitCode *int   `json:"exit_code,omitempty"` // nil: it did not end by itself, or never began
	Signal   string `json:"signal,omitempty"`    // "SIGKILL"
	Failure  string `json:"failure,omitempty"`   // why it could not be started; nothing was run
	Full     bool   `json:"full,omitempty"`      // the failure is a full disk
	TimedOut bool   `json:"timed_out,omitempty"`
	// OverMemory says that it, or a process of its, was killed for that.
	OverMemory bool   `json:"over_memory,omitempty"`
	Unlimited  string `json:"unlimited,omitempty"` // why there is no control group; memory was looked at from time to time
	Canceled   bool   `json:"canceled,omitempty"`

	Stdout  Kept          `json:"stdout"`
	Stderr  Kept          `json:"stderr"`
	Elapsed time.Duration `json:"elapsed"`
}

// Kept is what is left of a stream: its first Head bytes, and its end as far as half of Spec.Keep reaches back.
type Kept struct {
	Size int64 `json:"size"` // bytes that were written
	Head int64 `json:"head"`
	Tail int64 `json:"tail"` // offset of the first byte that is kept of the end
	Ring int64 `json:"ring"` // size of the ring that the end is in
}

// Names of the files in a job's directory.
const (
	specFile    = "spec"
	aliveFile   = "alive"   // the pipe that the runner holds open for writing
	controlFile = "control" // the pipe that the runner reads: any byte ends the command
	cancelFile  = "cancel"  // the command is to be ended, or not to begin
	startedFile = "started" // from here on the command may have begun
	pidFile     = "pid"     // of the runner: process number, start time, boot
	outcomeFile = "outcome"
)

func (s *Spec) write(dir string) error {
	content, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("cannot encode the command: %w", err)
	}
	return state.WriteFile(filepath.Join(dir, specFile), content, 0o600)
}

func readSpec(dir string) (*Spec, error) {
	var spec Spec
	content, err := os.ReadFile(filepath.Join(dir, specFile))
	if err == nil {
		err = json.Unmarshal(content, &spec)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the command: %w", err)
	}
	return &spec, nil
}

// ReadOutcome returns how the command in dir ended, nil where nobody has written that down.
func ReadOutcome(dir string) (*Outcome, error) {
	content, err := os.ReadFile(filepath.Join(dir, outcomeFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var outcome Outcome
	if err == nil {
		err = json.Unmarshal(content, &outcome)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read how the command ended: %w", err)
	}
	return &outcome, nil
}

func exists(dir, name string) bool {
	_, err := os.Lstat(filepath.Join(dir, name))
	return err == nil
}
