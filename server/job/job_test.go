package job_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/db/dbtest"
	"hostler/internal/testclock"
	"hostler/server/event"
	"hostler/server/job"
)

// rig is a queue with its parts and two hosts.
type rig struct {
	*testing.T
	db     *db.DB
	url    string // of db
	bus    *event.Bus
	clock  *testclock.Clock
	queue  *job.Queue
	a, b   int64
	topics <-chan string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	bus, err := event.OpenBus("", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(bus.Close)
	url := dbtest.Migrated(t)
	r := &rig{T: t, db: dbtest.OpenURL(t, url), url: url, bus: bus, clock: testclock.New(db.Now())}
	topics := make(chan string, 100)
	cancel, err := bus.Subscribe("jobs.*", func(topic string, _ []byte) { topics <- topic })
	r.must(err)
	t.Cleanup(cancel)
	r.topics = topics
	for name, id := range map[string]*int64{"a": &r.a, "b": &r.b} {
		h := &db.Host{AgentSN: name, Name: name, State: db.HostHealthy}
		r.must(r.db.UpsertHost(t.Context(), h))
		*id = h.ID
	}
	r.start()
	return r
}

// start makes the queue as a server does that has just started.
func (r *rig) start() {
	r.Helper()
	log := slog.New(slog.DiscardHandler)
	q, err := job.NewQueue(r.Context(), r.db, r.bus, event.NewLog(r.db, r.bus, log), log, r.clock.Now)
	r.must(err)
	r.Cleanup(q.Close)
	r.queue = q
}

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func (r *rig) add(host int64, action string) *db.Job {
	r.Helper()
	j, err := r.queue.Add(r.Context(), host, wire.Job{ID: "ignored", Action: action, Name: "web", Envs: map[string]string{"A": "1"}}, "alice")
	r.must(err)
	r.published()
	return j
}

// published waits until a change was published.
func (r *rig) published() {
	r.Helper()
	select {
	case <-r.topics:
	case <-time.After(time.Minute):
		r.Fatal("nothing was published")
	}
}

// delivered lists what a heartbeat of a host brings.
func (r *rig) delivered(host int64) []string {
	r.Helper()
	work, err := r.queue.Deliver(r.Context(), host, nil)
	r.must(err)
	ids := []string{}
	for _, j := range work.Jobs {
		if j.Name != "web" || j.Envs["A"] != "1" {
			r.Errorf("delivered %+v", j)
		}
		ids = append(ids, j.ID)
	}
	return ids
}

func (r *rig) finish(host int64, results ...wire.JobResult) {
	r.Helper()
	r.must(r.queue.Finish(r.Context(), host, "node", results))
}

func (r *rig) wantState(id string, want db.JobState) *db.Job {
	r.Helper()
	j, err := r.db.JobByID(r.Context(), id)
	r.must(err)
	if j.State != want {
		r.Errorf("the job is %s, want %s", j.State, want)
	}
	return j
}

func (r *rig) wantDelivered(host int64, want ...*db.Job) {
	r.Helper()
	got := r.delivered(host)
	ids := []string{}
	for _, j := range want {
		ids = append(ids, j.ID)
	}
	if g, w := strings.Join(got, " "), strings.Join(ids, " "); g != w {
		r.Errorf("delivered %q, want %q", g, w)
	}
}

func TestDeliveredUntilAResultArrives(t *testing.T) {
	r := newRig(t)
	r.wantDelivered(r.a)
	j := r.add(r.a, "start")
	if j.ID == "ignored" || j.CreatedBy != "alice" {
		t.Errorf("queued %+v", j)
	}
	r.wantState(j.ID, db.JobQueued)
	for range 3 {
		r.wantDelivered(r.a, j)
	}
	r.wantDelivered(r.b)
	first := r.wantState(j.ID, db.JobDelivered).DeliveredAt
	if first == nil {
		t.Error("the first delivery was not noted")
	}
	r.finish(r.a, wire.JobResult{ID: j.ID, Message: "done"})
	if got := r.wantState(j.ID, db.JobSucceeded); got.Message != "done" || got.FinishedAt == nil || !got.DeliveredAt.Equal(*first) {
		t.Errorf("got %+v", got)
	}
	for range 2 { // the second does not ask the database
		r.wantDelivered(r.a)
	}
	k := r.add(r.a, "stop")
	r.wantDelivered(r.a, k)
}

func TestJobsKeepTheirOrder(t *testing.T) {
	r := newRig(t)
	jobs := make([]*db.Job, 30)
	for i := range jobs {
		jobs[i] = r.add(r.a, fmt.Sprint("step", i))
	}
	r.wantDelivered(r.a, jobs...)
}

func TestFinishedOnce(t *testing.T) {
	r := newRig(t)
	j := r.add(r.a, "start")
	r.finish(r.a, wire.JobResult{ID: j.ID, ErrCode: 1, Message: "broken"})
	r.finish(r.a, wire.JobResult{ID: j.ID, Message: "sent again"}, wire.JobResult{ID: "unknown"})
	if got := r.wantState(j.ID, db.JobFailed); got.ErrCode != 1 || got.Message != "broken" {
		t.Errorf("a later result replaced the first: %+v", got)
	}
	es, err := r.db.Events(t.Context(), db.EventQuery{HostID: r.a})
	r.must(err)
	if len(es) != 1 || es[0].Kind != event.JobFinished || es[0].Severity != db.SeverityWarning || es[0].Params["job"] != j.ID ||
		es[0].Params["errcode"] != "1" || es[0].Params["message"] != "broken" || es[0].Params["host"] != "node" {
		t.Errorf("events %+v", es)
	}
}

func TestAnotherHostsJobIsUntouched(t *testing.T) {
	r := newRig(t)
	mine, theirs := r.add(r.a, "start"), r.add(r.b, "start")
	r.finish(r.b, wire.JobResult{ID: mine.ID, Message: "forged"}, wire.JobResult{ID: theirs.ID})
	if got := r.wantState(mine.ID, db.JobQueued); got.Message != "" {
		t.Errorf("got %+v", got)
	}
	r.wantState(theirs.ID, db.JobSucceeded)
	r.wantDelivered(r.a, mine)
	r.wantDelivered(r.b)
}

func TestARestartKeepsJobs(t *testing.T) {
	r := newRig(t)
	queued, delivered, done := r.add(r.a, "start"), r.add(r.b, "start"), r.add(r.b, "stop")
	r.wantDelivered(r.b, delivered, done)
	r.finish(r.b, wire.JobResult{ID: done.ID})
	r.start()
	r.wantDelivered(r.a, queued)
	r.wantDelivered(r.b, delivered)
}

func TestLongMessagesAreCut(t *testing.T) {
	r := newRig(t)
	j := r.add(r.a, "start")
	r.finish(r.a, wire.JobResult{ID: j.ID, Message: "xx" + strings.Repeat("错", 40_000)})
	got := r.wantState(j.ID, db.JobSucceeded).Message
	if len(got) > 64<<10 || len(got) < 60<<10 || !utf8.ValidString(got) {
		t.Errorf("kept %d bytes, valid %t", len(got), utf8.ValidString(got))
	}
}

func TestFailuresOfTheDatabaseAreTold(t *testing.T) {
	r := newRig(t)
	j := r.add(r.a, "start")
	if _, err := r.queue.Add(t.Context(), 999, wire.Job{Action: "start"}, ""); err == nil {
		t.Error("a job for a host that is not there was queued")
	}
	empty := dbtest.OpenURL(t, "sqlite:"+t.TempDir()+"/empty.db")
	if _, err := job.NewQueue(t.Context(), empty, r.bus, nil, slog.New(slog.DiscardHandler), db.Now); err == nil {
		t.Error("a queue was made of a database without tables")
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.queue.Finish(canceled, r.a, "node", []wire.JobResult{{ID: j.ID}}); err == nil {
		t.Error("a result that cannot be stored was acknowledged")
	}
	r.wantDelivered(r.a, j)
}

func TestTooManyResults(t *testing.T) {
	r := newRig(t)
	j := r.add(r.a, "run")
	results := []wire.JobResult{{ID: j.ID}}
	for len(results) <= job.MaxResults {
		results = append(results, wire.JobResult{ID: fmt.Sprint("unknown", len(results))})
	}
	var refused *wire.Error
	if err := r.queue.Finish(t.Context(), r.a, "node", results); !errors.As(err, &refused) || refused.Code != "too_many_results" {
		t.Errorf("%d results: %v", len(results), err)
	}
	r.wantState(j.ID, db.JobQueued)
	r.finish(r.a, results[:job.MaxResults]...)
	r.wantState(j.ID, db.JobSucceeded)
}

func TestResultsAreStoredTogether(t *testing.T) {
	r := newRig(t)
	a, b := r.add(r.a, "run"), r.add(r.a, "run")
	results := []wire.JobResult{{ID: a.ID}, {ID: b.ID, Message: "the second"}}
	allow := dbtest.Refuse(t, r.url, "UPDATE", "jobs", "NEW.message <> ''")
	if err := r.queue.Finish(t.Context(), r.a, "node", results); err == nil {
		t.Error("results that were not stored are acknowledged")
	}
	r.wantState(a.ID, db.JobQueued)
	allow()
	r.finish(r.a, results...)
	r.wantState(a.ID, db.JobSucceeded)
	r.wantState(b.ID, db.JobSucceeded)
}

// refuse makes the database refuse a statement, see dbtest.Refuse.
func refuse(r *rig, verb, table, when string) (allow func()) {
	r.Helper()
	return dbtest.Refuse(r, r.url, verb, table, when)
}
