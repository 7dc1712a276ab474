package db

import (
	"context"
	"strings"
	"time"
)

// Severity ranks events.
type Severity string

// The severities.
const (
	SeverityInfo    Severity = "info"
	SeverityWarning Severity = "warning"
	SeverityError   Severity = "error"
)

// Event is something that happened and is worth finding again. Kind and Params give its text in any language.
type Event struct {
	ID          int64             `gorm:"primaryKey" json:"id"`
	Time        time.Time         `json:"time"`
	Kind        string            `json:"kind"` // "host.lost"
	Severity    Severity          `json:"severity"`
	HostID      *int64            `json:"host_id,omitempty"`
	OperationID *int64            `json:"operation_id,omitempty"`
	Actor       string            `json:"actor,omitempty"` // user, token or ""; who caused it
	Params      map[string]string `gorm:"serializer:json" json:"params,omitempty"`
	Child       string            `json:"child,omitempty"` // the child agent it is about
	// UID is what the agent calls an event of its own, behind its host's number; nil for the server's.
	UID    *string `gorm:"column:uid" json:"-"`
	Family string  `json:"-"` // the first word of Kind
}

// EventQuery filters and pages events, newest first.
type EventQuery struct {
	HostID   int64 // 0 for all
	Severity Severity
	Kind     string    // a whole kind, or the first word of many: "child"; "" for all
	Child    string    // a child agent's name; "" for all
	Since    time.Time // zero for all
	Before   int64     // ids below this; 0: from the newest
	Limit    int       // rows; 0 means 50, at most 500
}

// CreateEvents stores events in one transaction and sets their ids. ErrDuplicate when one's UID is known.
func (d *DB) CreateEvents(ctx context.Context, es []Event) error {
	for i := range es {
		es[i].Family, _, _ = strings.Cut(es[i].Kind, ".")
	}
	return d.Tx(ctx, func(tx *DB) error {
		return translate("store events", tx.write(ctx).CreateInBatches(es, 100).Error)
	})
}

// KnownEvents returns those of the UIDs that are recorded.
func (d *DB) KnownEvents(ctx context.Context, uids []string) (map[string]bool, error) {
	known := map[string]bool{}
	var found []string
	if err := d.read(ctx).Model(&Event{}).Where("uid IN ?", uids).Pluck("uid", &found).Error; err != nil {
		return nil, translate("find events", err)
	}
	for _, uid := range found {
		known[uid] = true
	}
	return known, nil
}

// DeleteEventsBefore removes at most limit events from before a time, the oldest first, and says how many.
func (d *DB) DeleteEventsBefore(ctx context.Context, before time.Time, limit int) (int64, error) {
	// Events are stored about in the order of their times: the first one that is young enough ends the search, and no
	// index on the time is needed. Hosts tell late of some; those go with what was stored around them.
	var oldest []Event
	if err := d.read(ctx).Select("id", "time").Order("id").Limit(limit).Find(&oldest).Error; err != nil {
		return 0, translate("find old events", err)
	}
	var ids []int64
	for _, e := range oldest {
		if !e.Time.Before(before) {
			break
		}
		ids = append(ids, e.ID)
	}
	if len(ids) == 0 {
		return 0, nil
	}
	g := d.write(ctx).Where("id IN ?", ids).Delete(&Event{})
	return g.RowsAffected, translate("delete old events", g.Error)
}

// EventCount is how many events of a family have a severity.
type EventCount struct {
	Severity Severity
	Family   string
	N        int
}

// CountEventsOf counts the events of a host by severity and family.
func (d *DB) CountEventsOf(ctx context.Context, hostID int64) ([]EventCount, error) {
	var counts []EventCount
	err := d.read(ctx).Model(&Event{}).Select("severity, family, COUNT(*) AS n").Where("host_id = ?", hostID).
		Group("severity, family").Scan(&counts).Error
	return counts, translate("count events", err)
}

// Event finds an event; ErrNotFound when there is none.
func (d *DB) Event(ctx context.Context, id int64) (*Event, error) {
	var e Event
	return &e, translate("find event", d.read(ctx).Where("id = ?", id).Take(&e).Error)
}

// Events reads one page.
func (d *DB) Events(ctx context.Context, q EventQuery) ([]Event, error) {
	limit := q.Limit
	if limit <= 0 {
		limit = 50
	}
	g := d.read(ctx).Order("id DESC").Limit(min(limit, 500))
	if q.HostID != 0 {
		g = g.Where("host_id = ?", q.HostID)
	}
	if q.Severity != "" {
		g = g.Where("severity = ?", q.Severity)
	}
	if q.Kind != "" {
		family, _, whole := strings.Cut(q.Kind, ".")
		g = g.Where("family = ?", family)
		if whole {
			g = g.Where("kind = ?", q.Kind)
		}
	}
	if q.Child != "" {
		g = g.Where("child = ?", q.Child)
	}
	if !q.Since.IsZero() {
		g = g.Where("time >= ?", q.Since)
	}
	if q.Before > 0 {
		g = g.Where("id < ?", q.Before)
	}
	var es []Event
	return es, translate("read events", g.Find(&es).Error)
}
