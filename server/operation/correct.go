package operation

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"hostler/db"
)

// ErrStands is what a judge returns when nothing new is known: the task stays as it ended.
var ErrStands = errors.New("the end of the task stands")

// Correct judges anew how a failed task ended, because news of it came when nobody waited for that any more. judge, like
// a step, returns nil when the task is done after all, and otherwise what it failed of. The counts and the state of the
// operation follow. A task that has not failed, or that somebody has retried or taken out meanwhile, is left alone:
// nobody else changes it while judge looks at it.
func (e *Engine) Correct(ctx context.Context, operationID, taskID int64, judge func(ctx context.Context, t *Task) error) error {
	l, err := e.command(ctx, operationID)
	if err != nil {
		return fmt.Errorf("cannot correct a task: %w", err)
	}
	defer e.release(l)
	row, err := e.db.Task(ctx, taskID)
	if err != nil || row.State != db.Failed {
		return err
	}
	log, err := openLog(e, taskID)
	if err != nil {
		return err
	}
	t := &Task{engine: e, live: l, row: row, op: l.op, log: log, step: row.Step}
	verdict := judge(ctx, t)
	if errors.Is(verdict, ErrStands) {
		return nil
	}
	if err := e.amend(context.WithoutCancel(ctx), t, verdict); err != nil {
		return fmt.Errorf("cannot correct a task: %w", err)
	}
	return nil
}

// amend stores the verdict on a task together with what follows for its operation, so that a server which is killed
// leaves both or neither.
func (e *Engine) amend(ctx context.Context, t *Task, verdict error) error {
	steps, err := e.verdict(ctx, t, verdict)
	if err != nil {
		return err
	}
	l := t.live
	l.mu.Lock()
	defer l.mu.Unlock()
	counts, next := maps.Clone(l.counts), *l.op
	if verdict == nil {
		counts[db.Failed]--
		counts[db.Done]++
		// Which failures were forgiven is not kept: an operation rather stops one failure early than one late.
		next.Forgiven = max(0, next.Forgiven-1)
	}
	if l.idle() {
		next.State = sum(counts)
		next.FinishedAt = finished(&next, next.State)
	}
	err = e.db.Tx(ctx, func(tx *db.DB) error {
		for i := range steps {
			if err := tx.SaveStep(ctx, &steps[i]); err != nil {
				return err
			}
		}
		return errors.Join(tx.SaveTask(ctx, t.row), tx.SaveOperation(ctx, &next))
	})
	if err != nil {
		return err
	}
	changed := next.State != l.op.State
	l.counts = counts
	// Only what has changed is written: what never does, its kind and parameters, tasks read without the lock.
	l.op.State, l.op.FinishedAt, l.op.Forgiven = next.State, next.FinishedAt, next.Forgiven
	e.publishTask(l, t.row)
	e.publish(l)
	if changed {
		e.settled(l)
	}
	return nil
}

// verdict makes a task what its judge says of it, and returns the steps that change with that: the one at which it had
// failed, and those after it, which nothing is left to do for.
func (e *Engine) verdict(ctx context.Context, t *Task, verdict error) (changed []db.Step, err error) {
	now := db.Now()
	t.row.FinishedAt, t.row.Problem = &now, db.Problem{}
	if verdict != nil {
		t.row.Problem = e.explain(t, verdict)
	} else {
		was, err := e.db.StepsOf(ctx, []int64{t.row.ID})
		if err != nil {
			return nil, err
		}
		steps := e.kinds[t.op.Kind].Steps
		for i := range steps {
			step := db.Step{TaskID: t.row.ID, Seq: i, Name: steps[i].Name, LogOffset: t.log.size(), StartedAt: &now}
			for _, s := range was[t.row.ID] {
				if s.Seq == i {
					step = s
				}
			}
			if step.State != db.Done {
				step.State, step.FinishedAt = db.Done, &now
				changed = append(changed, step)
			}
		}
		t.row.State, t.row.StepIndex = db.Done, len(steps)
	}
	t.row.LogSize = t.log.size()
	return changed, t.log.flush()
}
