// Package task does the jobs that the server sends, one at a time and each once, and keeps their results until
// the server has them.
//
// There is one file per action. The package never talks to the server: report brings the jobs and takes the
// results.
package task

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"

	"hostler/agent/state"
	"hostler/agent/wire"
)

// Action does a job and returns the message of its result. An error made by badJob becomes
// wire.ErrCodeBadJob, any other wire.ErrCodeFailed.
type Action func(ctx context.Context, job *wire.Job) (message string, err error)

// Actions is the table of what this agent can do. A new action is a file beside this one and a line here.
func Actions(store *state.Store) map[string]Action {
	return map[string]Action{
		wire.ActionConfig: configure(store),
	}
}

// maxID bounds a job's id, in bytes; the server uses UUIDs.
const maxID = 128

var errBadJob = errors.New("the job cannot be done as it is")

func badJob(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errBadJob, fmt.Sprintf(format, args...))
}

// Runner does jobs in the order of their arrival.
type Runner struct {
	actions map[string]Action
	journal *Journal
	log     *slog.Logger
	wake    chan struct{} // there may be something in the queue
	ready   chan struct{} // there may be a result

	mu    sync.Mutex
	queue []wire.Job
	known map[string]bool // queued or being done
}

// NewRunner makes a Runner; Run does the work.
func NewRunner(actions map[string]Action, journal *Journal, log *slog.Logger) *Runner {
	return &Runner{
		actions: actions, journal: journal, log: log, known: map[string]bool{},
		wake: make(chan struct{}, 1), ready: make(chan struct{}, 1),
	}
}

// Ready receives after results have been added to the journal.
func (r *Runner) Ready() <-chan struct{} { return r.ready }

// Journal is where the results are.
func (r *Runner) Journal() *Journal { return r.journal }

// Submit takes jobs over. One that was done already is answered by its kept result, one that is being done
// is left alone.
func (r *Runner) Submit(jobs []wire.Job) {
	for _, job := range jobs {
		if job.ID == "" || len(job.ID) > maxID {
			r.log.Warn("a job without a usable id cannot be answered and is not done", "action", job.Action)
			continue
		}
		r.take(job)
	}
}

// take holds the lock over both questions, or a job that ends between them would be done twice.
func (r *Runner) take(job wire.Job) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.known[job.ID]:
	case r.journal.Repeat(job.ID):
		signal(r.ready)
	default:
		r.known[job.ID] = true
		r.queue = append(r.queue, job)
		signal(r.wake)
	}
}

// Run does jobs until ctx ends. A job that is cut short by that has no result: the server sends it again.
func (r *Runner) Run(ctx context.Context) {
	for {
		job, ok := r.next()
		if !ok {
			select {
			case <-ctx.Done():
				return
			case <-r.wake:
			}
			continue
		}
		result := r.do(ctx, &job)
		if ctx.Err() != nil {
			return
		}
		r.finish(result)
	}
}

func (r *Runner) next() (wire.Job, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.queue) == 0 {
		return wire.Job{}, false
	}
	job := r.queue[0]
	r.queue = r.queue[1:]
	return job, true
}

// do recovers from a panic: the server would send the job that killed the agent again and again.
func (r *Runner) do(ctx context.Context, job *wire.Job) (result wire.JobResult) {
	result.ID = job.ID
	defer func() {
		if cause := recover(); cause != nil {
			r.log.Error("an action panicked", "id", job.ID, "action", job.Action, "cause", cause, "stack", string(debug.Stack()))
			result.ErrCode, result.Message = wire.ErrCodeFailed, fmt.Sprintf("the agent failed: %v", cause)
		}
	}()
	action, known := r.actions[job.Action]
	if !known {
		result.ErrCode = wire.ErrCodeUnknownAction
		result.Message = fmt.Sprintf("this agent does not know the action %.40q", job.Action)
		return result
	}
	message, err := action(ctx, job)
	switch {
	case errors.Is(err, errBadJob):
		result.ErrCode, result.Message = wire.ErrCodeBadJob, err.Error()
	case err != nil:
		result.ErrCode, result.Message = wire.ErrCodeFailed, err.Error()
	default:
		result.Message = message
	}
	return result
}

func (r *Runner) finish(result wire.JobResult) {
	r.log.Info("job done", "id", result.ID, "errcode", result.ErrCode, "message", result.Message)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.journal.Add(result); err != nil {
		r.log.Error("a result is in memory only", "id", result.ID, "error", err)
	}
	delete(r.known, result.ID)
	signal(r.ready)
}

func signal(to chan<- struct{}) {
	select {
	case to <- struct{}{}:
	default:
	}
}
