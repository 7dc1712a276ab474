package bootstrap

import (
	"context"
	"errors"
	"time"

	"hostler/db"
	"hostler/server/operation"
)

// run is one run of one host's task: what its phases share.
type run struct {
	*Bootstrap
	task    *operation.Task
	started time.Time
	conn    *connection
	jump    *Jump     // through which the host is reached; nil when it is not, or not yet
	system  system    // found by detect
	source  Source    // where the agent comes from, chosen by it
	root    privilege // how commands become root on the host
	files   *files    // the private directory on the host
	token   string    // that the host was given to enrol with; a secret
	found   *Found    // of a check, which keeps nothing else and changes nothing; nil when the agent is to be installed
	unfit   error     // why a check's host cannot take the agent, found when its system was looked at
}

// memory is what outlives a run.
type memory struct {
	// Directory is a private directory on the host that an earlier run could not remove.
	Directory string `json:"directory,omitempty"`
}

func (b *Bootstrap) begin(t *operation.Task) {
	t.Local = &run{Bootstrap: b, task: t, started: db.Now()}
}

// end removes the run's files from the host and closes the connection.
func end(ctx context.Context, t *operation.Task) {
	r, ok := t.Local.(*run)
	if !ok {
		return
	}
	if r.jump != nil {
		defer r.jump.release(r.Limits.Idle)
	}
	if r.conn == nil {
		return
	}
	defer r.conn.close()
	if r.files == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, r.Limits.Kill)
	defer cancel()
	if err := r.files.remove(ctx); err != nil {
		r.task.Logf("cannot remove %s from the host: %v", r.files.directory, plain(err))
		return
	}
	r.forget()
}

// forget notes that nothing of the run is left on the host.
func (r *run) forget() {
	if err := r.task.Remember(memory{}); err != nil {
		r.Log.Error("cannot note that a host is clean", "task", r.task.ID(), "err", err)
	}
}

func (r *run) credentials() (*Credentials, error) {
	c, ok := r.task.Secrets().(*Credentials)
	if !ok {
		return nil, errors.New("cannot log in: the operation has no credentials")
	}
	var p TaskParams
	if err := r.task.Params(&p); err != nil {
		return nil, err
	}
	if err := c.Check(); err != nil {
		return nil, failureOf(err)
	}
	if p.Credentials == "" {
		return c, nil
	}
	if c, ok = c.Others[p.Credentials]; !ok {
		return nil, fail(codeCredentialsMissing, nil, "name", p.Credentials)
	}
	return c, failureOf(c.Check())
}

// failureOf makes a failure of what is wrong with credentials.
func failureOf(err error) error {
	var f *FieldError
	if errors.As(err, &f) {
		return &operation.Failure{Code: f.Code, Cause: f.Message, Hint: f.Hint, Args: f.Args}
	}
	return err
}

// jumpOf is through which host those with these credentials are reached: that of the operation when they have none
// themselves. nil when the server reaches them.
func (r *run) jumpOf(c *Credentials) *Jump {
	if all, ok := r.task.Secrets().(*Credentials); ok && c.Jump == nil {
		return all.Jump
	}
	return c.Jump
}
