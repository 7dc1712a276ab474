package fleet_test

import (
	"testing"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/fleet"
)

// running is a child agent with everything that an agent tells.
func running(edit func(*wire.ChildAgent)) wire.ChildAgent {
	one := 1
	c := wire.ChildAgent{
		Name: "web", Version: "1", Status: wire.ChildRunning, Uptime: 5, PID: 42, Ready: true, Restarts: 2, CPU: 12.5, Memory: 1 << 20,
		Limits: &wire.Limits{CPU: "10%", Memory: "20M"}, LimitedBy: wire.LimiterCgroup2, LastExit: &wire.Exit{Time: 9, Code: &one},
	}
	if edit != nil {
		edit(&c)
	}
	return c
}

func TestChildAgentsAreKnownWhole(t *testing.T) {
	r := newRig(t)
	id := r.register("node1").ID
	r.beat("node1", running(nil))
	now := r.host("node1").Children[0]
	if now.CPU != 12.5 || now.Memory != 1<<20 || now.PID != 42 || now.Restarts != 2 || !now.Ready || now.Limits.Memory != "20M" || *now.LastExit.Code != 1 {
		t.Errorf("in memory it is %+v", now)
	}
	r.start()
	stored := r.host("node1").Children[0]
	if stored.CPU != 0 || stored.PID != 0 || stored.Restarts != 2 || stored.Limits.CPU != "10%" || stored.LimitedBy != wire.LimiterCgroup2 || stored.LastExit.Time != 9 {
		t.Errorf("after a restart it is %+v", stored)
	}
	rows, err := r.db.Children(t.Context(), id)
	r.must(err)
	r.beat("node1", running(func(c *wire.ChildAgent) { c.CPU = 50 }))
	got := r.fleet.Children(append(rows, db.ChildAgent{HostID: id, Name: "gone"}, db.ChildAgent{HostID: 99, Name: "web"}))
	if got[0].Host != "node1" || got[0].CPU != 50 || got[1].Name != "gone" || got[2].Host != "" {
		t.Errorf("the list is %+v", got)
	}
}

func TestOnlyWhatMattersIsStored(t *testing.T) {
	r := newRig(t)
	id := r.register("node1").ID
	for what, c := range map[string]struct {
		edit   func(*wire.ChildAgent)
		stored bool
	}{
		"nothing":   {nil, false},
		"uptime":    {func(c *wire.ChildAgent) { c.Uptime = 600 }, false},
		"CPU":       {func(c *wire.ChildAgent) { c.CPU = 99 }, false},
		"memory":    {func(c *wire.ChildAgent) { c.Memory = 5 }, false},
		"PID":       {func(c *wire.ChildAgent) { c.PID = 43 }, false},
		"status":    {func(c *wire.ChildAgent) { c.Status = wire.ChildFatal }, true},
		"version":   {func(c *wire.ChildAgent) { c.Version = "2" }, true},
		"reason":    {func(c *wire.ChildAgent) { c.Reason = "over its limit" }, true},
		"restarts":  {func(c *wire.ChildAgent) { c.Restarts = 3 }, true},
		"readiness": {func(c *wire.ChildAgent) { c.Ready = false }, true},
		"limits":    {func(c *wire.ChildAgent) { c.Limits = &wire.Limits{CPU: "20%"} }, true},
		"no limits": {func(c *wire.ChildAgent) { c.Limits = nil }, true},
		"limiter":   {func(c *wire.ChildAgent) { c.LimitedBy = wire.LimiterPolling }, true},
		"last exit": {func(c *wire.ChildAgent) { c.LastExit = &wire.Exit{Time: 10, Signal: "SIGKILL"} }, true},
	} {
		if got := writes(r, id, c.edit); got != c.stored {
			t.Errorf("%s: stored %t, want %t", what, got, c.stored)
		}
	}
}

// writes reports whether a change of a child agent reaches the database.
func writes(r *rig, id int64, edit func(*wire.ChildAgent)) bool {
	r.Helper()
	r.beat("node1", running(nil))
	before, err := r.db.Children(r.Context(), id)
	r.must(err)
	r.clock.Advance(step)
	r.beat("node1", running(edit))
	after, err := r.db.Children(r.Context(), id)
	r.must(err)
	return !before[0].SeenAt.Equal(after[0].SeenAt)
}

func TestIdentify(t *testing.T) {
	r := newRig(t)
	if _, _, err := r.fleet.Identify(t.Context(), certificate("node1")); code(err) != "not_registered" {
		t.Errorf("a host that did not register: %v", err)
	}
	want := r.register("node1").ID
	if id, name, err := r.fleet.Identify(t.Context(), certificate("node1")); id != want || name != "node1" || err != nil {
		t.Errorf("got %d, %s, %v", id, name, err)
	}
	clone := certificate("node1")
	clone.Hostname = "node2"
	if _, _, err := r.fleet.Identify(t.Context(), clone); code(err) != "wrong_host" {
		t.Errorf("a clone: %v", err)
	}
}

func TestTheLatestOfANameIsMeant(t *testing.T) {
	r := newRig(t)
	r.register("node1")
	r.clock.Advance(step)
	again := certificate("node1")
	again.AgentSN, again.Serial = "sn-again", "again"
	_, err := r.fleet.Register(t.Context(), again, wire.RegisterRequest{Hostname: "node1"}, "10.0.0.2")
	r.must(err)
	got := r.fleet.Find(t.Context(), fleet.Filter{Names: map[string]bool{"node1": true}})
	if len(got) != 1 || got[0].AgentSN != "sn-again" {
		t.Errorf("found %+v", got)
	}
	if got := r.fleet.Find(t.Context(), fleet.Filter{Search: "10.0.0"}); len(got) != 2 {
		t.Errorf("by address: %+v", got)
	}
}
