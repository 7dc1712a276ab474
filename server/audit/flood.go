package audit

import (
	"sync"
	"time"

	"hostler/db"
)

// How many acts that came to nothing are kept in a minute: of one actor, or of one address when it is nobody, and of all.
const (
	floodOfOne = 60
	floodOfAll = 600
)

// flood keeps who may try from filling the database.
type flood struct {
	now func() time.Time

	mu         sync.Mutex
	since      time.Time
	of         map[string]int
	all        int
	suppressed int64
}

func newFlood(now func() time.Time) *flood { return &flood{now: now, of: map[string]int{}} }

// pass returns what to keep of an entry: itself, or nothing, and before it how many of the minute before were not kept.
func (f *flood) pass(e db.AuditEntry) []db.AuditEntry {
	f.mu.Lock()
	defer f.mu.Unlock()
	var keep []db.AuditEntry
	now := f.now()
	if now.Sub(f.since).Abs() >= time.Minute {
		if f.suppressed > 0 {
			keep = append(keep, db.AuditEntry{
				Time: now, Action: ActionSuppressed, Result: db.AuditRefused, Became: state(map[string]any{"entries": f.suppressed, "since": f.since}),
			})
		}
		f.since, f.all, f.suppressed = now, 0, 0
		clear(f.of)
	}
	if e.Result == db.AuditDone {
		return append(keep, e)
	}
	one := "actor " + e.Actor
	if e.Actor == "" {
		one = "address " + e.Address
	}
	if f.all >= floodOfAll || f.of[one] >= floodOfOne {
		f.suppressed++
		return keep
	}
	f.all++
	f.of[one]++
	return append(keep, e)
}
