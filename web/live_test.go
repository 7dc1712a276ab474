package web

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/account"
	"hostler/server/fleet"
	"hostler/server/operation"
	"hostler/ui/i18n"
	"hostler/ui/live"
	"hostler/ui/page"
)

// socket is an open page.
type socket struct {
	t  testing.TB
	ws *websocket.Conn
}

func (b *browser) dial(origin string) (*websocket.Conn, *http.Response, error) {
	header := http.Header{"Cookie": {sessionCookie + "=" + b.cookie(sessionCookie) + "; " + langCookie + "=" + b.cookie(langCookie)}}
	if origin != "" {
		header.Set("Origin", origin)
	}
	return websocket.DefaultDialer.Dial(strings.Replace(b.s.public.URL, "http", "ws", 1)+"/live", header)
}

func (b *browser) open(topics ...string) *socket {
	b.s.t.Helper()
	ws, r, err := b.dial(b.s.public.URL)
	if err != nil {
		b.s.t.Fatal(err)
	}
	_ = r.Body.Close()
	b.s.t.Cleanup(func() { _ = ws.Close() })
	s := &socket{b.s.t, ws}
	s.subscribe(b.s, topics...)
	return s
}

// subscribe asks for topics, as a page that is as old as can be, and waits until the hub has them.
func (s *socket) subscribe(srv *server, topics ...string) {
	s.t.Helper()
	if err := s.ws.WriteJSON(live.Subscribe{Topics: topics, Age: replayFor.Milliseconds()}); err != nil {
		s.t.Fatal(err)
	}
	look, deadline := time.NewTicker(time.Millisecond), time.After(waitMost)
	defer look.Stop()
	for !srv.web.hub.hasAll(topics) {
		select {
		case <-look.C:
		case <-deadline:
			s.t.Fatalf("%v were not subscribed", topics)
		}
	}
}

func (h *hub) hasAll(topics []string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return !slices.ContainsFunc(topics, func(topic string) bool { return !h.wanted(topic) })
}

// next reads messages until one satisfies want.
func (s *socket) next(what string, want func(live.Delta) bool) live.Delta {
	s.t.Helper()
	if err := s.ws.SetReadDeadline(time.Now().Add(waitMost)); err != nil {
		s.t.Fatal(err)
	}
	for {
		var d live.Delta
		if err := s.ws.ReadJSON(&d); err != nil {
			s.t.Fatalf("no %s: %v", what, err)
		}
		if want(d) {
			return d
		}
	}
}

func TestAttackWebSocketFromAnotherOrigin(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	for name, c := range map[string]struct {
		b      *browser
		origin string
		status int
	}{
		"nobody": {s.browser(), s.public.URL, http.StatusUnauthorized}, "another site": {b, "https://evil.example", http.StatusForbidden},
	} {
		_, r, err := c.b.dial(c.origin)
		if err == nil || r.StatusCode != c.status {
			t.Errorf("%s: %v %+v, want %d", name, err, r, c.status)
		}
		if r != nil {
			_ = r.Body.Close()
		}
	}
	if r := b.get("/live"); r.status != http.StatusForbidden {
		t.Errorf("a plain request answered %d", r.status)
	}
}

func TestLiveHosts(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	page := b.open(live.TopicHosts, live.TopicOverview)
	c, id := s.register("node1.lab.test")
	d := page.next("healthy row", func(d live.Delta) bool {
		return d.Topic == live.TopicHosts && len(d.Rows) == 1 && d.Rows[0].Group == string(db.HostHealthy)
	})
	if d.Rows[0].ID != fmt.Sprint(id) || d.Rows[0].Cells["name"] != "node1.lab.test" || d.Rows[0].Cells["os"] != "Debian GNU/Linux 12" {
		t.Errorf("the row is %+v", d.Rows[0])
	}
	own := b.open(live.TopicHost(id))
	s.beat(c, "node1.lab.test", wire.ChildAgent{Name: "BasicAgent", Status: wire.ChildFatal})
	d = own.next("reload", func(d live.Delta) bool { return d.Reload })
	if d.Seq == 0 {
		t.Errorf("the message is %+v", d)
	}
	page.next("count", func(d live.Delta) bool {
		return d.Topic == live.TopicHosts && d.Values["total"] == "1" && d.Values["unhealthy"] == "1"
	})
}

func TestLiveSequenceHasNoGaps(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	c, _ := s.register("node1.lab.test")
	page := b.open(live.TopicHosts)
	for i := range 3 {
		s.beat(c, "node1.lab.test")
		page.next("row", func(d live.Delta) bool {
			if d.Seq != int64(i+1) {
				t.Errorf("message %d has number %d", i+1, d.Seq)
			}
			return true
		})
	}
}

func TestLiveOperation(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	b.post("/preferences", map[string][]string{"lang": {i18n.Chinese}})
	list := b.open(live.TopicOperations, live.TopicEvents)
	id := s.startBootstrap("node1.lab.test, slow.lab.test")
	chinese := i18n.With(t.Context(), i18n.Chinese)
	row := list.next("operation", func(d live.Delta) bool { return d.Topic == live.TopicOperations }).Rows[0]
	if want := i18n.T(chinese, "state.running"); row.ID != fmt.Sprint(id) || row.Cells["state"] != want {
		t.Errorf("the row is %+v, want state %s", row, want)
	}
	page := b.open(live.TopicOperation(id))
	page.next("values after subscribing", func(d live.Delta) bool { return d.Values["total"] == "2" && d.Values["active"] == "1" })
	close(s.release)
	done := map[string]bool{}
	page.next("end", func(d live.Delta) bool {
		for _, r := range d.Rows {
			done[r.Cells["name"]] = r.Group == "done"
		}
		return d.Values["progress"] == "100" && d.Values["active"] == ""
	})
	if !done["slow.lab.test"] {
		t.Errorf("the rows told of were %v", done)
	}
	list.next("event", func(d live.Delta) bool { return d.Topic == live.TopicEvents && len(d.Rows) > 0 })
	task := must[[]db.Task](t)(s.db.Tasks(t.Context(), id))[0]
	log := b.open(live.TopicLog(task.ID))
	log.next("log size", func(d live.Delta) bool { return d.Values["size"] != "" })
}

func TestLiveJob(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	agent, hostID := s.register("node1.lab.test")
	id := s.work("/commands", map[string]any{"targets": map[string]any{"ids": []int64{hostID}}, "exec": map[string]any{"script": "true"}})
	job := s.job(agent, "node1.lab.test")
	loadAgain := func(d live.Delta) bool { return d.Reload }
	open := b.open(live.TopicJob(job.ID))
	open.next("what happened before the page listened", loadAgain)
	s.agentPost(agent, wire.PathOutput, []wire.OutputChunk{{Job: job.ID, Stream: wire.Stdout, Data: []byte("x")}})
	open.next("output", func(d live.Delta) bool { return d.Values["stdout"] == "1 B" && d.Values["stderr"] == "0 B" })
	s.agentPost(agent, wire.PathJobResult, []wire.JobResult{{ID: job.ID}})
	open.next("the result", loadAgain)
	s.awaitOperation(id, db.Done)
	b.open(live.TopicOperation(id)).next("an end that the page may have missed", loadAgain)
}

// TestLiveProgressIsThatOfThePage holds the first paint and the live values to the same number.
func TestLiveProgressIsThatOfThePage(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	id := s.startBootstrap("slow1.lab.test, slow2.lab.test")
	page := b.open(live.TopicOperation(id))
	d := page.next("progress", func(d live.Delta) bool { return d.Values["progress"] == "50" })
	if r := b.get(operationPath(id)); !strings.Contains(r.body, `value="`+d.Values["progress"]+`"`) {
		t.Errorf("the page does not show %s %%: %s", d.Values["progress"], r.body)
	}
	close(s.release)
}

// TestNoProgressOverSomeOfTheTasks tells a page's server of one task before it has read the others.
func TestNoProgressOverSomeOfTheTasks(t *testing.T) {
	s := newServer(t)
	s.setUp()
	id := s.startBootstrap("node1.lab.test, slow1.lab.test, slow2.lab.test")
	defer close(s.release)
	summary := must[operation.Summary](t)(s.web.Engine.Summarise(t.Context(), id))
	tasks := must[[]db.Task](t)(s.db.Tasks(t.Context(), id))
	run := newWatchedRun()
	run.summarise(summary)
	run.update(page.Task{ID: tasks[0].ID, State: string(db.Done)})
	if v := run.values(t.Context()); v != nil {
		t.Errorf("with one of three tasks known, progress is %s", v["progress"])
	}
	for range 2 {
		if err := run.load(t.Context(), s.web, id); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(run.tasks); n != len(tasks) {
		t.Errorf("%d tasks are known, not %d", n, len(tasks))
	}
	if v := run.values(t.Context()); v["total"] != "3" {
		t.Errorf("the values are %v", v)
	}
}

// TestSubscriptionIsTheWholeList closes a page's log and opens it again.
func TestSubscriptionIsTheWholeList(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	id := s.startBootstrap("node1.lab.test")
	s.awaitOperation(id, db.Done)
	task := must[[]db.Task](t)(s.db.Tasks(t.Context(), id))[0]
	page := b.open(live.TopicHosts, live.TopicLog(task.ID))
	page.next("log size", func(d live.Delta) bool { return d.Values["size"] != "" })
	page.subscribe(s, live.TopicHosts, live.TopicEvents)
	s.web.hub.mu.Lock()
	if s.web.hub.wanted(live.TopicLog(task.ID)) {
		t.Error("the log is still subscribed")
	}
	s.web.hub.mu.Unlock()
	page.subscribe(s, live.TopicHosts, live.TopicLog(task.ID))
	page.next("log size again", func(d live.Delta) bool { return d.Values["size"] != "" })
}

func TestLiveArrivals(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	path := b.newDraft("dc1")
	b.upload(path+"/hosts", map[string][]string{"version": {b.version(path + "/hosts")}, "method": {"manual"}}, scripts)
	b.get(path + "/manual")
	draft := must[[]db.Draft](t)(s.db.OpenDrafts(t.Context()))[0]
	page := b.open(live.TopicDraft(draft.ID))
	now := db.Now()
	cert := &db.Certificate{Serial: "1", AgentSN: "bfdcc18c-b6b9-4725-9c47-37fd93dba5b6", Hostname: "new.lab.test", DraftID: &draft.ID, NotAfter: now}
	if _, err := s.web.Fleet.Register(t.Context(), cert, wire.RegisterRequest{Hostname: "new.lab.test"}, "192.0.2.7"); err != nil {
		t.Fatal(err)
	}
	d := page.next("arrival", func(d live.Delta) bool { return len(d.Rows) == 1 })
	if d.Rows[0].Cells["name"] != "new.lab.test" || d.Values["arrived"] != "1" || d.Values["uses"] != fmt.Sprint(manualUses) {
		t.Errorf("the message is %+v", d)
	}
}

// TestWhatChangedBeforeThePageListened is of a host's page, and of a host that nobody else speaks of.
func TestWhatChangedBeforeThePageListened(t *testing.T) {
	s := newServer(t)
	h, topic := s.web.hub, live.TopicHost(4711)
	for _, children := range []bool{false, true} {
		h.hostChanged(fleet.Change{ID: 4711, State: db.HostHealthy, Children: children})
		c := newTestConnection(t)
		h.add(c)
		h.subscribe(c, []string{topic}, replayFor)
		if p := c.pending[topic]; p == nil || p.reload != children {
			t.Errorf("child agents changed: %t; a page that comes later is told %+v", children, p)
		}
		c.pending = map[string]*pending{}
		h.hostChanged(fleet.Change{ID: 4711, State: db.HostHealthy})
		if p := c.pending[topic]; p == nil || p.reload {
			t.Errorf("after a heartbeat a page is told %+v", p)
		}
		h.remove(c)
	}
}

// TestSlowReaderLoadsAgain fills what waits for a connection beyond its bound.
func TestSlowReaderLoadsAgain(t *testing.T) {
	c := newTestConnection(t)
	for i := range pendingLimit + 10 {
		id := fmt.Sprint(i)
		c.push(change{topic: live.TopicHosts, id: id, row: func(context.Context) (live.Row, bool) { return live.Row{ID: id}, true }})
	}
	p := c.pending[live.TopicHosts]
	if !p.reload || len(p.rows) > pendingLimit {
		t.Errorf("%d rows wait, reload %t", len(p.rows), p.reload)
	}
}

func TestPagesLoadAgainWhenChangesAreLost(t *testing.T) {
	s := newServer(t)
	s.setUp()
	h := s.web.hub
	tell := func(topic string, n int) {
		h.mu.Lock()
		defer h.mu.Unlock()
		for range n {
			h.tell(change{topic: topic, id: "1", row: func(context.Context) (live.Row, bool) { return live.Row{ID: "1"}, true }}, true)
		}
	}
	reload := func(topic string) bool {
		c := newTestConnection(t)
		h.replay(c, topic, time.Now().Add(-replayFor))
		return c.pending[topic] != nil && c.pending[topic].reload
	}
	tell(live.TopicOperation(1), 1)
	tell(live.TopicOperation(2), replayMax-100) // the set-up has told some, too
	if reload(live.TopicOperation(1)) {
		t.Error("a page loads again though all its changes are known")
	}
	tell(live.TopicOperation(2), 100)
	if !reload(live.TopicOperation(1)) {
		t.Error("a page that came in time is not told that changes were dropped")
	}
	if reload(live.TopicHosts) {
		t.Error("a page loads again for another topic's changes")
	}

	page := s.session().open(live.TopicHosts)
	h.reloadAll()
	page.next("request to load again", func(d live.Delta) bool { return d.Reload && d.Topic == live.TopicHosts })
}

// TestChangesOfARowAreOneMessage holds that only the last of several changes is rendered.
func TestChangesOfARowAreOneMessage(t *testing.T) {
	c := newTestConnection(t)
	for i := range 5 {
		c.push(change{topic: live.TopicHosts, id: "1", row: func(context.Context) (live.Row, bool) {
			return live.Row{ID: "1", Tone: fmt.Sprint(i)}, true
		}})
	}
	c.push(change{topic: live.TopicHosts, id: "2", row: func(context.Context) (live.Row, bool) { return live.Row{}, false }})
	d := c.render(live.TopicHosts, c.pending[live.TopicHosts])
	if len(d.Rows) != 1 || d.Rows[0].Tone != "4" || len(d.Removed) != 1 || d.Removed[0] != "2" {
		t.Errorf("the message is %+v", d)
	}
}

func newTestConnection(t testing.TB) *connection {
	return &connection{ctx: t.Context(), who: account.Identity{Role: account.RoleOperator}, check: make(chan struct{}, 1), pending: map[string]*pending{}, wake: make(chan struct{}, 1)}
}

func TestLiveEndsWithTheServer(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	page := b.open(live.TopicHosts)
	s.web.Close()
	_, _, err := page.ws.ReadMessage()
	if !websocket.IsCloseError(err, websocket.CloseGoingAway) {
		t.Errorf("the page saw %v", err)
	}
	if n := s.web.hub.connections(); n != 0 {
		t.Errorf("%d connections are left", n)
	}
}

func TestTopics(t *testing.T) {
	for topic, ok := range map[string]bool{
		"hosts": true, "host.1": true, "operation.12": true, "log.3": true, "draft.4": true, "job.0199c0de-0000-7000-8000-000000000000": true, "job.1": false, "job.": false, "events": true, "overview": true,
		"host.": false, "host.x": false, "host.0": false, "host.01": false, "task.1": false, ">": false, "": false,
	} {
		if _, _, got := parseTopic(topic); got != ok {
			t.Errorf("%q is a topic: %t, want %t", topic, got, ok)
		}
	}
}

// BenchmarkHub measures what it costs to bring 1,000 changed rows to one page, rendering included.
func BenchmarkHub(b *testing.B) {
	s := newServer(b)
	const hosts = 1000
	ctx := context.Background()
	ids := make([]int64, hosts)
	for i := range ids {
		name := fmt.Sprintf("node%d.lab.test", i)
		cert := &db.Certificate{Serial: fmt.Sprint(i), AgentSN: fmt.Sprintf("bfdcc18c-b6b9-4725-9c47-37fd93%06x", i), Hostname: name}
		if _, err := s.web.Fleet.Register(ctx, cert, wire.RegisterRequest{Hostname: name}, "192.0.2.1"); err != nil {
			b.Fatal(err)
		}
		ids[i] = must[*db.Host](b)(s.db.HostBySN(ctx, cert.AgentSN)).ID
	}
	c := newTestConnection(b)
	h := s.web.hub
	h.add(c)
	h.join(c, []string{live.TopicHosts})
	b.Cleanup(func() { h.remove(c) })
	b.ReportAllocs()
	for b.Loop() {
		for _, id := range ids {
			h.hostChanged(fleet.Change{ID: id, Name: "node", State: db.HostHealthy})
		}
		c.mu.Lock()
		p := c.pending[live.TopicHosts]
		c.pending = map[string]*pending{}
		c.mu.Unlock()
		if d := c.render(live.TopicHosts, p); len(d.Rows) != hosts {
			b.Fatalf("%d rows", len(d.Rows))
		}
	}
}
