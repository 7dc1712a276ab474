// Package audit keeps who did what, to what, from where, and how it ended. Entries are only ever added. Each is tied to
// the one before it by a hash and sealed with a key that is in the data directory and not in the database, and the
// directory knows which entry is the newest: whoever changes, removes, inserts or reorders entries in the database, or
// cuts off the last ones, is found by Verify. It cannot find what somebody does who has the key as well.
//
// What is done carries its entry in its context: the edge and the command line begin it and write it, and the parts in
// between tell it what they do with About. The package does not know what is recorded, and never gets a secret.
package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"hostler/db"
	"hostler/internal/together"
)

// Actions of the log itself.
const (
	// ActionCut tells that entries are gone which this directory knew of.
	ActionCut = "audit.cut"
	// ActionKey tells that the log goes on with another key.
	ActionKey = "audit.key"
	// ActionSuppressed tells how many refusals were too many to be kept.
	ActionSuppressed = "audit.suppressed"
)

// codeMissing tells that entries are gone which the directory knew of.
const codeMissing = "entries_missing"

// writeTime is how long a write may take. It does not end with the request that it is for.
const writeTime = 15 * time.Second

// Reader reads and verifies the log; it writes nothing.
type Reader struct {
	db  *db.DB
	dir string
	key []byte // nil when it is not there
}

// View returns the reader of the log whose files are in data/audit.
func View(d *db.DB, data string) (*Reader, error) {
	r := &Reader{db: d, dir: filepath.Join(data, "audit")}
	var err error
	if r.key, err = loadKey(r.dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("cannot open the audit log: %w", err)
	}
	return r, nil
}

// Options say how a log is opened.
type Options struct {
	Data  string // the data directory
	Log   *slog.Logger
	Now   func() time.Time
	Serve bool // go on, with an entry that says so, where the directory and the database do not belong together
}

// Log writes entries.
type Log struct {
	*Reader
	log   *slog.Logger
	now   func() time.Time
	flood *flood

	written, lost atomic.Int64

	entries *together.Group[db.AuditEntry]
	known   db.AuditHead // the newest entry of which this directory knows; of who stores entries
}

// Open opens the log for writing; ErrNoKey when it is another directory's, unless it is to be served all the same.
func Open(ctx context.Context, d *db.DB, o Options) (*Log, error) {
	r, err := View(d, o.Data)
	if err != nil {
		return nil, err
	}
	l := &Log{Reader: r, log: o.Log, now: o.Now, flood: newFlood(o.Now)}
	l.entries = together.New(l.store)
	if err := l.open(ctx, o.Serve); err != nil {
		return nil, fmt.Errorf("cannot open the audit log: %w", err)
	}
	return l, nil
}

func (l *Log) open(ctx context.Context, serve bool) error {
	newest, err := l.db.AuditHead(ctx)
	if err != nil {
		return err
	}
	fresh := l.key == nil
	if fresh && newest.Entry > 0 && !serve {
		return fmt.Errorf("%w, which is not in %s: name the server's own data directory", ErrNoKey, l.dir)
	}
	if fresh {
		if l.key, err = makeKey(l.dir); err != nil {
			return err
		}
		l.known = newest
		if err := l.keepHead(newest); err != nil || newest.Entry == 0 {
			return err
		}
		l.log.Error("the audit log goes on with another key: what was written before cannot be verified any more", "entries", newest.Entry)
		return l.Write(ctx, db.AuditEntry{Action: ActionKey, Result: db.AuditFailed, Code: "key_missing", Was: state(headOf(newest))})
	}
	return l.compare(ctx, newest, serve)
}

// compare looks whether the database has what the directory knows of. What is missing becomes an entry: it must not be
// covered by those that come next.
func (l *Log) compare(ctx context.Context, newest db.AuditHead, serve bool) error {
	kept, ok, err := l.head()
	if err != nil {
		return err
	}
	l.known = newest
	_, own, err := l.hashOf(ctx, newest.Entry)
	if err != nil {
		return err
	}
	if !own && !serve {
		return fmt.Errorf("%w than that in %s: name the server's own data directory", ErrNoKey, l.dir)
	}
	hash, _, err := l.hashOf(ctx, kept.Entry)
	if err != nil {
		return err
	}
	switch {
	case !own:
		return l.Write(ctx, l.cut(kept, newest, "seal_wrong"))
	case !ok:
		return l.Write(ctx, l.cut(kept, newest, "head_missing"))
	case hash != kept.Hash:
		return l.Write(ctx, l.cut(kept, newest, codeMissing))
	}
	return nil
}

// hashOf is an entry's hash, and whether it is sealed with the key; "" for what is not there. Entry 0 is always there.
func (l *Log) hashOf(ctx context.Context, entry int64) (hash string, own bool, err error) {
	if entry == 0 {
		return "", true, nil
	}
	e, err := l.db.AuditEntry(ctx, entry)
	if errors.Is(err, db.ErrNotFound) {
		return "", true, nil // that it is missing is found by the directory's own note
	}
	return e.Hash, err == nil && l.sealed(entrySeal, e.Hash, e.Seal), err
}

// headOf is what is told of a head.
func headOf(h db.AuditHead) map[string]string {
	return map[string]string{"entry": strconv.FormatInt(h.Entry, 10), "hash": h.Hash}
}

// cut is the entry that tells what is missing.
func (l *Log) cut(known, found db.AuditHead, code string) db.AuditEntry {
	l.log.Error("the audit log is not what it was: entries are missing or changed", "code", code, "known", known.Entry, "found", found.Entry)
	return db.AuditEntry{Time: l.now(), Action: ActionCut, Result: db.AuditFailed, Code: code, Was: state(headOf(known)), Became: state(headOf(found))}
}

// Write adds entries and returns when they are stored. Those of callers that come at once are stored together.
func (l *Log) Write(ctx context.Context, entries ...db.AuditEntry) error {
	for i := range entries {
		if entries[i].Time.IsZero() {
			entries[i].Time = l.now()
		}
	}
	err := l.entries.Do(ctx, entries...)
	if err != nil {
		l.lost.Add(int64(len(entries)))
	}
	return err
}

// store adds entries behind the newest one.
func (l *Log) store(ctx context.Context, entries []db.AuditEntry) error {
	ctx, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	added, err := l.db.AppendAudit(ctx, func(newest db.AuditHead) []db.AuditEntry {
		all := make([]db.AuditEntry, 0, len(entries)+1)
		if newest.Entry < l.known.Entry || newest.Entry == l.known.Entry && newest.Hash != l.known.Hash {
			all = append(all, l.cut(l.known, newest, codeMissing))
		}
		all = append(all, entries...)
		for i := range all {
			canonical(&all[i])
		}
		l.chain(newest, all)
		return all
	})
	if err != nil {
		return err
	}
	l.written.Add(int64(len(added)))
	last := added[len(added)-1]
	l.known.Entry, l.known.Hash = last.ID, last.Hash
	if err := l.keepHead(l.known); err != nil { // the entries are stored; only their end is less well known
		l.log.Error("cannot note which audit entry is the newest", "entry", last.ID, "err", err)
	}
	return nil
}

// Record is Write for what has happened and cannot be undone: an entry that cannot be stored goes to the program's log,
// and of refusals that come in floods only the first ones are kept, and their number.
func (l *Log) Record(ctx context.Context, e db.AuditEntry) {
	entries := l.flood.pass(e)
	if len(entries) == 0 {
		return
	}
	if err := l.Write(ctx, entries...); err != nil {
		for _, e := range entries {
			l.log.Error("cannot store an audit entry", "actor", e.Actor, "address", e.Address, "action", e.Action, "target", e.Target,
				"result", e.Result, "code", e.Code, "request", e.Request, "before", e.Was, "after", e.Became, "err", err)
		}
	}
}

// Written counts the entries that were stored, and Lost those that were not.
func (l *Log) Written() int64 { return l.written.Load() }

// Lost counts the entries that could not be stored since the start.
func (l *Log) Lost() int64 { return l.lost.Load() }
