// Package fleet knows every host: what its agent reported last and whether it is alive. The table is in
// memory; the database gets registrations and changes of state at once and heartbeats in batches. It does not
// decide who an agent is (package trust) nor what it is to do (package job). What people are told of it is within the limit
// of their context (db.WithLimit).
package fleet

import (
	"context"
	"iter"
	"log/slog"
	"slices"
	"sync"
	"time"

	"hostler/db"
	"hostler/internal/together"
	"hostler/server/event"
)

// Options are the fleet's settings.
type Options struct {
	Step        time.Duration    // between heartbeats, unless a host has its own
	MissedSteps int              // heartbeats that may be missing before a host is lost
	MinLost     time.Duration    // and the least time without one
	Now         func() time.Time // the clock; db.Now
	// Elapsed is the time since any fixed moment. Liveness goes by it alone: clocks are set, and a step forward must
	// not make a whole fleet lost. nil takes the machine's monotonic clock.
	Elapsed func() time.Duration
}

// Intervals of the fleet's own work.
const (
	sweepEvery = 500 * time.Millisecond // a loss is noticed within a second
	flushEvery = time.Second
	beatsKept  = 60 // heartbeats remembered per host for its page
)

// Host is a host as it is known right now.
type Host struct {
	db.Host
	Children []db.ChildAgent
	Beats    []time.Time // the latest heartbeats, oldest first
}

// Change is published as "host.<id>" whenever something of a host changed, a heartbeat included.
type Change struct {
	ID         int64        `json:"id"`
	Name       string       `json:"name"`
	State      db.HostState `json:"state"`
	LastSeenAt *time.Time   `json:"last_seen_at,omitempty"`
	DraftID    *int64       `json:"draft_id,omitempty"`
	Children   bool         `json:"children,omitempty"` // its child agents are others than before, or otherwise
}

// Fleet is the table of hosts.
type Fleet struct {
	db     *db.DB
	bus    *event.Bus
	events *event.Log
	log    *slog.Logger
	opts   Options
	hosts  *together.Group[*db.Host] // stores registrations

	// storing is held while hosts are stored and put into the table: shared by registrations, alone by Forget. It comes before mu.
	storing sync.RWMutex

	mu      sync.RWMutex
	gone    map[string]time.Time // when hosts were forgotten, by serial number
	byID    map[int64]*entry
	bySN    map[string]*entry
	dirty   map[int64]bool // hosts whose state or last heartbeat is not stored
	late    map[int64]bool // hosts whose registration is not stored, see registerEvery
	waiters map[*waiter]struct{}
	refused map[string]time.Duration // certificate serial -> when a refusal was recorded last
	beats   int64                    // heartbeats since the start
	removed int64                    // hosts that were forgotten since the start
}

// entry is a host with instants of Options.Elapsed.
type entry struct {
	Host
	children  map[string]db.ChildAgent
	questions map[string]*question // for definitions, by child agent
	seen      time.Duration        // when it reported last, or the server started
	stored    time.Duration        // when its registration was stored last
}

type waiter struct {
	want func(Host) bool
	got  chan Host // buffered: one
}

// New returns an empty fleet; call Load before anything else.
func New(d *db.DB, bus *event.Bus, events *event.Log, log *slog.Logger, opts Options) *Fleet {
	if opts.Elapsed == nil {
		start := time.Now()
		opts.Elapsed = func() time.Duration { return time.Since(start) }
	}
	return &Fleet{
		db: d, bus: bus, events: events, log: log, opts: opts, hosts: together.New(d.UpsertHosts),
		gone: map[string]time.Time{}, byID: map[int64]*entry{}, bySN: map[string]*entry{}, dirty: map[int64]bool{}, late: map[int64]bool{},
		waiters: map[*waiter]struct{}{}, refused: map[string]time.Duration{},
	}
}

// Load fills the table from the database. Hosts count as seen now: they could not report while the server was down.
func (f *Fleet) Load(ctx context.Context) error {
	hosts, err := f.db.AllHosts(ctx)
	if err != nil {
		return err
	}
	children, err := f.db.AllChildren(ctx)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.opts.Elapsed()
	for _, h := range hosts {
		f.put(&entry{Host: Host{Host: h}, children: map[string]db.ChildAgent{}, seen: now, stored: now - registerEvery})
	}
	for _, c := range children {
		if e, ok := f.byID[c.HostID]; ok {
			e.children[c.Name] = c
		}
	}
	return nil
}

func (f *Fleet) put(e *entry) {
	f.byID[e.ID] = e
	f.bySN[e.AgentSN] = e
}

// within are the hosts that whoever has the context may know of; f.mu is held. All that people are told of the table goes
// through here or find.
func (f *Fleet) within(ctx context.Context) iter.Seq[*entry] {
	limit := db.LimitOf(ctx)
	return func(yield func(*entry) bool) {
		for _, e := range f.byID {
			if limit.Fits(&e.Host.Host) && !yield(e) {
				return
			}
		}
	}
}

// find is a host by its id, if whoever has the context may know of it; f.mu is held.
func (f *Fleet) find(ctx context.Context, id int64) (*entry, bool) {
	e, ok := f.byID[id]
	return e, ok && db.LimitOf(ctx).Fits(&e.Host.Host)
}

// AllNames are the names of all hosts.
func (f *Fleet) AllNames(ctx context.Context) map[string]bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	names := make(map[string]bool, len(f.byID))
	for e := range f.within(ctx) {
		names[e.Name] = true
	}
	return names
}

// Get finds a host by its id.
func (f *Fleet) Get(ctx context.Context, id int64) (Host, bool) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	e, ok := f.find(ctx, id)
	if !ok {
		return Host{}, false
	}
	return f.snapshot(e), true
}

// Number is the id of the host with an agent's serial number.
func (f *Fleet) Number(agentSN string) (id int64, known bool) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	e, ok := f.bySN[agentSN]
	if !ok {
		return 0, false
	}
	return e.ID, true
}

// Overlay replaces what was read from the database by what is known right now, keeping the order.
func (f *Fleet) Overlay(hosts []db.Host) []Host {
	f.mu.RLock()
	defer f.mu.RUnlock()
	out := make([]Host, len(hosts))
	for i, h := range hosts {
		out[i] = Host{Host: h}
		if e, ok := f.byID[h.ID]; ok {
			out[i] = f.snapshot(e)
		}
	}
	return out
}

// Select returns the hosts that want accepts, by name.
func (f *Fleet) Select(ctx context.Context, want func(*db.Host) bool) []Host {
	f.mu.RLock()
	defer f.mu.RUnlock()
	var out []Host
	for e := range f.within(ctx) {
		if want(&e.Host.Host) {
			out = append(out, f.snapshot(e))
		}
	}
	slices.SortFunc(out, func(a, b Host) int {
		return compareKey(db.HostKey{Name: a.Name, ID: a.ID}, db.HostKey{Name: b.Name, ID: b.ID})
	})
	return out
}

// Reporting returns the hosts that report a child agent in a version, by name, without child agents and heartbeats.
func (f *Fleet) Reporting(ctx context.Context, child, version string) []db.Host {
	f.mu.RLock()
	defer f.mu.RUnlock()
	var out []db.Host
	for e := range f.within(ctx) {
		if c, reported := e.children[child]; reported && c.Version == version {
			out = append(out, e.Host.Host)
		}
	}
	sortHosts(out)
	return out
}

// Counts counts hosts by state.
func (f *Fleet) Counts(ctx context.Context) map[db.HostState]int {
	f.mu.RLock()
	defer f.mu.RUnlock()
	counts := map[db.HostState]int{}
	for e := range f.within(ctx) {
		counts[e.State]++
	}
	return counts
}

// Removed counts the hosts that were forgotten since the start.
func (f *Fleet) Removed() int64 {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.removed
}

// Heartbeats counts those received since the start.
func (f *Fleet) Heartbeats() int64 {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.beats
}

// Await returns the first host that want accepts, one known already or the next that changes so, or ctx's
// error. want is called with the fleet locked: it must be quick and must not call back, and it is told neither child
// agents nor heartbeats, because it is asked of every host.
func (f *Fleet) Await(ctx context.Context, want func(Host) bool) (Host, error) {
	w := &waiter{want: want, got: make(chan Host, 1)}
	f.mu.Lock()
	for _, e := range f.byID {
		if want(Host{Host: e.Host.Host}) {
			h := f.snapshot(e)
			f.mu.Unlock()
			return h, nil
		}
	}
	f.waiters[w] = struct{}{}
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		delete(f.waiters, w)
		f.mu.Unlock()
	}()
	select {
	case h := <-w.got:
		return h, nil
	case <-ctx.Done():
		return Host{}, ctx.Err()
	}
}

// changed tells waiters and the bus about a host, and whether its child agents are among what changed; f.mu is held.
func (f *Fleet) changed(e *entry, children bool) {
	for w := range f.waiters {
		if w.want(Host{Host: e.Host.Host}) {
			delete(f.waiters, w)
			w.got <- f.snapshot(e)
		}
	}
	f.bus.Publish(topic(e.ID), Change{ID: e.ID, Name: e.Name, State: e.State, LastSeenAt: e.LastSeenAt, DraftID: e.DraftID, Children: children})
}

// snapshot copies an entry so that its reader shares nothing with the table; f.mu is held.
func (f *Fleet) snapshot(e *entry) Host {
	h := e.Host
	h.Beats = slices.Clone(e.Beats)
	h.Children = make([]db.ChildAgent, 0, len(e.children))
	for _, c := range e.children {
		h.Children = append(h.Children, c)
	}
	slices.SortFunc(h.Children, func(a, b db.ChildAgent) int { return compareText(a.Name, b.Name) })
	return h
}

// stepOf is the interval that a host is to keep.
func (f *Fleet) stepOf(h *db.Host) time.Duration {
	if h.Step > 0 {
		return time.Duration(h.Step) * time.Second
	}
	return f.opts.Step
}

// StepOf is the interval between heartbeats that a host is to keep.
func (f *Fleet) StepOf(h Host) time.Duration { return f.stepOf(&h.Host) }

// silence is how long a host may be silent before it counts as lost.
func (f *Fleet) silence(h *db.Host) time.Duration {
	return max(f.opts.MinLost, time.Duration(f.opts.MissedSteps)*f.stepOf(h))
}
