package audit

import (
	"context"
	"errors"
	"fmt"

	"hostler/db"
)

const (
	verifyPart   = 1000 // entries that are read at a time
	mostProblems = 100  // the rest would say no more
)

// Report is what Verify has found.
type Report struct {
	Entries  int64     `json:"entries"` // that were looked at
	Last     int64     `json:"last"`    // the number of the newest
	Hash     string    `json:"hash"`    // and its hash: kept elsewhere, it proves later what the log was
	Problems []Problem `json:"problems"`
	Sealed   bool      `json:"sealed"` // the key was there: who wrote the entries was looked at, too
}

// Problem is something that is not as the log was written.
type Problem struct {
	Entry   int64  `json:"entry"` // the entry at which it shows; 0 for the log as a whole
	Code    string `json:"code"`  // "altered", "missing", "seal", "cut", "truncated", "head"
	Message string `json:"message"`
}

// Verify looks at every entry behind one, whose own hash it takes for granted; 0 is the beginning.
func (r *Reader) Verify(ctx context.Context, after int64) (*Report, error) {
	v := &verification{Reader: r, report: &Report{Problems: []Problem{}, Sealed: r.key != nil}}
	if err := v.begin(ctx, after); err != nil {
		return nil, err
	}
	for {
		es, err := r.db.Audit(ctx, db.AuditQuery{Onward: true, After: v.at, Limit: verifyPart})
		if err != nil {
			return nil, err
		}
		for i := range es {
			v.look(&es[i])
		}
		if len(es) < verifyPart || len(v.report.Problems) >= mostProblems {
			break
		}
	}
	v.end()
	v.report.Last, v.report.Hash = v.at, v.hash
	return v.report, nil
}

// verification is the state of one.
type verification struct {
	*Reader
	report *Report
	start  int64 // the entry before the first that is looked at
	at     int64 // the entry before the next
	hash   string

	// What the database and the directory say is the newest, both from before the entries are read.
	noted, kept newest
}

// newest is an entry that the log must have.
type newest struct {
	db.AuditHead
	met bool
}

func (n *newest) meet(e *db.AuditEntry) {
	n.met = n.met || e.ID == n.Entry && e.Hash == n.Hash
}

func (v *verification) problem(entry int64, code, format string, args ...any) {
	if len(v.report.Problems) < mostProblems {
		v.report.Problems = append(v.report.Problems, Problem{entry, code, fmt.Sprintf(format, args...)})
	}
}

func (v *verification) begin(ctx context.Context, after int64) (err error) {
	if v.noted.AuditHead, err = v.db.AuditHead(ctx); err != nil {
		return err
	}
	kept, ok, err := v.head()
	if err != nil {
		return err
	}
	switch {
	case v.key == nil && v.noted.Entry > 0:
		v.problem(0, "head", "the key is not in %s: nothing tells who wrote the entries", v.dir)
	case v.key != nil && !ok:
		v.problem(0, "head", "%s/%s is missing or not sealed with the key: entries may be cut off at the end", v.dir, headFile)
	default:
		v.kept.AuditHead = kept
	}
	if after == 0 {
		return nil
	}
	start, err := v.db.AuditEntry(ctx, after)
	if errors.Is(err, db.ErrNotFound) {
		return fmt.Errorf("there is no entry %d", after)
	}
	if err != nil {
		return err
	}
	v.start, v.at, v.hash = after, after, start.Hash
	v.noted.meet(start)
	v.kept.meet(start)
	return nil
}

// look holds an entry against the one before it.
func (v *verification) look(e *db.AuditEntry) {
	v.report.Entries++
	if e.ID != v.at+1 {
		v.problem(e.ID, "missing", "entries %d to %d are missing", v.at+1, e.ID-1)
	}
	switch {
	case digest(v.hash, e) != e.Hash:
		v.problem(e.ID, "altered", "it was changed, or what was before it is not what was before it when it was written")
	case v.key != nil && !v.sealed(entrySeal, e.Hash, e.Seal):
		v.problem(e.ID, "seal", "it was not written with the key in %s", v.dir)
	case e.Action == ActionCut || e.Action == ActionKey:
		v.problem(e.ID, "cut", "it says that the log was not whole when it was written (%s): before %s, after %s", e.Code, e.Was, e.Became)
	}
	v.noted.meet(e)
	v.kept.meet(e)
	v.at, v.hash = e.ID, e.Hash
}

// end looks whether the log has what it must have.
func (v *verification) end() {
	if len(v.report.Problems) >= mostProblems {
		return // not all was read
	}
	for who, n := range map[string]newest{"the data directory": v.kept, "the database": v.noted} {
		if n.Entry > 0 && n.Entry >= v.start && !n.met {
			v.problem(n.Entry, "truncated", "the log does not have this entry as %s tells of it: the end was cut off or replaced", who)
		}
	}
}
