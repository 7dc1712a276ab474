package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"hostler/agent/agenttest"
	"hostler/agent/cgroup"
	"hostler/agent/process"
	"hostler/agent/wire"
)

// rig is a host with child agents, and an agent that can be ended and started.
type rig struct {
	*testing.T
	dir, state, logs string
	groups           *cgroup.Tree
	sample           time.Duration
	log              *agenttest.Log
	s                *Supervisor
	end              func() // ends the agent as a crash does: the children are left alone

	mu     sync.Mutex
	events []wire.Event
}

// trees are what holds child agents to their limits: the control groups that the machine has, and none.
var trees = map[string]func() *cgroup.Tree{
	"groups":  func() *cgroup.Tree { return cgroup.Open(fmt.Sprintf("hostler-test-%d-%d", os.Getpid(), opened.Add(1))) },
	"polling": func() *cgroup.Tree { return &cgroup.Tree{Limiter: wire.LimiterPolling, Reason: "a test"} },
}

var opened atomic.Int64

// newRig makes one with control groups of its own.
func newRig(t *testing.T) *rig {
	t.Helper()
	return newRigWith(t, trees["groups"]())
}

func newRigWith(t *testing.T, groups *cgroup.Tree) *rig {
	t.Helper()
	base := t.TempDir()
	r := &rig{
		T: t, dir: filepath.Join(base, "agents.d"), state: filepath.Join(base, "state"), logs: filepath.Join(base, "logs"),
		groups: groups, sample: 20 * time.Millisecond, log: &agenttest.Log{},
	}
	if err := os.Mkdir(r.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.cleanUp)
	return r
}

// cleanUp removes every child agent, also when the test failed. Their definitions go first: one that is still there makes a
// new child agent of the name at the next look at the directory, which may be between any two lines here.
func (r *rig) cleanUp() {
	if r.s == nil {
		r.start()
	}
	if err := os.RemoveAll(r.dir); err != nil {
		r.Error(err)
	}
	for _, child := range r.s.Children() {
		if err := r.s.Remove(context.Background(), child.Name); err != nil && !errors.Is(err, ErrNoChild) {
			r.Errorf("%s is left: %v", child.Name, err)
		}
	}
	r.end()
	if err := r.groups.Close(); err != nil {
		r.Error(err)
	}
	if r.Failed() {
		r.Logf("the agent's log:\n%s", r.log)
	}
}

// start begins an agent.
func (r *rig) start() {
	r.Helper()
	r.s = New(Options{
		Dir: r.dir, StateDir: r.state, LogDir: r.logs, Groups: r.groups, Log: r.log.Logger(), Emit: r.emit, Sample: r.sample,
	})
	s := r.s
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	r.end = func() { cancel(); <-done; r.s = nil }
	agenttest.Receive(r.T, s.started)
}

func (r *rig) emit(e wire.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

// kinds are the kinds of the events so far.
func (r *rig) kinds() (kinds []wire.EventKind) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

func (r *rig) count(kind wire.EventKind) (n int) {
	for _, k := range r.kinds() {
		if k == kind {
			n++
		}
	}
	return n
}

// param is a param of the latest event of a kind.
func (r *rig) param(kind wire.EventKind, name string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := len(r.events) - 1; i >= 0; i-- {
		if r.events[i].Kind == kind {
			return r.events[i].Params[name]
		}
	}
	return ""
}

// define writes a definition; sections come as lines "section.key = value".
func (r *rig) define(file, name, command string, lines ...string) {
	r.Helper()
	text := fmt.Sprintf("[agent]\nname = %s\nversion = 1.2.3\ncommand = %s\n", name, command)
	for _, line := range lines {
		section, rest, found := strings.Cut(line, ".")
		if !found {
			r.Fatalf("no section in %q", line)
		}
		if section == "agent" {
			text = strings.Replace(text, "[agent]\n", "[agent]\n"+rest+"\n", 1)
			continue
		}
		text += "[" + section + "]\n" + rest + "\n"
	}
	r.write(filepath.Join(r.dir, file), text)
}

func (r *rig) write(path, text string) {
	r.Helper()
	// Replaced as a whole, as an editor does: the agent must not see half a file.
	if err := os.WriteFile(path+".new", []byte(text), 0o755); err != nil {
		r.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		r.Fatal(err)
	}
}

func (r *rig) child(name string) wire.ChildAgent {
	for _, child := range r.s.Children() {
		if child.Name == name {
			return child
		}
	}
	return wire.ChildAgent{}
}

// until waits for a child agent to be as wanted.
func (r *rig) until(name, what string, want func(wire.ChildAgent) bool) (child wire.ChildAgent) {
	r.Helper()
	agenttest.Eventually(r.T, name+" "+what, func() bool {
		child = r.child(name)
		return want(child)
	})
	return child
}

func (r *rig) running(name string) wire.ChildAgent {
	r.Helper()
	return r.until(name, "running", func(c wire.ChildAgent) bool { return c.Status == wire.ChildRunning && c.Ready })
}

func (r *rig) status(name string, status wire.ChildState) wire.ChildAgent {
	r.Helper()
	return r.until(name, string(status), func(c wire.ChildAgent) bool { return c.Status == status })
}

// said waits for a child agent to have written so many lines to its standard output, and returns them.
func (r *rig) said(name string, n int) (lines []string) {
	r.Helper()
	path := filepath.Join(r.logs, name, "stdout.log")
	agenttest.Eventually(r.T, fmt.Sprintf("%d lines in %s", n, path), func() bool {
		content, _ := os.ReadFile(path)
		lines = strings.Split(strings.TrimSuffix(string(content), "\n"), "\n")
		return strings.Count(string(content), "\n") >= n
	})
	return lines
}

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func (r *rig) gone(pid int) {
	r.Helper()
	agenttest.Eventually(r.T, fmt.Sprintf("process %d gone", pid), func() bool {
		_, lives := process.Of(pid)
		return !lives
	})
}

// endProcess ends a process that no agent looks after, and takes note of its end.
func (r *rig) endProcess(pid int) {
	r.Helper()
	kill(r.T, pid)
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &status, 0, nil); err != nil {
		r.Fatal(err)
	}
}

func lives(pid int) bool { _, ok := process.Of(pid); return ok }

func number64(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}
