package operation_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hostler/db"
	"hostler/db/dbtest"
	"hostler/server/event"
	"hostler/server/operation"
)

// rig is an engine on a database that several engines can share, one after the other, as servers do.
type rig struct {
	t   *testing.T
	db  *db.DB
	bus *event.Bus
}

func newRig(t *testing.T) *rig {
	bus, err := event.OpenBus("", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(bus.Close)
	return &rig{t: t, db: dbtest.Open(t), bus: bus}
}

func (r *rig) engine(k operation.Kind) *operation.Engine {
	r.t.Helper()
	log := slog.New(slog.DiscardHandler)
	e := operation.New(r.db, r.bus, event.NewLog(r.db, r.bus, log), log)
	k.Name = "test"
	for i := range k.Steps {
		if k.Steps[i].Timeout == 0 {
			k.Steps[i].Timeout = time.Minute
		}
	}
	e.Register(k)
	if err := e.Resume(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { stop(r.t, e) })
	return e
}

func stop(t *testing.T, e *operation.Engine) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	if err := e.Stop(ctx); err != nil {
		t.Error(err)
	}
}

func (r *rig) start(e *operation.Engine, s operation.Spec, names ...string) int64 {
	r.t.Helper()
	s.Kind, s.Title = "test", "Test"
	for _, n := range names {
		s.Tasks = append(s.Tasks, operation.TaskSpec{Name: n})
	}
	o, err := e.Start(r.t.Context(), s)
	if err != nil {
		r.t.Fatal(err)
	}
	return o.ID
}

func names(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprint("h", i)
	}
	return all
}

// awaitEnd waits until the operation has ended, in whatever way.
func (r *rig) awaitEnd(id int64) {
	r.t.Helper()
	r.awaitState(id, "ended", db.State.Ended)
}

// await waits until the operation is in a state, told by the bus and checked in the database.
func (r *rig) await(id int64, want db.State) {
	r.t.Helper()
	r.awaitState(id, string(want), func(s db.State) bool { return s == want })
}

func (r *rig) awaitState(id int64, what string, reached func(db.State) bool) {
	r.t.Helper()
	changed := make(chan struct{}, 1)
	cancel, err := r.bus.Subscribe(">", func(string, []byte) {
		select {
		case changed <- struct{}{}:
		default:
		}
	})
	if err != nil {
		r.t.Fatal(err)
	}
	defer cancel()
	deadline := time.After(time.Minute)
	for {
		o, err := r.db.Operation(r.t.Context(), id)
		if err != nil {
			r.t.Fatal(err)
		}
		if reached(o.State) {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			r.t.Fatalf("the operation is %s, not %s", o.State, what)
		}
	}
}

func (r *rig) tasks(id int64) map[string]db.Task {
	r.t.Helper()
	ts, err := r.db.Tasks(r.t.Context(), id)
	if err != nil {
		r.t.Fatal(err)
	}
	byName := map[string]db.Task{}
	for _, t := range ts {
		byName[t.Name] = t
	}
	return byName
}

func (r *rig) log(taskID int64) string {
	r.t.Helper()
	body, _, err := r.db.ReadLog(r.t.Context(), taskID, 0, 1<<20)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(body)
}

func step(name string, run func(ctx context.Context, t *operation.Task) error) operation.Step {
	return operation.Step{Name: name, Run: run}
}

func TestRunsAllStepsWithinTheLimit(t *testing.T) {
	r := newRig(t)
	var now, most, ended atomic.Int32
	e := r.engine(operation.Kind{
		Steps: []operation.Step{
			step("one", func(_ context.Context, t *operation.Task) error {
				n := now.Add(1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				t.Logf("first")
				t.Logf("last \x00\xff")
				return t.Remember("from one")
			}),
			step("two", func(_ context.Context, t *operation.Task) error {
				defer now.Add(-1)
				var s string
				if err := t.Recall(&s); err != nil || s != "from one" {
					return fmt.Errorf("recalled %q: %w", s, err)
				}
				t.SetNote("note of " + t.Name())
				return nil
			}),
		},
		End: func(context.Context, *operation.Task) { ended.Add(1) },
	})
	id := r.start(e, operation.Spec{Parallel: 3}, names(20)...)
	r.await(id, db.Done)
	if most.Load() > 3 {
		t.Errorf("%d ran at a time, the limit is 3", most.Load())
	}
	if ended.Load() != 20 {
		t.Errorf("End ran %d times for 20 runs", ended.Load())
	}
	h7 := r.tasks(id)["h7"]
	if h7.Note != "note of h7" || h7.State != db.Done {
		t.Errorf("got %+v", h7)
	}
	log := r.log(h7.ID)
	for _, want := range []string{"one        first\n", "last \uFFFD\n"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}
	steps, err := r.db.StepsOf(t.Context(), []int64{h7.ID})
	if err != nil || len(steps[h7.ID]) != 2 || steps[h7.ID][1].State != db.Done || steps[h7.ID][1].LogOffset != int64(len(log)) {
		t.Errorf("steps %+v: %v", steps, err)
	}
}

func TestFailureIsShownAndRetriedFromItsStep(t *testing.T) {
	r := newRig(t)
	var connects, installs, configures atomic.Int32
	var mended atomic.Bool
	connect := step("connect", func(context.Context, *operation.Task) error { connects.Add(1); return nil })
	connect.Repeat = true
	e := r.engine(operation.Kind{Steps: []operation.Step{
		connect,
		step("install", func(context.Context, *operation.Task) error { installs.Add(1); return nil }),
		step("configure", func(_ context.Context, t *operation.Task) error {
			configures.Add(1)
			if t.Name() == "bad" && !mended.Load() {
				return &operation.Failure{Code: "disk_full", Cause: "No room.", Hint: "Make some.", Args: map[string]string{"mount": "/"}}
			}
			return nil
		}),
	}})
	id := r.start(e, operation.Spec{Parallel: 2}, "good", "bad")
	r.await(id, db.Failed)
	bad := r.tasks(id)["bad"]
	if bad.Problem.Code != "disk_full" || bad.Problem.Args["mount"] != "/" || bad.Step != "configure" || bad.StepIndex != 2 {
		t.Fatalf("got %+v", bad)
	}
	if log := r.log(bad.ID); !strings.Contains(log, "failed: No room.") || !strings.Contains(log, "hint: Make some.") {
		t.Errorf("the log lacks the failure:\n%s", log)
	}
	mended.Store(true)
	if n, err := e.Retry(t.Context(), id, nil, nil, "alice"); n != 1 || err != nil {
		t.Fatalf("retry: %d, %v", n, err)
	}
	r.await(id, db.Done)
	if bad := r.tasks(id)["bad"]; bad.Attempt != 2 || bad.Problem.Code != "" {
		t.Errorf("got %+v", bad)
	}
	if c, i, f := connects.Load(), installs.Load(), configures.Load(); c != 3 || i != 2 || f != 3 {
		t.Errorf("connect ran %d times (want 3), install %d (want 2), configure %d (want 3)", c, i, f)
	}
	if _, err := e.Retry(t.Context(), id, nil, nil, "alice"); !errors.Is(err, operation.ErrNothingToDo) {
		t.Errorf("retrying a finished operation: %v", err)
	}
}

func TestTimeoutAndPanicFailTheTask(t *testing.T) {
	r := newRig(t)
	slow := step("slow", func(ctx context.Context, t *operation.Task) error {
		if t.Name() == "panics" {
			panic("oops")
		}
		<-ctx.Done()
		return ctx.Err()
	})
	slow.Timeout = 20 * time.Millisecond
	e := r.engine(operation.Kind{Steps: []operation.Step{slow}})
	id := r.start(e, operation.Spec{Parallel: 2}, "hangs", "panics")
	r.await(id, db.Failed)
	if got := r.tasks(id)["hangs"].Problem.Code; got != operation.CodeTimeout {
		t.Errorf("the code is %q", got)
	}
	if p := r.tasks(id)["panics"].Problem; p.Code != operation.CodeInternal || !strings.Contains(p.Cause, "oops") {
		t.Errorf("got %+v", p)
	}
}

func TestCancelAndSkip(t *testing.T) {
	r := newRig(t)
	running := make(chan string, 3)
	e := r.engine(operation.Kind{Steps: []operation.Step{step("hang", func(ctx context.Context, t *operation.Task) error {
		running <- t.Name()
		<-ctx.Done()
		return ctx.Err()
	})}})
	id := r.start(e, operation.Spec{Parallel: 2}, "a", "b", "c", "d")
	first, second := <-running, <-running
	tasks := r.tasks(id)
	if n, err := e.Skip(t.Context(), id, []int64{tasks[first].ID, tasks["d"].ID}); n != 2 || err != nil {
		t.Fatalf("skip: %d, %v", n, err)
	}
	if third := <-running; third != "c" {
		t.Fatalf("after one was taken out %s ran", third)
	}
	if _, err := e.Cancel(t.Context(), id, nil, "alice"); err != nil {
		t.Fatal(err)
	}
	r.await(id, db.Canceled)
	tasks = r.tasks(id)
	for name, want := range map[string]db.State{first: db.Skipped, "d": db.Skipped, second: db.Canceled, "c": db.Canceled} {
		if tasks[name].State != want {
			t.Errorf("%s is %s, want %s", name, tasks[name].State, want)
		}
	}
}

type secret struct{ wiped atomic.Bool }

func (s *secret) Wipe() { s.wiped.Store(true) }

func TestRestartWaitsForSecretsAndGoesOn(t *testing.T) {
	r := newRig(t)
	var firsts atomic.Int32
	block := make(chan struct{})
	running := make(chan struct{}, 2)
	kind := operation.Kind{NeedsSecrets: true, Steps: []operation.Step{
		step("first", func(context.Context, *operation.Task) error { firsts.Add(1); return nil }),
		step("second", func(ctx context.Context, t *operation.Task) error {
			if t.Secrets() == nil {
				return errors.New("no secrets")
			}
			running <- struct{}{}
			select {
			case <-block:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}),
	}}
	e := r.engine(kind)
	old := &secret{}
	id := r.start(e, operation.Spec{Parallel: 1, Secrets: old}, "a", "b")
	<-running
	stop(t, e)
	if !old.wiped.Load() {
		t.Error("a stopped engine kept the secrets")
	}
	if a := r.tasks(id)["a"]; a.State != db.Running || a.Step != "second" {
		t.Fatalf("the interrupted task is %+v", a)
	}

	e = r.engine(kind)
	r.await(id, db.Waiting)
	if a := r.tasks(id)["a"]; a.Reason != operation.ReasonSecrets {
		t.Fatalf("got %+v", a)
	}
	if _, err := e.Unlock(t.Context(), id, nil); !errors.Is(err, operation.ErrSecretsNeeded) {
		t.Fatalf("went on without secrets: %v", err)
	}
	fresh := &secret{}
	if n, err := e.Unlock(t.Context(), id, fresh); n != 2 || err != nil {
		t.Fatalf("unlock: %d, %v", n, err)
	}
	close(block)
	r.await(id, db.Done)
	if firsts.Load() != 2 {
		t.Errorf("the first step ran %d times for two tasks", firsts.Load())
	}
	stop(t, e)
	if !fresh.wiped.Load() {
		t.Error("the secrets outlived the operation")
	}
}

func TestSecretsLingerForARetry(t *testing.T) {
	r := newRig(t)
	var mended atomic.Bool
	e := r.engine(operation.Kind{NeedsSecrets: true, Steps: []operation.Step{step("s", func(_ context.Context, t *operation.Task) error {
		if !mended.Load() {
			return errors.New("not yet")
		}
		if t.Secrets().(*secret).wiped.Load() {
			return errors.New("wiped too early")
		}
		return nil
	})}})
	s := &secret{}
	id := r.start(e, operation.Spec{Parallel: 1, Secrets: s}, "a")
	r.await(id, db.Failed)
	mended.Store(true)
	if _, err := e.Retry(t.Context(), id, nil, nil, "alice"); err != nil {
		t.Fatal(err)
	}
	r.await(id, db.Done)
	stop(t, e)
	if !s.wiped.Load() {
		t.Error("the secrets outlived the operation")
	}
}

func TestRetriesAtOnceRunEachTaskOnce(t *testing.T) {
	r := newRig(t)
	var mended atomic.Bool
	var runs, again atomic.Int32
	e := r.engine(operation.Kind{Steps: []operation.Step{step("s", func(context.Context, *operation.Task) error {
		if !mended.Load() {
			return errors.New("not yet")
		}
		runs.Add(1)
		return nil
	})}, Begin: func(t *operation.Task) {
		if t.Attempt() > 2 {
			again.Add(1)
		}
	}})
	id := r.start(e, operation.Spec{Parallel: 8}, names(200)...)
	r.await(id, db.Failed)
	mended.Store(true)
	var wg sync.WaitGroup
	var retried atomic.Int32
	for range 4 {
		wg.Go(func() {
			n, err := e.Retry(t.Context(), id, nil, nil, "alice")
			if err != nil && !errors.Is(err, operation.ErrNothingToDo) {
				t.Error(err)
			}
			retried.Add(int32(n))
		})
	}
	wg.Wait()
	r.await(id, db.Done)
	if retried.Load() != 200 || runs.Load() != 200 || again.Load() != 0 {
		t.Errorf("four retries took up %d tasks, ran %d, %d of them more than once", retried.Load(), runs.Load(), again.Load())
	}
}

func TestCancelStartsNothingMoreAndKeepsWhatIsDone(t *testing.T) {
	r := newRig(t)
	var started atomic.Int32
	ready := make(chan struct{}, 600)
	e := r.engine(operation.Kind{Steps: []operation.Step{step("s", func(_ context.Context, t *operation.Task) error {
		started.Add(1)
		t.SetNote("done")
		ready <- struct{}{}
		return nil
	})}})
	id := r.start(e, operation.Spec{Parallel: 4}, names(600)...)
	for range 50 {
		<-ready
	}
	if _, err := e.Cancel(t.Context(), id, nil, "alice"); err != nil {
		t.Fatal(err)
	}
	after := started.Load()
	r.awaitEnd(id)
	counts, err := r.db.CountTasks(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if s := started.Load(); s > after+4 || int(s) < counts[db.Done] {
		t.Errorf("%d tasks had started when the cancel returned, %d in the end; %v", after, s, counts)
	}
	if counts[db.Done]+counts[db.Canceled] != 600 || counts[db.Canceled] == 0 {
		t.Errorf("the tasks ended as %v", counts)
	}
	for _, task := range r.tasks(id) {
		if task.State == db.Done && task.Note != "done" {
			t.Errorf("%s is done and lost what it had to show", task.Name)
		}
	}
}
