package remote

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/event"
	"hostler/server/job"
	"hostler/server/operation"
)

// lookForLate is how long the bus is trusted to tell of every late result.
const lookForLate = time.Minute

// FollowLate has results that come late correct their tasks. What it returns is to be run until the server stops: it looks
// at once, because a server that was killed may have left some, and then whenever a result is late.
func (r *Remote) FollowLate(bus *event.Bus) (func(ctx context.Context), error) {
	late := make(chan struct{}, 1)
	tell := func() {
		select {
		case late <- struct{}{}:
		default:
		}
	}
	cancel, err := bus.Subscribe("job.*", func(_ string, payload []byte) {
		var c job.Change
		if json.Unmarshal(payload, &c) == nil && c.Late {
			tell()
		}
	})
	if err != nil {
		return nil, err
	}
	lapse := bus.OnLapse(tell)
	return func(ctx context.Context) {
		defer cancel()
		defer lapse()
		look := time.NewTicker(lookForLate)
		defer look.Stop()
		for {
			if err := r.CorrectLate(ctx); err != nil && ctx.Err() == nil {
				r.Log.Error("cannot correct tasks by late results; trying again", "err", err)
			}
			select {
			case <-late:
			case <-look.C:
			case <-ctx.Done():
				return
			}
		}
	}, nil
}

// CorrectLate corrects all tasks that failed for want of a result which has come since.
func (r *Remote) CorrectLate(ctx context.Context) error {
	tasks, err := r.DB.OvertakenTasks(ctx, codeLost)
	if err != nil {
		return err
	}
	for _, t := range tasks {
		err = errors.Join(err, r.Engine.Correct(ctx, t.OperationID, t.ID, r.judge))
	}
	return err
}

// judge says how a task ended whose job was called lost.
func (r *Remote) judge(ctx context.Context, t *operation.Task) error {
	j, err := r.DB.Job(ctx, t.JobID())
	if err != nil {
		r.Log.Error("cannot look at the job of a task that failed", "job", t.JobID(), "err", err)
		return operation.ErrStands
	}
	if j.Action == wire.ActionRemoveAgent {
		return operation.ErrStands // more is to be done than to take the result
	}
	if !j.State.Ended() || j.State == db.JobLost || !r.confirmed(ctx, t, j) {
		return operation.ErrStands
	}
	t.Logf("the result has come after all")
	return r.accept(ctx, t, j)
}

// confirmed reports whether the result of a job that succeeded is all there is to wait for. An agent that says it was
// upgraded reports a moment later; until then nobody knows.
func (r *Remote) confirmed(ctx context.Context, t *operation.Task, j *db.Job) bool {
	var p Params
	if err := t.OperationParams(&p); err != nil || j.State != db.JobSucceeded || p.Action != wire.ActionUpgradeAgent {
		return true
	}
	h, ok := r.Fleet.Get(ctx, t.HostID())
	if !ok || h.AgentVersion != p.Subject {
		return false
	}
	t.SetNote(p.Subject)
	return true
}
