package operation

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"time"

	"hostler/db"
)

// endDeadline bounds what a kind's End may take.
const endDeadline = 15 * time.Second

// runTask runs one task from where it stands to its end.
func (e *Engine) runTask(ctx context.Context, l *live, id int64, secrets Secrets) {
	var t *Task
	begun := e.insist("begin a task", id, func() (err error) {
		t, err = e.beginTask(ctx, l, id, secrets)
		return err
	})
	if !begun {
		return
	}
	kind := e.kinds[l.op.Kind]
	err := t.steps(ctx, kind)
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), endDeadline)
	if kind.Canceled != nil && (errors.Is(err, errCanceled) || errors.Is(err, errSkipped)) {
		kind.Canceled(end, t.row)
	}
	if kind.End != nil {
		kind.End(end, t)
	}
	cancel()
	e.finish(t, err)
}

func (e *Engine) beginTask(ctx context.Context, l *live, id int64, secrets Secrets) (*Task, error) {
	row, err := e.db.Task(context.WithoutCancel(ctx), id)
	if err != nil {
		return nil, err
	}
	log, err := openLog(e, id)
	if err != nil {
		return nil, err
	}
	now := db.Now()
	err = e.move(ctx, l, row, db.Running, func() { row.StartedAt, row.FinishedAt = &now, nil })
	return &Task{engine: e, live: l, row: row, op: l.op, log: log, secret: secrets}, err
}

// insist does what the database must take, again and again until it does. It reports false when the server
// stops first; the next one finds the task as it was.
func (e *Engine) insist(what string, taskID int64, do func() error) bool {
	for {
		err := do()
		if err == nil {
			return true
		}
		e.log.Error("cannot "+what+"; trying again", "task", taskID, "err", err)
		select {
		case <-time.After(retryEvery):
		case <-e.ctx.Done():
			return false
		}
	}
}

// steps runs the steps that are left.
func (t *Task) steps(ctx context.Context, kind Kind) (err error) {
	defer func() {
		if p := recover(); p != nil {
			t.engine.log.Error("a step panicked", "task", t.row.ID, "step", t.step, "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	if kind.Begin != nil {
		kind.Begin(t)
	}
	for i, s := range kind.Steps {
		if i < t.row.StepIndex && !s.Repeat {
			continue
		}
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if err := t.runStep(ctx, i, s); err != nil {
			return err
		}
		t.row.StepIndex = max(t.row.StepIndex, i+1)
	}
	return nil
}

func (t *Task) runStep(ctx context.Context, seq int, s Step) error {
	now := db.Now()
	t.step, t.row.Step = s.Name, s.Name
	step := &db.Step{TaskID: t.row.ID, Seq: seq, Name: s.Name, State: db.Running, LogOffset: t.log.size(), StartedAt: &now}
	if err := t.save(step); err != nil {
		return err
	}
	stepCtx, cancel := context.WithTimeout(ctx, s.Timeout)
	err := s.Run(stepCtx, t)
	timedOut := errors.Is(stepCtx.Err(), context.DeadlineExceeded) && ctx.Err() == nil
	cancel()
	if err != nil && timedOut {
		err = timeout(s, err)
	}
	ended := db.Now()
	step.FinishedAt, step.State = &ended, db.Done
	if err != nil {
		step.State = db.Failed
		if ctx.Err() != nil {
			step.State, err = db.Canceled, context.Cause(ctx)
		}
	}
	if errors.Is(err, errStopping) {
		return err // the row stays "running": the next server takes the step up again
	}
	return errors.Join(err, t.engine.db.SaveStep(context.WithoutCancel(ctx), step))
}

// save stores a step that begins together with the task's place in it.
func (t *Task) save(step *db.Step) error {
	ctx := context.WithoutCancel(t.engine.ctx)
	err := t.engine.db.Tx(ctx, func(tx *db.DB) error {
		if err := tx.SaveStep(ctx, step); err != nil {
			return err
		}
		return tx.SaveTask(ctx, t.row)
	})
	if err == nil {
		t.engine.publishTask(t.live, t.row)
	}
	return err
}

// timeout makes a plain error of a step that took too long a Failure; a step that has a better word for it
// returned its own.
func timeout(s Step, err error) error {
	var f *Failure
	if errors.As(err, &f) {
		return err
	}
	seconds := strconv.Itoa(int(s.Timeout.Seconds()))
	return &Failure{
		Code: CodeTimeout, Err: err, Args: map[string]string{"step": s.Name, "seconds": seconds},
		Cause: fmt.Sprintf("The step %q took longer than %s s and was ended.", s.Name, seconds),
		Hint:  "Look at the last lines of the log, then retry.",
	}
}

// finish stores how a run ended.
func (e *Engine) finish(t *Task, err error) {
	now := db.Now()
	state := db.Done
	var problem db.Problem
	switch {
	case errors.Is(err, errStopping):
		_ = t.log.flush() // the next server goes on; a line that is lost is only a line
		return
	case errors.Is(err, errCanceled):
		state = db.Canceled
		t.Logf("canceled")
	case errors.Is(err, errSkipped):
		state = db.Skipped
		t.Logf("taken out of the run")
	case err != nil:
		state, problem = db.Failed, e.explain(t, err)
	}
	e.insist("store how a task ended", t.row.ID, func() error {
		if err := t.log.flush(); err != nil {
			return err
		}
		return e.move(e.ctx, t.live, t.row, state, func() { t.row.Problem, t.row.FinishedAt, t.row.LogSize = problem, &now, t.log.size() })
	})
}

// explain turns an error into what a person is shown, and logs it.
func (e *Engine) explain(t *Task, err error) db.Problem {
	var f *Failure
	if !errors.As(err, &f) {
		f = &Failure{
			Code: CodeInternal, Cause: "The server could not do this step: " + err.Error(), Err: err,
			Args: map[string]string{"error": err.Error()}, Hint: "Retry; if it happens again, look at the server's log.",
		}
	}
	t.Logf("failed: %s", f.Cause)
	if f.Hint != "" {
		t.Logf("hint: %s", f.Hint)
	}
	e.log.Warn("a task failed", "operation", t.row.OperationID, "task", t.row.ID, "target", t.row.Name,
		"step", t.step, "code", f.Code, "err", err)
	return db.Problem{Code: f.Code, Cause: f.Cause, Hint: f.Hint, Args: f.Args}
}
