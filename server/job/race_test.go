package job_test

import (
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/event"
	"hostler/server/job"
)

// second is a queue of another server on the same database.
func (r *rig) second() *job.Queue {
	r.Helper()
	log := slog.New(slog.DiscardHandler)
	q, err := job.NewQueue(r.Context(), r.db, r.bus, event.NewLog(r.db, r.bus, log), log, r.clock.Now)
	r.must(err)
	r.Cleanup(q.Close)
	return q
}

// TestServersAtOnce lets two servers do different things to the same jobs at once. Whatever comes first, a job ends
// once, in the state that its event tells.
func TestServersAtOnce(t *testing.T) {
	const n = 40
	for what, do := range map[string]struct {
		advance time.Duration
		first   func(r *rig, id string) error
		second  func(r *rig, q *job.Queue, id string) error
		allowed []db.JobState
	}{
		"two results": {
			first: func(r *rig, id string) error {
				return r.queue.Finish(r.Context(), r.a, "node", []wire.JobResult{{ID: id}})
			},
			second: func(r *rig, q *job.Queue, id string) error {
				return q.Finish(r.Context(), r.a, "node", []wire.JobResult{{ID: id, ErrCode: 1}})
			},
			allowed: []db.JobState{db.JobSucceeded, db.JobFailed},
		},
		"a result and a cancellation": {
			first: func(r *rig, id string) error {
				return r.queue.Finish(r.Context(), r.a, "node", []wire.JobResult{{ID: id}})
			},
			second: func(r *rig, q *job.Queue, id string) error {
				if _, err := q.Cancel(r.Context(), id, "node"); !errors.Is(err, job.ErrEnded) {
					return err
				}
				return nil
			},
			allowed: []db.JobState{db.JobSucceeded},
		},
		"a result and the end of its time": {
			advance: 2*time.Minute + grace,
			first: func(r *rig, id string) error {
				return r.queue.Finish(r.Context(), r.a, "node", []wire.JobResult{{ID: id}})
			},
			second:  func(r *rig, q *job.Queue, _ string) error { return q.Sweep(r.Context(), name) },
			allowed: []db.JobState{db.JobSucceeded},
		},
	} {
		t.Run(what, func(t *testing.T) {
			r := newRig(t)
			other := r.second()
			ids := make([]string, n)
			for i := range ids {
				ids[i] = r.queued(r.a).ID
			}
			r.report(r.a)
			r.clock.Advance(do.advance)
			var wg sync.WaitGroup
			for _, id := range ids {
				for _, f := range []func() error{func() error { return do.first(r, id) }, func() error { return do.second(r, other, id) }} {
					wg.Go(func() {
						if err := f(); err != nil {
							t.Error(err)
						}
					})
				}
			}
			wg.Wait()
			for _, id := range ids {
				j, err := r.db.Job(t.Context(), id)
				r.must(err)
				ok := false
				for _, s := range do.allowed {
					ok = ok || j.State == s
				}
				if !ok {
					t.Errorf("a job is %s", j.State)
				}
			}
			es, err := r.db.Events(t.Context(), db.EventQuery{Kind: "job", Limit: 500})
			r.must(err)
			last := map[string]string{}
			for _, e := range es { // newest first
				if _, told := last[e.Params["job"]]; !told {
					last[e.Params["job"]] = e.Params["state"]
				}
			}
			for _, id := range ids {
				if j, _ := r.db.Job(t.Context(), id); last[id] != string(j.State) && last[id] != string(db.JobLost) {
					t.Errorf("the event says %q, the job is %s", last[id], j.State)
				}
			}
		})
	}
}

// TestDeliveryAgainstCancellation never hands over what was canceled before.
func TestDeliveryAgainstCancellation(t *testing.T) {
	r := newRig(t)
	other := r.second()
	for range 30 {
		j := r.queued(r.a)
		var wg sync.WaitGroup
		var d job.Delivery
		wg.Go(func() {
			var err error
			if d, err = r.queue.Deliver(t.Context(), r.a, nil); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if _, err := other.Cancel(t.Context(), j.ID, "node"); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
		got, err := r.db.Job(t.Context(), j.ID)
		r.must(err)
		if delivered := len(d.Jobs) > 0; delivered == (got.State == db.JobCanceled) {
			t.Fatalf("delivered: %t, and the job is %s", delivered, got.State)
		}
		r.finish(r.a, wire.JobResult{ID: j.ID})
	}
}
