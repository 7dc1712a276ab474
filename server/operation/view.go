package operation

import (
	"context"
	"time"

	"hostler/db"
)

// Summary is an operation with its tasks counted; published as "operation.<id>".
type Summary struct {
	db.Operation
	Counts map[db.State]int
	// HasSecrets tells that a retry need not ask for them again.
	HasSecrets bool
}

// TaskView is a task as pages and programs see it; published as "task.<operation>.<task>".
type TaskView struct {
	ID          int64      `json:"id"`
	OperationID int64      `json:"operation_id"`
	Name        string     `json:"name"`
	State       db.State   `json:"state"`
	Reason      string     `json:"reason,omitempty"`
	Step        string     `json:"step,omitempty"` // code of the step that runs, failed or was the last
	StepNumber  int        `json:"step_number"`    // 1-based; 0 before the first
	StepCount   int        `json:"step_count"`
	Problem     db.Problem `json:"error,omitzero"`
	Note        string     `json:"note,omitempty"`
	HostID      *int64     `json:"host_id,omitempty"`
	JobID       *string    `json:"job_id,omitempty"` // of the present attempt
	Batch       int        `json:"batch,omitempty"`  // 1 for the first; 0: the operation has none
	Attempt     int        `json:"attempt"`
	StartedAt   *time.Time `json:"started_at,omitempty"`
	FinishedAt  *time.Time `json:"finished_at,omitempty"`
}

// LogGrew is published as "log.<task>".
type LogGrew struct {
	Size int64 `json:"size"` // bytes stored
}

// View makes the view of a task of an operation of the given kind.
func (e *Engine) View(kind string, t *db.Task) TaskView {
	v := TaskView{
		ID: t.ID, OperationID: t.OperationID, Name: t.Name, State: t.State, Reason: t.Reason, Step: t.Step, Problem: t.Problem,
		Note: t.Note, HostID: t.HostID, JobID: t.JobID, Batch: t.Batch, Attempt: t.Attempt, StartedAt: t.StartedAt, FinishedAt: t.FinishedAt,
	}
	steps := e.kinds[kind].Steps
	v.StepCount = len(steps)
	for i, s := range steps {
		if s.Name == t.Step {
			v.StepNumber = i + 1
		}
	}
	return v
}

// Summarise reads an operation with its counts.
func (e *Engine) Summarise(ctx context.Context, id int64) (Summary, error) {
	o, err := e.db.Operation(ctx, id)
	if err != nil {
		return Summary{}, err
	}
	sums, err := e.SummariseAll(ctx, []db.Operation{*o})
	if err != nil {
		return Summary{}, err
	}
	return sums[0], nil
}

// SummariseAll adds counts to operations.
func (e *Engine) SummariseAll(ctx context.Context, ops []db.Operation) ([]Summary, error) {
	ids := make([]int64, len(ops))
	for i := range ops {
		ids[i] = ops[i].ID
	}
	counts, err := e.db.CountTasksOf(ctx, ids)
	if err != nil {
		return nil, err
	}
	sums := make([]Summary, len(ops))
	for i := range ops {
		sums[i] = Summary{Operation: ops[i], Counts: counts[ops[i].ID], HasSecrets: e.hasSecrets(ops[i].ID)}
	}
	return sums, nil
}

func (e *Engine) hasSecrets(id int64) bool {
	e.mu.Lock()
	l := e.live[id]
	e.mu.Unlock()
	if l == nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.secrets != nil
}
