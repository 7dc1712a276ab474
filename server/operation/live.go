package operation

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"hostler/db"
	"hostler/server/event"
)

// retryEvery is how long the engine waits before it writes again what the database would not take.
const retryEvery = time.Second

// Causes of a run's end other than its own.
var (
	errStopping = errors.New("the server is stopping")
	errCanceled = errors.New("canceled")
	errSkipped  = errors.New("taken out of the run")
)

// live is the in-memory side of an operation that runs or whose secrets are kept.
type live struct {
	commands sync.Mutex // held while somebody retries, cancels or takes hosts out; taken before mu

	mu      sync.Mutex
	op      *db.Operation
	queue   []queued // pending tasks, next first
	held    []queued // taken out of the queue by a command that is not through yet
	running map[int64]*run
	ending  bool // too many have failed, and what was left in the queue is being skipped
	gone    bool // out of memory: open the operation again
	counts  map[db.State]int
	secrets Secrets
	former  []Secrets // replaced while runs still used them
	linger  *time.Timer
}

// queued is a task that waits for its turn.
type queued struct {
	id    int64
	batch int
}

// run is one task that is being worked on.
type run struct {
	batch  int
	cancel context.CancelCauseFunc
}

// wipe forgets the secrets; l.mu is held.
func (l *live) wipe() {
	if l.linger != nil {
		l.linger.Stop()
		l.linger = nil
	}
	for _, s := range append(l.former, l.secrets) {
		if s != nil {
			s.Wipe()
		}
	}
	l.secrets, l.former = nil, nil
}

// give replaces the secrets. Runs that use the old ones must not see them wiped, so those are kept until the
// end.
func (l *live) give(s Secrets) {
	if s == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.secrets != nil {
		l.former = append(l.former, l.secrets)
	}
	l.secrets = s
}

func (l *live) hasSecrets() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.secrets != nil
}

func (l *live) isGone() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.gone
}

func (l *live) count(s db.State, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts[s] += n
}

// enqueue adds pending tasks to the queue.
func (l *live) enqueue(tasks []db.Task) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range tasks {
		l.queue = append(l.queue, queued{tasks[i].ID, tasks[i].Batch})
	}
}

// interrupt takes tasks out of the queue and ends those that run, all of them if ids is empty. It returns the
// running ones.
func (l *live) interrupt(ids []int64, cause error) (running []int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	wanted := func(id int64) bool { return len(ids) == 0 || slices.Contains(ids, id) }
	var left []queued
	l.held = nil
	for _, q := range l.queue {
		if wanted(q.id) {
			l.held = append(l.held, q)
		} else {
			left = append(left, q)
		}
	}
	l.queue = left
	for id, r := range l.running {
		if wanted(id) {
			r.cancel(cause)
			running = append(running, id)
		}
	}
	return running
}

// restore puts back what interrupt took, because it could not be stored.
func (l *live) restore() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue, l.held = append(l.held, l.queue...), nil
}

// idle reports whether nothing is being done or left to do; l.mu is held.
func (l *live) idle() bool { return len(l.queue)+len(l.running) == 0 && !l.ending }

// next takes the task off the queue that may begin now; l.mu is held.
func (l *live) next() (queued, bool) {
	if len(l.queue) == 0 || len(l.running) >= l.op.Parallel {
		return queued{}, false
	}
	q := l.queue[0]
	for _, r := range l.running {
		if r.batch != q.batch {
			return queued{}, false
		}
	}
	l.queue = l.queue[1:]
	return q, true
}

// tooManyFailed reports whether no more tasks may be started; l.mu is held.
func (l *live) tooManyFailed() bool {
	return l.op.MaxFailures > 0 && l.counts[db.Failed]-l.op.Forgiven >= l.op.MaxFailures
}

// forgive lets an operation go on in spite of what has failed so far.
func (e *Engine) forgive(l *live) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.op.MaxFailures == 0 || l.op.Forgiven == l.counts[db.Failed] {
		return nil
	}
	l.op.Forgiven = l.counts[db.Failed]
	return e.saveOperation(l, l.op.State, l.op.StartedAt, l.op.FinishedAt)
}

// pump starts as many pending tasks as the operation's limits allow, and settles the operation when nothing
// is left to do.
func (e *Engine) pump(l *live) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.ctx.Err() != nil {
		return
	}
	if len(l.queue) > 0 && l.tooManyFailed() {
		e.giveUp(l)
	}
	if len(l.queue) > 0 && l.op.State != db.Running {
		e.begin(l)
	}
	for q, ok := l.next(); ok; q, ok = l.next() {
		ctx, cancel := context.WithCancelCause(e.ctx)
		r := &run{batch: q.batch, cancel: cancel}
		l.running[q.id] = r
		secrets := l.secrets
		e.wg.Go(func() {
			defer cancel(nil)
			e.runTask(ctx, l, q.id, secrets)
			l.mu.Lock()
			if l.running[q.id] == r { // a retry may have begun already
				delete(l.running, q.id)
			}
			l.mu.Unlock()
			e.pump(l)
			e.drop(l)
		})
	}
	if l.idle() {
		e.settle(l)
	}
}

// giveUp skips what is left in the queue, because too many tasks have failed; l.mu is held.
func (e *Engine) giveUp(l *live) {
	ids := make([]int64, len(l.queue))
	for i, q := range l.queue {
		ids[i] = q.id
	}
	l.queue, l.ending = nil, true
	e.wg.Go(func() {
		e.insist("skip the tasks that are left", ids[0], func() error {
			l.commands.Lock()
			defer l.commands.Unlock()
			tasks, err := e.pick(context.WithoutCancel(e.ctx), l.op.ID, ids, []db.State{db.Pending})
			if errors.Is(err, ErrNothingToDo) {
				return nil // somebody canceled them meanwhile
			}
			if err == nil {
				_, err = e.moveAll(e.ctx, l, tasks, []db.State{db.Pending}, db.Skipped, ReasonFailures)
			}
			return err
		})
		l.mu.Lock()
		l.ending = false
		l.mu.Unlock()
		e.pump(l)
		e.drop(l)
	})
}

// begin marks the operation as running; l.mu is held.
func (e *Engine) begin(l *live) {
	if l.linger != nil {
		l.linger.Stop()
		l.linger = nil
	}
	now := db.Now()
	started := l.op.StartedAt
	if started == nil {
		started = &now
	}
	// If this cannot be stored the tasks run all the same, and the next pump tries again.
	_ = e.saveOperation(l, db.Running, started, nil)
}

// settle gives the operation the state that its tasks add up to; l.mu is held.
func (e *Engine) settle(l *live) {
	state := sum(l.counts)
	if state == l.op.State {
		return
	}
	if err := e.saveOperation(l, state, l.op.StartedAt, finished(l.op, state)); err != nil {
		time.AfterFunc(retryEvery, func() { e.pump(l) })
		return
	}
	if state.Ended() {
		e.settled(l)
	}
}

// finished is when an operation ended that is in a state now: one that was only corrected has not run again.
func finished(o *db.Operation, state db.State) *time.Time {
	switch {
	case !state.Ended():
		return nil
	case o.FinishedAt != nil:
		return o.FinishedAt
	}
	now := db.Now()
	return &now
}

// settled tells that an operation has ended, and forgets its secrets or says when; l.mu is held.
func (e *Engine) settled(l *live) {
	switch {
	case l.counts[db.Failed] == 0 && !e.kinds[l.op.Kind].Linger:
		l.wipe()
	case l.secrets != nil && l.linger == nil:
		l.linger = time.AfterFunc(SecretsLinger, func() {
			e.forget(l)
			e.drop(l)
		})
	}
	ev := operationEvent(event.OperationFinished, l.op, "")
	ev.Params["done"], ev.Params["failed"] = strconv.Itoa(l.counts[db.Done]), strconv.Itoa(l.counts[db.Failed])
	if l.counts[db.Failed] > 0 {
		ev.Severity = db.SeverityWarning
	}
	e.events.Record(e.ctx, ev)
}

// forget wipes lingering secrets unless the operation runs again.
func (e *Engine) forget(l *live) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.op.State.Ended() {
		l.wipe()
	}
}

// sum is the state of an operation whose tasks have the given counts and none of which runs.
func sum(counts map[db.State]int) db.State {
	switch {
	case counts[db.Running] > 0 || counts[db.Pending] > 0:
		return db.Running
	case counts[db.Waiting] > 0:
		return db.Waiting
	case counts[db.Failed] > 0:
		return db.Failed
	case counts[db.Done] > 0:
		return db.Done
	case counts[db.Canceled] > 0:
		return db.Canceled
	}
	return db.Skipped
}

// saveOperation stores a state and its times; memory follows only when that is done. l.mu is held.
func (e *Engine) saveOperation(l *live, state db.State, started, finished *time.Time) error {
	next := db.Operation{ID: l.op.ID, State: state, StartedAt: started, FinishedAt: finished, Forgiven: l.op.Forgiven}
	if err := e.db.SaveOperation(context.WithoutCancel(e.ctx), &next); err != nil {
		e.log.Error("cannot save an operation's state; trying again", "operation", l.op.ID, "state", state, "err", err)
		return err
	}
	l.op.State, l.op.StartedAt, l.op.FinishedAt = state, started, finished
	e.publish(l)
	return nil
}

// publish tells the bus about an operation; l.mu is held.
func (e *Engine) publish(l *live) {
	e.bus.Publish(fmt.Sprintf("operation.%d", l.op.ID), Summary{Operation: *l.op, Counts: maps.Clone(l.counts), HasSecrets: l.secrets != nil})
}

// move changes the state of a task that runs: in the database, the counts and on the bus. edit, if not nil,
// changes the row besides. It must not be called with l.mu held.
func (e *Engine) move(ctx context.Context, l *live, t *db.Task, to db.State, edit func()) error {
	from := t.State
	t.State = to
	if edit != nil {
		edit()
	}
	if err := e.db.SaveTask(context.WithoutCancel(ctx), t); err != nil {
		t.State = from
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if from != to {
		l.counts[from]--
		l.counts[to]++
	}
	e.publishTask(l, t)
	if from != to {
		e.publish(l)
	}
	return nil
}

func (e *Engine) publishTask(l *live, t *db.Task) {
	e.bus.Publish(fmt.Sprintf("task.%d.%d", t.OperationID, t.ID), e.View(l.op.Kind, t))
}
