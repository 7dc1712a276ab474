package supervise

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hostler/agent/agenttest"
	"hostler/agent/wire"
)

// reluctant is told to stop and does so, the first time, when something is written to the pipe "gate".
const reluctant = `/bin/sh -c "test -e stopped && exec sleep 1000; trap 'read line <gate; touch stopped; exit 0' TERM; echo up; while :; do sleep 0.01; done"`

// stopping makes a child agent that was told to stop and has not yet; let makes it.
func stopping(t *testing.T) (r *rig, pid int, asked <-chan error, let func()) {
	t.Helper()
	dir := t.TempDir()
	r = newRig(t)
	r.define("a.ini", "A", reluctant, "agent.directory = "+dir, "stop.grace = 1m", "restart.expected = 9")
	r.must(agenttest.Pipe(filepath.Join(dir, "gate")))
	gate, err := os.OpenFile(filepath.Join(dir, "gate"), os.O_RDWR, 0)
	r.must(err)
	t.Cleanup(func() { gate.Close() })
	r.start()
	pid = r.running("A").PID
	r.said("A", 1)
	answer := make(chan error, 1)
	s := r.s
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	go func() { answer <- s.Stop(ctx, "A") }()
	agenttest.Eventually(t, "the wish is on the disk", func() bool { return s.recall("A").Want == wantDown })
	return r, pid, answer, func() {
		// A shell that is told a second time while it reads begins to read again.
		if _, err := gate.WriteString(strings.Repeat("go\n", 9)); err != nil {
			t.Error(err)
		}
	}
}

func TestAStopThatTheAgentDidNotSeeTheEndOf(t *testing.T) {
	for name, order := range map[string]func(r *rig, let func(), pid int){
		"it ends after the next agent has begun": func(r *rig, let func(), _ int) { r.start(); let() },
		"it ends while no agent is there":        func(r *rig, let func(), pid int) { let(); r.gone(pid); r.start() },
	} {
		t.Run(name, func(t *testing.T) {
			r, pid, _, let := stopping(t)
			r.end()
			order(r, let, pid)
			child := r.until("A", "stopped", func(c wire.ChildAgent) bool { return c.PID == 0 && c.LastExit != nil })
			if child.Status != wire.ChildStopped || child.Reason != "" || r.count(wire.EventChildExited) != 0 || r.s.recall("A").Again != 0 {
				t.Errorf("got %+v, events %v", child, r.kinds())
			}
		})
	}
}

func TestAStartDuringAStopIsDoneAfterIt(t *testing.T) {
	r, pid, stopped, let := stopping(t)
	started := make(chan error, 1)
	go func() { started <- r.s.Start(t.Context(), "A") }()
	agenttest.Eventually(t, "the wish is on the disk", func() bool { return r.s.recall("A").Want == wantUp })
	let()
	for _, answer := range []<-chan error{stopped, started} {
		r.must(agenttest.Receive(t, answer))
	}
	if child := r.child("A"); child.Status != wire.ChildRunning || child.PID == 0 || child.PID == pid {
		t.Errorf("got %+v", child)
	}
}

func TestAStopDuringARestartStays(t *testing.T) {
	r, _, stopped, let := stopping(t)
	restarted := make(chan error, 1)
	go func() { restarted <- r.s.Restart(t.Context(), "A") }()
	agenttest.Eventually(t, "the wish is on the disk", func() bool { return r.s.recall("A").Want == wantUp })
	again := make(chan error, 1)
	go func() { again <- r.s.Stop(t.Context(), "A") }()
	agenttest.Eventually(t, "the last wish is on the disk", func() bool { return r.s.recall("A").Want == wantDown })
	let()
	for _, answer := range []<-chan error{stopped, restarted, again} {
		r.must(agenttest.Receive(t, answer))
	}
	if child := r.child("A"); child.Status != wire.ChildStopped || child.PID != 0 {
		t.Errorf("got %+v", child)
	}
}
