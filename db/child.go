package db

import (
	"context"
	"strings"
	"time"

	"hostler/agent/wire"
)

// ChildAgent is a child agent as the last heartbeat told it.
type ChildAgent struct {
	HostID    int64  `gorm:"primaryKey"`
	Name      string `gorm:"primaryKey"`
	Version   string
	Status    wire.ChildState
	Uptime    int64  // seconds, at SeenAt
	Reason    string // why it is in this state; "" while all is well
	Ready     bool
	Restarts  int
	Limits    *wire.Limits `gorm:"serializer:json"`
	LimitedBy wire.Limiter
	LastExit  *wire.Exit `gorm:"serializer:json"`
	SeenAt    time.Time

	// These change all the time and are known in memory alone, as of the last heartbeat.
	PID    int     `gorm:"-"`
	CPU    float64 `gorm:"-"` // per cent of one core
	Memory int64   `gorm:"-"` // bytes
}

// ChildQuery filters and pages child agents, ordered by name and host.
type ChildQuery struct {
	Name   string // "" for all
	Search string // part of the name
	Status wire.ChildState
	HostID int64
	After  ChildKey // the last row of the page before
	Limit  int      // rows; 0 means 100, at most 1000
}

// ChildKey is a place in the list of child agents.
type ChildKey struct {
	Name   string
	HostID int64
}

// ChildAgents reads one page; next is nil on the last one.
func (d *DB) ChildAgents(ctx context.Context, q ChildQuery) (cs []ChildAgent, next *ChildKey, err error) {
	limit := q.Limit
	if limit <= 0 {
		limit = 100
	}
	limit = min(limit, 1000)
	g := d.read(ctx).Order("name, host_id").Limit(limit + 1)
	if q.Name != "" {
		g = g.Where("name = ?", q.Name)
	}
	if q.Search != "" {
		g = g.Where("LOWER(name) LIKE ? ESCAPE '!'", "%"+escapeLike(strings.ToLower(q.Search))+"%") // databases differ in what they take for equal
	}
	if q.Status != "" {
		g = g.Where("status = ?", q.Status)
	}
	if q.HostID != 0 {
		g = g.Where("host_id = ?", q.HostID)
	}
	if q.After != (ChildKey{}) {
		g = g.Where("name > ? OR (name = ? AND host_id > ?)", q.After.Name, q.After.Name, q.After.HostID)
	}
	if err := g.Find(&cs).Error; err != nil {
		return nil, nil, translate("read child agents", err)
	}
	if len(cs) > limit {
		cs = cs[:limit]
		next = &ChildKey{Name: cs[limit-1].Name, HostID: cs[limit-1].HostID}
	}
	return cs, next, nil
}

// ReplaceChildren makes the child agents of a host exactly cs.
func (d *DB) ReplaceChildren(ctx context.Context, hostID int64, cs []ChildAgent) error {
	return d.Tx(ctx, func(tx *DB) error {
		if err := tx.write(ctx).Where("host_id = ?", hostID).Delete(&ChildAgent{}).Error; err != nil {
			return translate("replace child agents", err)
		}
		if len(cs) == 0 {
			return nil
		}
		return translate("replace child agents", tx.write(ctx).Create(cs).Error)
	})
}

// Children reads the child agents of a host, by name.
func (d *DB) Children(ctx context.Context, hostID int64) ([]ChildAgent, error) {
	var cs []ChildAgent
	return cs, translate("read child agents", d.read(ctx).Where("host_id = ?", hostID).Order("name").Find(&cs).Error)
}

// AllChildren reads every child agent; used once, when the in-memory table is filled at start.
func (d *DB) AllChildren(ctx context.Context) ([]ChildAgent, error) {
	var cs []ChildAgent
	return cs, translate("read child agents", d.read(ctx).Order("host_id, name").Find(&cs).Error)
}
