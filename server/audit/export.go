package audit

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"time"

	"hostler/db"
)

// Formats of exports.
const (
	JSONLines = "jsonl"
	CSV       = "csv"
)

// Formats lists the formats of exports.
var Formats = []string{JSONLines, CSV}

const exportPart = 500 // entries that are read at a time

// Entries goes through what a query finds, in the log's order. It holds no more than a part at a time.
func (r *Reader) Entries(ctx context.Context, q db.AuditQuery) iter.Seq2[*db.AuditEntry, error] {
	return func(yield func(*db.AuditEntry, error) bool) {
		q.Onward, q.Limit = true, exportPart
		for {
			es, err := r.db.Audit(ctx, q)
			if err != nil {
				yield(nil, err)
				return
			}
			for i := range es {
				if !yield(&es[i], nil) {
					return
				}
			}
			if len(es) < exportPart {
				return
			}
			q.After = es[len(es)-1].ID
		}
	}
}

// Export writes what a query finds, in the log's order.
func (r *Reader) Export(ctx context.Context, out io.Writer, format string, q db.AuditQuery) error {
	b := bufio.NewWriterSize(out, 32<<10)
	put := json.NewEncoder(b).Encode
	var table *csv.Writer
	switch format {
	case JSONLines:
	case CSV:
		table = csv.NewWriter(b)
		if err := table.Write(columns); err != nil {
			return err
		}
		put = func(e any) error { return table.Write(row(e.(*db.AuditEntry))) }
	default:
		return fmt.Errorf("cannot export as %q: the formats are %s", format, strings.Join(Formats, " and "))
	}
	for e, err := range r.Entries(ctx, q) {
		if err == nil {
			err = put(e)
		}
		if err != nil {
			return err
		}
	}
	if table != nil {
		table.Flush()
		return errors.Join(table.Error(), b.Flush())
	}
	return b.Flush()
}

var columns = []string{"id", "time", "actor", "address", "action", "target", "result", "code", "request", "before", "after", "hash", "seal"}

func row(e *db.AuditEntry) []string {
	cells := []string{
		strconv.FormatInt(e.ID, 10), e.Time.UTC().Format(time.RFC3339Nano), e.Actor, e.Address, e.Action, e.Target,
		string(e.Result), e.Code, e.Request, string(e.Was), string(e.Became), e.Hash, e.Seal,
	}
	for i, c := range cells {
		cells[i] = inert(c)
	}
	return cells
}

// inert keeps a spreadsheet from taking a text for a formula (OWASP, CSV Injection).
func inert(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}
