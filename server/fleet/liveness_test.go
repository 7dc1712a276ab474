package fleet_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/db/dbtest"
	"hostler/server/event"
)

func TestChildrenDecideHealth(t *testing.T) {
	r := newRig(t)
	h := r.register("node1")
	for _, c := range []struct {
		status wire.ChildState
		want   db.HostState
	}{
		{wire.ChildRunning, db.HostHealthy},
		{wire.ChildFatal, db.HostUnhealthy},
		{wire.ChildStopped, db.HostHealthy},
		{wire.ChildKilled, db.HostUnhealthy},
		{wire.ChildRunning, db.HostHealthy},
	} {
		r.beat("node1", wire.ChildAgent{Name: "first", Status: wire.ChildRunning}, wire.ChildAgent{Name: "second", Status: c.status}, wire.ChildAgent{Name: "third", Status: wire.ChildStopped})
		r.wantState("node1", c.want)
	}
	if got := r.events(h.ID); !slices.Equal(got, []string{event.HostRegistered}) {
		t.Errorf("health is no event of the fleet: %v", got)
	}
}

func TestLostAndBack(t *testing.T) {
	r := newRig(t)
	h := r.register("node1")
	r.beat("node1")
	seen := r.clock.Now()
	changes := r.changes()
	r.clock.Advance(30*time.Second - time.Millisecond)
	r.fleet.Sweep(t.Context())
	r.wantState("node1", db.HostHealthy)
	r.clock.Advance(time.Millisecond)
	for range 2 {
		r.fleet.Sweep(t.Context())
	}
	r.wantState("node1", db.HostLost)
	if c := r.next(changes); c.State != db.HostLost || !c.LastSeenAt.Equal(seen) {
		t.Errorf("published %+v", c)
	}
	r.beat("node1")
	r.wantState("node1", db.HostHealthy)
	if c := r.next(changes); c.State != db.HostHealthy {
		t.Errorf("published %+v", c)
	}
	if got := r.events(h.ID); !slices.Equal(got, []string{event.HostRegistered, event.HostLost, event.HostBack}) {
		t.Errorf("events %v", got)
	}
	es, err := r.db.Events(t.Context(), db.EventQuery{HostID: h.ID, Severity: db.SeverityError})
	r.must(err)
	if len(es) != 1 || es[0].Params["host"] != "node1" || es[0].Params["seen"] != seen.Format(time.RFC3339) {
		t.Errorf("the loss was recorded as %+v", es)
	}
}

func TestClocksThatAreSetLoseNobody(t *testing.T) {
	r := newRig(t)
	h := r.register("node1")
	r.beat("node1")
	for _, step := range []time.Duration{30 * time.Second, 24 * time.Hour, -48 * time.Hour} {
		r.clock.Set(r.clock.Now().Add(step))
		r.fleet.Sweep(t.Context())
		r.wantState("node1", db.HostHealthy)
	}
	r.clock.Advance(30 * time.Second)
	r.fleet.Sweep(t.Context())
	r.wantState("node1", db.HostLost)
	r.beat("node1")
	r.wantState("node1", db.HostHealthy)
	if row := r.row(h.ID); !row.LastSeenAt.Equal(r.clock.Now()) {
		t.Errorf("it was seen at %s by a clock that tells %s", row.LastSeenAt, r.clock.Now())
	}
}

func TestAMassLossIsStoredAtOnce(t *testing.T) {
	r := newRig(t)
	const hosts = 300
	for i := range hosts {
		r.register(fmt.Sprint("node", i))
	}
	recorded := func() int {
		es, err := r.db.Events(t.Context(), db.EventQuery{Severity: db.SeverityError, Limit: 500})
		r.must(err)
		return len(es)
	}
	allow := dbtest.Refuse(t, r.url, "INSERT", "events", fmt.Sprintf("NEW.host_id = %d", r.host("node299").ID))
	r.clock.Advance(time.Minute)
	r.fleet.Sweep(t.Context())
	if n := recorded(); n != 0 {
		t.Errorf("the losses of one sweep are not one transaction: %d were stored", n)
	}
	allow()
	lost, _, err := r.db.Hosts(t.Context(), db.HostQuery{State: db.HostLost, Limit: 1000})
	r.must(err)
	if len(lost) != hosts {
		t.Errorf("%d hosts of %d are stored as lost", len(lost), hosts)
	}
	for i := range hosts {
		r.beat(fmt.Sprint("node", i))
	}
	r.clock.Advance(time.Minute)
	r.fleet.Sweep(t.Context())
	if n := recorded(); n != hosts {
		t.Errorf("%d losses were recorded", n)
	}
}

func TestALostHostComesBackByRegistering(t *testing.T) {
	r := newRig(t)
	h := r.register("node1")
	r.beat("node1")
	r.clock.Advance(time.Minute)
	r.fleet.Sweep(t.Context())
	r.register("node1")
	r.wantState("node1", db.HostInit)
	r.beat("node1")
	r.wantState("node1", db.HostHealthy)
	want := []string{event.HostRegistered, event.HostLost, event.HostBack, event.HostRegistered}
	got := r.events(h.ID)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("events %v, want %v", got, want)
	}
}

func TestShortStepsGetFifteenSeconds(t *testing.T) {
	r := newRig(t)
	h := r.register("node1")
	r.must(r.fleet.SetStep(t.Context(), h.ID, 1))
	r.beat("node1")
	r.clock.Advance(15*time.Second - time.Millisecond)
	r.fleet.Sweep(t.Context())
	r.wantState("node1", db.HostHealthy)
	r.clock.Advance(time.Millisecond)
	r.fleet.Sweep(t.Context())
	r.wantState("node1", db.HostLost)
}

func TestAServerThatStartedWaits(t *testing.T) {
	r := newRig(t)
	r.register("node1")
	r.beat("node1")
	r.register("gone")
	r.beat("gone")
	r.fleet.Flush(t.Context())
	r.clock.Advance(time.Hour) // the server was down
	r.start()
	r.clock.Advance(29 * time.Second)
	r.fleet.Sweep(t.Context())
	r.wantState("node1", db.HostHealthy)
	r.beat("node1")
	r.clock.Advance(time.Second)
	r.fleet.Sweep(t.Context())
	r.wantState("node1", db.HostHealthy)
	r.wantState("gone", db.HostLost)
	r.start()
	r.wantState("gone", db.HostLost)
}

func TestAFreshHostIsNotLostAtOnce(t *testing.T) {
	r := newRig(t)
	r.clock.Advance(time.Hour)
	r.register("node1")
	r.fleet.Sweep(t.Context())
	r.wantState("node1", db.HostInit)
	r.clock.Advance(30 * time.Second)
	r.fleet.Sweep(t.Context())
	r.wantState("node1", db.HostLost)
}

func TestAWaitingHostIsNotLost(t *testing.T) {
	r := newRig(t)
	r.must(r.db.UpsertHost(t.Context(), &db.Host{AgentSN: "sn-node1", Name: "node1", State: db.HostWaiting}))
	r.start()
	r.clock.Advance(time.Hour)
	r.fleet.Sweep(t.Context())
	r.wantState("node1", db.HostWaiting)
}

func TestHeartbeatsAreWrittenInBatches(t *testing.T) {
	r := newRig(t)
	h := r.register("node1")
	r.beat("node1")
	first := r.clock.Now()
	if row := r.row(h.ID); row.LastSeenAt != nil {
		t.Errorf("a heartbeat was written by itself: %+v", row)
	}
	failing, cancel := context.WithCancel(t.Context())
	cancel()
	r.fleet.Flush(failing)
	if row := r.row(h.ID); row.LastSeenAt != nil {
		t.Fatalf("written in spite of the failure: %+v", row)
	}
	r.fleet.Flush(t.Context())
	if row := r.row(h.ID); row.LastSeenAt == nil || !row.LastSeenAt.Equal(first) || !row.StartedAt.Equal(first.Add(-time.Minute)) || row.State != db.HostHealthy {
		t.Errorf("the failed batch was not kept: %+v", row)
	}
	r.clock.Advance(time.Second)
	r.must(r.db.FlushHosts(t.Context(), []db.HostSeen{{ID: h.ID, State: db.HostWaiting}}))
	r.fleet.Flush(t.Context())
	if row := r.row(h.ID); row.State != db.HostWaiting {
		t.Error("a host without news was written again")
	}
}

func TestALossThatCannotBeStoredIsStoredLater(t *testing.T) {
	r := newRig(t)
	h := r.register("node1")
	r.beat("node1")
	r.fleet.Flush(t.Context())
	r.clock.Advance(time.Minute)
	failing, cancel := context.WithCancel(t.Context())
	cancel()
	r.fleet.Sweep(failing)
	if row := r.row(h.ID); row.State != db.HostHealthy {
		t.Fatalf("stored in spite of the failure: %s", row.State)
	}
	r.fleet.Flush(t.Context())
	r.wantState("node1", db.HostLost)
}

func TestRunSweepsAndFlushesAtItsEnd(t *testing.T) {
	r := newRig(t)
	h := r.register("node1")
	r.beat("node1")
	r.clock.Advance(time.Minute)
	changes := r.changes()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); r.fleet.Run(ctx) }()
	if c := r.next(changes); c.State != db.HostLost {
		t.Errorf("published %+v", c)
	}
	r.beat("node1")
	last := r.clock.Now()
	cancel()
	<-ended
	if row := r.row(h.ID); !row.LastSeenAt.Equal(last) || row.State != db.HostHealthy {
		t.Errorf("the last heartbeat was not written: %+v", row)
	}
}
