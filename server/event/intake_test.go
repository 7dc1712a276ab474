package event_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/db/dbtest"
	"hostler/internal/testclock"
	"hostler/server/event"
)

type intakeRig struct {
	*testing.T
	db     *db.DB
	clock  *testclock.Clock
	intake *event.Intake
}

func newIntake(t *testing.T) *intakeRig {
	t.Helper()
	bus, err := event.OpenBus("", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(bus.Close)
	r := &intakeRig{T: t, db: dbtest.Open(t), clock: testclock.New(db.Now())}
	r.intake = event.NewIntake(event.NewLog(r.db, bus, slog.New(slog.DiscardHandler)), r.clock.Now)
	return r
}

func (r *intakeRig) take(host int64, es ...wire.Event) {
	r.Helper()
	if err := r.intake.Take(r.Context(), host, fmt.Sprint("node", host), es); err != nil {
		r.Fatal(err)
	}
}

// recorded lists a host's events, newest first.
func (r *intakeRig) recorded(host int64) []db.Event {
	r.Helper()
	es, err := r.db.Events(r.Context(), db.EventQuery{HostID: host, Limit: 500})
	if err != nil {
		r.Fatal(err)
	}
	return es
}

func TestEventsOfAgentsAreRecordedOnce(t *testing.T) {
	r := newIntake(t)
	e := wire.Event{
		ID: "11111111-2222", Time: r.clock.Now().Add(-time.Hour).UnixMilli(), Kind: wire.EventChildFatal, Severity: wire.SeverityError, Child: "web",
		Params: map[string]string{"reason": "4 strikes", "host": "forged"},
	}
	r.take(1, e, e)
	r.take(1, e)
	r.take(2, e) // a clone of the first host has events of its own
	got := r.recorded(1)
	if len(got) != 1 || len(r.recorded(2)) != 1 {
		t.Fatalf("recorded %+v", got)
	}
	if g := got[0]; g.Kind != event.ChildFatal || g.Severity != db.SeverityError || g.Child != "web" || g.Params["host"] != "node1" || g.Params["reason"] != "4 strikes" ||
		g.Params["child"] != "web" || !g.Time.Equal(time.UnixMilli(e.Time).UTC()) {
		t.Errorf("recorded %+v", g)
	}
	if r.intake.Received() != 2 {
		t.Errorf("counted %d", r.intake.Received())
	}
}

func TestEventsTwiceAtOnce(t *testing.T) {
	r := newIntake(t)
	es := []wire.Event{{ID: "a", Kind: wire.EventDiskFull}, {ID: "b", Kind: wire.EventDiskFreed}}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			err := r.intake.Take(t.Context(), 1, "node1", es)
			var busy *wire.Error
			if err != nil && (!errors.As(err, &busy) || busy.Code != "events_twice") {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	r.take(1, es...)
	if got := r.recorded(1); len(got) != 2 {
		t.Errorf("recorded %+v", got)
	}
}

func TestWhatNoAgentShouldSend(t *testing.T) {
	r := newIntake(t)
	now := r.clock.Now()
	for name, c := range map[string]struct {
		sent wire.Event
		kind string
		time time.Time
	}{
		"a newer agent":         {wire.Event{ID: "1", Kind: "network.down", Time: now.UnixMilli()}, "network.down", now},
		"speaks for the server": {wire.Event{ID: "2", Kind: "user.login", Time: now.UnixMilli()}, "agent.user.login", now},
		"no kind":               {wire.Event{ID: "3", Kind: "<script>", Time: now.UnixMilli()}, "agent.unknown", now},
		"from the future":       {wire.Event{ID: "4", Kind: "disk.full", Time: now.AddDate(10, 0, 0).UnixMilli()}, "disk.full", now},
		"from 1970":             {wire.Event{ID: "5", Kind: "disk.full"}, "disk.full", now},
		"without an id":         {wire.Event{Kind: "disk.freed", Time: now.UnixMilli()}, "disk.freed", now},
	} {
		r.take(1, c.sent, c.sent)
		got := r.recorded(1)[0]
		if got.Kind != c.kind || !got.Time.Equal(c.time) || got.Severity != db.SeverityInfo {
			t.Errorf("%s: recorded %+v", name, got)
		}
	}
	if got := r.recorded(1); len(got) != 6 {
		t.Errorf("recorded %d events of 6", len(got))
	}
	many := map[string]string{}
	for i := range 100 {
		many[fmt.Sprint("p", i)] = strings.Repeat("x", 10_000)
	}
	r.take(2, wire.Event{ID: "6", Kind: "disk.full", Params: many})
	if got := r.recorded(2)[0].Params; len(got) > 20 || len(got["p1"]+got["p2"]) > 2048 {
		t.Errorf("%d parameters were kept", len(got))
	}
}

func TestAHostThatTellsTooMuch(t *testing.T) {
	r := newIntake(t)
	n := 0
	flood := func(count int) {
		var es []wire.Event
		for range count {
			n++
			es = append(es, wire.Event{ID: fmt.Sprint(n), Kind: wire.EventDiskFull})
		}
		r.take(1, es...)
	}
	var refused *wire.Error
	if err := r.intake.Take(t.Context(), 1, "node1", make([]wire.Event, event.MaxEvents+1)); !errors.As(err, &refused) || refused.Code != "too_many_events" {
		t.Errorf("too many in one message: %v", err)
	}
	for range 5 {
		flood(400)
	}
	if got := r.intake.Received(); got != 1000 {
		t.Errorf("took %d events at once", got)
	}
	dropped, err := r.db.Events(t.Context(), db.EventQuery{Kind: event.EventsDropped})
	if err != nil || len(dropped) != 1 || dropped[0].Params["count"] != "200" {
		t.Errorf("told of the dropped ones: %+v, %v", dropped, err)
	}
	r.clock.Advance(20 * time.Second)
	flood(400)
	if got := r.intake.Received(); got != 1010 {
		t.Errorf("after 20 s it took %d more", got-1000)
	}
	r.clock.Advance(time.Hour)
	flood(10)
	for range 5 {
		flood(400)
	}
	if dropped, err = r.db.Events(t.Context(), db.EventQuery{Kind: event.EventsDropped}); err != nil || len(dropped) != 2 {
		t.Errorf("the second flood was told of %d times, %v", len(dropped)-1, err)
	}
}

// TestKindsAreTheAgents holds the server's names for what agents tell to the protocol's.
func TestKindsAreTheAgents(t *testing.T) {
	for got, want := range map[string]wire.EventKind{
		event.ChildExited: wire.EventChildExited, event.ChildFatal: wire.EventChildFatal, event.ChildKilled: wire.EventChildKilled,
		event.ChildLimitsPolled: wire.EventChildLimitsPolled, event.ConfigRefused: wire.EventConfigRefused, event.DiskFull: wire.EventDiskFull,
		event.DiskFreed: wire.EventDiskFreed, event.ClockJumped: wire.EventClockJumped, event.AgentUpgraded: wire.EventAgentUpgraded,
		event.AgentRolledBack: wire.EventAgentRolledBack, event.EventsDropped: wire.EventEventsDropped,
	} {
		if got != string(want) {
			t.Errorf("%s is %s on the wire", got, want)
		}
	}
}
