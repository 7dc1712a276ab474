package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"hostler/agent/agenttest"
	"hostler/agent/wire"
)

// build builds the agent in its released form; a version may be given.
func build(t *testing.T, versions ...string) (program string) {
	t.Helper()
	program = filepath.Join(t.TempDir(), "hostler-agent")
	flags := "-s -w"
	for _, v := range versions {
		flags += " -X main.version=" + v
	}
	build := exec.Command("go", "build", "-tags", "nethttpomithttp2", "-trimpath", "-ldflags", flags, "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return program
}

// quicken sets a step of one second.
func quicken(t *testing.T, host *agenttest.Host) {
	t.Helper()
	ini, err := os.ReadFile(host.Ini())
	if err != nil {
		t.Fatal(err)
	}
	quick := strings.Replace(string(ini), "step = 20", "step = 1", 1)
	if err := os.WriteFile(host.Ini(), []byte(quick), 0o600); err != nil {
		t.Fatal(err)
	}
}

// queue is a server's: it hands jobs out until it has their results.
type queue struct {
	mu       sync.Mutex
	open     []wire.Job
	results  map[string]wire.JobResult
	finished chan int // how many results there are, after each message that brought some
}

func (q *queue) status(ask wire.StatusRequest) (wire.StatusReply, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	held := map[string]bool{}
	for _, progress := range ask.Jobs {
		held[progress.ID] = true
	}
	var reply wire.StatusReply
	for _, job := range q.open {
		if _, done := q.results[job.ID]; !done && !held[job.ID] && len(held)+len(reply.Jobs) < 64 {
			reply.Jobs = append(reply.Jobs, job)
		}
	}
	return reply, nil
}

func (q *queue) take(results []wire.JobResult) (wire.ResultReply, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, result := range results {
		q.results[result.ID] = result
	}
	q.finished <- len(q.results)
	return wire.ResultReply{}, nil
}

// wait waits for the result of a job. Those of others may come meanwhile, and again: an agent that was killed before it had
// the answer sends them once more.
func (q *queue) wait(t *testing.T, id string) wire.JobResult {
	t.Helper()
	for {
		q.mu.Lock()
		result, done := q.results[id]
		q.mu.Unlock()
		if done {
			return result
		}
		select {
		case <-q.finished:
		case <-time.After(time.Minute):
			t.Fatalf("no result of %s came within a minute", id)
		}
	}
}

// drain lets messages go that nobody waits for.
func drain[T any](t *testing.T, from <-chan T) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-from:
			case <-stop:
				return
			}
		}
	}()
	t.Cleanup(func() { close(stop); <-stopped })
}

// TestAThousandJobs kills the agent ten times and the server twice while jobs are done: none is lost, and none is
// done twice.
func TestAThousandJobs(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the agent and runs a thousand commands")
	}
	const jobs, kills = 1000, 10
	program := build(t)
	server := agenttest.NewServer(t, agenttest.NewAuthority(t))
	host := agenttest.NewHost(t, server, "secret")
	quicken(t, host)
	lines := filepath.Join(t.TempDir(), "lines")
	q := &queue{results: map[string]wire.JobResult{}, finished: make(chan int, 2*jobs)}
	for i := range jobs {
		id := fmt.Sprintf("job-%04d", i)
		q.open = append(q.open, wire.Job{ID: id, Action: wire.ActionExec, Exec: &wire.Exec{Command: []string{"sh", "-c", "echo " + id + " >>" + lines}}})
	}
	server.OnStatus, server.OnResults = q.status, q.take
	drain(t, server.Statuses)
	drain(t, server.Results)
	drain(t, server.Outputs)
	drain(t, server.Wakes)
	drain(t, server.Registers)
	drain(t, server.Handshakes)

	agent := startAgent(t, program, host)
	killed, began := 0, time.Now()
	for done := 0; done < jobs; {
		select {
		case done = <-q.finished:
		case <-time.After(2 * time.Minute):
			t.Fatalf("%d of %d jobs are done, and nothing more comes", done, jobs)
		}
		if killed < kills && done > (killed+1)*jobs/(kills+2) {
			if killed++; killed%4 == 0 {
				server.Stop()
			}
			if err := agent.Process.Signal(syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			agent.Wait()
			if killed%4 == 0 {
				server.Start()
			}
			agent = startAgent(t, program, host)
		}
		server.Wake()
	}
	if killed != kills {
		t.Errorf("the agent was killed %d times, want %d", killed, kills)
	}
	t.Logf("%d jobs in %v", jobs, time.Since(began).Round(time.Millisecond))
	times := map[string]int{}
	content, err := os.ReadFile(lines)
	if err != nil {
		t.Fatal(err)
	}
	for id := range strings.FieldsSeq(string(content)) {
		times[id]++
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, job := range q.open {
		if result := q.results[job.ID]; times[job.ID] != 1 || result.ErrCode != 0 {
			t.Errorf("%s was done %d times: %+v", job.ID, times[job.ID], result)
		}
	}
}
