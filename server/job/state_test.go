package job_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/event"
	"hostler/server/job"
)

// grace is what the queue gives a result beyond its job's time.
const grace = 5 * time.Minute

func name(context.Context, int64) string { return "node" }

// queue queues a command that takes a minute at most and must have reached its host within another.
func (r *rig) queued(host int64) *db.Job {
	r.Helper()
	j, err := r.queue.Queue(r.Context(), job.Spec{
		HostID: host, Job: wire.Job{Action: wire.ActionExec, Timeout: 60, Exec: &wire.Exec{Script: "true"}}, ExpiresIn: time.Minute, Actor: "alice",
	})
	r.must(err)
	return j
}

// report sends what a heartbeat says of jobs and returns what it brings.
func (r *rig) report(host int64, has ...wire.JobProgress) job.Delivery {
	r.Helper()
	d, err := r.queue.Deliver(r.Context(), host, has)
	r.must(err)
	return d
}

func (r *rig) sweep() {
	r.Helper()
	r.must(r.queue.Sweep(r.Context(), name))
}

func running(id string) wire.JobProgress { return wire.JobProgress{ID: id, State: wire.JobRunning} }

func TestErrorCodesAreStates(t *testing.T) {
	r := newRig(t)
	for code, want := range map[int]db.JobState{
		wire.ErrCodeOK: db.JobSucceeded, wire.ErrCodeFailed: db.JobFailed, wire.ErrCodeTimeout: db.JobTimedOut, wire.ErrCodeCanceled: db.JobCanceled,
		wire.ErrCodeExpired: db.JobExpired, wire.ErrCodeUnknown: db.JobLost, wire.ErrCodeExitStatus: db.JobFailed, 999: db.JobFailed,
	} {
		j := r.queued(r.a)
		r.report(r.a)
		r.finish(r.a, wire.JobResult{ID: j.ID, ErrCode: code})
		r.wantState(j.ID, want)
	}
}

func TestNamedJobsAreNotSentAgain(t *testing.T) {
	r := newRig(t)
	j, k := r.queued(r.a), r.queued(r.a)
	if got := r.report(r.a).Jobs; len(got) != 2 {
		t.Fatalf("delivered %+v", got)
	}
	if got := r.report(r.a, running(j.ID)).Jobs; len(got) != 1 || got[0].ID != k.ID {
		t.Errorf("delivered %+v, want the one that the agent does not name", got)
	}
	started := r.wantState(j.ID, db.JobRunning).StartedAt
	r.wantState(k.ID, db.JobDelivered)
	r.clock.Advance(time.Second)
	allow := refuseUpdates(r)
	r.report(r.a, running(j.ID), running(k.ID+"x"), wire.JobProgress{ID: k.ID, State: wire.JobRunning}, running(r.queued(r.b).ID))
	allow()
	if got := r.wantState(j.ID, db.JobRunning); !got.StartedAt.Equal(*started) {
		t.Error("a job began twice")
	}
}

// refuseUpdates makes the database refuse that a job which runs is written again.
func refuseUpdates(r *rig) func() {
	r.Helper()
	return refuse(r, "UPDATE", "jobs", "OLD.state = 'running'")
}

func TestTimeThatIsLeftIsTold(t *testing.T) {
	r := newRig(t)
	r.queued(r.a)
	r.clock.Advance(20 * time.Second)
	if got := r.report(r.a).Jobs; len(got) != 1 || got[0].BeginWithin != 40 || got[0].Timeout != 60 {
		t.Errorf("delivered %+v", got)
	}
}

func TestWhatReachesNobodyExpires(t *testing.T) {
	r := newRig(t)
	j := r.queued(r.a)
	r.sweep()
	r.wantState(j.ID, db.JobQueued)
	r.clock.Advance(time.Minute)
	if got := r.report(r.a).Jobs; len(got) != 0 {
		t.Errorf("delivered %+v after its time", got)
	}
	r.sweep()
	if got := r.wantState(j.ID, db.JobExpired); got.ErrCode != wire.ErrCodeExpired || got.Message == "" || got.FinishedAt == nil {
		t.Errorf("got %+v", got)
	}
	r.finish(r.a, wire.JobResult{ID: j.ID})
	r.wantState(j.ID, db.JobExpired)
	forever := r.add(r.b, wire.ActionConfig)
	r.clock.Advance(1000 * time.Hour)
	r.sweep()
	r.wantState(forever.ID, db.JobQueued)
}

func TestSilentJobsAreLostAndLateResultsCorrectThat(t *testing.T) {
	r := newRig(t)
	j := r.queued(r.a)
	r.report(r.a)
	r.clock.Advance(2*time.Minute + grace - time.Second)
	r.sweep()
	r.wantState(j.ID, db.JobDelivered)
	r.clock.Advance(time.Second)
	r.sweep()
	if got := r.wantState(j.ID, db.JobLost); got.ErrCode != wire.ErrCodeUnknown {
		t.Errorf("got %+v", got)
	}
	r.finish(r.a, wire.JobResult{ID: j.ID, ErrCode: wire.ErrCodeUnknown, Message: "knows no more"})
	if got := r.wantState(j.ID, db.JobLost); got.Message == "knows no more" {
		t.Error("an agent that knows no more replaced what is known")
	}
	r.finish(r.a, wire.JobResult{ID: j.ID, Message: "it worked"})
	if got := r.wantState(j.ID, db.JobSucceeded); got.Message != "it worked" || got.ErrCode != 0 {
		t.Errorf("got %+v", got)
	}
	r.finish(r.a, wire.JobResult{ID: j.ID, ErrCode: 1})
	r.wantState(j.ID, db.JobSucceeded)
}

// TestAnOperationTellsOfItsJobsItself: thousands of hosts would fill the event log, and a late result would go unseen.
func TestAnOperationTellsOfItsJobsItself(t *testing.T) {
	r := newRig(t)
	o := &db.Operation{Kind: "command", State: db.Running, Parallel: 1}
	r.must(r.db.CreateOperation(t.Context(), o, []db.Task{{Name: "a", State: db.Running}}, nil))
	j, err := r.queue.Queue(t.Context(), job.Spec{HostID: r.a, OperationID: &o.ID, Job: wire.Job{Action: wire.ActionExec, Timeout: 60}, ExpiresIn: time.Minute})
	r.must(err)
	events := func() []db.Event {
		t.Helper()
		es, err := r.db.Events(t.Context(), db.EventQuery{Kind: event.JobFinished})
		r.must(err)
		return es
	}
	r.report(r.a)
	r.clock.Advance(2*time.Minute + grace)
	r.sweep()
	r.wantState(j.ID, db.JobLost)
	if es := events(); len(es) != 0 {
		t.Errorf("recorded %+v", es)
	}
	r.finish(r.a, wire.JobResult{ID: j.ID})
	if es := events(); len(es) != 1 || es[0].Params["state"] != "succeeded" || *es[0].OperationID != o.ID {
		t.Errorf("of a late result %+v is recorded", es)
	}
}

func TestAJobThatItsAgentNamesIsNotLost(t *testing.T) {
	r := newRig(t)
	j := r.queued(r.a)
	r.report(r.a)
	for range 4 {
		r.clock.Advance(2*time.Minute + grace)
		r.report(r.a, running(j.ID))
		r.sweep()
		r.wantState(j.ID, db.JobRunning)
	}
	r.report(r.a) // it has forgotten the job
	r.clock.Advance(grace)
	r.sweep()
	r.wantState(j.ID, db.JobLost)
}

func TestAServerThatWasDownListensFirst(t *testing.T) {
	r := newRig(t)
	j := r.queued(r.a)
	r.report(r.a)
	r.clock.Advance(time.Hour)
	r.start()
	r.sweep()
	r.wantState(j.ID, db.JobDelivered)
	r.report(r.a, running(j.ID))
	r.clock.Advance(grace - time.Second)
	r.sweep()
	r.wantState(j.ID, db.JobRunning)
}

func TestCancel(t *testing.T) {
	r := newRig(t)
	waiting, running1 := r.queued(r.a), r.queued(r.b)
	r.report(r.b)
	got, err := r.queue.Cancel(t.Context(), waiting.ID, "node")
	if err != nil || got.State != db.JobCanceled {
		t.Errorf("a queued job: %+v, %v", got, err)
	}
	if got := r.report(r.a).Jobs; len(got) != 0 {
		t.Errorf("a canceled job was delivered: %+v", got)
	}
	if _, err := r.queue.Cancel(t.Context(), waiting.ID, "node"); !errors.Is(err, job.ErrEnded) {
		t.Errorf("again: %v", err)
	}
	for range 2 {
		if got, err = r.queue.Cancel(t.Context(), running1.ID, "node"); err != nil || got.State != db.JobDelivered || got.CancelRequestedAt == nil {
			t.Errorf("a delivered job: %+v, %v", got, err)
		}
	}
	for range 2 {
		if d := r.report(r.b); len(d.Cancel) != 1 || d.Cancel[0] != running1.ID || len(d.Jobs) != 0 {
			t.Errorf("the agent is told %+v", d)
		}
	}
	r.finish(r.b, wire.JobResult{ID: running1.ID, ErrCode: wire.ErrCodeCanceled})
	r.wantState(running1.ID, db.JobCanceled)
	if d := r.report(r.b); len(d.Cancel) != 0 {
		t.Errorf("after its result the agent is told %+v", d)
	}
	if _, err := r.queue.Cancel(t.Context(), "unknown", "node"); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("an unknown job: %v", err)
	}
}

func TestAnswersAreBounded(t *testing.T) {
	r := newRig(t)
	large := wire.Job{Action: wire.ActionExec, Exec: &wire.Exec{Script: strings.Repeat("#", 300<<10)}}
	var ids []string
	for range 5 {
		j, err := r.queue.Add(t.Context(), r.a, large, "alice")
		r.must(err)
		ids = append(ids, j.ID)
	}
	first := r.report(r.a).Jobs
	if len(first) != 2 || first[0].ID != ids[0] {
		t.Fatalf("one answer brings %d jobs of 300 KB", len(first))
	}
	if next := r.report(r.a, running(ids[0]), running(ids[1])).Jobs; len(next) != 2 || next[0].ID != ids[2] {
		t.Errorf("the next brings %d", len(next))
	}
	for range 200 {
		r.queued(r.b)
	}
	if got := r.report(r.b).Jobs; len(got) != 64 {
		t.Errorf("one answer brings %d small jobs", len(got))
	}
}

func TestIdleHostsCostNoQuery(t *testing.T) {
	r := newRig(t)
	r.must(r.db.Close())
	if d, err := r.queue.Deliver(t.Context(), r.a, nil); err != nil || len(d.Jobs) != 0 {
		t.Errorf("a host without jobs needed the database: %v", err)
	}
}

func TestJobsOfAnOperationShareTheirPayload(t *testing.T) {
	r := newRig(t)
	o := &db.Operation{Kind: "command", State: db.Running, Parallel: 1}
	tasks := []db.Task{{Name: "a", State: db.Pending}}
	r.must(r.db.CreateOperation(t.Context(), o, tasks, nil))
	work := wire.Job{Action: wire.ActionExec, Timeout: 7, Exec: &wire.Exec{Script: "marker"}}
	r.must(r.db.CreateOperationJob(t.Context(), &db.OperationJob{OperationID: o.ID, Payload: work}))
	j, err := r.queue.Queue(t.Context(), job.Spec{HostID: r.a, OperationID: &o.ID, TaskID: &tasks[0].ID, Job: work, Shared: true})
	r.must(err)
	row, err := r.db.JobByID(t.Context(), j.ID)
	r.must(err)
	if row.Payload.Exec != nil || row.Timeout != 7 || row.Action != wire.ActionExec {
		t.Errorf("the row is %+v", row)
	}
	if got := r.report(r.a).Jobs; len(got) != 1 || got[0].Exec.Script != "marker" || got[0].ID != j.ID || got[0].Timeout != 7 {
		t.Errorf("delivered %+v", got)
	}
	again, err := r.queue.Queue(t.Context(), job.Spec{ID: j.ID, HostID: r.a, OperationID: &o.ID, TaskID: &tasks[0].ID, Job: work, Shared: true})
	if err != nil || again.State != db.JobDelivered {
		t.Errorf("queued a second time it is %+v, %v", again, err)
	}
	retry, err := r.queue.Queue(t.Context(), job.Spec{HostID: r.a, OperationID: &o.ID, TaskID: &tasks[0].ID, Job: work, Shared: true})
	r.must(err)
	if old, _ := r.db.Job(t.Context(), j.ID); !old.Superseded || retry.Superseded {
		t.Error("the retry's job does not replace the first one")
	}
}

func TestAwait(t *testing.T) {
	r := newRig(t)
	j := r.queued(r.a)
	done := make(chan db.JobState, 1)
	go func() {
		got, err := r.queue.Await(t.Context(), j.ID, func(j *db.Job) bool { return j.State.Ended() })
		if err != nil {
			t.Error(err)
			got = &db.Job{}
		}
		done <- got.State
	}()
	r.second().Close()
	other := r.second() // the result comes to another server
	r.report(r.a)
	r.must(other.Finish(t.Context(), r.a, "node", []wire.JobResult{{ID: j.ID}}))
	select {
	case got := <-done:
		if got != db.JobSucceeded {
			t.Errorf("it came back with %s", got)
		}
	case <-time.After(time.Minute):
		t.Fatal("nobody told the one who waits")
	}
}

func TestQueuedJobsAndCancellationsWakeTheirHost(t *testing.T) {
	r := newRig(t)
	woken := make(chan string, 10)
	cancel, err := r.bus.Subscribe(job.WakeTopic+".*", func(topic string, _ []byte) { woken <- topic })
	r.must(err)
	defer cancel()
	want := job.WakeTopic + "." + strconv.FormatInt(r.a, 10)
	next := func(what string) {
		t.Helper()
		select {
		case got := <-woken:
			if got != want {
				t.Errorf("%s woke %s, want %s", what, got, want)
			}
		case <-time.After(time.Minute):
			t.Fatalf("%s woke nobody", what)
		}
	}
	j := r.queued(r.a)
	next("a job")
	r.report(r.a)
	_, err = r.queue.Cancel(t.Context(), j.ID, "node")
	r.must(err)
	next("a cancellation")
}

// TestAJobOfAnotherServerIsDelivered: the mark that spares a query must know of it.
func TestAJobOfAnotherServerIsDelivered(t *testing.T) {
	r := newRig(t)
	other := r.second()
	woken := make(chan struct{}, 1)
	cancel, err := r.bus.Subscribe(job.WakeTopic+".*", func(string, []byte) { woken <- struct{}{} })
	r.must(err)
	defer cancel()
	if _, err := other.Add(t.Context(), r.a, wire.Job{Action: wire.ActionStart}, "alice"); err != nil {
		t.Fatal(err)
	}
	<-woken
	deadline := time.Now().Add(20 * time.Second)
	for len(r.report(r.a).Jobs) == 0 { // this queue's subscription is another one than the test's
		if time.Now().After(deadline) {
			t.Fatal("the job does not come")
		}
	}
}
