package db

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"gorm.io/gorm/clause"
)

// AuditEntry is one act: who did what to what, from where, and how it ended. Entries are only ever added. Hash and Seal
// are package audit's.
type AuditEntry struct {
	ID      int64       `gorm:"primaryKey;autoIncrement:false" json:"id"` // 1, 2, 3 … without gaps
	Time    time.Time   `json:"time"`
	Actor   string      `json:"actor"`   // user, "token:NAME", "cli:NAME", "host:NAME"; "" for nobody who is known
	Address string      `json:"address"` // where it came from; "" on the command line
	Action  string      `json:"action"`  // "user.role"
	Family  string      `json:"-"`       // the first word of Action
	Target  string      `json:"target"`  // what it was done to, by name
	Result  AuditResult `json:"result"`
	Code    string      `json:"code"`    // why it was refused or failed
	Request string      `json:"request"` // as the server's log calls it
	// Was and Became are JSON of what there was before and after; null where there is nothing to tell.
	Was    AuditState `json:"before"`
	Became AuditState `json:"after"`
	Hash   string     `json:"hash"` // hex
	Seal   string     `json:"seal"` // hex
}

// AuditState is a text in JSON, or nothing.
type AuditState string

// MarshalJSON writes the state itself, not a text that holds it.
func (s AuditState) MarshalJSON() ([]byte, error) {
	if s == "" {
		return []byte("null"), nil
	}
	return json.RawMessage(s).MarshalJSON()
}

// UnmarshalJSON takes what MarshalJSON gives.
func (s *AuditState) UnmarshalJSON(text []byte) error {
	if *s = AuditState(text); *s == "null" {
		*s = ""
	}
	return nil
}

// AuditResult says how an act ended.
type AuditResult string

// The results.
const (
	AuditDone    AuditResult = "done"
	AuditRefused AuditResult = "refused" // whoever wanted it may not
	AuditFailed  AuditResult = "failed"  // it was wrong, or the server could not do it
)

// AuditResults lists all results.
var AuditResults = []AuditResult{AuditDone, AuditRefused, AuditFailed}

// AuditHead is the newest entry, as the database says.
type AuditHead struct {
	ID    int64 `gorm:"primaryKey"`
	Entry int64 // its number; 0 for none
	Hash  string
}

// AuditQuery filters and pages entries: newest first, or in their order.
type AuditQuery struct {
	Actor  string // "" for all
	Action string // a whole action, or the first word of many: "user"
	Target string
	Result AuditResult
	Since  time.Time // zero for all
	Until  time.Time // zero for all; entries from before it
	Before int64     // ids below this; 0: from the newest
	Onward bool      // in their order, from the entry behind After on
	After  int64
	Limit  int
}

// AppendAudit adds entries behind the newest one. chain, which may be called again, gets that one and returns what is to
// be added, with numbers that follow it. Writers wait for each other, in this process and in others.
func (d *DB) AppendAudit(ctx context.Context, chain func(newest AuditHead) []AuditEntry) (added []AuditEntry, err error) {
	err = d.Tx(ctx, func(tx *DB) error {
		var head AuditHead
		if err := tx.write(ctx).Clauses(clause.Locking{Strength: "UPDATE"}).Take(&head, 1).Error; err != nil {
			return err
		}
		added = chain(head)
		for i := range added {
			added[i].Family, _, _ = strings.Cut(added[i].Action, ".")
		}
		if err := tx.write(ctx).CreateInBatches(added, 100).Error; err != nil {
			return err
		}
		last := added[len(added)-1]
		return changed("move the head", tx.write(ctx).Model(&head).Updates(map[string]any{"entry": last.ID, "hash": last.Hash}))
	})
	return added, translate("add to the audit log", err)
}

// AuditHead reads which entry is the newest, as the last writer noted.
func (d *DB) AuditHead(ctx context.Context) (AuditHead, error) {
	var h AuditHead
	return h, translate("read the audit log's head", d.read(ctx).Take(&h, 1).Error)
}

// AuditEntry finds an entry by number; ErrNotFound when there is none.
func (d *DB) AuditEntry(ctx context.Context, id int64) (*AuditEntry, error) {
	var e AuditEntry
	return &e, translate("find the audit entry", d.read(ctx).Where("id = ?", id).Take(&e).Error)
}

// Audit reads one page.
func (d *DB) Audit(ctx context.Context, q AuditQuery) ([]AuditEntry, error) {
	g := d.read(ctx).Limit(q.Limit)
	if q.Onward {
		g = g.Where("id > ?", q.After).Order("id")
	} else {
		g = g.Order("id DESC")
	}
	if q.Actor != "" {
		g = g.Where("actor = ?", q.Actor)
	}
	if q.Action != "" {
		family, _, whole := strings.Cut(q.Action, ".")
		g = g.Where("family = ?", family)
		if whole {
			g = g.Where("action = ?", q.Action)
		}
	}
	if q.Target != "" {
		g = g.Where("target = ?", q.Target)
	}
	if q.Result != "" {
		g = g.Where("result = ?", q.Result)
	}
	if !q.Since.IsZero() {
		g = g.Where("time >= ?", q.Since)
	}
	if !q.Until.IsZero() {
		g = g.Where("time < ?", q.Until)
	}
	if q.Before > 0 {
		g = g.Where("id < ?", q.Before)
	}
	var es []AuditEntry
	return es, translate("read the audit log", g.Find(&es).Error)
}
