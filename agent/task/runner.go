package task

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"hostler/agent/command"
	"hostler/agent/wire"
)

const (
	// maxID bounds an id that can be answered at all, in bytes.
	maxID = 256
	// maxOpen bounds the jobs that are taken over and not done; the server keeps what is beyond.
	maxOpen = 4096
)

// Options is what a Runner works with. All of it must be set.
type Options struct {
	Actions map[string]Action
	Journal *Journal
	Log     *slog.Logger
	Dir     string // the jobs' directories are below it
	Limit   int    // jobs without a lane that are done at the same time, and likewise lanes
	Now     func() Moment
}

// Runner does jobs: several at a time, those of one lane in the order of their arrival.
type Runner struct {
	Options
	output *Output
	wake   chan struct{} // there may be something to begin
	ready  chan struct{} // there may be something to send

	mu    sync.Mutex
	items []*item // jobs without a result, in the order of their arrival
	known map[string]*item
}

// item is a job that is taken over and not done.
type item struct {
	job     *wire.Job
	action  Action
	at      Moment
	lane    string
	again   bool
	running bool

	canceled bool
	cancel   context.CancelCauseFunc // once it has a context
}

// NewRunner makes a Runner that goes on with what the journal says is not done; Run does the work.
func NewRunner(options Options) *Runner {
	r := &Runner{
		Options: options, known: map[string]*item{},
		wake: make(chan struct{}, 1), ready: make(chan struct{}, 1),
	}
	r.output = newOutput(r.ready)
	for _, e := range r.Journal.Open() {
		r.add(e.Job, *e.At, e.Begun)
	}
	r.tidy()
	return r
}

// tidy takes up the output of jobs whose results are still to be sent, and removes the directories of jobs that
// are over.
func (r *Runner) tidy() {
	pending, _ := r.Journal.Done()
	entries, _ := os.ReadDir(r.Dir) // a missing one is empty
	for _, entry := range entries {
		dir := filepath.Join(r.Dir, entry.Name())
		switch {
		case r.known[entry.Name()] != nil:
		case slices.Contains(pending, entry.Name()):
			r.output.begin(entry.Name(), dir)
			r.output.end(entry.Name())
		default:
			if err := command.Discard(dir); err != nil {
				r.Log.Warn("the directory of a job that is over stays behind", "error", err)
			}
		}
	}
	if len(pending) > 0 {
		signal(r.ready)
	}
}

// Ready receives when there is something new to send.
func (r *Runner) Ready() <-chan struct{} { return r.ready }

// Output is what the jobs have written.
func (r *Runner) Output() *Output { return r.output }

// Results returns up to limit results that the server does not have; those of jobs whose output it does not have
// yet come later.
func (r *Runner) Results(limit int) []wire.JobResult {
	return r.Journal.Pending(limit, r.output.drained)
}

// Acknowledge takes note that the server has results.
func (r *Runner) Acknowledge(results []wire.JobResult) error {
	err := r.Journal.Acknowledge(results)
	for _, result := range results {
		r.output.forget(result.ID)
		if wire.IsJobID(result.ID) {
			_ = os.RemoveAll(filepath.Join(r.Dir, result.ID)) // what stays is removed at the next start
		}
	}
	return err
}

// Progress says how far the jobs are whose results the server does not have.
func (r *Runner) Progress() []wire.JobProgress {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []wire.JobProgress
	for _, it := range r.items {
		state := wire.JobQueued
		if it.running {
			state = wire.JobRunning
		}
		all = append(all, wire.JobProgress{ID: it.job.ID, State: state})
	}
	pending, _ := r.Journal.Done()
	for _, id := range pending {
		all = append(all, wire.JobProgress{ID: id, State: wire.JobDone})
	}
	return all
}

// Submit takes jobs over. One that was done already is answered by its kept result, one that is known is left
// alone. The error says that the disk refused them; the server sends them again.
func (r *Runner) Submit(jobs []wire.Job) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var fresh []wire.Job
	seen := map[string]bool{}
	for _, job := range jobs {
		switch {
		case job.ID == "" || len(job.ID) > maxID:
			r.Log.Warn("a job without a usable id cannot be answered and is not done", "action", job.Action)
		case r.known[job.ID] != nil || seen[job.ID]:
		case r.Journal.Knows(job.ID):
			signal(r.ready)
		case !wire.IsJobID(job.ID):
			r.conclude(wire.JobResult{ID: job.ID}, badJob("its id is not made of letters, digits, dots and dashes"))
		case job.Malformed != "":
			r.conclude(wire.JobResult{ID: job.ID}, badJob("it cannot be read: %s", job.Malformed))
		case len(r.items)+len(fresh) < maxOpen:
			seen[job.ID] = true
			fresh = append(fresh, job)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	now := r.Now()
	if err := r.Journal.Take(fresh, now); err != nil {
		return err
	}
	for i := range fresh {
		r.add(&fresh[i], now, false)
	}
	return nil
}

func (r *Runner) add(job *wire.Job, at Moment, again bool) {
	action, known := r.Actions[job.Action]
	if !known {
		action = Action{Do: unknown, Lane: noLane, Timeout: time.Minute}
	}
	it := &item{job: job, action: action, at: at, lane: action.Lane(job), again: again}
	r.items = append(r.items, it)
	r.known[job.ID] = it
	signal(r.wake)
}

func unknown(_ context.Context, work *Work) (wire.JobResult, error) {
	return wire.JobResult{}, failed(wire.ErrCodeUnknownAction, "this agent does not know the action %.40q", work.Job.Action)
}

// Cancel ends jobs or does not begin them. One that never came is answered as canceled, and so is not begun
// should it come.
func (r *Runner) Cancel(ids []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range ids {
		it := r.known[id]
		switch {
		case it != nil && it.running:
			it.canceled = true
			if it.cancel != nil {
				it.cancel(errCanceled)
			}
		case it != nil:
			r.remove(it)
			r.conclude(wire.JobResult{ID: id}, errCanceled)
		case id == "" || len(id) > maxID:
		case r.Journal.Knows(id):
			signal(r.ready)
		default:
			r.conclude(wire.JobResult{ID: id}, errCanceled)
		}
	}
}

// Run does jobs until ctx ends. A job that is cut short by that has no result: it is gone on with at the next
// start.
func (r *Runner) Run(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	for {
		for _, it := range r.next(ctx) {
			running.Go(func() { r.do(ctx, it) })
		}
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
		}
	}
}

// do does a job from beginning to end.
func (r *Runner) do(ctx context.Context, it *item) {
	result, err := r.attempt(ctx, it)
	if err != nil && ctx.Err() != nil && !errors.Is(err, errCanceled) {
		return // the agent stops
	}
	r.output.end(it.job.ID)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.remove(it)
	result.ID = it.job.ID
	r.conclude(result, err)
	signal(r.wake)
}

func (r *Runner) attempt(ctx context.Context, it *item) (wire.JobResult, error) {
	if !it.again {
		if late := it.job.BeginWithin; late > 0 && r.Now().after(it.at) > time.Duration(late)*time.Second {
			return wire.JobResult{}, failed(wire.ErrCodeExpired, "it was not begun within %d seconds", late)
		}
		if it.job.Timeout < 0 || it.job.BeginWithin < 0 {
			return wire.JobResult{}, badJob("a time is negative")
		}
		if err := r.Journal.Begin(it.job.ID); err != nil {
			return wire.JobResult{}, err
		}
	}
	work := &Work{
		Job: it.job, Dir: filepath.Join(r.Dir, it.job.ID), Again: it.again, Timeout: it.action.Timeout,
		life: ctx, output: r.output,
	}
	if it.job.Timeout > 0 {
		work.Timeout = time.Duration(it.job.Timeout) * time.Second
	}
	jobCtx, cancel := r.contextOf(ctx, it, work)
	defer cancel()
	began := r.Now()
	result, err := r.guarded(jobCtx, it, work)
	if result.Elapsed == 0 {
		result.Elapsed = max(1, r.Now().after(began).Milliseconds())
	}
	return result, ended(jobCtx, err)
}

// contextOf makes the job's context, which Cancel ends from now on.
func (r *Runner) contextOf(ctx context.Context, it *item, work *Work) (context.Context, func()) {
	jobCtx, cancel := context.WithCancelCause(ctx)
	stop := func() {}
	if !it.action.Apart {
		jobCtx, stop = context.WithTimeoutCause(jobCtx, work.Timeout, errTimeout)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	it.cancel = cancel
	if it.canceled {
		cancel(errCanceled)
	}
	return jobCtx, func() { stop(); cancel(nil) }
}

// guarded recovers from a panic: the server would send the job that killed the agent again and again.
func (r *Runner) guarded(ctx context.Context, it *item, work *Work) (result wire.JobResult, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			r.Log.Error("an action panicked", "id", it.job.ID, "action", it.job.Action, "cause", cause, "stack", string(debug.Stack()))
			err = fmt.Errorf("the agent failed: %v", cause)
		}
	}()
	return it.action.Do(ctx, work)
}

// conclude keeps a result whose code and message are those of err, if there is one.
func (r *Runner) conclude(result wire.JobResult, err error) {
	if err != nil {
		result.ErrCode, result.Message = code(err), err.Error()
	} else if result.Message == "" {
		result.Message = "success"
	}
	r.Log.Info("job done", "id", result.ID, "errcode", result.ErrCode, "message", result.Message)
	if err := r.Journal.Finish(result); err != nil {
		r.Log.Error("a result is in memory only", "id", result.ID, "error", err)
	}
	signal(r.ready)
}

func (r *Runner) remove(it *item) {
	r.items = slices.DeleteFunc(r.items, func(other *item) bool { return other == it })
	delete(r.known, it.job.ID)
}

func signal(to chan<- struct{}) {
	select {
	case to <- struct{}{}:
	default:
	}
}
