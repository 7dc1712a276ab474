package remote_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/job"
	"hostler/server/operation"
	"hostler/server/remote"
)

func TestEveryEndOfAJobIsAFailureThatSaysWhy(t *testing.T) {
	r := newRig(t)
	host := r.register("node1", "amd64")
	three := 3
	for code, result := range map[string]wire.JobResult{
		"job_exit_status": {ErrCode: wire.ErrCodeExitStatus, ExitCode: &three}, "job_timed_out": {ErrCode: wire.ErrCodeTimeout},
		"job_failed": {ErrCode: wire.ErrCodeFailed, Message: "no such command"}, "job_lost": {ErrCode: wire.ErrCodeUnknown},
		"job_canceled": {ErrCode: wire.ErrCodeCanceled}, "job_expired": {ErrCode: wire.ErrCodeExpired}, "job_unknown_action": {ErrCode: wire.ErrCodeUnknownAction},
		"job_disk_full": {ErrCode: wire.ErrCodeDiskFull}, "job_user": {ErrCode: wire.ErrCodeUser}, "job_checksum": {ErrCode: wire.ErrCodeChecksum},
	} {
		id := r.command("node1", nil)
		j := r.given(host)
		result.ID = j.ID
		r.finish(host, result)
		r.await(id, db.Failed)
		p := r.task(id, "node1").Problem
		if p.Code != code || p.Hint == "" || strings.Contains(p.Cause+p.Hint, "{") || p.Args["host"] != "node1" {
			t.Errorf("%s: the failure is %+v", code, p)
		}
	}
	if got := r.command("node1", nil); got == 0 {
		t.Fatal()
	}
}

func TestOnlyWhatIsNeverASecretIsTold(t *testing.T) {
	r := newRig(t)
	r.register("node1", "amd64")
	id := r.command("node1", func(in *remote.CommandRequest) { in.Envs = map[string]string{"A": "marker-env"} })
	o, err := r.db.Operation(t.Context(), id)
	r.must(err)
	if o.Title != "Run a script on node1" || strings.Contains(string(o.Params), "marker") {
		t.Errorf("the operation is %q with %s", o.Title, o.Params)
	}
}

func TestTwoClicksStartOneOperation(t *testing.T) {
	r := newRig(t)
	host := r.register("node1", "amd64")
	ids := make([]int64, 4)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() { ids[i] = r.command("node1", func(in *remote.CommandRequest) { in.Key = "click" }) })
	}
	wg.Wait()
	if ids[1] != ids[0] || ids[2] != ids[0] || ids[3] != ids[0] {
		t.Errorf("four clicks started %v", ids)
	}
	r.finish(host, wire.JobResult{ID: r.given(host).ID})
	r.await(ids[0], db.Done)
	if again := r.command("node1", func(in *remote.CommandRequest) { in.Key = "click" }); again != ids[0] || len(r.jobsOf(again)) != 1 {
		t.Errorf("a late click started %d", again)
	}
	if other := r.command("node1", nil); other == ids[0] {
		t.Error("a request without a key is taken for another")
	}
	in := remote.CommandRequest{Common: remote.Common{Targets: remote.Targets{All: true}, Key: "click"}, Exec: wire.Exec{Script: "true"}}
	if o, err := r.remote.Command(t.Context(), in, "bob"); err != nil || o.ID == ids[0] {
		t.Errorf("somebody else's request: %+v, %v", o, err)
	}
}

func TestARestartFindsTheSameJob(t *testing.T) {
	r := newRig(t)
	host := r.register("node1", "amd64")
	id := r.command("node1", nil)
	j := r.given(host)
	r.until("the task to run", func() bool { return r.task(id, "node1").Step == remote.StepRun })
	r.stop(r.engine, r.jobs)
	if got, err := r.db.Job(t.Context(), j.ID); err != nil || got.CancelRequestedAt != nil {
		t.Errorf("a server that stops canceled the job: %+v, %v", got, err)
	}
	r.start()
	r.finish(host, wire.JobResult{ID: j.ID})
	r.await(id, db.Done)
	if js := r.jobsOf(id); len(js) != 1 {
		t.Errorf("%d jobs were made for one task", len(js))
	}
}

// TestAServerKilledBeforeTheJobMakesThatJob: the id was kept, and the job was not made.
func TestAServerKilledBeforeTheJobMakesThatJob(t *testing.T) {
	r := newRig(t)
	host := r.register("node1", "amd64")
	r.stop(r.engine, r.jobs)
	const kept = "01900000-0000-7000-8000-000000000001"
	o := &db.Operation{Kind: remote.KindCommand, State: db.Running, Parallel: 1, Params: []byte(`{"action":"exec","expires_in":60,"timeout":60}`)}
	id := kept
	r.must(r.db.CreateOperation(t.Context(), o, []db.Task{{Name: "node1", State: db.Running, Attempt: 1, HostID: &host, JobID: &id, Step: remote.StepDeliver}}, nil))
	r.must(r.db.CreateOperationJob(t.Context(), &db.OperationJob{OperationID: o.ID, Payload: wire.Job{Action: wire.ActionExec, Exec: &wire.Exec{Script: "true"}}}))
	r.start()
	if j := r.given(host); j.ID != kept || j.Exec == nil {
		t.Errorf("the host was given %+v", j)
	}
	r.finish(host, wire.JobResult{ID: kept})
	r.await(o.ID, db.Done)
}

func TestCancelingATaskCancelsItsJob(t *testing.T) {
	r := newRig(t)
	first, second := r.register("node1", "amd64"), r.register("node2", "amd64")
	id := r.command("node[1-2]", nil)
	delivered := r.given(first)
	r.until("both jobs", func() bool { return len(r.jobsOf(id)) == 2 })
	if _, err := r.engine.Cancel(t.Context(), id, nil, "alice"); err != nil {
		t.Fatal(err)
	}
	r.await(id, db.Canceled)
	for _, j := range r.jobsOf(id) {
		switch {
		case j.ID == delivered.ID && j.CancelRequestedAt == nil:
			t.Errorf("the job that was delivered is not to end: %+v", j)
		case j.ID != delivered.ID && j.State != db.JobCanceled:
			t.Errorf("the job that was not is %s", j.State)
		}
	}
	if d, err := r.jobs.Deliver(t.Context(), second, nil); err != nil || len(d.Jobs) != 0 {
		t.Errorf("the second host was given %+v, %v", d, err)
	}
}

// TestCancelingATaskThatWaitsAfterARestart: its job was delivered before, and the task has not had its turn again.
func TestCancelingATaskThatWaitsAfterARestart(t *testing.T) {
	r := newRig(t)
	first, second := r.register("node1", "amd64"), r.register("node2", "amd64")
	o := &db.Operation{Kind: remote.KindCommand, State: db.Running, Parallel: 1, Params: []byte(`{"action":"exec","expires_in":60,"timeout":60}`)}
	tasks := []db.Task{{Name: "node1", HostID: &first}, {Name: "node2", HostID: &second}}
	for i := range tasks {
		name, err := job.NewID()
		r.must(err)
		tasks[i].State, tasks[i].Attempt, tasks[i].JobID, tasks[i].Step = db.Running, 1, &name, remote.StepRun
	}
	r.must(r.db.CreateOperation(t.Context(), o, tasks, nil))
	r.must(r.db.CreateOperationJob(t.Context(), &db.OperationJob{OperationID: o.ID, Payload: wire.Job{Action: wire.ActionExec}}))
	for _, task := range tasks {
		_, err := r.jobs.Queue(t.Context(), job.Spec{ID: *task.JobID, HostID: *task.HostID, OperationID: &o.ID, TaskID: &task.ID, Job: wire.Job{Action: wire.ActionExec}})
		r.must(err)
		r.given(*task.HostID)
	}
	id := o.ID
	r.stop(r.engine, r.jobs)
	r.start()
	r.until("one task to run", func() bool { return r.task(id, "node1").State == db.Running && r.task(id, "node2").State == db.Pending })
	if _, err := r.engine.Cancel(t.Context(), id, nil, "alice"); err != nil {
		t.Fatal(err)
	}
	r.await(id, db.Canceled)
	for _, j := range r.jobsOf(id) {
		if j.CancelRequestedAt == nil {
			t.Errorf("a job goes on: %+v", j)
		}
	}
}

func TestARetryMakesAJobOfItsOwn(t *testing.T) {
	r := newRig(t)
	host := r.register("node1", "amd64")
	id := r.command("node1", nil)
	first := r.given(host)
	r.finish(host, wire.JobResult{ID: first.ID, ErrCode: 1})
	r.await(id, db.Failed)
	if n, err := r.engine.Retry(t.Context(), id, nil, nil, "alice"); n != 1 || err != nil {
		t.Fatalf("retry: %d, %v", n, err)
	}
	second := r.given(host)
	if second.ID == first.ID {
		t.Fatal("the retry waits for the job that failed")
	}
	r.finish(host, wire.JobResult{ID: second.ID})
	r.await(id, db.Done)
	all, _, err := r.db.Outcomes(t.Context(), id, 10, 10)
	if err != nil || len(all) != 1 || all[0].State != db.JobSucceeded || all[0].Count != 1 {
		t.Errorf("the outcomes are %+v, %v", all, err)
	}
}

func TestAHostThatIsAwayExpires(t *testing.T) {
	r := newRig(t)
	r.register("node1", "amd64")
	id := r.command("node1", func(in *remote.CommandRequest) { in.ExpiresIn = 60 })
	r.until("the job", func() bool { return len(r.jobsOf(id)) == 1 })
	r.clock.Advance(time.Minute)
	r.must(r.jobs.Sweep(t.Context(), r.fleet.Name))
	r.await(id, db.Failed)
	if p := r.task(id, "node1").Problem; p.Code != "job_expired" {
		t.Errorf("the failure is %+v", p)
	}
}

func TestLostHostsComeLastAndAreNotWaitedForLong(t *testing.T) {
	r := newRig(t)
	r.register("node1", "amd64")
	ctx, cancel := context.WithCancel(t.Context())
	swept := make(chan struct{})
	go func() { defer close(swept); r.fleet.Run(ctx) }()
	r.clock.Advance(time.Minute)
	r.until("the host to be lost", func() bool { return r.fleet.Counts(t.Context())[db.HostLost] == 1 })
	cancel()
	<-swept
	alive := r.register("node2", "amd64")
	id := r.command("node[1-2]", func(in *remote.CommandRequest) { in.Parallel = 1 })
	j := r.given(alive)
	r.finish(alive, wire.JobResult{ID: j.ID})
	r.until("the job of the lost host", func() bool { return len(r.jobsOf(id)) == 2 })
	for _, row := range r.jobsOf(id) {
		want := remote.DefaultExpiry
		if row.HostID != alive {
			want = remote.LostExpiry
		}
		if got := row.ExpiresAt.Sub(row.CreatedAt); got != want {
			t.Errorf("the job of host %d waits %s, want %s", row.HostID, got, want)
		}
	}
}

// TestARetriedUpgradeWaitsForItsJob: the upgrade was done, and the agent did not report in time.
func TestARetriedUpgradeWaitsForItsJob(t *testing.T) {
	r := newRig(t)
	r.remote.Confirm = 50 * time.Millisecond
	host := r.register("node1", "amd64")
	o, err := r.remote.UpgradeAgents(t.Context(), remote.UpgradeRequest{Common: remote.Common{Targets: remote.Targets{All: true}}}, "alice")
	r.must(err)
	r.finish(host, wire.JobResult{ID: r.given(host).ID})
	r.await(o.ID, db.Failed)
	if p := r.task(o.ID, "node1").Problem; p.Code != "upgrade_unconfirmed" {
		t.Errorf("the failure is %+v", p)
	}
	if n, err := r.engine.Retry(t.Context(), o.ID, nil, nil, "alice"); n != 1 || err != nil {
		t.Fatalf("retry: %d, %v", n, err)
	}
	r.finish(host, wire.JobResult{ID: r.given(host).ID, ErrCode: wire.ErrCodeRolledBack})
	r.await(o.ID, db.Failed)
	if p := r.task(o.ID, "node1").Problem; p.Code != "job_rolled_back" {
		t.Errorf("the retry's failure is %+v", p)
	}
}

func TestBatchesAndFailures(t *testing.T) {
	r := newRig(t)
	hosts := map[string]int64{}
	for i := range 6 {
		name := fmt.Sprint("node", i)
		hosts[name] = r.register(name, "amd64")
	}
	id := r.command("node[0-5]", func(in *remote.CommandRequest) { in.Batch, in.StopAfter = 2, 2 })
	for _, name := range []string{"node0", "node1"} {
		r.finish(hosts[name], wire.JobResult{ID: r.given(hosts[name]).ID, ErrCode: 1})
	}
	r.await(id, db.Failed)
	if js := r.jobsOf(id); len(js) != 2 {
		t.Errorf("%d jobs were made", len(js))
	}
	if task := r.task(id, "node5"); task.State != db.Skipped || task.Reason != operation.ReasonFailures {
		t.Errorf("the last host is %s for %q", task.State, task.Reason)
	}
}

func TestUpgrade(t *testing.T) {
	r := newRig(t)
	host, odd := r.register("node1", "amd64"), r.register("node2", "riscv64")
	r.register("node3", "amd64")
	r.beat("node3", version)
	o, err := r.remote.UpgradeAgents(t.Context(), remote.UpgradeRequest{Common: remote.Common{Targets: remote.Targets{All: true}}}, "alice")
	r.must(err)
	j := r.given(host)
	sum := sha256.Sum256([]byte("agent"))
	signature, err := base64.StdEncoding.DecodeString(j.Signature)
	r.must(err)
	block, _ := pem.Decode(r.ca.PEM())
	authority, err := x509.ParseCertificate(block.Bytes)
	r.must(err)
	if !ecdsa.VerifyASN1(authority.PublicKey.(*ecdsa.PublicKey), sum[:], signature) || j.Checksum != "SHA256:"+hex.EncodeToString(sum[:]) ||
		j.URL != "https://server:8440/repo/agent/x" || j.Version != version {
		t.Errorf("the agent was given %+v", j)
	}
	r.finish(host, wire.JobResult{ID: j.ID})
	r.until("the task to wait for the agent", func() bool { return r.task(o.ID, "node1").Step == remote.StepConfirm })
	r.beat("node1", version)
	r.await(o.ID, db.Failed) // for want of an agent for the odd one
	if task := r.task(o.ID, "node2"); task.Problem.Code != "upgrade_no_agent" {
		t.Errorf("host %d: %+v", odd, task.Problem)
	}
	for _, name := range []string{"node1", "node3"} {
		if task := r.task(o.ID, name); task.State != db.Done || task.Note != version {
			t.Errorf("%s is %s, %q", name, task.State, task.Note)
		}
	}
	if js := r.jobsOf(o.ID); len(js) != 1 {
		t.Errorf("%d jobs were made, want one", len(js))
	}
}

func TestTargets(t *testing.T) {
	r := newRig(t)
	ids := map[string]int64{}
	for _, name := range []string{"db1", "web1", "web2", "web3"} {
		ids[name] = r.register(name, "amd64")
	}
	for what, c := range map[string]struct {
		targets remote.Targets
		want    string
	}{
		"a pattern":      {remote.Targets{Hosts: "web[1-2]\n# none"}, "web1 web2"},
		"numbers":        {remote.Targets{IDs: []int64{ids["db1"], ids["web3"], ids["db1"]}}, "db1 web3"},
		"both":           {remote.Targets{Hosts: "web1", IDs: []int64{ids["db1"]}}, "db1 web1"},
		"all":            {remote.Targets{All: true}, "db1 web1 web2 web3"},
		"a search":       {remote.Targets{Search: "WEB"}, "web1 web2 web3"},
		"a state":        {remote.Targets{State: db.HostHealthy, Search: "1"}, "db1 web1 web2 web3"}, // the address has one
		"some of those":  {remote.Targets{Hosts: "web1, db1", Search: "db"}, "db1"},
		"all of a state": {remote.Targets{All: true, State: db.HostHealthy}, "db1 web1 web2 web3"},
	} {
		hosts, err := c.targets.Resolve(t.Context(), r.fleet)
		var names []string
		for _, h := range hosts {
			names = append(names, h.Name)
		}
		if got := strings.Join(names, " "); err != nil || got != c.want {
			t.Errorf("%s: got %s, %v; want %s", what, got, err, c.want)
		}
	}
	targets := remote.Targets{Hosts: "web[1-9]", IDs: []int64{77}}
	_, err := targets.Resolve(t.Context(), r.fleet)
	var wrong *remote.Invalid
	if !errors.As(err, &wrong) || len(wrong.Fields) != 2 || !strings.Contains(err.Error(), "web4, web5") || !strings.Contains(err.Error(), "77") {
		t.Errorf("hosts that are not registered: %v", err)
	}
}

func TestManyHosts(t *testing.T) {
	r := newRig(t)
	const n = 100
	var wg sync.WaitGroup
	for i := range n {
		r.register(fmt.Sprint("node", i), "amd64")
	}
	id := r.command("node[0-99]", func(in *remote.CommandRequest) { in.Parallel = 20 })
	for i := range n {
		wg.Go(func() {
			name := fmt.Sprint("node", i)
			hosts, err := (&remote.Targets{Hosts: name}).Resolve(t.Context(), r.fleet)
			if err != nil {
				t.Error(err)
				return
			}
			host := hosts[0].ID
			if err := r.jobs.Finish(t.Context(), host, name, []wire.JobResult{{ID: r.given(host).ID}}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	r.await(id, db.Done)
	all, rest, err := r.db.Outcomes(t.Context(), id, 10, 5)
	if err != nil || rest != 0 || len(all) != 1 || all[0].Count != n || len(all[0].Jobs) != 5 {
		t.Errorf("the outcomes are %+v, %d, %v", all, rest, err)
	}
}
