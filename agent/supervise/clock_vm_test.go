//go:build vm

package supervise

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hostler/agent/agenttest"
	"hostler/agent/wire"
)

// TestScenario06TheClockIsSetWhileARestartIsDue sets the clock of the machine, which only one that is gone afterwards lets do:
// e2e/cgroup2 runs it.
func TestScenario06TheClockIsSetWhileARestartIsDue(t *testing.T) {
	r := newRig(t)
	r.define("a.ini", "A", forever, "restart.hold_off = 3s\ncheck = 0s")
	r.start()
	pid := r.running("A").PID
	for i, step := range []time.Duration{time.Hour, -2 * time.Hour} {
		kill(t, pid)
		r.status("A", wire.ChildStopped)
		died := sinceBoot()
		setClock(t, step)
		agenttest.Eventually(t, "the jump told", func() bool { return r.count(wire.EventClockJumped) == i+1 })
		pid = r.until("A", "started again", func(c wire.ChildAgent) bool { return c.Status == wire.ChildRunning && c.PID != pid }).PID
		if waited := sinceBoot() - died; waited < 2*time.Second {
			t.Errorf("after a step of %v it was started again within %v, not after 3 s", step, waited)
		}
	}
	setClock(t, time.Hour)
	agenttest.Eventually(t, "the last jump told", func() bool { return r.count(wire.EventClockJumped) == 3 })
	if r.running("A").PID != pid {
		t.Error("a step of the clock started it again")
	}
}

func setClock(t *testing.T, by time.Duration) {
	t.Helper()
	at := unix.NsecToTimeval(time.Now().Add(by).UnixNano())
	if err := unix.Settimeofday(&at); err != nil {
		t.Fatal(err)
	}
}
