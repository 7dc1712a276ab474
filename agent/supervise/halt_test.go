package supervise

import (
	"os"
	"path/filepath"
	"testing"

	"hostler/agent/agenttest"
	"hostler/agent/wire"
)

// TestHaltGoesBackwards: what others are started after is there until they are gone, and each has its own signal and time.
func TestHaltGoesBackwards(t *testing.T) {
	dir := t.TempDir()
	order := filepath.Join(dir, "order")
	r := newRig(t)
	told := func(name, signal string) string {
		return `/bin/sh -c 'trap "echo ` + name + ` >>order; exit 0" ` + signal + `; echo up >>ready-` + name + `; while :; do sleep 0.01; done'`
	}
	r.define("a.ini", "A", told("A", "TERM"), "agent.directory = "+dir)
	r.define("b.ini", "B", told("B", "USR1"), "agent.directory = "+dir+"\nafter = A", "stop.signal = USR1")
	r.define("c.ini", "C", told("C", "TERM"), "agent.directory = "+dir+"\nafter = B")
	r.define("d.ini", "D", `/bin/sh -c 'trap "" TERM; echo up >>ready-D; while :; do sleep 0.01; done'`, "agent.directory = "+dir+"\nafter = B", "stop.grace = 100ms")
	r.define("e.ini", "E", forever)
	r.start()
	for _, name := range []string{"A", "B", "C", "D"} {
		agenttest.Eventually(t, name+" to have its trap", func() bool {
			_, err := os.Stat(filepath.Join(dir, "ready-"+name))
			return err == nil
		})
	}
	r.running("E")
	r.must(r.s.Stop(t.Context(), "E"))
	r.must(r.s.Halt(t.Context()))
	if content, err := os.ReadFile(order); string(content) != "C\nB\nA\n" {
		t.Errorf("they ended in the order %q, %v", content, err)
	}
	for _, child := range r.s.Children() {
		if child.Status != wire.ChildStopped || child.PID != 0 {
			t.Errorf("after all was stopped %s is %s", child.Name, child.Status)
		}
	}
	if err := r.s.Start(t.Context(), "A"); err == nil {
		t.Error("a child agent was started while the host shut down")
	}
	if n := r.count(wire.EventChildExited); n != 0 {
		t.Errorf("%d ends are told as if nobody had wanted them", n)
	}
	// The shutdown was called off, or this is the next boot: what ran runs again, and what was stopped stays so.
	r.end()
	r.start()
	for _, name := range []string{"A", "B", "C", "D"} {
		r.running(name)
	}
	r.status("E", wire.ChildStopped)
}
