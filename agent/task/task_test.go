package task

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"hostler/agent/agenttest"
	"hostler/agent/state"
	"hostler/agent/wire"
)

func openJournal(t *testing.T, path string) (*Journal, int) {
	t.Helper()
	journal, dropped, err := OpenJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { journal.Close() })
	return journal, dropped
}

func runner(t *testing.T, actions map[string]Action) *Runner {
	t.Helper()
	journal, _ := openJournal(t, filepath.Join(t.TempDir(), "journal"))
	r := NewRunner(actions, journal, (&agenttest.Log{}).Logger())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); r.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return r
}

func ids(results []wire.JobResult) (all []string) {
	for _, result := range results {
		all = append(all, result.ID)
	}
	return all
}

func TestErrorCodes(t *testing.T) {
	r := runner(t, map[string]Action{
		"good":   func(context.Context, *wire.Job) (string, error) { return "success", nil },
		"fails":  func(context.Context, *wire.Job) (string, error) { return "", errors.New("no space") },
		"bad":    func(context.Context, *wire.Job) (string, error) { return "", badJob("no name") },
		"panics": func(context.Context, *wire.Job) (string, error) { panic("oh") },
	})
	for action, want := range map[string]wire.JobResult{
		"good":    {ErrCode: wire.ErrCodeOK, Message: "success"},
		"fails":   {ErrCode: wire.ErrCodeFailed, Message: "no space"},
		"bad":     {ErrCode: wire.ErrCodeBadJob, Message: "the job cannot be done as it is: no name"},
		"panics":  {ErrCode: wire.ErrCodeFailed, Message: "the agent failed: oh"},
		"install": {ErrCode: wire.ErrCodeUnknownAction, Message: `this agent does not know the action "install"`},
	} {
		want.ID = "id-" + action
		r.Submit([]wire.Job{{ID: want.ID, Action: action}, {Action: action}})
		agenttest.Receive(t, r.Ready())
		results := r.Journal().Pending(10)
		if len(results) != 1 || results[0] != want {
			t.Errorf("got %+v, want %+v", results, want)
		}
		if err := r.Journal().Acknowledge(results); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAJobDeliveredAgainIsDoneOnce(t *testing.T) {
	started, release := make(chan string, 10), make(chan struct{})
	r := runner(t, map[string]Action{"wait": func(_ context.Context, job *wire.Job) (string, error) {
		started <- job.ID
		<-release
		return "success", nil
	}})
	job := wire.Job{ID: "one", Action: "wait"}
	r.Submit([]wire.Job{job, job})
	agenttest.Receive(t, started)
	r.Submit([]wire.Job{job, {ID: "two", Action: "wait"}}) // while it is being done
	close(release)
	agenttest.Receive(t, started)
	for len(r.Journal().Pending(10)) < 2 {
		agenttest.Receive(t, r.Ready())
	}
	if err := r.Journal().Acknowledge(r.Journal().Pending(10)); err != nil {
		t.Fatal(err)
	}
	r.Submit([]wire.Job{job}) // after it was done and acknowledged
	if got := ids(r.Journal().Pending(10)); !reflect.DeepEqual(got, []string{"one"}) {
		t.Errorf("pending %v, want one's kept result", got)
	}
	if len(started) != 0 {
		t.Error("it was done twice")
	}
}

func TestConfig(t *testing.T) {
	store, _, err := state.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	do := configure(store)
	for _, test := range []struct {
		job     wire.Job
		bad     string
		step    int
		servers []string
	}{
		{job: wire.Job{SvrList: "192.168.9.1:1234,", Step: 1200}, step: 1200, servers: []string{"192.168.9.1:1234"}},
		{job: wire.Job{SvrList: "A.example:1, [::1]:2"}, step: 1200, servers: []string{"a.example:1", "[::1]:2"}},
		{job: wire.Job{}, bad: "neither", step: 1200, servers: []string{"a.example:1", "[::1]:2"}},
		{job: wire.Job{Step: 86401}, bad: "step must be", step: 1200, servers: []string{"a.example:1", "[::1]:2"}},
		{job: wire.Job{Step: -1}, bad: "step must be", step: 1200, servers: []string{"a.example:1", "[::1]:2"}},
		{job: wire.Job{SvrList: "a", Step: 5}, bad: "host:port", step: 1200, servers: []string{"a.example:1", "[::1]:2"}},
		{job: wire.Job{SvrList: "a:0"}, bad: "port", step: 1200, servers: []string{"a.example:1", "[::1]:2"}},
		{job: wire.Job{SvrList: strings.Repeat("a:1,", 33)}, bad: "more than 32", step: 1200, servers: []string{"a.example:1", "[::1]:2"}},
		{job: wire.Job{SvrList: ",", Step: 1}, step: 1},
	} {
		_, err := do(t.Context(), &test.job)
		if test.bad == "" && err != nil || test.bad != "" && (!errors.Is(err, errBadJob) || !strings.Contains(err.Error(), test.bad)) {
			t.Errorf("%+v: got error %v, want %q", test.job, err, test.bad)
		}
		if got := store.Values(); got.Step != test.step || !reflect.DeepEqual(got.Servers, test.servers) {
			t.Errorf("%+v: got %+v", test.job, got)
		}
	}
}

func TestJournalOutlivesTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	journal, _ := openJournal(t, path)
	for _, id := range []string{"a", "b", "c"} {
		if err := journal.Add(wire.JobResult{ID: id, Message: strings.Repeat("é", maxMessage)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := journal.Acknowledge([]wire.JobResult{{ID: "a"}, {ID: "stranger"}}); err != nil {
		t.Fatal(err)
	}
	journal.Close()

	again, dropped := openJournal(t, path)
	pending := again.Pending(10)
	if got := ids(pending); dropped != 0 || !reflect.DeepEqual(got, []string{"b", "c"}) {
		t.Fatalf("pending %v, %d dropped", got, dropped)
	}
	if message := pending[0].Message; len(message) > maxMessage || !strings.HasSuffix(message, "é…") {
		t.Errorf("message of %d bytes ends in %q", len(message), message[len(message)-6:])
	}
	if !again.Repeat("a") || again.Repeat("stranger") {
		t.Error("only results that are kept can be repeated")
	}
}

func TestJournalSurvivesADamagedTail(t *testing.T) {
	for name, tail := range map[string]string{"half a line": `{"id":"c","errc`, "zeros": "\x00\x00\x00\x00", "no id": "{}\n"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "journal")
			whole := "{\"id\":\"a\",\"errcode\":1,\"message\":\"m\"}\n{\"id\":\"b\"}\n{\"id\":\"b\",\"sent\":true}\n"
			if err := os.WriteFile(path, []byte(whole+tail), 0o600); err != nil {
				t.Fatal(err)
			}
			journal, dropped := openJournal(t, path)
			if dropped != 1 {
				t.Errorf("%d lines dropped, want 1", dropped)
			}
			if err := journal.Add(wire.JobResult{ID: "d"}); err != nil {
				t.Fatal(err)
			}
			journal.Close()
			again, dropped := openJournal(t, path)
			if got := ids(again.Pending(10)); dropped != 0 || !reflect.DeepEqual(got, []string{"a", "d"}) {
				t.Errorf("pending %v, %d dropped", got, dropped)
			}
		})
	}
}

func TestJournalOnAFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	journal, _ := openJournal(t, path)
	if err := journal.Add(wire.JobResult{ID: "a"}); err != nil {
		t.Fatal(err)
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	journal.file.Close()
	journal.file = full
	if err := journal.Add(wire.JobResult{ID: "b"}); err == nil {
		t.Error("no error for a full disk")
	}
	if got := ids(journal.Pending(10)); !reflect.DeepEqual(got, []string{"a", "b"}) {
		t.Errorf("pending %v", got)
	}
	if err := journal.Add(wire.JobResult{ID: "c"}); err != nil { // there is space again
		t.Fatal(err)
	}
	again, _ := openJournal(t, path)
	if got := ids(again.Pending(10)); !reflect.DeepEqual(got, []string{"a", "b", "c"}) {
		t.Errorf("on the disk %v", got)
	}
}

func TestJournalIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	journal, _ := openJournal(t, path)
	for i := range 3 * compactAfter / 2 {
		result := []wire.JobResult{{ID: fmt.Sprint(i)}}
		if err := journal.Add(result[0]); err != nil {
			t.Fatal(err)
		}
		if err := journal.Acknowledge(result); err != nil {
			t.Fatal(err)
		}
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(string(content), "\n"); lines > compactAfter+keepDone+2 || len(journal.entries) > keepDone {
		t.Errorf("%d lines, %d results kept", lines, len(journal.entries))
	}
}
