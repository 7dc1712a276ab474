package operation

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"sync"
	"time"

	"hostler/db"
	"hostler/server/event"
)

// Causes of a run's end other than its own.
var (
	errStopping = errors.New("the server is stopping")
	errCanceled = errors.New("canceled")
	errSkipped  = errors.New("taken out of the run")
)

// live is the in-memory side of an operation that runs or whose secrets are kept.
type live struct {
	mu      sync.Mutex
	op      *db.Operation
	queue   []int64 // pending tasks, next first
	running map[int64]*run
	counts  map[db.State]int
	secrets Secrets
	former  []Secrets // replaced while runs still used them
	linger  *time.Timer
}

// run is one task that is being worked on.
type run struct{ cancel context.CancelCauseFunc }

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

// give replaces the secrets; l.mu is held. Runs that use the old ones must not see them wiped, so those are
// kept until the end.
func (l *live) give(s Secrets) {
	if s == nil {
		return
	}
	if l.secrets != nil {
		l.former = append(l.former, l.secrets)
	}
	l.secrets = s
}

// pump starts as many pending tasks as the operation's limit allows, and settles the operation when nothing
// is left to do.
func (e *Engine) pump(l *live) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.ctx.Err() != nil {
		return
	}
	if len(l.queue) > 0 && l.op.State != db.Running {
		e.begin(l)
	}
	for len(l.queue) > 0 && len(l.running) < l.op.Parallel {
		id := l.queue[0]
		l.queue = l.queue[1:]
		ctx, cancel := context.WithCancelCause(e.ctx)
		l.running[id] = &run{cancel: cancel}
		secrets := l.secrets
		e.wg.Go(func() {
			defer cancel(nil)
			e.runTask(ctx, l, id, secrets)
			l.mu.Lock()
			delete(l.running, id)
			l.mu.Unlock()
			e.pump(l)
		})
	}
	if len(l.queue) == 0 && len(l.running) == 0 {
		e.settle(l)
	}
}

// begin marks the operation as running; l.mu is held.
func (e *Engine) begin(l *live) {
	now := db.Now()
	l.op.State, l.op.FinishedAt = db.Running, nil
	if l.op.StartedAt == nil {
		l.op.StartedAt = &now
	}
	if l.linger != nil {
		l.linger.Stop()
		l.linger = nil
	}
	e.saveOperation(l)
}

// settle gives the operation the state that its tasks add up to; l.mu is held.
func (e *Engine) settle(l *live) {
	state := sum(l.counts)
	if state == l.op.State {
		return
	}
	l.op.State = state
	if state.Ended() {
		now := db.Now()
		l.op.FinishedAt = &now
	}
	e.saveOperation(l)
	switch {
	case !state.Ended():
		return
	case l.counts[db.Failed] == 0:
		l.wipe()
	case l.secrets != nil:
		l.linger = time.AfterFunc(SecretsLinger, func() { e.forget(l) })
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

func (e *Engine) saveOperation(l *live) {
	if err := e.db.SaveOperation(context.WithoutCancel(e.ctx), l.op); err != nil {
		e.log.Error("cannot save an operation's state", "operation", l.op.ID, "err", err)
	}
	e.publish(l)
}

// publish tells the bus about an operation; l.mu is held.
func (e *Engine) publish(l *live) {
	e.bus.Publish(fmt.Sprintf("operation.%d", l.op.ID), Summary{Operation: *l.op, Counts: maps.Clone(l.counts), HasSecrets: l.secrets != nil})
}

// move changes a task's state in the database, the counts and on the bus. edit, if not nil, changes the row
// besides. It must not be called with l.mu held.
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

// enqueue makes a task pending. It must not be called with l.mu held.
func (e *Engine) enqueue(ctx context.Context, l *live, t *db.Task) error {
	err := e.move(ctx, l, t, db.Pending, func() { t.Reason, t.Problem, t.FinishedAt = "", db.Problem{}, nil })
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue = append(l.queue, t.ID)
	return nil
}
