// Package task does the jobs that the server sends, each once, and keeps their results until the server has them.
//
// There is one file per action. A job is taken over and begun on the disk before anything is done, so that after
// a crash at any instant none is lost and none is done twice. The package never talks to the server about jobs:
// report brings them and takes output and results.
package task

import (
	"context"
	"errors"
	"time"

	"hostler/agent/command"
	"hostler/agent/wire"
)

// Action is how one kind of job is done.
type Action struct {
	// Do does the job. The result's id and elapsed time are filled in later, and its code is that of the error.
	// It may be called again for a job that a crash interrupted, Work.Again says so; an action for which that
	// would do the work twice finds out what was done or returns command.ErrLost.
	Do func(ctx context.Context, work *Work) (wire.JobResult, error)
	// Lane names what only one job at a time may touch, in the order of arrival; "" is none.
	Lane func(job *wire.Job) string
	// Timeout is how long a job may take that does not say so itself.
	Timeout time.Duration
	// Apart says that a command does the work, which goes on without the agent and is held to its time by its
	// runner.
	Apart bool
	// Alone says that nothing but jobs that are Apart may run meanwhile.
	Alone bool
}

// Work is one job while it is done.
type Work struct {
	Job     *wire.Job
	Dir     string // the job's own; it need not exist and is removed with the job
	Again   bool   // it was begun before
	Timeout time.Duration

	life   context.Context //nolint:containedctx // the agent's, beside the job's that Do is given
	output *Output
}

// Command runs a command for the job, see command.Run. Its output goes to the server. When the job's context is
// canceled the command is ended; when the agent stops it goes on.
func (w *Work) Command(ctx context.Context, prepare func() (*command.Spec, error)) (*command.Outcome, error) {
	w.output.begin(w.Job.ID, w.Dir)
	canceling := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		if !errors.Is(context.Cause(ctx), errCanceled) {
			canceling <- nil
			return
		}
		canceling <- command.Cancel(w.Dir)
	})
	outcome, err := command.Run(w.life, w.Dir, prepare, w.output.grown)
	if !stop() {
		err = errors.Join(err, <-canceling)
	}
	if err != nil {
		return nil, err
	}
	return outcome, nil
}

// Keep makes text the job's output, as if a command had written it.
func (w *Work) Keep(stream wire.Stream, text []byte) error {
	if err := command.Keep(w.Dir, stream, text); err != nil {
		return err
	}
	w.output.begin(w.Job.ID, w.Dir)
	return nil
}

// laneOfChild keeps the jobs of a child agent in their order.
func laneOfChild(job *wire.Job) string { return "child " + job.Name }

// laneOfAgent keeps the jobs that change the agent itself in their order.
func laneOfAgent(*wire.Job) string { return "agent" }

// noLane is for jobs that do not mind each other.
func noLane(*wire.Job) string { return "" }
