package fleet_test

import (
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/db/dbtest"
	"hostler/internal/testclock"
	"hostler/server/event"
	"hostler/server/fleet"
)

// rig is a fleet with its parts; a server that starts again makes another fleet of the same parts.
type rig struct {
	*testing.T
	db    *db.DB
	url   string // of db
	bus   *event.Bus
	clock *testclock.Clock
	fleet *fleet.Fleet
}

const step = 10 * time.Second

func newRig(t *testing.T) *rig {
	t.Helper()
	bus, err := event.OpenBus("", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(bus.Close)
	url := dbtest.Migrated(t)
	r := &rig{T: t, db: dbtest.OpenURL(t, url), url: url, bus: bus, clock: testclock.New(db.Now())}
	r.start()
	return r
}

// start makes a fleet as a server does that has just started.
func (r *rig) start() {
	r.Helper()
	log := slog.New(slog.DiscardHandler)
	r.fleet = fleet.New(r.db, r.bus, event.NewLog(r.db, r.bus, log), log, fleet.Options{
		Step: step, MissedSteps: 3, MinLost: 15 * time.Second, Now: r.clock.Now, Elapsed: r.clock.Elapsed,
	})
	r.must(r.fleet.Load(r.Context()))
}

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// certificate is that of a host whose serial number is "sn-" and its name.
func certificate(name string) *db.Certificate {
	return &db.Certificate{Serial: "serial-" + name, AgentSN: "sn-" + name, Hostname: name}
}

// register announces a host and returns it.
func (r *rig) register(name string) fleet.Host {
	r.Helper()
	_, err := r.fleet.Register(r.Context(), certificate(name), wire.RegisterRequest{Hostname: name, AgentSN: "sn-" + name, Version: "1.0"}, "10.0.0.1")
	r.must(err)
	return r.host(name)
}

// beat sends a heartbeat and returns its answer.
func (r *rig) beat(name string, children ...wire.ChildAgent) wire.StatusReply {
	r.Helper()
	_, reply, err := r.fleet.Heartbeat(r.Context(), certificate(name), wire.StatusRequest{
		Hostname: name, Version: "1.0", Uptime: 60, Step: 10, Agents: children,
	}, "10.0.0.1")
	r.must(err)
	return reply
}

// host finds a host by its name.
func (r *rig) host(name string) fleet.Host {
	r.Helper()
	hosts := r.fleet.Select(r.Context(), func(h *db.Host) bool { return h.Name == name })
	if len(hosts) != 1 {
		r.Fatalf("%d hosts are called %s", len(hosts), name)
	}
	return hosts[0]
}

// wantState checks a host's state in the table and, once that was written, in the database.
func (r *rig) wantState(name string, want db.HostState) {
	r.Helper()
	h := r.host(name)
	if h.State != want {
		r.Errorf("%s is %s, want %s", name, h.State, want)
	}
	r.fleet.Flush(r.Context())
	if row := r.row(h.ID); row.State != want {
		r.Errorf("%s is %s in the database, want %s", name, row.State, want)
	}
}

func (r *rig) row(id int64) *db.Host {
	r.Helper()
	row, err := r.db.HostByID(r.Context(), id)
	r.must(err)
	return row
}

// events lists the kinds of the events of a host, oldest first.
func (r *rig) events(id int64) []string {
	r.Helper()
	es, err := r.db.Events(r.Context(), db.EventQuery{HostID: id})
	r.must(err)
	var kinds []string
	for _, e := range slices.Backward(es) {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

// changes returns what will be published about hosts from now on.
func (r *rig) changes() <-chan fleet.Change {
	r.Helper()
	got := make(chan fleet.Change, 100)
	cancel, err := r.bus.Subscribe("host.*", func(_ string, payload []byte) {
		var c fleet.Change
		if err := json.Unmarshal(payload, &c); err != nil {
			r.Error(err)
		}
		got <- c
	})
	r.must(err)
	r.Cleanup(cancel)
	return got
}

func (r *rig) next(changes <-chan fleet.Change) fleet.Change {
	r.Helper()
	select {
	case c := <-changes:
		return c
	case <-time.After(time.Minute):
		r.Fatal("nothing was published")
		return fleet.Change{}
	}
}

// code is the code of a refusal, or "" for any other error.
func code(err error) string {
	var refused *wire.Error
	if errors.As(err, &refused) {
		return refused.Code
	}
	return ""
}
