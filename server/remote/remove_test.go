package remote_test

import (
	"context"
	"errors"
	"testing"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/remote"
)

// remove starts the removal of hosts.
func (r *rig) remove(in remote.RemoveRequest) int64 {
	r.Helper()
	o, err := r.remote.Remove(r.Context(), in, "alice")
	r.must(err)
	return o.ID
}

func named(hosts string) remote.Common {
	return remote.Common{Targets: remote.Targets{Hosts: hosts}}
}

// mustBeForgotten checks that nothing of a host is left, and that its agent is refused under the certificate that it has.
func (r *rig) mustBeForgotten(id int64, name string) {
	r.Helper()
	if _, known := r.fleet.Get(r.Context(), id); known {
		r.Errorf("%s is still in the table", name)
	}
	if _, err := r.db.HostByID(r.Context(), id); !errors.Is(err, db.ErrNotFound) {
		r.Errorf("the row of %s: %v", name, err)
	}
	if js, err := r.db.Jobs(r.Context(), db.JobQuery{HostID: id}); len(js) > 0 || err != nil {
		r.Errorf("jobs of %s: %v, %v", name, js, err)
	}
	_, err := r.fleet.Register(r.Context(), certificate(name), wire.RegisterRequest{Hostname: name}, "10.0.0.1")
	if refusal, ok := errors.AsType[*wire.Error](err); !ok || refusal.Code != "host_removed" {
		r.Errorf("%s comes back: %v", name, err)
	}
}

func TestRemoval(t *testing.T) {
	r := newRig(t)
	host := r.register("node1", "amd64")
	r.register("node2", "amd64")
	waiting := r.command("node1", nil)
	r.given(host)
	id := r.remove(remote.RemoveRequest{Common: named("node1"), KeepChildren: true})
	r.until("the job to be queued", func() bool { return len(r.jobsOf(id)) == 1 })
	given, err := r.jobs.Deliver(t.Context(), host, nil)
	r.must(err)
	j := given.Jobs[len(given.Jobs)-1] // behind the command
	if j.Action != wire.ActionRemoveAgent || j.Remove == nil || j.Remove.Script != "the script" || !j.Remove.KeepChildren {
		t.Errorf("the host was given %+v", j)
	}
	r.finish(host, wire.JobResult{ID: j.ID, Message: "the agent is removed"})
	r.await(id, db.Done)
	r.mustBeForgotten(host, "node1")
	if task := r.task(id, "node1"); task.State != db.Done || task.Step != remote.StepForget {
		t.Errorf("the task is %+v", task)
	}
	if len(r.revoked) != 1 || r.revoked[0] != "sn-node1 by alice" {
		t.Errorf("revoked are %v", r.revoked)
	}
	// What was under way on the host ends.
	r.await(waiting, db.Failed)
	if task := r.task(waiting, "node1"); task.Problem.Code != "host_gone" {
		t.Errorf("the command ended with %+v", task.Problem)
	}
	if len(r.fleet.Select(t.Context(), func(*db.Host) bool { return true })) != 1 {
		t.Error("the other host is gone, too")
	}
}

func TestAHostThatIsGoneIsForgottenWithoutIt(t *testing.T) {
	r := newRig(t)
	host := r.register("node1", "amd64")
	id := r.remove(remote.RemoveRequest{Common: named("node1"), Gone: true})
	r.await(id, db.Done)
	r.mustBeForgotten(host, "node1")
	if js := r.jobsOf(id); len(js) > 0 {
		t.Errorf("a host that is gone was given %v", js)
	}
	if _, err := r.remote.Remove(t.Context(), remote.RemoveRequest{Common: named("node1"), Gone: true}, "alice"); err == nil {
		t.Error("a host that is forgotten is removed again")
	}
}

func TestAHostThatIsAwayIsNotRemoved(t *testing.T) {
	r := newRig(t)
	host := r.register("node1", "amd64")
	in := remote.RemoveRequest{Common: named("node1")}
	in.ExpiresIn = 60
	id := r.remove(in)
	r.until("the job to be queued", func() bool { return len(r.jobsOf(id)) == 1 })
	r.clock.Advance(61e9)
	r.must(r.jobs.Sweep(t.Context(), r.fleet.Name))
	r.await(id, db.Failed)
	if task := r.task(id, "node1"); task.Problem.Code != "removal_unreached" {
		t.Errorf("the problem is %+v", task.Problem)
	}
	if _, known := r.fleet.Get(t.Context(), host); !known || len(r.revoked) > 0 {
		t.Errorf("known %v, revoked %v", known, r.revoked)
	}
}

// TestARemovalGoesOnAfterARestart: what was done on the host is not asked of it again, because it could not answer any more.
func TestARemovalGoesOnAfterARestart(t *testing.T) {
	r := newRig(t)
	host := r.register("node1", "amd64")
	stuck := make(chan struct{})
	r.revoking = func(ctx context.Context) error { close(stuck); <-ctx.Done(); return ctx.Err() }
	id := r.remove(remote.RemoveRequest{Common: named("node1")})
	r.finish(host, wire.JobResult{ID: r.given(host).ID})
	<-stuck
	r.stop(r.engine, r.jobs)
	r.revoking = nil
	r.start()
	r.await(id, db.Done)
	r.mustBeForgotten(host, "node1")
	if task := r.task(id, "node1"); task.Attempt != 1 {
		t.Errorf("the task is %+v", task)
	}
}
