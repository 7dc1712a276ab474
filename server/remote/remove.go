package remote

import (
	"context"
	"errors"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/job"
	"hostler/server/operation"
)

// RemoveRequest removes hosts.
type RemoveRequest struct {
	Common
	// KeepChildren leaves child agents running on the hosts; they are stopped otherwise.
	KeepChildren bool `json:"keep_children,omitempty"`
	// Gone says that the hosts are not there any more: nothing is done on them, and they are forgotten at once.
	Gone bool `json:"gone,omitempty"`
}

// Remove starts to remove hosts: their agents are uninstalled, their certificates revoked, and they are forgotten.
func (r *Remote) Remove(ctx context.Context, in RemoveRequest, actor string) (*db.Operation, error) {
	var wrong Invalid
	in.check(&wrong, DefaultPar, job.DefaultTimeout(wire.ActionRemoveAgent))
	p := plan{
		kind: KindRemove, title: "Remove agents from", actor: actor, common: in.Common,
		params: Params{Action: wire.ActionRemoveAgent, Gone: in.Gone, KeepChildren: in.KeepChildren},
	}
	if in.Gone && in.KeepChildren {
		wrong.add("keep_children", CodeContradiction, "nothing is done on hosts that are gone")
	}
	if !in.Gone {
		p.job = &wire.Job{Action: wire.ActionRemoveAgent, Remove: &wire.Remove{Script: string(r.Script), KeepChildren: in.KeepChildren}}
	}
	return r.begin(ctx, &wrong, p)
}

// removal is what a task remembers of a removal.
type removal struct {
	Uninstalled bool   `json:"uninstalled,omitempty"`
	AgentSN     string `json:"agent_sn,omitempty"`
}

// removing are the steps of a removal. What was done on the host is remembered: a host whose certificate is revoked can be told
// nothing any more, and need not be.
func (r *Remote) removing(deliver operation.Step) operation.Kind {
	return operation.Kind{Name: KindRemove, Canceled: r.canceled, Steps: []operation.Step{
		{Name: StepDeliver, Timeout: deliver.Timeout, Repeat: true, Run: unlessDone(r.tellToGo)},
		{Name: StepUninstall, Timeout: stepTimeout, Repeat: true, Run: unlessDone(r.uninstall)},
		{Name: StepRevoke, Timeout: ownTimeout, Run: r.revoke},
		{Name: StepForget, Timeout: ownTimeout, Run: r.forget},
	}}
}

// unlessDone leaves out a step of a host that has no agent any more.
func unlessDone(run func(context.Context, *operation.Task, *Params) error) func(context.Context, *operation.Task) error {
	return func(ctx context.Context, t *operation.Task) error {
		var done removal
		var p Params
		if err := errors.Join(t.Recall(&done), t.OperationParams(&p)); err != nil {
			return err
		}
		if done.Uninstalled {
			return nil
		}
		return run(ctx, t, &p)
	}
}

func (r *Remote) tellToGo(ctx context.Context, t *operation.Task, p *Params) error {
	if p.Gone {
		t.Logf("the host counts as gone: it is told nothing")
		return nil
	}
	err := r.deliver(ctx, t)
	var f *operation.Failure
	if errors.As(err, &f) && f.Code == codeExpired {
		return fail(codeUnreached, err, "host", t.Name())
	}
	return err
}

// uninstall waits until the agent is off the host, which what removes it says itself.
func (r *Remote) uninstall(ctx context.Context, t *operation.Task, p *Params) error {
	if p.Gone {
		t.Logf("nothing is removed from the host; its agent, if it is there, is refused from now on")
	} else {
		j, err := r.await(ctx, t, func(j *db.Job) bool { return j.State.Ended() })
		if err != nil {
			return err
		}
		if err := r.outcome(t, j); err != nil {
			return err
		}
		t.Logf("%s", j.Message)
	}
	h, ok := r.Fleet.Get(ctx, t.HostID())
	if !ok {
		return fail(codeHostGone, nil, "host", t.Name())
	}
	return t.Remember(removal{Uninstalled: true, AgentSN: h.AgentSN})
}

// revoke has all certificates of the host refused.
func (r *Remote) revoke(ctx context.Context, t *operation.Task) error {
	var done removal
	if err := t.Recall(&done); err != nil {
		return err
	}
	n, err := r.Revoke(ctx, done.AgentSN, t.CreatedBy())
	if err != nil {
		return err
	}
	t.Logf("%d certificates are revoked; the host comes back only when somebody lets it in anew", n)
	return nil
}

// forget removes what the server knows of the host alone.
func (r *Remote) forget(ctx context.Context, t *operation.Task) error {
	if err := r.Fleet.Forget(ctx, t.HostID()); err != nil {
		return err
	}
	r.Jobs.Forget(t.HostID())
	t.Logf("the host is forgotten, with its child agents, jobs and checks; operations, events and the audit log stay")
	return nil
}
