package audit

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"hostler/db"
)

// maxLine bounds one line of an export; an entry has at most two states.
const maxLine = 4*maxState + 64<<10

// VerifyExport looks at every entry of an export in JSON lines, as long as it has all entries between its first and its last: one that
// was filtered has gaps, which are problems. What the first follows is taken for granted unless it is the log's first. The database is
// not needed; who wrote the entries is told where the key is in data, the data directory.
func VerifyExport(in io.Reader, data string) (*Report, error) {
	r := &Reader{dir: filepath.Join(data, "audit")}
	var err error
	if r.key, err = loadKey(r.dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	v := &verification{Reader: r, report: &Report{Problems: []Problem{}, Sealed: r.key != nil}}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	for n := 1; lines.Scan() && len(v.report.Problems) < mostProblems; n++ {
		var e db.AuditEntry
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil || e.ID < 1 || e.Hash == "" {
			return nil, fmt.Errorf("line %d is no entry of an audit log in JSON lines", n)
		}
		if n == 1 && e.ID > 1 {
			v.begun(&e)
			continue
		}
		v.look(&e)
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	v.report.Last, v.report.Hash = v.at, v.hash
	return v.report, nil
}

// begun takes an entry for what the next one follows. Its seal tells whether it was written so.
func (v *verification) begun(e *db.AuditEntry) {
	v.start, v.at, v.hash = e.ID, e.ID, e.Hash
	if v.key != nil && !v.sealed(entrySeal, e.Hash, e.Seal) {
		v.problem(e.ID, "seal", "it was not written with the key in %s", v.dir)
	}
}
