package operation

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"hostler/db"
)

// Task is what a running step sees of its task. Only the goroutine that runs the task uses it, except for
// the log, which any goroutine of a step may write.
type Task struct {
	// Local is for what lives as long as one run: a connection. The kind's End releases it.
	Local any

	engine *Engine
	live   *live
	row    *db.Task
	op     *db.Operation
	log    *taskLog
	step   string
	secret Secrets
}

// ID is the task's number.
func (t *Task) ID() int64 { return t.row.ID }

// OperationID is the number of the operation it belongs to.
func (t *Task) OperationID() int64 { return t.row.OperationID }

// Name is the target, for example a host name.
func (t *Task) Name() string { return t.row.Name }

// CreatedBy is who started the operation.
func (t *Task) CreatedBy() string { return t.op.CreatedBy }

// Attempt is 1 in the first run and grows with every retry.
func (t *Task) Attempt() int { return t.row.Attempt }

// Cluster is the cluster that the operation belongs to; may be empty.
func (t *Task) Cluster() string { return t.op.Cluster }

// Secrets are those that the operation was started or resumed with; nil if it had none.
func (t *Task) Secrets() Secrets { return t.secret }

// Params decodes what Spec.Tasks gave for this task.
func (t *Task) Params(v any) error { return decode(t.row.Params, v, "task parameters") }

// OperationParams decodes what Spec.Params gave for all tasks.
func (t *Task) OperationParams(v any) error { return decode(t.op.Params, v, "operation parameters") }

// Recall decodes what Remember kept; v is untouched when nothing was.
func (t *Task) Recall(v any) error { return decode(t.row.Memory, v, "task memory") }

// Remember keeps v (as JSON, never a secret) for the steps after this one and for later runs. It is stored
// when the step ends.
func (t *Task) Remember(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("cannot encode task memory: %w", err)
	}
	t.row.Memory = b
	return nil
}

// HostID is the registered host that the task works on; 0 when there is none yet.
func (t *Task) HostID() int64 {
	if t.row.HostID == nil {
		return 0
	}
	return *t.row.HostID
}

// JobID is what SetJob kept in this attempt; "" when it kept nothing.
func (t *Task) JobID() string {
	if t.row.JobID == nil {
		return ""
	}
	return *t.row.JobID
}

// SetJob ties this attempt to a job. That is stored at once, so that a server which was killed before it could make the
// job makes that one and no other.
func (t *Task) SetJob(ctx context.Context, id string) error {
	t.row.JobID = &id
	if err := t.engine.db.SaveTask(context.WithoutCancel(ctx), t.row); err != nil {
		t.row.JobID = nil
		return err
	}
	t.engine.publishTask(t.live, t.row)
	return nil
}

// SetHost ties the task to a registered host.
func (t *Task) SetHost(id int64) { t.row.HostID = &id }

// SetNote sets what the finished task has to show, for example "Debian 12, amd64"; at most 255 bytes are kept.
func (t *Task) SetNote(s string) {
	const most = 255 // the column's
	t.row.Note = strings.ToValidUTF8(s[:min(len(s), most)], "")
}

// Show is SetNote for a task that runs: pages show it at once. It must not be called from two goroutines at a time. What
// cannot be stored is only shown.
func (t *Task) Show(ctx context.Context, note string) {
	t.SetNote(note)
	if err := t.engine.db.SaveTask(context.WithoutCancel(ctx), t.row); err != nil {
		t.engine.log.Warn("cannot store how far a task is", "task", t.row.ID, "err", err)
	}
	t.engine.publishTask(t.live, t.row)
}

// Logf writes one line to the task's log.
func (t *Task) Logf(format string, args ...any) {
	t.log.line(t.step, fmt.Sprintf(format, args...))
}

func decode(b []byte, v any, what string) error {
	if len(b) == 0 {
		return nil
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("cannot read %s: %w", what, err)
	}
	return nil
}
