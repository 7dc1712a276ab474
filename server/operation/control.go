package operation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"hostler/db"
	"hostler/server/audit"
	"hostler/server/event"
)

// Retry runs failed tasks again, from the step that failed, and those that were skipped because too many others had
// failed. No ids means all of them; canceled ones run again only by their ids. secrets may be nil when the engine still has those of the operation; ErrSecretsNeeded
// otherwise. It says how many tasks will run.
func (e *Engine) Retry(ctx context.Context, id int64, taskIDs []int64, secrets Secrets, actor string) (int, error) {
	from := []db.State{db.Failed, db.Skipped}
	if len(taskIDs) > 0 {
		from = append(from, db.Canceled)
	}
	n, err := e.requeue(ctx, id, taskIDs, from, secrets)
	about(ctx, id, taskIDs, n)
	if err != nil {
		return n, fmt.Errorf("cannot retry: %w", err)
	}
	return n, e.tell(ctx, event.OperationRetried, id, actor)
}

// Unlock gives the secrets that waiting tasks need and lets them go on.
func (e *Engine) Unlock(ctx context.Context, id int64, secrets Secrets) (int, error) {
	n, err := e.requeue(ctx, id, nil, []db.State{db.Waiting}, secrets)
	about(ctx, id, nil, n)
	if err != nil {
		return n, fmt.Errorf("cannot go on: %w", err)
	}
	return n, nil
}

// targetOf is what an operation is called in the audit log.
func targetOf(id int64) string { return "operation " + strconv.FormatInt(id, 10) }

// about tells the audit log which tasks of an operation were meant, none for all that it fits, and how many there were.
func about(ctx context.Context, id int64, taskIDs []int64, n int) {
	audit.About(ctx, targetOf(id), nil, map[string]any{"tasks": taskIDs, "reached": n})
}

// requeue makes tasks pending and runs them.
func (e *Engine) requeue(ctx context.Context, id int64, taskIDs []int64, from []db.State, secrets Secrets) (n int, err error) {
	taken := false
	defer func() {
		if !taken && secrets != nil {
			secrets.Wipe()
		}
	}()
	l, err := e.command(ctx, id)
	if err != nil {
		return 0, err
	}
	defer e.release(l)
	if e.kinds[l.op.Kind].NeedsSecrets && secrets == nil && !l.hasSecrets() {
		return 0, ErrSecretsNeeded
	}
	tasks, err := e.pick(ctx, id, taskIDs, from)
	if err != nil {
		return 0, err
	}
	l.give(secrets)
	taken = true
	moved, err := e.moveAll(ctx, l, tasks, from, db.Pending, "")
	err = errors.Join(err, e.forgive(l))
	l.enqueue(moved)
	e.pump(l)
	return len(moved), err
}

// Cancel ends running tasks and takes pending and waiting ones out. No ids means all. It says how many tasks it
// reached; those that run end a moment later.
func (e *Engine) Cancel(ctx context.Context, id int64, taskIDs []int64, actor string) (int, error) {
	n, err := e.end(ctx, id, taskIDs, []db.State{db.Waiting, db.Pending}, db.Canceled, errCanceled)
	about(ctx, id, taskIDs, n)
	if err != nil {
		return n, fmt.Errorf("cannot cancel: %w", err)
	}
	if len(taskIDs) > 0 {
		return n, nil
	}
	return n, e.tell(ctx, event.OperationCanceled, id, actor)
}

// Skip takes tasks out of the operation, whatever their state, unless they are done.
func (e *Engine) Skip(ctx context.Context, id int64, taskIDs []int64) (int, error) {
	if len(taskIDs) == 0 {
		return 0, fmt.Errorf("cannot take hosts out: %w", ErrNothingToDo)
	}
	from := []db.State{db.Waiting, db.Failed, db.Canceled, db.Pending}
	n, err := e.end(ctx, id, taskIDs, from, db.Skipped, errSkipped)
	about(ctx, id, taskIDs, n)
	if err != nil {
		return n, fmt.Errorf("cannot take hosts out: %w", err)
	}
	return n, nil
}

// end takes tasks out of the queue first, so that none of them starts any more, then ends those that run, then
// stores the rest: the pending ones last, so that they go back into the queue if anything could not be stored.
func (e *Engine) end(ctx context.Context, id int64, taskIDs []int64, from []db.State, to db.State, cause error) (int, error) {
	l, err := e.command(ctx, id)
	if err != nil {
		return 0, err
	}
	defer e.release(l)
	interrupted := l.interrupt(taskIDs, cause)
	tasks, err := e.pick(ctx, id, taskIDs, from)
	if err != nil && !errors.Is(err, ErrNothingToDo) {
		l.restore()
		e.pump(l)
		return 0, err
	}
	tasks = slices.DeleteFunc(tasks, func(t db.Task) bool { return slices.Contains(interrupted, t.ID) })
	if len(tasks)+len(interrupted) == 0 {
		return 0, ErrNothingToDo
	}
	moved, err := e.moveAll(ctx, l, tasks, from, to, "")
	if err != nil {
		l.restore()
	}
	if kind := e.kinds[l.op.Kind]; kind.Canceled != nil {
		for i := range moved {
			kind.Canceled(context.WithoutCancel(ctx), &moved[i])
		}
	}
	e.pump(l)
	return len(moved) + len(interrupted), err
}

// moveAll stores a new state for tasks that do not run, and returns those that have it now.
func (e *Engine) moveAll(ctx context.Context, l *live, tasks []db.Task, from []db.State, to db.State, reason string) ([]db.Task, error) {
	moved := make([]db.Task, 0, len(tasks))
	for _, state := range from {
		var ids []int64
		for i := range tasks {
			if tasks[i].State == state {
				ids = append(ids, tasks[i].ID)
			}
		}
		if len(ids) == 0 {
			continue
		}
		m := db.TaskMove{OperationID: l.op.ID, Only: ids, From: state, To: to, Reason: reason, At: db.Now()}
		n, err := e.db.MoveTasks(context.WithoutCancel(ctx), m)
		if err != nil {
			return moved, err
		}
		l.count(state, -n)
		l.count(to, n)
	}
	for _, t := range tasks {
		fresh := to == db.Pending && t.State.Ended()
		t.State, t.Reason = to, reason
		switch {
		case to == db.Pending:
			t.Problem, t.FinishedAt = db.Problem{}, nil
		case to.Ended():
			now := db.Now()
			t.FinishedAt = &now
		}
		if fresh {
			t.Attempt, t.JobID = t.Attempt+1, nil
		}
		moved = append(moved, t)
		e.publishTask(l, &t)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	e.publish(l)
	return moved, nil
}

// pick reads the tasks of an operation that are in one of the states; those in taskIDs only, if it is not empty.
func (e *Engine) pick(ctx context.Context, id int64, taskIDs []int64, from []db.State) ([]db.Task, error) {
	all, err := e.db.Tasks(ctx, id)
	if err != nil {
		return nil, err
	}
	wanted := map[int64]bool{}
	for _, t := range taskIDs {
		wanted[t] = true
	}
	picked := slices.DeleteFunc(all, func(t db.Task) bool {
		takenOut := t.State == db.Skipped && t.Reason != ReasonFailures // by a person, for good
		return len(wanted) > 0 && !wanted[t.ID] || !slices.Contains(from, t.State) || takenOut
	})
	if len(picked) == 0 {
		return nil, ErrNothingToDo
	}
	return picked, nil
}

// tell records what somebody did with an operation.
func (e *Engine) tell(ctx context.Context, kind string, id int64, actor string) error {
	o, err := e.db.Operation(ctx, id)
	if err != nil {
		return err
	}
	e.events.Record(ctx, operationEvent(kind, o, actor))
	return nil
}

// Borrow hands the secrets of an operation to use, which must copy what it keeps of them and return at once.
// ErrSecretsNeeded when the engine has none.
func (e *Engine) Borrow(ctx context.Context, id int64, use func(Secrets) error) error {
	l, err := e.command(ctx, id)
	if err != nil {
		return err
	}
	defer e.release(l)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.secrets == nil {
		return ErrSecretsNeeded
	}
	return use(l.secrets)
}

// Change gives tasks that have failed other parameters, by their ids, and runs them again. In all else it is Retry.
func (e *Engine) Change(ctx context.Context, id int64, params map[int64]any, secrets Secrets, actor string) (int, error) {
	l, err := e.command(ctx, id)
	if err == nil {
		var ids []int64
		ids, err = e.change(ctx, id, params)
		e.release(l)
		if err == nil {
			return e.Retry(ctx, id, ids, secrets, actor)
		}
	}
	if secrets != nil {
		secrets.Wipe()
	}
	return 0, fmt.Errorf("cannot change hosts: %w", err)
}

func (e *Engine) change(ctx context.Context, id int64, params map[int64]any) ([]int64, error) {
	ids := slices.Sorted(maps.Keys(params))
	failed, err := e.pick(ctx, id, ids, []db.State{db.Failed, db.Canceled})
	if err != nil {
		return nil, err
	}
	ids = ids[:0]
	for _, t := range failed {
		encoded, err := json.Marshal(params[t.ID])
		if err != nil {
			return nil, err
		}
		if err := e.db.SetTaskParams(ctx, t.ID, encoded); err != nil {
			return nil, err
		}
		ids = append(ids, t.ID)
	}
	return ids, nil
}

// Forget wipes the secrets of an operation that does not run, as when its wizard is finished.
func (e *Engine) Forget(ctx context.Context, id int64) error {
	l, err := e.command(ctx, id)
	if errors.Is(err, db.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	defer e.release(l)
	e.forget(l)
	return nil
}

// command gives the caller an operation alone: of two people who press a button at once, one waits. The caller
// must release it.
func (e *Engine) command(ctx context.Context, id int64) (*live, error) {
	for {
		l, err := e.open(ctx, id)
		if err != nil {
			return nil, err
		}
		l.commands.Lock()
		if !l.isGone() {
			return l, nil
		}
		l.commands.Unlock()
	}
}

func (e *Engine) release(l *live) {
	l.commands.Unlock()
	e.drop(l)
}

// drop takes an operation out of memory when nothing of it runs and no secrets are kept.
func (e *Engine) drop(l *live) {
	if !l.commands.TryLock() {
		return // whoever holds it drops it
	}
	defer l.commands.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.op.State.Ended() && l.secrets == nil && l.idle() {
		l.gone = true
		maps.DeleteFunc(e.live, func(_ int64, other *live) bool { return other == l })
	}
}
