package db

import (
	"context"
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
}

// EventQuery filters and pages events, newest first.
type EventQuery struct {
	HostID   int64 // 0 for all
	Severity Severity
	Before   int64 // ids below this; 0: from the newest
	Limit    int   // rows; 0 means 50, at most 500
}

// CreateEvents stores events in one transaction and sets their ids.
func (d *DB) CreateEvents(ctx context.Context, es []Event) error {
	return d.Tx(ctx, func(tx *DB) error {
		return translate("store events", tx.write(ctx).CreateInBatches(es, 100).Error)
	})
}

// DeleteEventsBefore removes at most limit events from before a time, the oldest first, and says how many.
func (d *DB) DeleteEventsBefore(ctx context.Context, before time.Time, limit int) (int64, error) {
	// Events are stored in the order of their times: the first one that is young enough ends the search, and no index
	// on the time is needed.
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
	if q.Before > 0 {
		g = g.Where("id < ?", q.Before)
	}
	var es []Event
	return es, translate("read events", g.Find(&es).Error)
}
