package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"hostler/agent/agenttest"
	"hostler/agent/state"
	"hostler/agent/upgrade"
	"hostler/agent/wire"
)

// upgradeRig is a host whose agent is version 1.0.0, and its server.
type upgradeRig struct {
	t       *testing.T
	server  *agenttest.Server
	host    *agenttest.Host
	program string
	agent   *agentProcess
	web     *httptest.Server

	mu       sync.Mutex
	jobs     []wire.Job
	binaries map[string][]byte
	refuse   string // the version whose heartbeats are refused
	beats    chan wire.StatusRequest
	results  chan wire.JobResult
	events   chan wire.Event
}

// newUpgradeRig gives new versions so many seconds to prove themselves.
func newUpgradeRig(t *testing.T, window int) *upgradeRig {
	t.Helper()
	if testing.Short() {
		t.Skip("builds agents")
	}
	t.Parallel()
	r := &upgradeRig{
		t: t, program: build(t, "1.0.0"), binaries: map[string][]byte{},
		beats: make(chan wire.StatusRequest, 1000), results: make(chan wire.JobResult, 100), events: make(chan wire.Event, 100),
	}
	r.server = agenttest.NewServer(t, agenttest.NewAuthority(t))
	r.host = agenttest.NewHost(t, r.server, "secret")
	quicken(t, r.host)
	ini, err := os.OpenFile(r.host.Ini(), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(ini, "[agent]\nupgrade_window =", window)
	ini.Close()
	r.web = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, ask *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		w.Write(r.binaries[ask.URL.Path])
	}))
	t.Cleanup(r.web.Close)
	r.server.OnStatus, r.server.OnResults, r.server.OnEvents = r.status, r.take, r.note
	drain(t, r.server.Statuses)
	drain(t, r.server.Results)
	drain(t, r.server.Outputs)
	drain(t, r.server.Events)
	drain(t, r.server.Registers)
	drain(t, r.server.Handshakes)
	drain(t, r.server.Wakes)
	r.agent = startAgent(t, r.program, r.host)
	t.Cleanup(r.end)
	r.beat("1.0.0")
	return r
}

// child defines a child agent and returns its process number once it runs. It ends with the test.
func (r *upgradeRig) child() (pid int) {
	r.t.Helper()
	dir := filepath.Join(r.host.Dir, "agents.d")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		r.t.Fatal(err)
	}
	definition := "[agent]\nname = BasicAgent\ncommand = /bin/sleep 100003\n"
	if err := os.WriteFile(filepath.Join(dir, "basic.ini"), []byte(definition), 0o644); err != nil {
		r.t.Fatal(err)
	}
	for pid == 0 {
		if beat := r.beat("1.0.0"); len(beat.Agents) == 1 {
			pid = beat.Agents[0].PID
		}
	}
	r.t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
	return pid
}

// end ends whatever agent there is, also one that a guardian has started.
func (r *upgradeRig) end() {
	_, status, err := state.Peek(filepath.Join(r.host.Dir, "state"))
	if err == nil && status.PID > 1 {
		_ = syscall.Kill(status.PID, syscall.SIGKILL)
	}
}

func (r *upgradeRig) status(ask wire.StatusRequest) (wire.StatusReply, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ask.Version == r.refuse {
		return wire.StatusReply{}, errors.New("not this one")
	}
	select {
	case r.beats <- ask:
	default:
	}
	return wire.StatusReply{Jobs: r.jobs}, nil
}

func (r *upgradeRig) take(results []wire.JobResult) (wire.ResultReply, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, result := range results {
		for i := range r.jobs {
			if r.jobs[i].ID == result.ID {
				r.jobs = append(r.jobs[:i:i], r.jobs[i+1:]...)
				break
			}
		}
		r.results <- result
	}
	return wire.ResultReply{}, nil
}

func (r *upgradeRig) note(events []wire.Event) (wire.ResultReply, error) {
	for _, e := range events {
		r.events <- e
	}
	return wire.ResultReply{}, nil
}

// upgrade queues a job that brings a binary.
func (r *upgradeRig) upgrade(id, version string, binary []byte, changes ...func(*wire.Job)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.binaries["/"+id] = binary
	sum := sha256.Sum256(binary)
	job := wire.Job{
		ID: id, Action: wire.ActionUpgradeAgent, URL: r.web.URL + "/" + id, Version: version,
		Checksum: fmt.Sprintf("SHA256:%x", sum), Signature: r.server.CA.SignSum(r.t, sum[:]),
	}
	for _, change := range changes {
		change(&job)
	}
	r.jobs = append(r.jobs, job)
}

func receive[T any](r *upgradeRig, what string, from <-chan T) T {
	r.t.Helper()
	select {
	case value := <-from:
		return value
	case <-time.After(time.Minute):
		log, _ := os.ReadFile(filepath.Join(r.host.Dir, "agent.log"))
		r.t.Fatalf("%s did not come; agent.log:\n%s", what, log)
		panic("unreachable")
	}
}

// beat waits for a heartbeat of a version that comes after now.
func (r *upgradeRig) beat(version string) wire.StatusRequest {
	r.t.Helper()
	for {
		if beat := receive(r, "a heartbeat of "+version, r.beats); beat.Version == version {
			return beat
		}
	}
}

func (r *upgradeRig) read(path string) []byte {
	r.t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		r.t.Fatal(err)
	}
	return content
}

func TestScenario15AnUpgradeInPlace(t *testing.T) {
	r := newUpgradeRig(t, 4)
	fresh := r.read(build(t, "2.0.0"))
	child := r.child()
	gate := filepath.Join(t.TempDir(), "gate")
	if err := agenttest.Pipe(gate); err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	r.jobs = append(r.jobs, wire.Job{ID: "running", Action: wire.ActionExec, Exec: &wire.Exec{Script: "echo before; read x <" + gate + "; echo after; exit 3"}})
	r.mu.Unlock()
	r.upgrade("up", "2.0.0", fresh)
	if result := receive(r, "a result", r.results); result.ID != "up" || result.ErrCode != 0 || !strings.Contains(result.Message, "1.0.0 became 2.0.0") {
		t.Fatalf("got %+v", result)
	}
	if event := receive(r, "an event", r.events); event.Kind != wire.EventAgentUpgraded || event.Params["from"] != "1.0.0" || event.Params["to"] != "2.0.0" {
		t.Errorf("event %+v", event)
	}
	if beat := r.beat("2.0.0"); len(beat.Agents) != 1 || beat.Agents[0].PID != child || beat.Agents[0].Restarts != 0 {
		t.Errorf("the child agent was process %d and is %+v", child, beat.Agents)
	}
	if err := r.agent.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("the process is another: %v", err)
	}
	if entries, err := os.ReadDir(filepath.Dir(r.program)); string(r.read(r.program)) != string(fresh) || err != nil || len(entries) != 1 {
		t.Errorf("the new binary is not in place, or not alone: %v, %v", entries, err)
	}
	pipe, err := agenttest.OpenPipe(gate)
	if err != nil {
		t.Fatal(err)
	}
	pipe.Close()
	if result := receive(r, "a result", r.results); result.ID != "running" || result.ErrCode != wire.ErrCodeExitStatus || *result.ExitCode != 3 || result.Stdout != 13 {
		t.Errorf("what ran meanwhile: %+v", result)
	}
}

func TestAnUpgradeThatIsRefusedChangesNothing(t *testing.T) {
	r := newUpgradeRig(t, 4)
	old, fresh := r.read(r.program), r.read(build(t, "2.0.0"))
	stranger := agenttest.NewAuthority(t)
	for i, test := range []struct {
		name   string
		binary []byte
		change func(*wire.Job)
		want   int
	}{
		{"no signature", fresh, func(j *wire.Job) { j.Signature = "" }, wire.ErrCodeChecksum},
		{"a stranger's signature", fresh, func(j *wire.Job) { s := sha256.Sum256(fresh); j.Signature = stranger.SignSum(t, s[:]) }, wire.ErrCodeChecksum},
		{"another file", fresh, func(j *wire.Job) {
			other := []byte("other")
			s := sha256.Sum256(other)
			j.Checksum, j.Signature = fmt.Sprintf("SHA256:%x", s), r.server.CA.SignSum(t, s[:])
		}, wire.ErrCodeChecksum},
		{"no URL", fresh, func(j *wire.Job) { j.URL = "" }, wire.ErrCodeBadJob},
		{"no program", []byte("hello"), func(*wire.Job) {}, wire.ErrCodeBadPackage},
		{"a program that fails", []byte("#!/bin/sh\nexit 1\n"), func(*wire.Job) {}, wire.ErrCodeBadPackage},
		{"another version", fresh, func(j *wire.Job) { j.Version = "3.0.0" }, wire.ErrCodeBadPackage},
	} {
		r.upgrade(fmt.Sprintf("up-%d", i), "2.0.0", test.binary, test.change)
		if result := receive(r, "a result", r.results); result.ErrCode != test.want {
			t.Errorf("%s: got %+v, want errcode %d", test.name, result, test.want)
		}
	}
	entries, err := os.ReadDir(filepath.Dir(r.program))
	if err != nil || len(entries) != 1 || string(r.read(r.program)) != string(old) {
		t.Errorf("files %v, %v", entries, err)
	}
}

func TestANewVersionWhoseHeartbeatsAreNotAnsweredIsRolledBack(t *testing.T) {
	r := newUpgradeRig(t, 4)
	old, fresh := r.read(r.program), r.read(build(t, "2.0.0"))
	r.mu.Lock()
	r.refuse = "2.0.0"
	r.mu.Unlock()
	r.upgrade("up", "2.0.0", fresh)
	result := receive(r, "a result", r.results)
	if result.ErrCode != wire.ErrCodeRolledBack || !strings.Contains(result.Message, "no heartbeat was answered within 4s") {
		t.Errorf("got %+v", result)
	}
	if event := receive(r, "an event", r.events); event.Kind != wire.EventAgentRolledBack || event.Params["to"] != "2.0.0" || event.Params["reason"] == "" {
		t.Errorf("event %+v", event)
	}
	r.beat("1.0.0")
	if string(r.read(r.program)) != string(old) {
		t.Error("the old binary is not in place")
	}
	if err := r.agent.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("the process is another: %v", err)
	}
	r.upgrade("again", "2.0.0", fresh)
	if result := receive(r, "a result", r.results); result.ErrCode != wire.ErrCodeRolledBack || !strings.Contains(result.Message, "tried before") {
		t.Errorf("tried again: %+v", result)
	}
}

// TestANewVersionThatCrashesAtOnceIsRolledBack has no init system that would start anything again.
func TestANewVersionThatCrashesAtOnceIsRolledBack(t *testing.T) {
	r := newUpgradeRig(t, 4)
	r.upgrade("up", "2.0.0", []byte("#!/bin/sh\n[ $1 = selftest ] && echo hostler-agent 2.0.0 && exit\nexit 1\n"))
	done := make(chan error, 1)
	go func() { done <- r.agent.Wait() }()
	if err := receive(r, "the end of the agent", done); err == nil {
		t.Error("the agent ended without an error")
	}
	result := receive(r, "a result", r.results)
	if result.ErrCode != wire.ErrCodeRolledBack || !strings.Contains(result.Message, "nothing started it again") {
		t.Errorf("got %+v", result)
	}
	r.beat("1.0.0")
}

func TestANewVersionThatHangsIsRolledBack(t *testing.T) {
	r := newUpgradeRig(t, 2)
	r.upgrade("up", "2.0.0", []byte("#!/bin/sh\n[ $1 = selftest ] && echo hostler-agent 2.0.0 && exit\nexec sleep 1000\n"))
	result := receive(r, "a result", r.results)
	if result.ErrCode != wire.ErrCodeRolledBack || !strings.Contains(result.Message, "neither reported nor gave up") {
		t.Errorf("got %+v", result)
	}
	r.beat("1.0.0")
}

// powerLoss ends the agent and its guardian at once, as far as there are any.
func (r *upgradeRig) powerLoss() {
	r.t.Helper()
	r.agent.Process.Kill()
	r.agent.Wait()
	commands, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		r.t.Fatal(err)
	}
	for _, path := range commands {
		text, _ := os.ReadFile(path) // it may have ended
		words := strings.Split(string(text), "\x00")
		if len(words) > 2 && words[1] == upgrade.GuardArgument && words[2] == filepath.Join(r.host.Dir, "state") {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			if err != nil {
				r.t.Fatal(err)
			}
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
		}
	}
}

// boot is an init system that starts the agent whenever it has ended, until the test does.
func (r *upgradeRig) boot() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	r.t.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			_ = exec.CommandContext(ctx, r.program, "run", "--config", r.host.Ini()).Run() // it is to fail
		}
	}()
}

// starts is a new binary that notes each of its starts in a file, which it returns as well, and then does something.
func (r *upgradeRig) starts(then string) (binary []byte, path string) {
	path = filepath.Join(r.t.TempDir(), "starts")
	return []byte("#!/bin/sh\n[ $1 = selftest ] && echo hostler-agent 2.0.0 && exit\necho >>" + path + "\nn=$(grep -c ^ " + path + ")\n" + then + "\n"), path
}

func (r *upgradeRig) started(path string) (n int) {
	text, _ := os.ReadFile(path) // it may not have started yet
	return strings.Count(string(text), "\n")
}

// TestAPowerLossBeforeANewVersionThatCrashes has nothing left but files when the new version first crashes.
func TestAPowerLossBeforeANewVersionThatCrashes(t *testing.T) {
	r := newUpgradeRig(t, 600)
	old := r.read(r.program)
	binary, starts := r.starts("[ $n = 1 ] && exec sleep 1000\nexit 1")
	r.upgrade("up", "2.0.0", binary)
	agenttest.Eventually(t, "the new version started", func() bool { return r.started(starts) == 1 })
	r.powerLoss()
	r.boot()
	result := receive(r, "a result", r.results)
	if result.ErrCode != wire.ErrCodeRolledBack || !strings.Contains(result.Message, "it started 3 times and did not prove itself") {
		t.Errorf("got %+v", result)
	}
	if n := r.started(starts); n != 3 {
		t.Errorf("it was started %d times", n)
	}
	r.beat("1.0.0")
	if entries, err := os.ReadDir(filepath.Dir(r.program)); string(r.read(r.program)) != string(old) || err != nil || len(entries) != 1 {
		t.Errorf("the old binary is not in place, or not alone: %v, %v", entries, err)
	}
}

// TestAPowerLossBeforeANewVersionThatHangs has the guardian of the first start gone, too.
func TestAPowerLossBeforeANewVersionThatHangs(t *testing.T) {
	r := newUpgradeRig(t, 2)
	binary, starts := r.starts("exec sleep 1000")
	r.upgrade("up", "2.0.0", binary)
	agenttest.Eventually(t, "the new version started", func() bool { return r.started(starts) == 1 })
	r.powerLoss()
	r.boot()
	result := receive(r, "a result", r.results)
	if result.ErrCode != wire.ErrCodeRolledBack || !strings.Contains(result.Message, "neither reported nor gave up") {
		t.Errorf("got %+v", result)
	}
	r.beat("1.0.0")
}
