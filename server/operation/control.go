package operation

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"hostler/db"
	"hostler/server/event"
)

// Retry runs failed or canceled tasks again, from the step that failed. No ids means all of them. secrets may
// be nil when the engine still has those of the operation; ErrSecretsNeeded otherwise. It says how many tasks
// will run.
func (e *Engine) Retry(ctx context.Context, id int64, taskIDs []int64, secrets Secrets, actor string) (int, error) {
	n, err := e.requeue(ctx, id, taskIDs, secrets, func(t *db.Task) bool {
		return t.State == db.Failed || t.State == db.Canceled && len(taskIDs) > 0
	})
	if err != nil {
		return 0, fmt.Errorf("cannot retry: %w", err)
	}
	l, err := e.open(ctx, id)
	if err == nil {
		e.events.Record(ctx, operationEvent(event.OperationRetried, l.op, actor))
	}
	return n, err
}

// Unlock gives the secrets that waiting tasks need and lets them go on.
func (e *Engine) Unlock(ctx context.Context, id int64, secrets Secrets) (int, error) {
	n, err := e.requeue(ctx, id, nil, secrets, func(t *db.Task) bool { return t.State == db.Waiting })
	if err != nil {
		return 0, fmt.Errorf("cannot go on: %w", err)
	}
	return n, nil
}

func (e *Engine) requeue(ctx context.Context, id int64, taskIDs []int64, secrets Secrets, want func(*db.Task) bool) (n int, err error) {
	taken := false
	defer func() {
		if !taken && secrets != nil {
			secrets.Wipe()
		}
	}()
	l, err := e.open(ctx, id)
	if err != nil {
		return 0, err
	}
	l.mu.Lock()
	missing := e.kinds[l.op.Kind].NeedsSecrets && l.secrets == nil && secrets == nil
	l.mu.Unlock()
	if missing {
		return 0, ErrSecretsNeeded
	}
	tasks, err := e.pick(ctx, id, taskIDs, want)
	if err != nil {
		return 0, err
	}
	l.mu.Lock()
	l.give(secrets)
	taken = true
	l.mu.Unlock()
	for i := range tasks {
		t := &tasks[i]
		if t.State != db.Waiting {
			t.Attempt++
		}
		if err := e.enqueue(ctx, l, t); err != nil {
			return i, err
		}
	}
	e.pump(l)
	return len(tasks), nil
}

// Cancel ends running tasks and takes pending and waiting ones out. No ids means all.
func (e *Engine) Cancel(ctx context.Context, id int64, taskIDs []int64, actor string) (int, error) {
	n, err := e.end(ctx, id, taskIDs, db.Canceled, errCanceled, func(s db.State) bool { return !s.Ended() })
	if err != nil {
		return n, fmt.Errorf("cannot cancel: %w", err)
	}
	l, err := e.open(ctx, id)
	if err == nil && len(taskIDs) == 0 {
		e.events.Record(ctx, operationEvent(event.OperationCanceled, l.op, actor))
	}
	return n, err
}

// Skip takes tasks out of the operation, whatever their state, unless they are done.
func (e *Engine) Skip(ctx context.Context, id int64, taskIDs []int64) (int, error) {
	if len(taskIDs) == 0 {
		return 0, fmt.Errorf("cannot take hosts out: %w", ErrNothingToDo)
	}
	n, err := e.end(ctx, id, taskIDs, db.Skipped, errSkipped, func(s db.State) bool { return s != db.Done && s != db.Skipped })
	if err != nil {
		return n, fmt.Errorf("cannot take hosts out: %w", err)
	}
	return n, nil
}

func (e *Engine) end(ctx context.Context, id int64, taskIDs []int64, to db.State, cause error, want func(db.State) bool) (int, error) {
	l, err := e.open(ctx, id)
	if err != nil {
		return 0, err
	}
	tasks, err := e.pick(ctx, id, taskIDs, func(t *db.Task) bool { return want(t.State) })
	if err != nil {
		return 0, err
	}
	for i := range tasks {
		t := &tasks[i]
		if l.interrupt(t.ID, cause) {
			continue
		}
		now := db.Now()
		if err := e.move(ctx, l, t, to, func() { t.Reason, t.FinishedAt = "", &now }); err != nil {
			return i, err
		}
	}
	e.pump(l)
	return len(tasks), nil
}

// interrupt ends a task's run if it has one, and takes it out of the queue otherwise.
func (l *live) interrupt(taskID int64, cause error) (running bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r, ok := l.running[taskID]; ok {
		r.cancel(cause)
		return true
	}
	l.queue = slices.DeleteFunc(l.queue, func(id int64) bool { return id == taskID })
	return false
}

// pick reads the tasks of an operation that want accepts; those in taskIDs only, if it is not empty.
func (e *Engine) pick(ctx context.Context, id int64, taskIDs []int64, want func(*db.Task) bool) ([]db.Task, error) {
	all, err := e.db.Tasks(ctx, id)
	if err != nil {
		return nil, err
	}
	picked := slices.DeleteFunc(all, func(t db.Task) bool {
		return len(taskIDs) > 0 && !slices.Contains(taskIDs, t.ID) || !want(&t)
	})
	if len(picked) == 0 {
		return nil, ErrNothingToDo
	}
	return picked, nil
}

// Forget wipes the secrets of an operation that does not run, as when its wizard is finished.
func (e *Engine) Forget(ctx context.Context, id int64) error {
	l, err := e.open(ctx, id)
	if errors.Is(err, db.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	e.forget(l)
	return nil
}
