package remote

import (
	"context"
	"time"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/job"
	"hostler/server/operation"
)

// MendRequest runs what mends something that a check found, and checks the hosts again.
type MendRequest struct {
	Common
	Check  string
	Script string
}

// Mend starts to mend hosts.
func (r *Remote) Mend(ctx context.Context, in MendRequest, actor string) (*db.Operation, error) {
	var wrong Invalid
	in.check(&wrong, DefaultPar, job.DefaultTimeout(wire.ActionExec))
	work := &wire.Job{Action: wire.ActionExec, Exec: &wire.Exec{Script: in.Script}}
	return r.begin(ctx, &wrong, plan{
		kind: KindMend, title: "Mend " + in.Check + " on", actor: actor, common: in.Common, job: work,
		params: Params{Action: work.Action, Subject: in.Check},
	})
}

// checkAgain looks at a host that was mended, with a job of its own. A server that was killed meanwhile makes another one.
func (r *Remote) checkAgain(ctx context.Context, t *operation.Task) error {
	h, ok := r.Fleet.Get(ctx, t.HostID())
	if !ok {
		return fail(codeHostGone, nil, "host", t.Name())
	}
	id, err := job.NewID()
	if err != nil {
		return err
	}
	work := wire.Job{
		Action: wire.ActionCheck, Check: &wire.Check{Names: r.namesToResolve(ctx, []db.Host{h.Host})},
		Timeout: int(job.DefaultTimeout(wire.ActionCheck) / time.Second),
	}
	if _, err := r.Jobs.Queue(ctx, job.Spec{ID: id, HostID: h.ID, Job: work, ExpiresIn: expiry(Params{}, &h), Actor: t.CreatedBy()}); err != nil {
		return err
	}
	t.Logf("job %s checks the host again", id)
	j, err := r.Jobs.Await(ctx, id, func(j *db.Job) bool { return j.State.Ended() })
	if err != nil {
		r.cancel(context.WithoutCancel(ctx), id, t.Name())
		return err
	}
	if err := r.outcome(t, j); err != nil {
		return err
	}
	return r.keepFindings(ctx, t, j)
}
