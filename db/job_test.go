package db_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/db/dbtest"
)

// mustHost registers a host.
func mustHost(t *testing.T, d *db.DB, name string) int64 {
	t.Helper()
	h := &db.Host{AgentSN: "sn-" + name, Name: name, State: db.HostHealthy}
	must(t, d.UpsertHost(t.Context(), h))
	return h.ID
}

func mustJob(t *testing.T, d *db.DB, j db.Job) {
	t.Helper()
	if j.CreatedAt.IsZero() {
		j.CreatedAt = db.Now()
	}
	created, err := d.CreateJob(t.Context(), &j)
	if err != nil || !created {
		t.Fatalf("job %s: created %t, %v", j.ID, created, err)
	}
}

func TestOutcomesGroupWhatIsAlike(t *testing.T) {
	d := dbtest.Open(t)
	o := &db.Operation{Kind: "command", State: db.Running, Parallel: 1}
	tasks := make([]db.Task, 8)
	for i := range tasks {
		tasks[i] = db.Task{Name: fmt.Sprint("node", i), State: db.Running}
	}
	must(t, d.CreateOperation(t.Context(), o, tasks, nil))
	job := func(i int, id string, state db.JobState) {
		mustJob(t, d, db.Job{ID: id, HostID: mustHost(t, d, fmt.Sprint("node", i)), Action: "exec", State: state, OperationID: &o.ID, TaskID: &tasks[i].ID, Keep: 1 << 20})
	}
	finish := func(i int, id, output string, code, status int) {
		host := mustHost(t, d, fmt.Sprint("node", i))
		if output != "" {
			_, _, err := d.AppendOutput(t.Context(), host, id, []wire.OutputChunk{{Job: id, Stream: wire.Stdout, Data: []byte(output)}})
			must(t, err)
		}
		recorded, err := d.FinishJob(t.Context(), host, wire.JobResult{ID: id, ErrCode: code, ExitCode: &status, Message: "of " + id}, db.Now())
		if err != nil || !recorded {
			t.Fatalf("the result of %s: %t, %v", id, recorded, err)
		}
		must(t, d.HashOutput(t.Context(), id))
	}
	for i := range 7 {
		job(i, fmt.Sprint("j", i), db.JobQueued)
	}
	for i := range 4 {
		finish(i, fmt.Sprint("j", i), "alike", 0, 0)
	}
	finish(4, "j4", "other", 0, 0)
	finish(5, "j5", "", wire.ErrCodeExitStatus, 1)
	job(5, "j7", db.JobQueued) // a retry: the failure does not count any more
	all, rest, err := d.Outcomes(t.Context(), o.ID, 2, 3)
	must(t, err)
	if rest != 1 || len(all) != 2 {
		t.Fatalf("%d groups and %d jobs besides: %+v", len(all), rest, all)
	}
	first := all[0]
	if first.Count != 4 || len(first.Jobs) != 3 || first.Jobs[0].ID != "j0" || first.Jobs[0].Host != "node0" || first.Jobs[0].Message != "of j0" ||
		first.State != db.JobSucceeded || *first.ExitCode != 0 || first.OutputHash == "" {
		t.Errorf("the largest group is %+v", first)
	}
	if second := all[1]; second.Count != 2 || second.State != db.JobQueued || second.ExitCode != nil || second.OutputHash != "" {
		t.Errorf("the next is %+v", second)
	}
}

func TestJobsPageByID(t *testing.T) {
	d := dbtest.Open(t)
	a, b := mustHost(t, d, "a"), mustHost(t, d, "b")
	for i := range 10 {
		j := db.Job{ID: fmt.Sprintf("j%02d", i), HostID: a, Action: "exec", State: db.JobQueued, Payload: wire.Job{Name: "large"}}
		if i%2 == 1 {
			j.HostID, j.Action, j.State = b, "push", db.JobFailed
		}
		mustJob(t, d, j)
	}
	for name, c := range map[string]struct {
		q    db.JobQuery
		want []string
	}{
		"a page":    {db.JobQuery{Limit: 2}, []string{"j09", "j08"}},
		"the next":  {db.JobQuery{Limit: 2, Before: "j08"}, []string{"j07", "j06"}},
		"a host's":  {db.JobQuery{HostID: a, Limit: 2}, []string{"j08", "j06"}},
		"failed":    {db.JobQuery{State: db.JobFailed, Before: "j05"}, []string{"j03", "j01"}},
		"an action": {db.JobQuery{Action: "push", HostID: a}, nil},
	} {
		js, err := d.Jobs(t.Context(), c.q)
		must(t, err)
		var ids []string
		for _, j := range js {
			ids = append(ids, j.ID)
			if j.Payload.Name != "" {
				t.Error("a list reads payloads")
			}
		}
		if !slices.Equal(ids, c.want) {
			t.Errorf("%s: got %v, want %v", name, ids, c.want)
		}
	}
	counts, err := d.CountOpenJobs(t.Context())
	if err != nil || len(counts) != 1 || counts[0] != (db.JobCount{Action: "exec", State: db.JobQueued, N: 5}) {
		t.Errorf("counted %+v, %v", counts, err)
	}
}

func TestOldJobsGoWithTheirOutput(t *testing.T) {
	d, now := dbtest.Open(t), db.Now()
	host := mustHost(t, d, "a")
	o := &db.Operation{Kind: "command", State: db.Running, Parallel: 1}
	must(t, d.CreateOperation(t.Context(), o, []db.Task{{Name: "a", State: db.Running}}, nil))
	long := now.Add(-100 * time.Hour)
	for id, j := range map[string]db.Job{
		"old": {State: db.JobSucceeded}, "open": {State: db.JobQueued}, "running": {State: db.JobFailed, OperationID: &o.ID}, "young": {State: db.JobFailed, FinishedAt: &now},
	} {
		j.ID, j.HostID, j.Keep = id, host, 100
		if j.FinishedAt == nil {
			j.FinishedAt = &long
		}
		if j.CreatedAt.IsZero() {
			j.CreatedAt = long
		}
		mustJob(t, d, j)
		_, _, err := d.AppendOutput(t.Context(), host, id, []wire.OutputChunk{{Stream: wire.Stdout, Data: []byte("x")}})
		must(t, err)
	}
	gone, err := d.DeleteJobsBefore(t.Context(), now.Add(-time.Hour), 10)
	if err != nil || gone != 1 {
		t.Errorf("deleted %d, %v", gone, err)
	}
	if _, err := d.Job(t.Context(), "old"); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("the old job: %v", err)
	}
	if pieces, _, err := d.ReadOutput(t.Context(), "old", wire.Stdout, 0, 100); err != nil || len(pieces) != 0 {
		t.Errorf("its output is still there: %v, %v", pieces, err)
	}
	if pieces, _, err := d.ReadOutput(t.Context(), "open", wire.Stdout, 0, 100); err != nil || len(pieces) != 1 {
		t.Errorf("another's output: %v, %v", pieces, err)
	}
}

func TestWhatOldOperationsDidIsForgotten(t *testing.T) {
	d, now := dbtest.Open(t), db.Now()
	long := now.Add(-100 * time.Hour)
	for i, finished := range []*time.Time{&long, &now, nil} {
		o := &db.Operation{Kind: "command", State: db.Done, Parallel: 1, FinishedAt: finished}
		must(t, d.CreateOperation(t.Context(), o, []db.Task{{Name: "a", State: db.Done}}, func(tx *db.DB) error {
			return tx.CreateOperationJob(t.Context(), &db.OperationJob{OperationID: o.ID, Payload: wire.Job{Action: "exec"}})
		}))
		if o.ID != int64(i+1) {
			t.Fatalf("operation %d has the number %d", i, o.ID)
		}
	}
	if n, err := d.DeleteOperationJobsBefore(t.Context(), now.Add(-time.Hour)); n != 1 || err != nil {
		t.Errorf("deleted %d, %v", n, err)
	}
	for id, there := range map[int64]bool{1: false, 2: true, 3: true} {
		if _, err := d.OperationJob(t.Context(), id); errors.Is(err, db.ErrNotFound) == there {
			t.Errorf("operation %d: %v", id, err)
		}
	}
}

func TestOutputReadsFromAnyOffset(t *testing.T) {
	d := dbtest.Open(t)
	host := mustHost(t, d, "a")
	mustJob(t, d, db.Job{ID: "j", HostID: host, Keep: 16 << 20})
	var all []byte
	for i := range 40 {
		body := slices.Repeat([]byte{byte('a' + i%26)}, 1000+i)
		_, _, err := d.AppendOutput(t.Context(), host, "j", []wire.OutputChunk{{Stream: wire.Stderr, Offset: int64(len(all)), Data: body}})
		must(t, err)
		all = append(all, body...)
	}
	for _, offset := range []int64{-5, 0, 1, 999, 1000, 20_500, int64(len(all)) - 1, int64(len(all)), int64(len(all)) + 5} {
		var got []byte
		next := offset
		for {
			pieces, after, err := d.ReadOutput(t.Context(), "j", wire.Stderr, next, 3000)
			must(t, err)
			if len(pieces) == 0 {
				break
			}
			for _, p := range pieces {
				got = append(got, p.Body...)
			}
			next = after
		}
		if want := all[min(max(0, offset), int64(len(all))):]; !slices.Equal(got, want) {
			t.Errorf("from %d: got %d bytes, want %d", offset, len(got), len(want))
		}
	}
	if _, _, err := d.AppendOutput(t.Context(), host+1, "j", []wire.OutputChunk{{Stream: wire.Stdout, Data: []byte("x")}}); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("another host's output: %v", err)
	}
}

func TestFilesStayAsLongAsAJobNamesThem(t *testing.T) {
	d, now := dbtest.Open(t), db.Now()
	host := mustHost(t, d, "a")
	long := now.Add(-48 * time.Hour)
	for _, sum := range []string{"named", "unused", "fresh"} {
		f := &db.File{Checksum: sum, Size: 1, CreatedAt: long, UsedAt: long}
		if sum == "fresh" {
			f.UsedAt = now
		}
		must(t, d.CreateFile(t.Context(), f))
	}
	must(t, d.CreateFile(t.Context(), &db.File{Checksum: "fresh", CreatedAt: now, UsedAt: now}))
	mustJob(t, d, db.Job{ID: "j", HostID: host, Content: "named"})
	since := now.Add(-24 * time.Hour)
	sums, err := d.UnusedFiles(t.Context(), since, 10)
	if err != nil || !slices.Equal(sums, []string{"unused"}) {
		t.Errorf("unused are %v, %v", sums, err)
	}
	if _, err := d.UseFile(t.Context(), "unused", now); err != nil {
		t.Error(err)
	}
	for _, sum := range []string{"unused", "named", "fresh"} {
		if gone, err := d.DeleteUnusedFile(t.Context(), sum, since); gone || err != nil {
			t.Errorf("%s was removed: %t, %v", sum, gone, err)
		}
	}
	if _, err := d.UseFile(t.Context(), "nothing", now); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestChildAgentsPageByName(t *testing.T) {
	d := dbtest.Open(t)
	a, b := mustHost(t, d, "a"), mustHost(t, d, "b")
	code := 3
	child := func(host int64, name string, status wire.ChildState) db.ChildAgent {
		return db.ChildAgent{
			HostID: host, Name: name, Status: status, SeenAt: db.Now(), Reason: "why", Restarts: 2, Limits: &wire.Limits{CPU: "10%"},
			LastExit: &wire.Exit{Time: 5, Code: &code}, CPU: 99, Memory: 99,
		}
	}
	must(t, d.ReplaceChildren(t.Context(), a, []db.ChildAgent{child(a, "web", wire.ChildRunning), child(a, "db", wire.ChildFatal)}))
	must(t, d.ReplaceChildren(t.Context(), b, []db.ChildAgent{child(b, "web", wire.ChildFatal)}))
	first, next, err := d.ChildAgents(t.Context(), db.ChildQuery{Limit: 2})
	must(t, err)
	if len(first) != 2 || first[0].Name != "db" || first[1].HostID != a || next == nil {
		t.Fatalf("the first page is %+v, next %v", first, next)
	}
	if c := first[1]; c.Limits.CPU != "10%" || *c.LastExit.Code != 3 || c.Restarts != 2 || c.Reason != "why" || c.CPU != 0 {
		t.Errorf("a child agent is %+v", c)
	}
	second, next, err := d.ChildAgents(t.Context(), db.ChildQuery{Limit: 2, After: *next})
	if err != nil || len(second) != 1 || second[0].HostID != b || next != nil {
		t.Errorf("the second page is %+v, next %v, %v", second, next, err)
	}
	for name, c := range map[string]struct {
		q    db.ChildQuery
		want int
	}{"name": {db.ChildQuery{Name: "web"}, 2}, "status": {db.ChildQuery{Status: wire.ChildFatal}, 2}, "host": {db.ChildQuery{HostID: b}, 1}} {
		if got, _, err := d.ChildAgents(t.Context(), c.q); err != nil || len(got) != c.want {
			t.Errorf("by %s: %d, %v", name, len(got), err)
		}
	}
}

func TestEventsByKindAndChild(t *testing.T) {
	d := dbtest.Open(t)
	uid := "1/a"
	for _, e := range []db.Event{
		{Kind: "child.fatal", Child: "web", UID: &uid}, {Kind: "child.exited", Child: "db"}, {Kind: "childish.thing", Child: "web"}, {Kind: "host.lost"},
	} {
		e.Time, e.Severity = db.Now(), db.SeverityInfo
		must(t, d.CreateEvents(t.Context(), []db.Event{e}))
	}
	for name, c := range map[string]struct {
		q    db.EventQuery
		want int
	}{
		"first word": {db.EventQuery{Kind: "child"}, 2}, "whole kind": {db.EventQuery{Kind: "child.fatal"}, 1}, "no kind": {db.EventQuery{Kind: "child.f"}, 0},
		"child": {db.EventQuery{Child: "web"}, 2}, "both": {db.EventQuery{Kind: "child", Child: "web"}, 1},
	} {
		if es, err := d.Events(t.Context(), c.q); err != nil || len(es) != c.want {
			t.Errorf("by %s: %d events, %v; want %d", name, len(es), err, c.want)
		}
	}
	again := []db.Event{{Time: db.Now(), Kind: "child.fatal", Severity: db.SeverityInfo, UID: &uid}}
	if err := d.CreateEvents(t.Context(), again); !errors.Is(err, db.ErrDuplicate) {
		t.Errorf("an event that is known already: %v", err)
	}
	if known, err := d.KnownEvents(t.Context(), []string{uid, "2/b"}); err != nil || !known[uid] || len(known) != 1 {
		t.Errorf("known are %v, %v", known, err)
	}
}
