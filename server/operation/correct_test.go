package operation_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"hostler/db"
	"hostler/server/operation"
)

// lost is a kind whose first step works and whose second fails on the hosts that are named.
func lost(hosts ...string) operation.Kind {
	fails := map[string]bool{}
	for _, h := range hosts {
		fails[h] = true
	}
	return operation.Kind{Steps: []operation.Step{
		step("deliver", func(context.Context, *operation.Task) error { return nil }),
		step("run", func(_ context.Context, t *operation.Task) error {
			if fails[t.Name()] {
				return &operation.Failure{Code: "lost", Cause: "nobody knows"}
			}
			return nil
		}),
		step("confirm", func(context.Context, *operation.Task) error { return nil }),
	}}
}

func worked(_ context.Context, t *operation.Task) error {
	t.Logf("it has worked after all")
	return nil
}

// want checks that the database, the engine's summary and the operation's state agree.
func (r *rig) want(e *operation.Engine, id int64, state db.State, want map[db.State]int) {
	r.t.Helper()
	sum, err := e.Summarise(r.t.Context(), id)
	if err != nil || sum.State != state {
		r.t.Errorf("the operation is %s, want %s (%v)", sum.State, state, err)
	}
	for _, s := range []db.State{db.Pending, db.Running, db.Done, db.Failed, db.Skipped, db.Canceled} {
		if sum.Counts[s] != want[s] {
			r.t.Errorf("%d tasks are %s, want %d", sum.Counts[s], s, want[s])
		}
	}
}

func TestLateNewsCorrectsTheOperation(t *testing.T) {
	r := newRig(t)
	e := r.engine(lost("h1", "h2"))
	id := r.start(e, operation.Spec{Parallel: 3}, names(3)...)
	r.await(id, db.Failed)
	ended, err := r.db.Operation(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	h1, h2 := r.tasks(id)["h1"], r.tasks(id)["h2"]
	stands := func(context.Context, *operation.Task) error { return operation.ErrStands }
	for _, c := range []struct {
		task  db.Task
		judge func(context.Context, *operation.Task) error
		state db.State
		want  map[db.State]int
	}{
		{h1, stands, db.Failed, map[db.State]int{db.Done: 1, db.Failed: 2}},
		{h1, worked, db.Failed, map[db.State]int{db.Done: 2, db.Failed: 1}},
		{h1, worked, db.Failed, map[db.State]int{db.Done: 2, db.Failed: 1}},
		{h2, func(context.Context, *operation.Task) error {
			return &operation.Failure{Code: "exit", Cause: "it ended with 3"}
		}, db.Failed, map[db.State]int{db.Done: 2, db.Failed: 1}},
	} {
		if err := e.Correct(t.Context(), id, c.task.ID, c.judge); err != nil {
			t.Fatal(err)
		}
		r.want(e, id, c.state, c.want)
	}
	if got := r.tasks(id)["h2"]; got.Problem.Code != "exit" || got.State != db.Failed {
		t.Errorf("the other failure is %+v", got.Problem)
	}
	if err := e.Correct(t.Context(), id, h2.ID, worked); err != nil {
		t.Fatal(err)
	}
	r.want(e, id, db.Done, map[db.State]int{db.Done: 3})
	got, err := r.db.Operation(t.Context(), id)
	if err != nil || !got.FinishedAt.Equal(*ended.FinishedAt) {
		t.Errorf("the operation ended at %v, then at %v (%v)", ended.FinishedAt, got.FinishedAt, err)
	}
	steps, err := r.db.StepsOf(t.Context(), []int64{h2.ID})
	if err != nil || len(steps[h2.ID]) != 3 {
		t.Fatalf("the steps are %+v, %v", steps, err)
	}
	for _, s := range steps[h2.ID] {
		if s.State != db.Done {
			t.Errorf("the step %s is %s", s.Name, s.State)
		}
	}
}

// TestNewsOfWhatWasRetriedChangesNothing: what somebody decided meanwhile counts.
func TestNewsOfWhatWasRetriedChangesNothing(t *testing.T) {
	r := newRig(t)
	e := r.engine(lost("h0", "h1"))
	id := r.start(e, operation.Spec{Parallel: 2}, names(2)...)
	r.await(id, db.Failed)
	h0 := r.tasks(id)["h0"].ID
	if _, err := e.Skip(t.Context(), id, []int64{h0}); err != nil {
		t.Fatal(err)
	}
	judged := false
	err := e.Correct(t.Context(), id, h0, func(context.Context, *operation.Task) error { judged = true; return nil })
	if err != nil || judged {
		t.Errorf("a task that was taken out was judged: %t, %v", judged, err)
	}
	r.want(e, id, db.Failed, map[db.State]int{db.Skipped: 1, db.Failed: 1})
}

// TestCorrectionsAmongCommands has many people and results at one operation: counts must be what the tasks are.
func TestCorrectionsAmongCommands(t *testing.T) {
	r := newRig(t)
	all := names(24)
	e := r.engine(lost(all...))
	id := r.start(e, operation.Spec{Parallel: 8}, all...)
	r.await(id, db.Failed)
	tasks := r.tasks(id)
	var wg sync.WaitGroup
	for i, name := range all {
		task := tasks[name].ID
		wg.Go(func() {
			if err := e.Correct(t.Context(), id, task, worked); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			var err error
			switch i % 3 {
			case 0:
				_, err = e.Retry(t.Context(), id, []int64{task}, nil, "alice")
			case 1:
				_, err = e.Skip(t.Context(), id, []int64{task})
			default:
				_, err = e.Cancel(t.Context(), id, nil, "alice")
			}
			if err != nil && !errors.Is(err, operation.ErrNothingToDo) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	r.awaitEnd(id)
	sum, err := e.Summarise(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	want := db.Done
	if sum.Counts[db.Failed] > 0 {
		want = db.Failed
	}
	if sum.State != want || sum.Counts[db.Done] == 0 {
		t.Errorf("the operation is %s with %v", sum.State, sum.Counts)
	}
	// Memory is as the database: one more correction adds up to the same.
	for _, task := range r.tasks(id) {
		if task.State == db.Failed {
			if err := e.Correct(t.Context(), id, task.ID, worked); err != nil {
				t.Fatal(err)
			}
		}
	}
	r.await(id, db.Done)
}

func TestAFailureThatWasNoneIsNotCounted(t *testing.T) {
	r := newRig(t)
	begun, gate := make(chan struct{}), make(chan struct{})
	kind := operation.Kind{Steps: []operation.Step{step("run", func(ctx context.Context, t *operation.Task) error {
		if t.Name() == "h0" {
			return &operation.Failure{Code: "lost", Cause: "nobody knows"}
		}
		if t.Name() == "h1" {
			close(begun)
			select {
			case <-gate:
			case <-ctx.Done():
				return ctx.Err()
			}
			return errors.New("broken")
		}
		return nil
	})}}
	e := r.engine(kind)
	id := r.start(e, operation.Spec{Parallel: 1, MaxFailures: 2}, names(4)...)
	<-begun
	if err := e.Correct(t.Context(), id, r.tasks(id)["h0"].ID, worked); err != nil {
		t.Fatal(err)
	}
	close(gate)
	r.await(id, db.Failed)
	r.want(e, id, db.Failed, map[db.State]int{db.Done: 3, db.Failed: 1})
}
