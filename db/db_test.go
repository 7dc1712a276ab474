package db_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/db/dbtest"
)

func TestMigrateTwiceAndRefuseNewer(t *testing.T) {
	url := dbtest.URL(t)
	d := dbtest.OpenURL(t, url)
	for range 2 {
		must(t, d.Migrate(t.Context()))
	}
	must(t, d.PretendNewer(t.Context()))
	err := d.Migrate(t.Context())
	if err == nil || !strings.Contains(err.Error(), "version 9999") {
		t.Fatalf("a newer database was not refused: %v", err)
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	for url, want := range map[string]string{
		"nonsense":       "neither sqlite:PATH nor mysql://",
		"postgres://x/y": `unknown kind "postgres"`,
		"mysql://hostler:hunter2@127.0.0.1:1/name": "connection refused",
	} {
		_, err := db.Open(t.Context(), url)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", url, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

func TestFirstUserOnce(t *testing.T) {
	d := dbtest.Open(t)
	var wg sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		wg.Go(func() {
			errs[i] = d.CreateFirstUser(t.Context(), &db.User{Name: fmt.Sprint("user", i), PasswordHash: "x", Role: "administrator"})
		})
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else if !errors.Is(err, db.ErrDuplicate) {
			t.Error(err)
		}
	}
	if n, err := d.CountUsers(t.Context()); won != 1 || n != 1 || err != nil {
		t.Fatalf("%d of four made the first user; there are %d: %v", won, n, err)
	}
}

func TestSessionsEnd(t *testing.T) {
	d := dbtest.Open(t)
	u := &db.User{Name: "alice", PasswordHash: "x", Role: "administrator"}
	must(t, d.CreateUser(t.Context(), u))
	now := db.Now()
	must(t, d.CreateSession(t.Context(), &db.Session{Hash: "h", UserID: u.ID, CreatedAt: now, LastUsedAt: now, ExpiresAt: now.Add(time.Hour)}))
	s, err := d.SessionByHash(t.Context(), "h", now)
	must(t, err)
	if s.User.Name != "alice" {
		t.Errorf("the session's user is %q", s.User.Name)
	}
	if _, err := d.SessionByHash(t.Context(), "h", now.Add(time.Hour)); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("an ended session was found: %v", err)
	}
	must(t, d.SetPassword(t.Context(), u.ID, "y", ""))
	if _, err := d.SessionByHash(t.Context(), "h", now); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("a session outlived its password: %v", err)
	}
}

func TestHostsPageByKey(t *testing.T) {
	d := dbtest.Open(t)
	now := db.Now()
	for i := range 25 {
		h := &db.Host{AgentSN: fmt.Sprint("sn", i), Name: fmt.Sprintf("node%02d_a%%b", i), FQDN: fmt.Sprintf("own%02d", i), State: db.HostHealthy, RegisteredAt: &now, Facts: &wire.Facts{Arch: "amd64"}}
		must(t, d.UpsertHost(t.Context(), h))
		again := *h
		again.ID = 0
		must(t, d.UpsertHost(t.Context(), &again))
		if again.ID != h.ID {
			t.Fatalf("the second registration got id %d, the first %d", again.ID, h.ID)
		}
	}
	var names []string
	q := db.HostQuery{Limit: 10}
	for pages := 1; ; pages++ {
		hosts, next, err := d.Hosts(t.Context(), q)
		must(t, err)
		for _, h := range hosts {
			names = append(names, h.Name)
		}
		if next == nil {
			if pages != 3 {
				t.Errorf("25 hosts came in %d pages of 10", pages)
			}
			break
		}
		q.After = *next
	}
	if len(names) != 25 || names[0] != "node00_a%b" || names[24] != "node24_a%b" {
		t.Errorf("got %v", names)
	}
	for search, want := range map[string]int{"node0": 10, "%b": 25, "_a": 25, "e%0": 0, "x": 0, "own07": 1} {
		hosts, _, err := d.Hosts(t.Context(), db.HostQuery{Search: search})
		must(t, err)
		if len(hosts) != want {
			t.Errorf("searching %q found %d, want %d", search, len(hosts), want)
		}
	}
}

func TestFlushHosts(t *testing.T) {
	d := dbtest.Open(t)
	h := &db.Host{AgentSN: "sn", Name: "node1", State: db.HostInit}
	must(t, d.UpsertHost(t.Context(), h))
	seen := db.Now()
	must(t, d.FlushHosts(t.Context(), []db.HostSeen{{ID: h.ID, State: db.HostHealthy, LastSeenAt: &seen, StartedAt: &seen, Version: "1", Address: "::1"}}))
	got, err := d.HostByID(t.Context(), h.ID)
	must(t, err)
	if got.State != db.HostHealthy || got.LastSeenAt == nil || !got.LastSeenAt.Equal(seen) || got.AgentVersion != "1" {
		t.Errorf("got %+v", got)
	}
	must(t, d.FlushHosts(t.Context(), []db.HostSeen{{ID: h.ID, State: db.HostLost}}))
	got, err = d.HostByID(t.Context(), h.ID)
	must(t, err)
	if got.State != db.HostLost || got.LastSeenAt != nil {
		t.Errorf("a host that was never seen: %+v", got)
	}
}

func TestManyHostsAreStoredAtOnce(t *testing.T) {
	d := dbtest.Open(t)
	known := &db.Host{AgentSN: "sn7", Name: "before", State: db.HostInit}
	must(t, d.UpsertHost(t.Context(), known))
	const n = 250
	var hs []*db.Host
	for i := range n {
		hs = append(hs, &db.Host{AgentSN: fmt.Sprint("sn", i), Name: fmt.Sprint("node", i), State: db.HostInit})
	}
	again := &db.Host{AgentSN: "sn8", Name: "again", State: db.HostInit}
	must(t, d.UpsertHosts(t.Context(), append(hs, again)))
	if hs[7].ID != known.ID || hs[8].ID != again.ID {
		t.Errorf("got ids %d and %d of one host, %d and %d of another", known.ID, hs[7].ID, hs[8].ID, again.ID)
	}
	hs[8].Name = "again"
	for _, h := range hs {
		got, err := d.HostByID(t.Context(), h.ID)
		must(t, err)
		if got.AgentSN != h.AgentSN || got.Name != h.Name {
			t.Fatalf("host %d is %s %s, want %s %s", h.ID, got.AgentSN, got.Name, h.AgentSN, h.Name)
		}
	}
}

func TestLogReadsFromAnyOffset(t *testing.T) {
	d := dbtest.Open(t)
	o := &db.Operation{Kind: "k", State: db.Running, Parallel: 1}
	tasks := []db.Task{{Name: "a", State: db.Running}}
	must(t, d.CreateOperation(t.Context(), o, tasks, nil))
	id := tasks[0].ID
	var all []byte
	for i := range 40 {
		body := []byte(strings.Repeat(fmt.Sprint(i%10), 1000+i))
		must(t, d.AppendLog(t.Context(), &db.LogChunk{TaskID: id, Start: int64(len(all)), Body: body}))
		must(t, d.AppendLog(t.Context(), &db.LogChunk{TaskID: id, Start: int64(len(all)), Body: body}))
		all = append(all, body...)
	}
	if n, err := d.LogSize(t.Context(), id); err != nil || n != int64(len(all)) {
		t.Fatalf("size %d, want %d: %v", n, len(all), err)
	}
	for _, offset := range []int64{0, 1, 999, 1000, 20_500, int64(len(all)) - 1, int64(len(all)), int64(len(all)) + 5} {
		var got []byte
		for next := offset; ; {
			body, n, err := d.ReadLog(t.Context(), id, next, 5000)
			must(t, err)
			if len(body) == 0 {
				break
			}
			got, next = append(got, body...), n
		}
		if want := all[min(offset, int64(len(all))):]; string(got) != string(want) {
			t.Errorf("from %d: got %d bytes, want %d", offset, len(got), len(want))
		}
	}
}

func TestLeaseChangesHandsWithAFence(t *testing.T) {
	d := dbtest.Open(t)
	now := db.Now()
	take := func(holder string, at time.Time) (int64, bool) {
		t.Helper()
		fence, owned, err := d.TakeLease(t.Context(), "l", holder, at, at.Add(time.Minute))
		must(t, err)
		return fence, owned
	}
	first, ok := take("a", now)
	if !ok {
		t.Fatal("a free lease was refused")
	}
	if _, ok := take("b", now.Add(time.Second)); ok {
		t.Fatal("two hold the lease")
	}
	if again, ok := take("a", now.Add(time.Second)); !ok || again != first {
		t.Fatalf("the holder could not keep it: fence %d, %t", again, ok)
	}
	if second, ok := take("b", now.Add(2*time.Minute)); !ok || second <= first {
		t.Fatalf("an ended lease: fence %d after %d, %t", second, first, ok)
	}
}

func TestEnrolTokenUsedOnceByMany(t *testing.T) {
	d := dbtest.Open(t)
	tok := &db.EnrolToken{Hash: "h", UsesLeft: 3, ExpiresAt: db.Now().Add(time.Minute)}
	must(t, d.CreateEnrolToken(t.Context(), tok))
	var wg sync.WaitGroup
	results := make([]error, 10)
	for i := range results {
		wg.Go(func() { results[i] = d.UseEnrolToken(t.Context(), tok.ID) })
	}
	wg.Wait()
	used := 0
	for _, err := range results {
		if err == nil {
			used++
		} else if !errors.Is(err, db.ErrStale) {
			t.Error(err)
		}
	}
	if used != 3 {
		t.Errorf("three uses were taken %d times", used)
	}
}

func TestCurrentCertificate(t *testing.T) {
	d := dbtest.Open(t)
	ctx, now := t.Context(), db.Now()
	for i, c := range []db.Certificate{
		{Serial: "01", AgentSN: "a", Hostname: "node1"},
		{Serial: "02", AgentSN: "a", Hostname: "node1"},
		{Serial: "03", AgentSN: "a", Hostname: "node1", RevokedAt: &now},
		{Serial: "04", AgentSN: "b", Hostname: "node2"},
	} {
		c.CreatedAt, c.NotAfter = now.Add(time.Duration(i)*time.Second), now.Add(time.Hour)
		must(t, d.CreateCertificate(ctx, &c))
	}
	c, err := d.CurrentCertificate(ctx, "a")
	must(t, err)
	if c.Serial != "02" {
		t.Errorf("got certificate %s, want the newest that was not revoked", c.Serial)
	}
	if _, err := d.CurrentCertificate(ctx, "c"); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("an agent without one: %v", err)
	}
	for _, q := range []struct {
		name string
		at   time.Time
		want bool
	}{{"node1", now, false}, {"node2", now, true}, {"node2", now.Add(time.Hour), false}} {
		held, err := d.SerialNumberHeld(ctx, "a", q.name, q.at)
		must(t, err)
		if held != q.want {
			t.Errorf("%s at %s: held is %t", q.name, q.at, held)
		}
	}
}

func TestDraftIsNotOverwritten(t *testing.T) {
	d := dbtest.Open(t)
	w := &db.Draft{Step: "start", Method: "ssh"}
	must(t, d.CreateDraft(t.Context(), w))
	mine, theirs := *w, *w
	theirs.Hosts = "node1"
	must(t, d.SaveDraft(t.Context(), &theirs))
	mine.Hosts = "node2"
	if err := d.SaveDraft(t.Context(), &mine); !errors.Is(err, db.ErrStale) {
		t.Fatalf("an older copy overwrote a newer one: %v", err)
	}
	got, err := d.Draft(t.Context(), w.ID)
	must(t, err)
	if got.Hosts != "node1" || got.Version != theirs.Version {
		t.Errorf("got %+v", got)
	}
}

func TestJobsFinishOnce(t *testing.T) {
	d := dbtest.Open(t)
	h := &db.Host{AgentSN: "sn", Name: "node1", State: db.HostHealthy}
	must(t, d.UpsertHost(t.Context(), h))
	_, err := d.CreateJob(t.Context(), &db.Job{ID: "j", HostID: h.ID, Action: "config", Payload: wire.Job{ID: "j", Action: "config", Step: 5}, State: db.JobQueued})
	must(t, err)
	if marked, err := d.MarkDelivered(t.Context(), []db.Delivery{{ID: "j", Deadline: db.Now()}}, db.Now()); err != nil || len(marked) != 1 {
		t.Fatalf("marked %v, %v", marked, err)
	}
	open, err := d.OpenJobs(t.Context(), h.ID, 10)
	must(t, err)
	payloads, err := d.JobPayloads(t.Context(), []string{"j"})
	must(t, err)
	if len(open) != 1 || payloads["j"].Step != 5 || open[0].State != db.JobDelivered {
		t.Fatalf("got %+v", open)
	}
	for i, want := range []bool{true, false} {
		got, err := d.FinishJob(t.Context(), h.ID, wire.JobResult{ID: "j", ErrCode: i, Message: "done"}, db.Now())
		if err != nil || got != want {
			t.Errorf("result %d: %t, %v", i, got, err)
		}
	}
	if other, err := d.FinishJob(t.Context(), h.ID+1, wire.JobResult{ID: "j"}, db.Now()); err != nil || other {
		t.Errorf("another host finished the job: %t, %v", other, err)
	}
}

func TestEventsNewestFirst(t *testing.T) {
	d := dbtest.Open(t)
	host := int64(7)
	for i := range 5 {
		must(t, d.CreateEvents(t.Context(), []db.Event{{Time: db.Now(), Kind: fmt.Sprint("k", i), Severity: db.SeverityInfo, HostID: &host, Params: map[string]string{"n": fmt.Sprint(i)}}}))
	}
	es, err := d.Events(t.Context(), db.EventQuery{HostID: 7, Limit: 2})
	must(t, err)
	if len(es) != 2 || es[0].Kind != "k4" || es[0].Params["n"] != "4" {
		t.Fatalf("got %+v", es)
	}
	older, err := d.Events(t.Context(), db.EventQuery{HostID: 7, Before: es[1].ID})
	must(t, err)
	if len(older) != 3 || older[0].Kind != "k2" {
		t.Errorf("got %+v", older)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestManyEvents(t *testing.T) {
	d, now := dbtest.Open(t), db.Now()
	const n = 250
	es := make([]db.Event, n)
	for i := range es {
		es[i] = db.Event{Time: now.Add(time.Duration(i) * time.Hour), Kind: fmt.Sprint("k", i), Severity: db.SeverityInfo}
	}
	must(t, d.CreateEvents(t.Context(), es))
	stored, err := d.Events(t.Context(), db.EventQuery{Limit: n})
	must(t, err)
	for i, e := range stored {
		if want := es[n-1-i]; e.ID != want.ID || e.Kind != want.Kind {
			t.Fatalf("event %s has the id %d, and was told to have %d", e.Kind, e.ID, want.ID)
		}
	}
	for _, want := range []int64{60, 40, 0} {
		if gone, err := d.DeleteEventsBefore(t.Context(), now.Add(100*time.Hour), 60); err != nil || gone != want {
			t.Errorf("deleted %d, %v; want %d", gone, err, want)
		}
	}
	stored, err = d.Events(t.Context(), db.EventQuery{Limit: n})
	must(t, err)
	if len(stored) != n-100 || stored[len(stored)-1].Kind != "k100" {
		t.Errorf("%d events are left, the oldest is %s", len(stored), stored[len(stored)-1].Kind)
	}
}

func TestEndedCertificatesGo(t *testing.T) {
	d, now := dbtest.Open(t), db.Now()
	for i := range 5 {
		must(t, d.CreateCertificate(t.Context(), &db.Certificate{Serial: fmt.Sprint(i), NotBefore: now, NotAfter: now.Add(time.Duration(i) * time.Hour), CreatedAt: now}))
	}
	for _, want := range []int64{2, 1, 0} {
		if gone, err := d.DeleteCertificatesBefore(t.Context(), now.Add(3*time.Hour), 2); err != nil || gone != want {
			t.Errorf("deleted %d, %v; want %d", gone, err, want)
		}
	}
	for serial, want := range map[string]error{"2": db.ErrNotFound, "3": nil} {
		if _, err := d.Certificate(t.Context(), serial); !errors.Is(err, want) {
			t.Errorf("certificate %s: %v, want %v", serial, err, want)
		}
	}
}

// What is known of a host that was turned away must not end with its certificate.
func TestTheLastRevokedCertificateOfAHostStays(t *testing.T) {
	d, now := dbtest.Open(t), db.Now()
	for i, host := range []string{"away", "away", "back", "back"} {
		c := &db.Certificate{Serial: fmt.Sprint(i), Hostname: host, NotBefore: now, NotAfter: now, CreatedAt: now.Add(time.Duration(i) * time.Minute)}
		if i != 3 { // the host "back" was admitted once more
			c.RevokedAt = &now
		}
		must(t, d.CreateCertificate(t.Context(), c))
	}
	for _, want := range []int64{3, 0} {
		if gone, err := d.DeleteCertificatesBefore(t.Context(), now.Add(time.Hour), 10); err != nil || gone != want {
			t.Errorf("deleted %d, %v; want %d", gone, err, want)
		}
	}
	if _, err := d.Certificate(t.Context(), "1"); err != nil {
		t.Errorf("the last one of a host that was turned away: %v", err)
	}
}

// A host may be silent for long and be removed then. What it is known by when it comes back must be there to be revoked.
func TestTheLastCertificateOfARegisteredHostStays(t *testing.T) {
	d, now := dbtest.Open(t), db.Now()
	must(t, d.UpsertHost(t.Context(), &db.Host{Name: "silent", AgentSN: "silent-sn", State: db.HostLost, CreatedAt: now}))
	for i, host := range []string{"silent", "silent", "forgotten"} {
		must(t, d.CreateCertificate(t.Context(), &db.Certificate{
			Serial: fmt.Sprint(i), AgentSN: host + "-sn", Hostname: host, NotBefore: now, NotAfter: now, CreatedAt: now.Add(time.Duration(i) * time.Minute),
		}))
	}
	for _, want := range []int64{2, 0} {
		if gone, err := d.DeleteCertificatesBefore(t.Context(), now.Add(time.Hour), 10); err != nil || gone != want {
			t.Errorf("deleted %d, %v; want %d", gone, err, want)
		}
	}
	if _, err := d.Certificate(t.Context(), "1"); err != nil {
		t.Errorf("the last one of a registered host: %v", err)
	}
}
