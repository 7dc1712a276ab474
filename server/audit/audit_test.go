package audit

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hostler/db"
	"hostler/db/dbtest"
	"hostler/internal/testclock"
)

// rig is a log on a real database, which the test can also reach behind the log's back.
type rig struct {
	t    *testing.T
	url  string
	data string
	db   *db.DB
	log  *Log
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, url: dbtest.Migrated(t), data: t.TempDir()}
	r.db = dbtest.OpenURL(t, r.url)
	r.log = r.open()
	return r
}

func (r *rig) options() Options {
	return Options{Data: r.data, Log: slog.New(slog.DiscardHandler), Now: db.Now}
}

func (r *rig) open() *Log {
	r.t.Helper()
	l, err := Open(r.t.Context(), r.db, r.options())
	if err != nil {
		r.t.Fatal(err)
	}
	return l
}

func (r *rig) write(n int) {
	r.t.Helper()
	for i := range n {
		err := r.log.Write(r.t.Context(), db.AuditEntry{
			Actor: "alice", Address: "192.0.2.1", Action: "user.role", Target: fmt.Sprint("user", i), Result: db.AuditDone,
			Was: `{"role":"operator"}`, Became: `{"role":"auditor"}`,
		})
		if err != nil {
			r.t.Fatal(err)
		}
	}
}

// verify returns the codes of the problems, in order and each once.
func (r *rig) verify() []string {
	r.t.Helper()
	report, err := r.log.Verify(r.t.Context(), 0)
	if err != nil {
		r.t.Fatal(err)
	}
	var codes []string
	for _, p := range report.Problems {
		codes = append(codes, p.Code)
	}
	slices.Sort(codes)
	return slices.Compact(codes)
}

func (r *rig) sql(statements ...string) {
	r.t.Helper()
	for _, s := range statements {
		dbtest.Execute(r.t, r.url, s)
	}
}

func (r *rig) entries() []db.AuditEntry {
	r.t.Helper()
	es, err := r.db.Audit(r.t.Context(), db.AuditQuery{Onward: true, Limit: 1000})
	if err != nil {
		r.t.Fatal(err)
	}
	return es
}

func TestWhatIsWrittenIsWhole(t *testing.T) {
	r := newRig(t)
	r.write(7)
	ctx := With(t.Context(), &db.AuditEntry{})
	About(ctx, "a\x00b\xff"+strings.Repeat("名", 600), map[string]string{"x": "<&>\u2028"}, nil)
	e := of(ctx)
	e.Action, e.Result, e.Time = "user.create", db.AuditFailed, time.Now().In(time.FixedZone("", 3600))
	if err := r.log.Write(t.Context(), *e); err != nil {
		t.Fatal(err)
	}
	if problems := r.verify(); len(problems) > 0 {
		t.Errorf("it has the problems %v", problems)
	}
	es := r.entries()
	if len(es) != 8 || es[0].ID != 1 || es[7].ID != 8 || es[7].Was == "" || es[7].Became != "" {
		t.Errorf("it has %+v", es)
	}
	report, err := r.log.Verify(t.Context(), 5)
	if err != nil || report.Entries != 3 || report.Last != 8 || report.Hash != es[7].Hash || len(report.Problems) > 0 {
		t.Errorf("from the sixth on it is %+v, %v", report, err)
	}
	if _, err := r.log.Verify(t.Context(), 99); err == nil {
		t.Error("there is no entry 99 to begin after")
	}
	r.log = r.open()
	r.write(1)
	if problems := r.verify(); len(problems) > 0 {
		t.Errorf("after a restart it has the problems %v", problems)
	}
}

// TestAttackForgedAuditRow changes the log as somebody may who can write to the database and has not the key.
func TestAttackForgedAuditRow(t *testing.T) {
	// chained makes the hashes of all entries fit anew, as anybody can; the seals stay what they were.
	chained := func(r *rig) {
		before := ""
		for _, e := range r.entries() {
			e.Hash = digest(before, &e)
			before = e.Hash
			r.sql(fmt.Sprintf("UPDATE audit_entries SET hash = '%s' WHERE id = %d", e.Hash, e.ID), fmt.Sprintf("UPDATE audit_heads SET hash = '%s' WHERE entry = %d", e.Hash, e.ID))
		}
	}
	insert := `INSERT INTO audit_entries (id, time, actor, address, action, family, target, result, code, request, was, became, hash, seal)
		SELECT %d, time, 'mallory', address, action, family, target, result, code, request, was, became, hash, seal FROM audit_entries WHERE id = %d`
	for name, c := range map[string]struct {
		forge func(r *rig)
		want  []string
	}{
		"altered":                   {func(r *rig) { r.sql("UPDATE audit_entries SET actor = 'bob' WHERE id = 3") }, []string{"altered"}},
		"altered before and after":  {func(r *rig) { r.sql("UPDATE audit_entries SET was = became WHERE id = 3") }, []string{"altered"}},
		"altered at the end":        {func(r *rig) { r.sql("UPDATE audit_entries SET result = 'refused' WHERE id = 6") }, []string{"altered"}},
		"altered and chained again": {func(r *rig) { r.sql("UPDATE audit_entries SET actor = 'bob' WHERE id = 3"); chained(r) }, []string{"seal", "truncated"}},
		"removed":                   {func(r *rig) { r.sql("DELETE FROM audit_entries WHERE id = 3") }, []string{"altered", "missing"}},
		"removed and closed up": {func(r *rig) {
			r.sql("DELETE FROM audit_entries WHERE id = 3")
			for id := 4; id <= 6; id++ {
				r.sql(fmt.Sprintf("UPDATE audit_entries SET id = %d WHERE id = %d", id-1, id))
			}
			r.sql("UPDATE audit_heads SET entry = 5")
			chained(r)
		}, []string{"seal", "truncated"}},
		"inserted":             {func(r *rig) { r.sql(fmt.Sprintf(insert, 7, 6)) }, []string{"altered"}},
		"inserted and chained": {func(r *rig) { r.sql(fmt.Sprintf(insert, 7, 6)); chained(r) }, []string{"seal"}},
		"reordered": {func(r *rig) {
			r.sql("UPDATE audit_entries SET id = 99 WHERE id = 3", "UPDATE audit_entries SET id = 3 WHERE id = 4", "UPDATE audit_entries SET id = 4 WHERE id = 99")
		}, []string{"altered"}},
		"truncated":                      {func(r *rig) { r.sql("DELETE FROM audit_entries WHERE id > 4") }, []string{"truncated"}},
		"truncated with the head":        {func(r *rig) { r.truncate(4) }, []string{"truncated"}},
		"truncated whole":                {func(r *rig) { r.truncate(0) }, []string{"truncated"}},
		"truncated and written over":     {func(r *rig) { r.truncate(4); r.write(5) }, []string{"cut"}},
		"truncated before a restart":     {func(r *rig) { r.truncate(4); r.log = r.open(); r.write(5) }, []string{"cut"}},
		"truncated beside the server":    {func(r *rig) { r.truncate(4); _ = r.open().Write(r.t.Context(), db.AuditEntry{Action: "x"}); r.write(5) }, []string{"cut"}},
		"truncated, and the head's file": {func(r *rig) { r.truncate(4); r.remove(headFile) }, []string{"head"}},
		"the head's file, then a start":  {func(r *rig) { r.truncate(4); r.remove(headFile); r.log = r.open() }, []string{"cut"}},
		"the head's file of another day": {func(r *rig) { r.truncate(4); r.forgeHead() }, []string{"head"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.write(6)
			if problems := r.verify(); len(problems) > 0 {
				t.Fatalf("it has the problems %v before", problems)
			}
			c.forge(r)
			if got := r.verify(); !slices.Equal(got, c.want) {
				t.Errorf("verifying found %v, want %v", got, c.want)
			}
		})
	}
}

// truncate cuts off what is behind an entry, and makes the database's own head fit.
func (r *rig) truncate(after int64) {
	r.t.Helper()
	hash := ""
	for _, e := range r.entries() {
		if e.ID == after {
			hash = e.Hash
		}
	}
	r.sql(fmt.Sprintf("DELETE FROM audit_entries WHERE id > %d", after), fmt.Sprintf("UPDATE audit_heads SET entry = %d, hash = '%s'", after, hash))
}

func (r *rig) remove(file string) {
	r.t.Helper()
	if err := os.Remove(filepath.Join(r.data, "audit", file)); err != nil {
		r.t.Fatal(err)
	}
}

// forgeHead makes the directory's head say what the database says, without the key.
func (r *rig) forgeHead() {
	r.t.Helper()
	head, err := r.db.AuditHead(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	text := fmt.Sprintf("%d:%s:%s\n", head.Entry, head.Hash, strings.Repeat("0", 64))
	if err := os.WriteFile(filepath.Join(r.data, "audit", headFile), []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// TestWritersDoNotForkTheChain lets a server and a command write to one database at once.
func TestWritersDoNotForkTheChain(t *testing.T) {
	r := newRig(t)
	other := dbtest.OpenURL(t, r.url)
	beside, err := Open(t.Context(), other, r.options())
	if err != nil {
		t.Fatal(err)
	}
	const writers, each = 8, 15
	var all sync.WaitGroup
	for i := range writers {
		l := []*Log{r.log, beside}[i%2]
		all.Go(func() {
			for k := range each {
				if err := l.Write(t.Context(), db.AuditEntry{Actor: fmt.Sprint(i), Action: "test", Target: fmt.Sprint(k)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	next := map[string]int{}
	for _, e := range r.entries() {
		if e.Target != fmt.Sprint(next[e.Actor]) {
			t.Errorf("writer %s wrote %s when %d was next", e.Actor, e.Target, next[e.Actor])
		}
		next[e.Actor]++
	}
	if n := len(r.entries()); n != writers*each {
		t.Errorf("there are %d entries", n)
	}
	if problems := r.verify(); len(problems) > 0 {
		t.Errorf("it has the problems %v", problems)
	}
}

func TestACallerThatGoesAwayLosesNoEntry(t *testing.T) {
	r := newRig(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.log.Write(ctx, db.AuditEntry{Action: "test"}); err != nil || len(r.entries()) != 1 {
		t.Errorf("a canceled request's entry: %v", err)
	}
}

func TestAnotherDirectoryIsRefused(t *testing.T) {
	r := newRig(t)
	r.write(2)
	for _, prepare := range []func(dir string){
		func(string) {},
		func(dir string) { // another server's
			if _, err := makeKey(filepath.Join(dir, "audit")); err != nil {
				t.Fatal(err)
			}
		},
	} {
		o := r.options()
		o.Data = t.TempDir()
		prepare(o.Data)
		if _, err := Open(t.Context(), r.db, o); !errors.Is(err, ErrNoKey) {
			t.Errorf("a command got %v", err)
		}
	}
	if n := len(r.entries()); n != 2 {
		t.Fatalf("it wrote %d entries", n)
	}
	// A server that has lost its directory goes on, and the log says so.
	o := r.options()
	o.Data, o.Serve = t.TempDir(), true
	anew, err := Open(t.Context(), r.db, o)
	if err != nil {
		t.Fatal(err)
	}
	r.log = anew
	r.write(1)
	if got := r.verify(); !slices.Equal(got, []string{"cut", "seal"}) {
		t.Errorf("verifying found %v", got)
	}
	report, err := r.log.Verify(t.Context(), 3)
	if err != nil || len(report.Problems) > 0 {
		t.Errorf("behind the new key it is %+v, %v", report, err)
	}
}

func TestTheKeyIsItsOwnersAlone(t *testing.T) {
	r := newRig(t)
	for _, file := range []string{keyFile, headFile} {
		stat, err := os.Stat(filepath.Join(r.data, "audit", file))
		if err != nil || stat.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", file, stat.Mode(), err)
		}
	}
}

func TestViewWritesNothing(t *testing.T) {
	r := newRig(t)
	r.write(1)
	dir := t.TempDir()
	reader, err := View(r.db, dir)
	if err != nil {
		t.Fatal(err)
	}
	report, err := reader.Verify(t.Context(), 0)
	if err != nil || len(report.Problems) != 1 || report.Problems[0].Code != "head" {
		t.Errorf("without the key it is %+v, %v", report, err)
	}
	if there, err := os.ReadDir(dir); err != nil || len(there) > 0 {
		t.Errorf("it made %v, %v", there, err)
	}
}

func TestExport(t *testing.T) {
	r := newRig(t)
	r.write(2)
	for _, target := range []string{`=cmd|' /C calc'!A0`, "-1+1", "@SUM(A1)", "+1", "\t=1", "a \"quoted\", text\nof two lines"} {
		if err := r.log.Write(t.Context(), db.AuditEntry{Action: "user.create", Target: target, Result: db.AuditFailed}); err != nil {
			t.Fatal(err)
		}
	}
	var lines, table bytes.Buffer
	if err := r.log.Export(t.Context(), &lines, JSONLines, db.AuditQuery{}); err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(&lines)
	es := r.entries()
	for i := range es {
		var got struct {
			ID     int64          `json:"id"`
			Target string         `json:"target"`
			Before map[string]any `json:"before"`
			Hash   string         `json:"hash"`
		}
		if err := decoder.Decode(&got); err != nil || got.ID != es[i].ID || got.Target != es[i].Target || got.Hash != es[i].Hash || (got.Before == nil) != (es[i].Was == "") {
			t.Errorf("line %d is %+v, %v", i, got, err)
		}
	}
	if err := r.log.Export(t.Context(), &table, CSV, db.AuditQuery{Result: db.AuditFailed}); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&table).ReadAll()
	if err != nil || len(rows) != 7 || !slices.Equal(rows[0], columns) {
		t.Fatalf("the table is %q, %v", rows, err)
	}
	for i, row := range rows[1:] {
		target := row[slices.Index(columns, "target")]
		if strings.ContainsRune("=+-@\t\r", rune(target[0])) || strings.TrimPrefix(target, "'") != es[2+i].Target {
			t.Errorf("a cell is %q", target)
		}
	}
	if err := r.log.Export(t.Context(), &table, "xml", db.AuditQuery{}); err == nil {
		t.Error("it exports what it cannot")
	}
}

func TestExportHoldsNoMoreThanAPart(t *testing.T) {
	r := newRig(t)
	var many []db.AuditEntry
	for range 2*exportPart + 1 {
		many = append(many, db.AuditEntry{Action: "test"})
	}
	if err := r.log.Write(t.Context(), many...); err != nil {
		t.Fatal(err)
	}
	n := int64(0)
	for e, err := range r.log.Entries(t.Context(), db.AuditQuery{}) {
		if n++; err != nil || e.ID != n {
			t.Fatalf("entry %d: %+v, %v", n, e, err)
		}
	}
	if n != 2*exportPart+1 {
		t.Errorf("it found %d", n)
	}
}

func TestQueries(t *testing.T) {
	r := newRig(t)
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i, e := range []db.AuditEntry{
		{Actor: "alice", Action: "user.role", Target: "bob", Result: db.AuditDone},
		{Actor: "bob", Action: "user.create", Target: "eve", Result: db.AuditRefused},
		{Actor: "alice", Action: "token.create", Target: "ci", Result: db.AuditDone},
		{Actor: "alice", Action: "user.remove", Target: "bob", Result: db.AuditFailed},
	} {
		e.Time = at.Add(time.Duration(i) * time.Hour)
		if err := r.log.Write(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		query db.AuditQuery
		want  []int64
	}{
		"all":       {db.AuditQuery{}, []int64{4, 3, 2, 1}},
		"actor":     {db.AuditQuery{Actor: "alice"}, []int64{4, 3, 1}},
		"family":    {db.AuditQuery{Action: "user"}, []int64{4, 2, 1}},
		"action":    {db.AuditQuery{Action: "user.create"}, []int64{2}},
		"target":    {db.AuditQuery{Target: "bob"}, []int64{4, 1}},
		"result":    {db.AuditQuery{Result: db.AuditRefused}, []int64{2}},
		"since":     {db.AuditQuery{Since: at.Add(2 * time.Hour)}, []int64{4, 3}},
		"until":     {db.AuditQuery{Until: at.Add(2 * time.Hour)}, []int64{2, 1}},
		"next page": {db.AuditQuery{Before: 3}, []int64{2, 1}},
		"in order":  {db.AuditQuery{Onward: true, After: 1}, []int64{2, 3, 4}},
	} {
		c.query.Limit = 10
		es, err := r.db.Audit(t.Context(), c.query)
		var got []int64
		for _, e := range es {
			got = append(got, e.ID)
		}
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

// TestFloodsOfRefusalsAreCounted holds that whoever may only try cannot fill the database, and that what is done is kept.
func TestFloodsOfRefusalsAreCounted(t *testing.T) {
	r := newRig(t)
	clock := testclock.New(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	r.log.flood = newFlood(clock.Now)
	for range floodOfOne + 40 {
		r.log.Record(t.Context(), db.AuditEntry{Address: "192.0.2.1", Action: "user.login", Result: db.AuditRefused})
		r.log.Record(t.Context(), db.AuditEntry{Actor: "alice", Action: "host.step", Result: db.AuditDone})
	}
	r.log.Record(t.Context(), db.AuditEntry{Address: "192.0.2.2", Action: "user.login", Result: db.AuditRefused})
	if n := len(r.entries()); n != floodOfOne+floodOfOne+40+1 {
		t.Errorf("there are %d entries", n)
	}
	clock.Advance(time.Minute)
	r.log.Record(t.Context(), db.AuditEntry{Actor: "alice", Action: "host.step", Result: db.AuditDone})
	es := r.entries()
	if told := es[len(es)-2]; told.Action != ActionSuppressed || !strings.Contains(string(told.Became), `"entries":40`) {
		t.Errorf("the minute after tells %+v", told)
	}
}

// TestWhatCannotBeStoredIsLogged holds that an entry is not lost in silence.
func TestWhatCannotBeStoredIsLogged(t *testing.T) {
	r := newRig(t)
	var said bytes.Buffer
	r.log.log = slog.New(slog.NewTextHandler(&said, nil))
	allow := dbtest.Refuse(t, r.url, "INSERT", "audit_entries", "NEW.id > 0")
	r.log.Record(t.Context(), db.AuditEntry{Actor: "alice", Action: "user.remove", Target: "bob", Result: db.AuditDone})
	for _, want := range []string{"alice", "user.remove", "bob", "refused by a test"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("the log does not say %s: %s", want, said.String())
		}
	}
	if r.log.Lost() != 1 || r.log.Written() != 0 {
		t.Errorf("it counts %d lost and %d written", r.log.Lost(), r.log.Written())
	}
	allow()
	r.write(1)
	if problems := r.verify(); len(problems) > 0 || r.log.Written() != 1 {
		t.Errorf("afterwards it has the problems %v", problems)
	}
}
