package task

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"hostler/agent/agenttest"
	"hostler/agent/command"
	"hostler/agent/wire"
)

// TestMain makes the test's own binary the runner of commands, as the agent's is.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == command.Argument {
		if err := command.Main(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// rig is a Runner in a directory; start may be called again after stop, as a restarted agent does.
type rig struct {
	*Runner
	t       *testing.T
	dir     string
	actions map[string]Action
	now     func() Moment
	limit   int
	log     agenttest.Log
	stop    func()
}

func newRig(t *testing.T, actions map[string]Action) *rig {
	return newRigIn(t, t.TempDir(), actions)
}

func newRigIn(t *testing.T, dir string, actions map[string]Action) *rig {
	return &rig{t: t, dir: dir, actions: actions, now: Now, limit: 8}
}

func (r *rig) start() *rig {
	r.t.Helper()
	journal, _ := openJournal(r.t, filepath.Join(r.dir, "journal"))
	r.Runner = NewRunner(Options{
		Actions: r.actions, Journal: journal, Log: r.log.Logger(), Dir: filepath.Join(r.dir, "jobs"), Limit: r.limit, Now: r.now,
	})
	ctx, cancel := context.WithCancel(r.t.Context())
	done := make(chan struct{})
	runner := r.Runner
	go func() { defer close(done); runner.Run(ctx) }()
	r.stop = sync.OnceFunc(func() { cancel(); <-done; journal.Close() })
	r.t.Cleanup(r.stop)
	return r
}

func (r *rig) submit(jobs ...wire.Job) {
	r.t.Helper()
	if err := r.Submit(jobs); err != nil {
		r.t.Fatal(err)
	}
}

// result takes the output and then the result of a job, as the server does.
func (r *rig) result(id string) wire.JobResult {
	r.t.Helper()
	result, _ := r.resultAndOutput(id)
	return result
}

func (r *rig) resultAndOutput(id string) (result wire.JobResult, output map[wire.Stream]string) {
	r.t.Helper()
	output = map[wire.Stream]string{}
	agenttest.Eventually(r.t, "a result of "+id, func() bool {
		chunks := r.Output().Next()
		for _, chunk := range chunks {
			if chunk.Job == id {
				output[chunk.Stream] += string(chunk.Data)
			}
		}
		r.Output().Acknowledge(chunks)
		for _, result = range r.Results(10_000) {
			if result.ID == id {
				return true
			}
		}
		return false
	})
	if err := r.Acknowledge([]wire.JobResult{result}); err != nil {
		r.t.Fatal(err)
	}
	return result, output
}

func simple(do func(ctx context.Context, job *wire.Job) (string, error)) Action {
	return Action{Lane: noLane, Timeout: time.Minute, Do: func(ctx context.Context, work *Work) (wire.JobResult, error) {
		message, err := do(ctx, work.Job)
		return wire.JobResult{Message: message}, err
	}}
}

func TestErrorCodes(t *testing.T) {
	r := newRig(t, map[string]Action{
		"good":   simple(func(context.Context, *wire.Job) (string, error) { return "", nil }),
		"fails":  simple(func(context.Context, *wire.Job) (string, error) { return "", errors.New("no luck") }),
		"bad":    simple(func(context.Context, *wire.Job) (string, error) { return "", badJob("no name") }),
		"panics": simple(func(context.Context, *wire.Job) (string, error) { panic("oh") }),
		"slow": simple(func(ctx context.Context, _ *wire.Job) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		}),
	}).start()
	for action, want := range map[string]wire.JobResult{
		"good":   {ErrCode: wire.ErrCodeOK, Message: "success"},
		"fails":  {ErrCode: wire.ErrCodeFailed, Message: "no luck"},
		"bad":    {ErrCode: wire.ErrCodeBadJob, Message: "the job cannot be done as it is: no name"},
		"panics": {ErrCode: wire.ErrCodeFailed, Message: "the agent failed: oh"},
		"slow":   {ErrCode: wire.ErrCodeTimeout, Message: "it took too long and was ended"},
		"dance":  {ErrCode: wire.ErrCodeUnknownAction, Message: `this agent does not know the action "dance"`},
	} {
		want.ID = "id-" + action
		r.submit(wire.Job{ID: want.ID, Action: action, Timeout: 1}, wire.Job{Action: action})
		got := r.result(want.ID)
		if got.Elapsed < 1 {
			t.Errorf("%s: took no time", action)
		}
		got.Elapsed = 0
		if got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

func TestMalformedJobsAreAnswered(t *testing.T) {
	r := newRig(t, Actions(&Parts{})).start()
	for name, job := range map[string]wire.Job{
		"an id that names another directory": {ID: "../x", Action: "exec"},
		"an id with a blank":                 {ID: "a b", Action: "exec"},
		"a negative timeout":                 {ID: "a", Action: "exec", Timeout: -1, Exec: &wire.Exec{Script: "x"}},
		"nothing to run":                     {ID: "b", Action: "exec"},
		"neither command nor script":         {ID: "c", Action: "exec", Exec: &wire.Exec{}},
		"both":                               {ID: "d", Action: "exec", Exec: &wire.Exec{Command: []string{"true"}, Script: "true"}},
		"a relative interpreter":             {ID: "e", Action: "exec", Exec: &wire.Exec{Script: "true", Interpreter: "sh"}},
		"a relative directory":               {ID: "f", Action: "exec", Exec: &wire.Exec{Script: "true", Directory: "tmp"}},
		"a NUL byte":                         {ID: "g", Action: "exec", Exec: &wire.Exec{Command: []string{"true", "a\x00b"}}},
		"a strange variable":                 {ID: "h", Action: "exec", Envs: map[string]string{"A=B": "x"}, Exec: &wire.Exec{Script: "true"}},
		"keeps more than there is":           {ID: "i", Action: "exec", Exec: &wire.Exec{Script: "true", Keep: 1 << 40}},
	} {
		r.submit(job)
		if got := r.result(job.ID); got.ErrCode != wire.ErrCodeBadJob {
			t.Errorf("%s: got %+v", name, got)
		}
	}
	if entries, _ := os.ReadDir(filepath.Join(r.dir, "jobs")); len(entries) != 0 {
		t.Errorf("%d directories stay behind", len(entries))
	}
}

// TestOneJobThatCannotBeReadLeavesTheOthers has a reply in which single jobs are not of the form that they should have.
func TestOneJobThatCannotBeReadLeavesTheOthers(t *testing.T) {
	var reply wire.StatusReply
	err := json.Unmarshal([]byte(`{"errcode": 0, "step": 7, "cancel": ["x"], "jobs": [
		{"id": "typed", "action": "exec", "timeout": "60", "exec": {"script": "true"}}, {"id": 7, "action": "stop"}, "exec", null,
		{"id": "deep", "action": "exec", "exec": {"script": ["true"]}}, {"id": "whole", "action": "none"}
	]}`), &reply)
	if err != nil || reply.Step != 7 || len(reply.Cancel) != 1 || len(reply.Jobs) != 6 {
		t.Fatalf("%+v, %v", reply, err)
	}
	r := newRig(t, Actions(&Parts{})).start()
	r.submit(reply.Jobs...)
	for id, want := range map[string]int{"typed": wire.ErrCodeBadJob, "deep": wire.ErrCodeBadJob, "whole": wire.ErrCodeUnknownAction} {
		if got := r.result(id); got.ErrCode != want || want == wire.ErrCodeBadJob && !strings.Contains(got.Message, "cannot be read") {
			t.Errorf("%s: got %+v", id, got)
		}
	}
}

func TestScenario25AJobDeliveredAgainIsDoneOnce(t *testing.T) {
	started, release := make(chan string, 10), make(chan struct{})
	r := newRig(t, map[string]Action{"wait": simple(func(_ context.Context, job *wire.Job) (string, error) {
		started <- job.ID
		<-release
		return "", nil
	})}).start()
	job := wire.Job{ID: "one", Action: "wait"}
	r.submit(job, job)
	agenttest.Receive(t, started)
	r.submit(job) // while it is being done
	close(release)
	r.result("one")
	if left := r.Results(10); len(left) != 0 {
		t.Errorf("results after the acknowledgement: %+v", left)
	}
	r.submit(job) // after it was done and acknowledged: the server does not have it, whatever it said
	r.result("one")
	r.stop()
	r.start()
	r.submit(job) // after a restart
	r.result("one")
	if len(started) != 0 {
		t.Error("it was done twice")
	}
}

func TestLanesAndLimit(t *testing.T) {
	type event struct{ id, what string }
	events, release := make(chan event, 100), make(chan struct{})
	action := func(lane func(*wire.Job) string) Action {
		return Action{Lane: lane, Timeout: time.Minute, Do: func(_ context.Context, work *Work) (wire.JobResult, error) {
			events <- event{work.Job.ID, "begins"}
			<-release
			return wire.JobResult{}, nil
		}}
	}
	r := newRig(t, map[string]Action{"free": action(noLane), "child": action(laneOfChild), "agent": action(laneOfAgent)})
	r.limit = 2
	r.start()
	r.submit(
		wire.Job{ID: "c1", Action: "child", Name: "c"}, wire.Job{ID: "c2", Action: "child", Name: "c"},
		wire.Job{ID: "d1", Action: "child", Name: "d"}, wire.Job{ID: "a1", Action: "agent"},
		wire.Job{ID: "f1", Action: "free"}, wire.Job{ID: "f2", Action: "free"}, wire.Job{ID: "f3", Action: "free"},
	)
	begun := map[string]bool{}
	for range 4 {
		begun[agenttest.Receive(t, events).id] = true
	}
	if want := map[string]bool{"c1": true, "d1": true, "f1": true, "f2": true}; !reflect.DeepEqual(begun, want) {
		t.Errorf("at first %v, want %v", begun, want)
	}
	states := map[string]wire.JobState{}
	for _, progress := range r.Progress() {
		states[progress.ID] = progress.State
	}
	if states["c1"] != wire.JobRunning || states["c2"] != wire.JobQueued || states["f3"] != wire.JobQueued {
		t.Errorf("progress %v", states)
	}
	close(release)
	for _, id := range []string{"c1", "c2", "d1", "a1", "f1", "f2", "f3"} {
		r.result(id)
	}
}

func TestAJobThatMustBeAloneWaitsAndIsWaitedFor(t *testing.T) {
	begins := make(chan string, 10)
	release := map[string]chan struct{}{"a": make(chan struct{}), "alone": make(chan struct{}), "b": make(chan struct{}), "apart": make(chan struct{})}
	do := func(_ context.Context, work *Work) (wire.JobResult, error) {
		begins <- work.Job.ID
		<-release[work.Job.ID]
		return wire.JobResult{}, nil
	}
	r := newRig(t, map[string]Action{
		"bound": {Do: do, Lane: noLane, Timeout: time.Minute}, "apart": {Do: do, Lane: noLane, Timeout: time.Minute, Apart: true},
		"alone": {Do: do, Lane: laneOfAgent, Timeout: time.Minute, Alone: true},
	}).start()
	r.submit(wire.Job{ID: "a", Action: "bound"}, wire.Job{ID: "alone", Action: "alone"}, wire.Job{ID: "b", Action: "bound"}, wire.Job{ID: "apart", Action: "apart"})
	first := map[string]bool{agenttest.Receive(t, begins): true, agenttest.Receive(t, begins): true}
	if !first["a"] || !first["apart"] {
		t.Errorf("first %v", first)
	}
	close(release["a"])
	if next := agenttest.Receive(t, begins); next != "alone" {
		t.Errorf("then %s", next)
	}
	close(release["alone"])
	if next := agenttest.Receive(t, begins); next != "b" {
		t.Errorf("then %s", next)
	}
	close(release["b"])
	close(release["apart"])
	r.result("b")
	r.result("apart")
}

func TestBeginWithin(t *testing.T) {
	base := Now()
	for name, test := range map[string]struct {
		later Moment
		want  int
	}{
		"in time":                    {Moment{Boot: base.Boot, Since: base.Since + 10*time.Second, Wall: base.Wall + 9999}, wire.ErrCodeOK},
		"late, the clock set back":   {Moment{Boot: base.Boot, Since: base.Since + 11*time.Second, Wall: base.Wall - 9999}, wire.ErrCodeExpired},
		"in time over a reboot":      {Moment{Boot: "other", Since: 1, Wall: base.Wall + 10}, wire.ErrCodeOK},
		"late over a reboot":         {Moment{Boot: "other", Since: 1, Wall: base.Wall + 11}, wire.ErrCodeExpired},
		"nobody knows over a reboot": {Moment{Boot: "other", Since: 1, Wall: base.Wall - 1}, wire.ErrCodeExpired},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, map[string]Action{"x": simple(func(context.Context, *wire.Job) (string, error) { return "", nil })})
			journal, _ := openJournal(t, filepath.Join(r.dir, "journal"))
			if err := journal.Take([]wire.Job{{ID: "j", Action: "x", BeginWithin: 10}}, base); err != nil {
				t.Fatal(err)
			}
			r.now = func() Moment { return test.later }
			r.start()
			if got := r.result("j"); got.ErrCode != test.want {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestCancelOfQueuedJobs(t *testing.T) {
	begins, release := make(chan string, 10), make(chan struct{})
	r := newRig(t, map[string]Action{"x": simple(func(_ context.Context, job *wire.Job) (string, error) {
		begins <- job.ID
		<-release
		return "", nil
	})})
	r.limit = 1
	r.start()
	r.submit(wire.Job{ID: "a", Action: "x"}, wire.Job{ID: "b", Action: "x"})
	agenttest.Receive(t, begins)
	r.Cancel([]string{"b", "later", strings.Repeat("x", 1000), ""})
	r.submit(wire.Job{ID: "later", Action: "x"})
	for _, id := range []string{"b", "later"} {
		if got := r.result(id); got.ErrCode != wire.ErrCodeCanceled {
			t.Errorf("%s: %+v", id, got)
		}
	}
	close(release)
	if got := r.result("a"); got.ErrCode != 0 {
		t.Errorf("a: %+v", got)
	}
	if len(begins) != 0 {
		t.Error("a canceled job was begun")
	}
}
