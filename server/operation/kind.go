// Package operation is the engine behind everything that a person starts and watches. An operation has one
// title and many tasks, one per target; a task has ordered steps and a log. The engine keeps all of it in the
// database before and after every step, so that a run goes on after the server was killed at any instant. It
// knows nothing of what the steps do: kinds are registered by the packages that do the work.
package operation

import (
	"context"
	"time"

	"hostler/db"
)

// Kind is one sort of operation.
type Kind struct {
	Name  string // stable: "bootstrap"
	Steps []Step
	// NeedsSecrets makes tasks wait for a person when the secrets that the operation was started with are gone,
	// as they are after a restart.
	NeedsSecrets bool
	// Linger keeps the secrets for a while (SecretsLinger) also when no task has failed: another operation is to take
	// them over, see Engine.Borrow.
	Linger bool
	// Begin prepares one run of a task, before its first step; may be nil.
	Begin func(t *Task)
	// Canceled ends what a task has set going outside of this server, when somebody cancels it or takes it out; may be
	// nil. The task may be one that waits for its turn after a restart.
	Canceled func(ctx context.Context, t *db.Task)
	// End releases what a run of a task holds, however it ended; may be nil. ctx outlives a cancelled run.
	End func(ctx context.Context, t *Task)
}

// Step is one step of a kind. Run must be idempotent: it runs again when the server was killed in the middle.
type Step struct {
	Name    string        // stable code: "connect"
	Timeout time.Duration // ends ctx; Run must return promptly after that
	// Repeat runs the step at the start of every run of the task, also when an earlier run did it, because what
	// it makes (a connection) does not outlive a run.
	Repeat bool
	Run    func(ctx context.Context, t *Task) error
}

// Failure is an error that a person can act on. Other errors become code "internal".
type Failure struct {
	Code  string            // stable; the pages find their texts by it: "key_refused"
	Cause string            // plain English, one sentence
	Hint  string            // plain English, how to mend it
	Args  map[string]string // what fills the texts of other languages
	Err   error             // what it came from; only logged
}

// Error is the cause, and what it came from.
func (f *Failure) Error() string {
	if f.Err != nil {
		return f.Cause + ": " + f.Err.Error()
	}
	return f.Cause
}

// Unwrap gives what the failure came from.
func (f *Failure) Unwrap() error { return f.Err }

// Codes that the engine itself gives.
const (
	CodeTimeout  = "step_timeout"
	CodeInternal = "internal"
)

// Reasons of tasks that wait or were skipped.
const (
	// ReasonSecrets is why a task waits whose secrets the server has forgotten, as it does on a restart.
	ReasonSecrets = "secrets"
	// ReasonFailures is why a task was skipped: too many others had failed before it could begin.
	ReasonFailures = "too_many_failures"
)

// Secrets are what an operation must not keep anywhere but in memory. The engine wipes them when the
// operation's life ends.
type Secrets interface {
	// Wipe overwrites the secrets; they are not used afterwards.
	Wipe()
}
