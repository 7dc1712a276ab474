package fleet

import (
	"context"
	"maps"
	"math"
	"slices"
	"time"

	"hostler/db"
	"hostler/server/event"
)

// Run notices lost hosts and writes what is new until ctx ends; what is unwritten then is written before it
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
			f.storeLate(ctx, f.opts.Elapsed()-registerEvery)
		case <-ctx.Done():
			f.flush(context.WithoutCancel(ctx))
			f.storeLate(context.WithoutCancel(ctx), math.MaxInt64)
			return
		}
	}
}

// sweep marks hosts as lost that have been silent too long. A network that fails takes thousands at once: their
// states go into one batch and their events into one transaction.
func (f *Fleet) sweep(ctx context.Context) {
	var losses []db.Event
	now := f.opts.Elapsed()
	f.mu.Lock()
	for id, e := range f.byID {
		if e.State == db.HostLost || e.State == db.HostWaiting || now-e.seen < f.silence(&e.Host.Host) {
			continue
		}
		losses = append(losses, moveEvent(event.HostLost, db.SeverityError, &e.Host.Host))
		e.State = db.HostLost
		f.dirty[id] = true
		f.changed(e, false)
	}
	f.mu.Unlock()
	if len(losses) > 0 {
		f.flush(ctx)
		f.events.RecordAll(ctx, losses)
	}
}

// moveEvent is the loss or the return of a host; other changes of state are no events.
func moveEvent(kind string, severity db.Severity, h *db.Host) db.Event {
	e := db.Event{Kind: kind, Severity: severity, HostID: new(h.ID), Params: map[string]string{"host": h.Name}}
	if h.LastSeenAt != nil {
		e.Params["seen"] = h.LastSeenAt.Format(time.RFC3339)
	}
	return e
}

// flush writes states and heartbeats that are new since the last flush in one batch, sorted by id. Those that cannot
// be written are written with the next batch.
func (f *Fleet) flush(ctx context.Context) {
	f.mu.Lock()
	ids := slices.Sorted(maps.Keys(f.dirty))
	clear(f.dirty)
	rows := make([]db.HostSeen, 0, len(ids))
	for _, id := range ids {
		if e, ok := f.byID[id]; ok {
			rows = append(rows, db.HostSeen{
				ID: id, State: e.State, LastSeenAt: e.LastSeenAt, StartedAt: e.StartedAt, Version: e.AgentVersion, Address: e.Address,
				Trusts: e.Trusts, CertifiedBy: e.CertifiedBy, RepositoryKeys: e.RepositoryKeys,
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

// storeLate writes the registrations that came too soon after the one before, if that was stored before an instant.
func (f *Fleet) storeLate(ctx context.Context, before time.Duration) {
	f.storing.RLock()
	defer f.storing.RUnlock()
	f.mu.Lock()
	var hosts []db.Host
	for id := range f.late {
		if e := f.byID[id]; e.stored <= before {
			hosts = append(hosts, e.Host.Host)
			e.stored = f.opts.Elapsed()
			delete(f.late, id)
		}
	}
	f.mu.Unlock()
	for _, h := range hosts {
		id := h.ID
		h.ID = 0 // found by its serial number
		if err := f.db.UpsertHost(ctx, &h); err != nil {
			f.log.Error("cannot store a registration; it is kept for the next try", "host", h.Name, "err", err)
			f.mu.Lock()
			f.late[id] = true
			f.mu.Unlock()
		}
	}
}
