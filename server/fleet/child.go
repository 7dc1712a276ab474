package fleet

import (
	"context"
	"slices"
	"strings"
	"time"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/internal/clip"
)

// childOf makes what is known of a child agent from a heartbeat.
func childOf(hostID int64, name string, c *wire.ChildAgent, now time.Time) db.ChildAgent {
	out := db.ChildAgent{
		HostID: hostID, Name: name, Version: clip.Text(c.Version, column), Status: wire.ChildState(clip.Text(string(c.Status), column)), Uptime: c.Uptime,
		Reason: clip.Text(c.Reason, column), Ready: c.Ready, Restarts: c.Restarts, LimitedBy: wire.Limiter(clip.Text(string(c.LimitedBy), column)), SeenAt: now,
		PID: c.PID, CPU: c.CPU, Memory: c.Memory,
	}
	if c.Limits != nil {
		out.Limits = &wire.Limits{CPU: clip.Text(c.Limits.CPU, column), Memory: clip.Text(c.Limits.Memory, column), PIDs: c.Limits.PIDs, Files: c.Limits.Files}
	}
	if c.LastExit != nil {
		out.LastExit = &wire.Exit{Time: c.LastExit.Time, Code: c.LastExit.Code, Signal: clip.Text(c.LastExit.Signal, column), Reason: clip.Text(c.LastExit.Reason, column)}
	}
	return out
}

// sameChild ignores what changes with every heartbeat: that is known in memory alone.
func sameChild(a, b db.ChildAgent) bool {
	return a.Version == b.Version && a.Status == b.Status && a.Reason == b.Reason && a.Ready == b.Ready && a.Restarts == b.Restarts &&
		a.LimitedBy == b.LimitedBy && sameLimits(a.Limits, b.Limits) && sameExit(a.LastExit, b.LastExit)
}

func sameLimits(a, b *wire.Limits) bool { return a == b || a != nil && b != nil && *a == *b }

func sameExit(a, b *wire.Exit) bool {
	if a == nil || b == nil {
		return a == b
	}
	sameCode := a.Code == b.Code || a.Code != nil && b.Code != nil && *a.Code == *b.Code
	return sameCode && a.Time == b.Time && a.Signal == b.Signal && a.Reason == b.Reason
}

// Child is a child agent with its host, as it is known right now.
type Child struct {
	db.ChildAgent
	Host string // name
}

// Children adds to rows of the database what is known of them right now.
func (f *Fleet) Children(rows []db.ChildAgent) []Child {
	f.mu.RLock()
	defer f.mu.RUnlock()
	out := make([]Child, len(rows))
	for i, row := range rows {
		out[i].ChildAgent = row
		e, ok := f.byID[row.HostID]
		if !ok {
			continue
		}
		out[i].Host = e.Name
		if now, ok := e.children[row.Name]; ok {
			out[i].ChildAgent = now
		}
	}
	return out
}

// Names are the names of hosts by their numbers; those that are not registered are missing.
func (f *Fleet) Names(ctx context.Context, ids []int64) map[int64]string {
	f.mu.RLock()
	defer f.mu.RUnlock()
	names := make(map[int64]string, len(ids))
	for _, id := range ids {
		if e, ok := f.find(ctx, id); ok {
			names[id] = e.Name
		}
	}
	return names
}

// Name is the name of a host; "" when it is not registered.
func (f *Fleet) Name(ctx context.Context, id int64) string { return f.Names(ctx, []int64{id})[id] }

// Filter says which hosts are meant. What is left out does not matter.
type Filter struct {
	Names  map[string]bool
	IDs    map[int64]bool
	State  db.HostState
	Search string // part of a name, the address or the system's name
}

// Find returns the rows of the hosts that a filter means, by name, without child agents and heartbeats. Of several hosts
// of one name in Names the one that reported last is meant.
func (f *Fleet) Find(ctx context.Context, want Filter) []db.Host {
	var out []db.Host
	f.each(ctx, want, func(e *entry) { out = append(out, e.Host.Host) })
	sortHosts(out)
	return out
}

func sortHosts(hosts []db.Host) {
	slices.SortFunc(hosts, func(a, b db.Host) int {
		return compareKey(db.HostKey{Name: a.Name, ID: a.ID}, db.HostKey{Name: b.Name, ID: b.ID})
	})
}

// Count is how many hosts a filter means.
func (f *Fleet) Count(ctx context.Context, want Filter) (n int) {
	f.each(ctx, want, func(*entry) { n++ })
	return n
}

// each calls do for the hosts that a filter means, while f.mu is held.
func (f *Fleet) each(ctx context.Context, want Filter, do func(*entry)) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	latest := map[string]*entry{}
	for e := range f.within(ctx) {
		if want.Names[e.Name] && (latest[e.Name] == nil || latest[e.Name].seen < e.seen) {
			latest[e.Name] = e
		}
	}
	search := strings.ToLower(want.Search)
	for e := range f.within(ctx) {
		named := len(want.Names)+len(want.IDs) == 0 || latest[e.Name] == e || want.IDs[e.ID]
		if named && (want.State == "" || e.State == want.State) && (search == "" || e.matches(search)) {
			do(e)
		}
	}
}

func (e *entry) matches(search string) bool {
	return slices.ContainsFunc([]string{e.Name, e.FQDN, e.Address, e.OSName}, func(s string) bool {
		return strings.Contains(strings.ToLower(s), search)
	})
}
