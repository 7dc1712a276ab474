package remote_test

import (
	"testing"
	"time"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/remote"
)

// lose lets the time of all jobs that hosts were given go by, as when they are away.
func (r *rig) lose() {
	r.Helper()
	r.clock.Advance(10 * time.Hour)
	r.must(r.jobs.Sweep(r.Context(), r.fleet.Name))
}

func TestALateResultCorrectsItsTask(t *testing.T) {
	r := newRig(t)
	one, two := r.register("node1", "amd64"), r.register("node2", "amd64")
	id := r.command("node1 node2", nil)
	first, second := r.given(one), r.given(two)
	r.lose()
	r.await(id, db.Failed)
	if task := r.task(id, "node1"); task.Problem.Code != "job_lost" {
		t.Fatalf("the task failed of %+v", task.Problem)
	}
	status := 3
	r.finish(two, wire.JobResult{ID: second.ID, ErrCode: wire.ErrCodeExitStatus, Message: "exit status 3", ExitCode: &status})
	r.until("the other failure", func() bool { return r.task(id, "node2").Problem.Code == "job_exit_status" })
	r.finish(one, wire.JobResult{ID: first.ID})
	r.until("the task to be done", func() bool { return r.task(id, "node1").State == db.Done })
	sum, err := r.engine.Summarise(t.Context(), id)
	if err != nil || sum.State != db.Failed || sum.Counts[db.Done] != 1 || sum.Counts[db.Failed] != 1 {
		t.Errorf("the operation is %s with %v, %v", sum.State, sum.Counts, err)
	}
	outcomes, _, err := r.db.Outcomes(t.Context(), id, 10, 10)
	if err != nil || len(outcomes) != 2 {
		t.Errorf("the outcomes are %+v, %v", outcomes, err)
	}
}

// TestALateResultIsNotForgottenOverARestart: the server was killed between the result and the task.
func TestALateResultIsNotForgottenOverARestart(t *testing.T) {
	r := newRig(t)
	host := r.register("node1", "amd64")
	id := r.command("node1", nil)
	j := r.given(host)
	r.lose()
	r.await(id, db.Failed)
	r.unfollow()
	r.finish(host, wire.JobResult{ID: j.ID})
	if task := r.task(id, "node1"); task.State != db.Failed {
		t.Fatalf("the task is %s", task.State)
	}
	r.stop(r.engine, r.jobs)
	r.start()
	r.await(id, db.Done)
}

func TestALateResultOfARetriedTaskIsTheOldJobs(t *testing.T) {
	r := newRig(t)
	host := r.register("node1", "amd64")
	id := r.command("node1", nil)
	old := r.given(host)
	r.lose()
	r.await(id, db.Failed)
	_, err := r.engine.Retry(t.Context(), id, nil, nil, "alice")
	r.must(err)
	fresh := r.given(host)
	r.lose()
	r.await(id, db.Failed)
	r.finish(host, wire.JobResult{ID: old.ID})
	r.must(r.remote.CorrectLate(t.Context()))
	if task := r.task(id, "node1"); task.State != db.Failed || *task.JobID != fresh.ID {
		t.Errorf("the result of the first attempt made the second %s", task.State)
	}
	r.finish(host, wire.JobResult{ID: fresh.ID})
	r.await(id, db.Done)
}

// TestALateUpgradeCountsOnceTheAgentReports: its result is the new agent's word, and the report is the proof.
func TestALateUpgradeCountsOnceTheAgentReports(t *testing.T) {
	r := newRig(t)
	host := r.register("node1", "amd64")
	o, err := r.remote.UpgradeAgents(t.Context(), remote.UpgradeRequest{Common: remote.Common{Targets: remote.Targets{All: true}}}, "alice")
	r.must(err)
	j := r.given(host)
	r.lose()
	r.await(o.ID, db.Failed)
	r.finish(host, wire.JobResult{ID: j.ID})
	r.must(r.remote.CorrectLate(t.Context()))
	if task := r.task(o.ID, "node1"); task.State != db.Failed {
		t.Errorf("without a report the task is %s", task.State)
	}
	r.beat("node1", version)
	r.must(r.remote.CorrectLate(t.Context()))
	r.await(o.ID, db.Done)
	if task := r.task(o.ID, "node1"); task.Note != version {
		t.Errorf("the task's note is %q", task.Note)
	}
}
