package operation_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"hostler/db"
	"hostler/server/operation"
)

// watch notes which tasks run together.
type watch struct {
	mu      sync.Mutex
	running map[string]int // with their batch
	mixed   bool
	most    int
}

func (w *watch) begin(name string, batch int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, other := range w.running {
		w.mixed = w.mixed || other != batch
	}
	w.running[name] = batch
	w.most = max(w.most, len(w.running))
}

func (w *watch) end(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.running, name)
}

func TestABatchEndsBeforeTheNextBegins(t *testing.T) {
	r := newRig(t)
	w := &watch{running: map[string]int{}}
	batches := map[string]int{}
	for i, name := range names(23) {
		batches[name] = i/5 + 1
	}
	var failing atomic.Bool
	failing.Store(true)
	e := r.engine(operation.Kind{Steps: []operation.Step{step("s", func(_ context.Context, t *operation.Task) error {
		w.begin(t.Name(), batches[t.Name()])
		defer w.end(t.Name())
		if failing.Load() && (t.Name() == "h1" || t.Name() == "h20") {
			return errors.New("not yet")
		}
		return nil
	})}})
	id := r.start(e, operation.Spec{Parallel: 4, Batch: 5}, names(23)...)
	r.await(id, db.Failed)
	if w.mixed || w.most > 4 {
		t.Errorf("batches ran together: %t; %d tasks at a time", w.mixed, w.most)
	}
	for name, task := range r.tasks(id) {
		if task.Batch != batches[name] {
			t.Errorf("%s is in batch %d, want %d", name, task.Batch, batches[name])
		}
	}
	failing.Store(false)
	if n, err := e.Retry(t.Context(), id, nil, nil, "alice"); n != 2 || err != nil {
		t.Fatalf("retry: %d, %v", n, err)
	}
	r.await(id, db.Done)
	if w.mixed {
		t.Error("the retry ran two batches together")
	}
}

func TestARestartKeepsBatchesApart(t *testing.T) {
	r := newRig(t)
	w := &watch{running: map[string]int{}}
	batches := map[string]int{"h0": 1, "h1": 1, "h2": 2, "h3": 2}
	running := make(chan string, 8)
	var blocked atomic.Bool
	blocked.Store(true)
	kind := operation.Kind{Steps: []operation.Step{step("s", func(ctx context.Context, t *operation.Task) error {
		w.begin(t.Name(), batches[t.Name()])
		defer w.end(t.Name())
		if t.Name() == "h1" && blocked.Load() {
			running <- t.Name()
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	})}}
	e := r.engine(kind)
	id := r.start(e, operation.Spec{Parallel: 4, Batch: 2}, names(4)...)
	<-running
	stop(t, e)
	if got := r.tasks(id); got["h2"].State != db.Pending || got["h1"].State != db.Running {
		t.Fatalf("the second batch is %s while the first is %s", got["h2"].State, got["h1"].State)
	}
	blocked.Store(false)
	r.engine(kind)
	r.await(id, db.Done)
	if w.mixed {
		t.Error("after the restart two batches ran together")
	}
}

func TestTooManyFailuresStopTheRest(t *testing.T) {
	r := newRig(t)
	var started atomic.Int32
	var mended atomic.Bool
	kind := operation.Kind{Steps: []operation.Step{step("s", func(context.Context, *operation.Task) error {
		started.Add(1)
		if !mended.Load() {
			return errors.New("not yet")
		}
		return nil
	})}}
	e := r.engine(kind)
	id := r.start(e, operation.Spec{Parallel: 1, MaxFailures: 3}, names(50)...)
	r.await(id, db.Failed)
	counts, err := r.db.CountTasks(t.Context(), id)
	if err != nil || started.Load() != 3 || counts[db.Failed] != 3 || counts[db.Skipped] != 47 {
		t.Fatalf("%d started; %v, %v", started.Load(), counts, err)
	}
	if task := r.tasks(id)["h40"]; task.Reason != operation.ReasonFailures || task.FinishedAt == nil {
		t.Errorf("a task that was not begun is %+v", task)
	}
	out := r.tasks(id)["h0"]
	if n, err := e.Skip(t.Context(), id, []int64{out.ID}); n != 1 || err != nil {
		t.Fatalf("skip: %d, %v", n, err)
	}
	// Still broken: those that failed are forgiven, three more may fail.
	stop(t, e)
	e = r.engine(kind)
	if n, err := e.Retry(t.Context(), id, nil, nil, "alice"); n != 49 || err != nil {
		t.Fatalf("retry: %d, %v", n, err)
	}
	r.await(id, db.Failed)
	if started.Load() != 6 {
		t.Errorf("%d were begun in all, want 6", started.Load())
	}
	mended.Store(true)
	if n, err := e.Retry(t.Context(), id, nil, nil, "alice"); n != 49 || err != nil {
		t.Fatalf("retry: %d, %v", n, err)
	}
	r.await(id, db.Done)
	if task := r.tasks(id)["h0"]; task.State != db.Skipped || task.Reason != "" {
		t.Errorf("a host that a person took out is %s for %q", task.State, task.Reason)
	}
}

func TestARestartGoesOnStopping(t *testing.T) {
	r := newRig(t)
	running := make(chan struct{}, 1)
	kind := operation.Kind{Steps: []operation.Step{step("s", func(ctx context.Context, t *operation.Task) error {
		if t.Name() == "h0" {
			return errors.New("broken")
		}
		running <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	})}}
	e := r.engine(kind)
	id := r.start(e, operation.Spec{Parallel: 2, MaxFailures: 2}, names(10)...)
	<-running
	<-running // one has failed, two hang
	stop(t, e)
	failing := operation.Kind{Steps: []operation.Step{step("s", func(context.Context, *operation.Task) error { return errors.New("broken") })}}
	r.engine(failing)
	r.await(id, db.Failed)
	counts, err := r.db.CountTasks(t.Context(), id)
	if err != nil || counts[db.Failed] > 3 || counts[db.Failed] < 2 || counts[db.Failed]+counts[db.Skipped] != 10 {
		t.Errorf("the tasks ended as %v, %v", counts, err)
	}
}

// TestThousandsOfTasks has more tasks than one statement can name.
func TestThousandsOfTasks(t *testing.T) {
	r := newRig(t)
	const n = 1500
	e := r.engine(operation.Kind{Steps: []operation.Step{step("s", func(_ context.Context, t *operation.Task) error {
		if t.Name() == "h5" {
			return errors.New("broken")
		}
		return nil
	})}})
	id := r.start(e, operation.Spec{Parallel: 100, MaxFailures: 1}, names(n)...)
	r.await(id, db.Failed)
	counts, err := r.db.CountTasks(t.Context(), id)
	if err != nil || counts[db.Failed] != 1 || counts[db.Done]+counts[db.Skipped] != n-1 || counts[db.Skipped] < n/2 {
		t.Errorf("the tasks ended as %v, %v", counts, err)
	}
}
