package audit

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"hostler/db"
)

// export is the whole log in JSON lines.
func (r *rig) export() []string {
	r.t.Helper()
	var b bytes.Buffer
	if err := r.log.Export(r.t.Context(), &b, JSONLines, db.AuditQuery{}); err != nil {
		r.t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(b.String()), "\n")
}

func TestExportsAreVerified(t *testing.T) {
	r := newRig(t)
	r.write(6)
	lines := r.export()
	elsewhere := t.TempDir()
	forged := strings.Replace(lines[3], `"auditor"`, `"operator"`, 1)
	for name, c := range map[string]struct {
		lines       []string
		data        string
		want        string // codes of the problems
		entries, at int64
	}{
		"whole":                {lines, r.data, "", 6, 6},
		"without the key":      {lines, elsewhere, "", 6, 6},
		"from the third on":    {lines[2:], r.data, "", 3, 6},
		"the end is missing":   {lines[:4], r.data, "", 4, 4}, // only the hash that somebody kept tells
		"one is missing":       {slices.Concat(lines[:2], lines[3:]), elsewhere, "missing altered", 5, 6},
		"two change places":    {[]string{lines[0], lines[2], lines[1], lines[3]}, elsewhere, "missing altered", 4, 4},
		"one is changed":       {slices.Concat(lines[:3], []string{forged}, lines[4:]), elsewhere, "altered", 6, 6},
		"a log of another key": {lines, newRigKey(t), "seal", 6, 6},
	} {
		report, err := VerifyExport(strings.NewReader(strings.Join(c.lines, "\n")+"\n"), c.data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		found := map[string]bool{}
		for _, p := range report.Problems {
			found[p.Code] = true
		}
		for _, code := range strings.Fields(c.want) {
			if !found[code] {
				t.Errorf("%s: %q was not found among %+v", name, code, report.Problems)
			}
		}
		if c.want == "" && len(report.Problems) > 0 || report.Entries != c.entries || report.Last != c.at || report.Sealed != (c.data != elsewhere) {
			t.Errorf("%s: %+v", name, report)
		}
	}
	for _, text := range []string{"{}", "id,time", lines[0] + "\nnonsense"} {
		if _, err := VerifyExport(strings.NewReader(text), r.data); err == nil {
			t.Errorf("%.20q was taken for an export", text)
		}
	}
}

// newRigKey is a data directory with a key of its own.
func newRigKey(t *testing.T) string { return newRig(t).data }
