package fleet

import (
	"context"
	"maps"
	"slices"
	"time"

	"hostler/db"
	"hostler/server/event"
)

// Run notices lost hosts and writes heartbeats until ctx ends; what is unwritten then is written before it
// returns.
func (f *Fleet) Run(ctx context.Context) {
	sweep, flush := time.NewTicker(sweepEvery), time.NewTicker(flushEvery)
	defer sweep.Stop()
	defer flush.Stop()
	for {
		select {
		case <-sweep.C:
			f.sweep(ctx)
		case <-flush.C:
			f.flush(ctx)
		case <-ctx.Done():
			f.flush(context.WithoutCancel(ctx))
			return
		}
	}
}

// sweep marks hosts as lost whose time is over.
func (f *Fleet) sweep(ctx context.Context) {
	type loss struct {
		id   int64
		name string
		was  db.HostState
		seen *time.Time
	}
	var losses []loss
	now := f.opts.Now()
	f.mu.Lock()
	for id, e := range f.byID {
		if e.State == db.HostLost || e.State == db.HostWaiting || now.Before(f.lostAt(e)) {
			continue
		}
		losses = append(losses, loss{id, e.Name, e.State, e.LastSeenAt})
		e.State = db.HostLost
		f.dirty[id] = true // the batch stores it if stateChanged cannot
		f.changed(e)
	}
	f.mu.Unlock()
	for _, l := range losses {
		f.stateChanged(ctx, l.id, l.name, l.was, db.HostLost, l.seen)
	}
}

// stateChanged stores a new state and records it.
func (f *Fleet) stateChanged(ctx context.Context, id int64, name string, was, state db.HostState, seen *time.Time) {
	if err := f.db.SetHostState(ctx, id, state); err != nil {
		f.log.Error("cannot store a host's state", "host", name, "state", state, "err", err)
	}
	f.recordMove(ctx, id, name, was, state, seen)
}

// recordMove records the losses and returns of hosts; other changes of state are no events.
func (f *Fleet) recordMove(ctx context.Context, id int64, name string, was, state db.HostState, seen *time.Time) {
	e := db.Event{HostID: &id, Params: map[string]string{"host": name}}
	if seen != nil {
		e.Params["seen"] = seen.Format(time.RFC3339)
	}
	switch {
	case state == db.HostLost:
		e.Kind, e.Severity = event.HostLost, db.SeverityError
	case was == db.HostLost:
		e.Kind = event.HostBack
	default:
		return
	}
	f.events.Record(ctx, e)
}

// flush writes the heartbeats since the last flush in one batch, sorted by id. Those that cannot be written
// are written with the next batch.
func (f *Fleet) flush(ctx context.Context) {
	f.mu.Lock()
	ids := slices.Sorted(maps.Keys(f.dirty))
	clear(f.dirty)
	rows := make([]db.HostSeen, 0, len(ids))
	for _, id := range ids {
		if e, ok := f.byID[id]; ok && e.LastSeenAt != nil {
			rows = append(rows, db.HostSeen{
				ID: id, State: e.State, LastSeenAt: *e.LastSeenAt, StartedAt: e.StartedAt, Version: e.AgentVersion, Address: e.Address,
			})
		}
	}
	f.mu.Unlock()
	if len(rows) == 0 {
		return
	}
	if err := f.db.FlushHosts(ctx, rows); err != nil {
		f.log.Error("cannot write heartbeats; they are kept for the next try", "hosts", len(rows), "err", err)
		f.mu.Lock()
		for _, r := range rows {
			f.dirty[r.ID] = true
		}
		f.mu.Unlock()
	}
}
