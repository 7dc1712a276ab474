package remote

import (
	"context"
	"errors"
	"time"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/fleet"
	"hostler/server/job"
	"hostler/server/operation"
)

// logExpiry is how long somebody waits for a log.
const logExpiry = 5 * time.Minute

// Kinds are what the operation engine runs.
func (r *Remote) Kinds() []operation.Kind {
	// A retry begins with the step that failed, and needs a job of its own: delivering it and waiting for its end is part
	// of every run.
	deliver := operation.Step{Name: StepDeliver, Timeout: stepTimeout, Repeat: true, Run: r.deliver}
	run := operation.Step{Name: StepRun, Timeout: stepTimeout, Repeat: true, Run: r.run}
	confirm := operation.Step{Name: StepConfirm, Timeout: r.Confirm + time.Minute, Run: r.confirm}
	kinds := make([]operation.Kind, 0, 8)
	for _, name := range []string{KindCommand, KindPush, KindFetch, KindChild, KindCheck} {
		kinds = append(kinds, operation.Kind{Name: name, Steps: []operation.Step{deliver, run}, Canceled: r.canceled})
	}
	recheck := operation.Step{Name: StepRecheck, Timeout: stepTimeout, Run: r.checkAgain}
	kinds = append(kinds, operation.Kind{Name: KindMend, Steps: []operation.Step{deliver, run, recheck}, Canceled: r.canceled})
	return append(kinds, r.removing(deliver), operation.Kind{Name: KindUpgrade, Steps: []operation.Step{deliver, run, confirm}, Canceled: r.canceled})
}

// deliver makes the task's job, once in each attempt, and waits until the agent has it.
func (r *Remote) deliver(ctx context.Context, t *operation.Task) error {
	h, ok := r.Fleet.Get(ctx, t.HostID())
	if !ok {
		return fail(codeHostGone, nil, "host", t.Name())
	}
	var p Params
	if err := t.OperationParams(&p); err != nil {
		return err
	}
	if p.Action == wire.ActionUpgradeAgent && h.AgentVersion == p.Subject {
		t.SetNote(p.Subject)
		t.Logf("the agent has version %s already", p.Subject)
		return nil
	}
	spec, err := r.spec(ctx, t, &h, p)
	if err != nil {
		return err
	}
	if err := r.queue(ctx, t, spec); err != nil {
		return err
	}
	j, err := r.await(ctx, t, func(j *db.Job) bool { return j.State != db.JobQueued })
	if err != nil {
		return err
	}
	if j.DeliveredAt == nil {
		return r.outcome(t, j)
	}
	t.Logf("the agent has got the job")
	return nil
}

// spec is the job of a task: what all hosts of the operation share, or one that is made for the host.
func (r *Remote) spec(ctx context.Context, t *operation.Task, h *fleet.Host, p Params) (job.Spec, error) {
	s := job.Spec{
		HostID: h.ID, OperationID: new(t.OperationID()), TaskID: new(t.ID()), Content: p.Content, ExpiresIn: expiry(p, h), Actor: t.CreatedBy(),
	}
	if p.Action == wire.ActionUpgradeAgent {
		work, err := r.upgradeJob(ctx, h, p)
		if err == nil {
			s.Job = *work
		}
		return s, err
	}
	shared, err := r.DB.OperationJob(ctx, t.OperationID())
	if errors.Is(err, db.ErrNotFound) {
		return s, fail(codeForgotten, err)
	}
	s.Job, s.Shared = shared.Payload, true
	return s, err
}

// expiry is how long a job waits for its host.
func expiry(p Params, h *fleet.Host) time.Duration {
	switch {
	case p.ExpiresIn > 0:
		return time.Duration(p.ExpiresIn) * time.Second
	case h.State == db.HostLost:
		return LostExpiry
	}
	return DefaultExpiry
}

// queue makes the job of this attempt. Its id is kept before: a server that was killed in between makes the same job.
func (r *Remote) queue(ctx context.Context, t *operation.Task, spec job.Spec) error {
	if t.JobID() == "" {
		id, err := job.NewID()
		if err != nil {
			return err
		}
		if err := t.SetJob(ctx, id); err != nil {
			return err
		}
	}
	spec.ID = t.JobID()
	if _, err := r.Jobs.Queue(ctx, spec); err != nil {
		return err
	}
	t.Logf("job %s waits for the next report of the host", spec.ID)
	return nil
}

// await waits for the task's job. A step that takes too long ends it.
func (r *Remote) await(ctx context.Context, t *operation.Task, enough func(*db.Job) bool) (*db.Job, error) {
	j, err := r.Jobs.Await(ctx, t.JobID(), enough)
	if errors.Is(err, context.DeadlineExceeded) {
		r.cancel(context.WithoutCancel(ctx), t.JobID(), t.Name())
	}
	if errors.Is(err, db.ErrNotFound) {
		return nil, fail(codeHostGone, err, "host", t.Name())
	}
	return j, err
}

// canceled ends the job of a task that somebody cancels. One that has ended already is left as it is.
func (r *Remote) canceled(ctx context.Context, t *db.Task) {
	if t.JobID != nil {
		r.cancel(ctx, *t.JobID, t.Name)
	}
}

func (r *Remote) cancel(ctx context.Context, id, host string) {
	_, err := r.Jobs.Cancel(ctx, id, host)
	if err != nil && !errors.Is(err, job.ErrEnded) && !errors.Is(err, db.ErrNotFound) {
		r.Log.Error("cannot cancel the job of a task that was canceled", "job", id, "err", err)
	}
}

// run waits for the job's result.
func (r *Remote) run(ctx context.Context, t *operation.Task) error {
	if t.JobID() == "" {
		return nil // there was nothing to do
	}
	j, err := r.await(ctx, t, func(j *db.Job) bool { return j.State.Ended() })
	if err != nil {
		return err
	}
	return r.accept(ctx, t, j)
}

// accept takes the end of a job as that of its task.
func (r *Remote) accept(ctx context.Context, t *operation.Task, j *db.Job) error {
	if err := r.outcome(t, j); err != nil {
		return err
	}
	if j.Action == wire.ActionCheck {
		return r.keepFindings(ctx, t, j)
	}
	if err := r.remember(ctx, t); err != nil {
		r.Log.Error("cannot remember what was installed", "operation", t.OperationID(), "err", err) // it is installed all the same
	}
	return nil
}

// confirm waits until the upgraded agent reports.
func (r *Remote) confirm(ctx context.Context, t *operation.Task) error {
	if t.JobID() == "" {
		return nil
	}
	var p Params
	if err := t.OperationParams(&p); err != nil {
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, r.Confirm)
	defer cancel()
	id := t.HostID()
	_, err := r.Fleet.Await(waiting, func(h fleet.Host) bool { return h.ID == id && h.AgentVersion == p.Subject })
	switch {
	case err == nil:
		t.SetNote(p.Subject)
		t.Logf("the agent reports with version %s", p.Subject)
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return fail(codeUnconfirmed, err, "host", t.Name(), "version", p.Subject, "seconds", itoa(int(r.Confirm/time.Second)))
}
