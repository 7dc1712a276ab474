package web

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/account"
	"hostler/server/event"
	"hostler/server/trust"
	"hostler/ui/live"
)

// limited is a server with one host that has a label and others that have not, each with work.
type limited struct {
	*server
	mine, foreign       int64 // hosts
	mineAgent, other    *http.Client
	ofMine, ofOther     int64 // operations
	ofAll               int64
	mineJob, foreignJob string
}

// foreignMarks are what an answer must not have in it: names begin with foreign, numbers of hosts with 7700.
var foreignMarks = regexp.MustCompile(`foreign|7700\d\d`)

func newLimited(t *testing.T) *limited {
	l := &limited{server: newServer(t)}
	l.setUp()
	ctx := t.Context()
	l.mineAgent, l.mine = l.labelled("mine1.lab.test", "rack=/r7, service=ecs")
	// Numbers that nothing else has tell in which answers they are.
	if err := l.db.UpsertHost(ctx, &db.Host{ID: 770000, AgentSN: "7f6c0000-0000-4000-8000-000000000000", Name: "foreign0.lab.test", State: db.HostLost}); err != nil {
		t.Fatal(err)
	}
	l.other, l.foreign = l.labelled("foreign1.lab.test", "rack=/r77")
	if l.foreign <= 770000 {
		t.Fatalf("the foreign host has the number %d", l.foreign)
	}
	l.beat(l.mineAgent, "mine1.lab.test", wire.ChildAgent{Name: "own", Status: wire.ChildRunning})
	l.beat(l.other, "foreign1.lab.test", wire.ChildAgent{Name: "foreign-child", Status: wire.ChildFatal})
	l.ofMine = l.command(`{"ids": [` + idText(l.mine) + `]}`)
	l.ofOther = l.command(`{"ids": [` + idText(l.foreign) + `]}`)
	l.ofAll = l.command(`{"all": true}`)
	l.mineJob, l.foreignJob = l.job(l.mine), l.job(l.foreign)
	for id, name := range map[int64]string{l.mine: "mine1.lab.test", l.foreign: "foreign1.lab.test"} {
		l.web.Events.Record(ctx, db.Event{Kind: event.HostBack, HostID: &id, Params: map[string]string{"host": name}})
	}
	return l
}

func (l *limited) labelled(name, tags string) (*http.Client, int64) {
	client, sn := l.agentBy(trust.TokenSpec{Hostname: name, Uses: 1, Lifetime: time.Minute, Tags: tags}, name)
	return client, l.registerAs(client, sn, name)
}

// command starts work as somebody who sees all.
func (l *limited) command(targets string) int64 {
	l.t.Helper()
	r := l.api(post, api+"/commands", `{"targets": `+targets+`, "exec": {"command": ["true"]}}`)
	if r.status != http.StatusCreated {
		l.t.Fatalf("a command answered %d %s", r.status, r.body)
	}
	var started startedReply
	r.json(l.t, &started)
	return started.OperationID
}

func (l *limited) job(hostID int64) string {
	l.t.Helper()
	return must[*db.Job](l.t)(l.web.Jobs.Add(l.t.Context(), hostID, wire.Job{Action: wire.ActionConfig, Step: 10}, testUser)).ID
}

// limitedPerson is somebody of a role who is limited to the label of mine.
func (l *limited) limitedPerson(name, role string) *browser {
	l.t.Helper()
	b := l.person(name, role)
	u := must[*db.User](l.t)(l.db.UserByName(l.t.Context(), name))
	if err := l.web.Accounts.SetHostLabels(l.t.Context(), testUser, u, "rack=/r7"); err != nil {
		l.t.Fatal(err)
	}
	return b
}

// paths are a route's paths, filled in with what is foreign.
func (l *limited) paths(r route) []string {
	ids := []string{"999"}
	switch {
	case strings.Contains(r.path, "/hosts/:id"):
		ids = []string{idText(l.foreign), "770000"}
	case strings.Contains(r.path, "/operations/:id"):
		ids = []string{idText(l.ofOther), idText(l.ofAll)}
	case strings.Contains(r.path, "/jobs/:id"):
		ids = []string{l.foreignJob}
	}
	var paths []string
	for _, id := range ids {
		r, task := r, "999"
		if strings.Contains(r.path, ":task") {
			var n int64
			_, _ = fmt.Sscan(id, &n)
			tasks := must[[]db.Task](l.t)(l.db.Tasks(l.t.Context(), n))
			task = idText(tasks[0].ID)
		}
		r.path = strings.NewReplacer(":id", id, ":task", task).Replace(r.path)
		paths = append(paths, concrete(r))
	}
	return paths
}

// TestAttackForeignHostsOnEveryRoute walks the table as people and programs that are limited: what is not of their hosts is
// not there, and nothing tells of it.
func TestAttackForeignHostsOnEveryRoute(t *testing.T) {
	l := newLimited(t)
	header := func(token string) map[string]string {
		return map[string]string{"Authorization": "Bearer " + token, "Content-Type": "application/json"}
	}
	for _, role := range []string{account.RoleOperator, account.RoleAuditor} {
		b := l.limitedPerson("l-"+role, role)
		_, token, err := l.web.Accounts.CreateToken(t.Context(), account.TokenSpec{Name: "lt-" + role, Role: role, Labels: "rack=/r7"})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range routes {
			if r.on != public || r.path == "/live" || r.path == "/logout" || r.may == everyone {
				continue
			}
			for _, path := range l.paths(r) {
				answers := map[string]reply{}
				switch {
				case r.method == get:
					answers["person"] = b.get(path)
				case wantedJSON(r):
					answers["person"] = send(t, b.client, post, l.public.URL+path, strings.NewReader("{}"), map[string]string{
						"Content-Type": "application/json", "X-CSRF-Token": b.csrf(), "Sec-Fetch-Site": "same-origin",
					})
				default:
					answers["person"] = b.post(path, nil)
				}
				if r.may == program {
					answers["token"] = send(t, l.browser().client, r.method, l.public.URL+path, strings.NewReader("{}"), header(token))
				}
				for who, got := range answers {
					told := strings.NewReplacer(path, "", idText(l.foreign), "").Replace(got.body)
					if foreignMarks.MatchString(told) {
						t.Errorf("%s %s tells a limited %s of an %s: …%s…", r.method, path, who, role, around(told))
					}
					if got.status >= 500 {
						t.Errorf("%s %s answered a limited %s of an %s with %d %s", r.method, path, who, role, got.status, got.body)
					}
					if !r.needs.limited && got.status != http.StatusForbidden {
						t.Errorf("%s %s is not about hosts and answered a limited %s of an %s with %d", r.method, path, who, role, got.status)
					}
					skip := strings.HasSuffix(r.path, "/skip") // of no task, which is nothing to do anywhere
					about := strings.Contains(r.path, "/hosts/:id") || strings.Contains(r.path, "/operations/:id") || strings.Contains(r.path, "/jobs/:id")
					if r.needs.limited && account.May(role, r.needs.right) && about && !skip && got.status != http.StatusNotFound {
						t.Errorf("%s %s answered a limited %s of an %s with %d, and is about what is foreign", r.method, path, who, role, got.status)
					}
				}
			}
		}
	}
}

// around is what surrounds the first mark of a text.
func around(text string) string {
	at := foreignMarks.FindStringIndex(text)
	return text[max(0, at[0]-80):min(len(text), at[1]+40)]
}

// TestALimitedOperatorHasItsOwnHosts holds that the limit leaves what is within it.
func TestALimitedOperatorHasItsOwnHosts(t *testing.T) {
	l := newLimited(t)
	b := l.limitedPerson("bob", account.RoleOperator)
	for _, path := range []string{
		"/", "/hosts", "/hosts?search=lab.test", "/hosts/" + idText(l.mine), "/operations", "/operations/" + idText(l.ofMine), "/jobs", "/jobs?host_name=mine1.lab.test",
		"/jobs/" + l.mineJob, "/child-agents", "/events", "/commands/new?match=1&match_search=lab.test", "/commands/new?host=" + idText(l.mine) + "&host=" + idText(l.foreign),
		"/commands/new?operation=" + idText(l.ofMine), api + "/hosts", api + "/hosts/" + idText(l.mine), api + "/operations", api + "/jobs", api + "/events", api + "/child-agents",
		api + "/operations/" + idText(l.ofMine) + "/outcomes", "/account", api + "/account",
	} {
		r := b.get(path)
		if told := strings.ReplaceAll(r.body, idText(l.foreign), ""); r.status != http.StatusOK || foreignMarks.MatchString(told) {
			t.Errorf("%s answered %d: %.300s", path, r.status, r.body)
		}
	}
	for path, want := range map[string]string{"/hosts": "mine1", "/operations": "mine1", "/jobs": "mine1", "/child-agents": "own", "/events": "mine1"} {
		if r := b.get(path); !strings.Contains(r.body, want) {
			t.Errorf("%s does not tell of %s", path, want)
		}
	}
	if r := b.get("/hosts?state=lost"); strings.Contains(r.body, "mine1") {
		t.Error("a filter does nothing")
	}
}

// TestWorkReachesHostsWithinTheLimit starts work by every way to say which hosts are meant.
func TestWorkReachesHostsWithinTheLimit(t *testing.T) {
	l := newLimited(t)
	b := l.limitedPerson("bob", account.RoleOperator)
	start := func(targets string) reply {
		return send(t, b.client, post, l.public.URL+api+"/commands", strings.NewReader(`{"targets": `+targets+`, "exec": {"command": ["true"]}}`), map[string]string{
			"Content-Type": "application/json", "X-CSRF-Token": b.csrf(), "Sec-Fetch-Site": "same-origin",
		})
	}
	for _, targets := range []string{`{"all": true}`, `{"search": "lab.test"}`, `{"hosts": "mine1.lab.test"}`, `{"ids": [` + idText(l.mine) + `]}`} {
		r := start(targets)
		if r.status != http.StatusCreated {
			t.Errorf("%s answered %d %s", targets, r.status, r.body)
			continue
		}
		var started startedReply
		r.json(t, &started)
		tasks := must[[]db.Task](t)(l.db.Tasks(t.Context(), started.OperationID))
		if len(tasks) != 1 || *tasks[0].HostID != l.mine {
			t.Errorf("%s reached %+v", targets, tasks)
		}
	}
	for _, targets := range []string{`{"hosts": "mine1.lab.test foreign1.lab.test"}`, `{"ids": [` + idText(l.foreign) + `]}`, `{"search": "foreign1"}`} {
		if r := start(targets); r.status != http.StatusUnprocessableEntity && r.status != http.StatusBadRequest {
			t.Errorf("%s answered %d %s", targets, r.status, r.body)
		}
	}
	form := url.Values{"action": {wire.ActionRestart}, "child": {idText(l.foreign) + ".foreign-child"}}
	if r := b.post("/child-agents/actions", form); r.status == http.StatusSeeOther {
		t.Errorf("a foreign child agent was restarted: %s", r.location())
	}
	for _, id := range []int64{l.ofOther, l.ofAll} { // what runs is in the engine's memory
		if n, err := l.web.Engine.Cancel(db.WithLimit(t.Context(), "rack=/r7"), id, nil, "bob"); n != 0 || err == nil {
			t.Errorf("operation %d was canceled: %d, %v", id, n, err)
		}
		task := must[[]db.Task](t)(l.db.Tasks(t.Context(), id))[0].ID
		if n, err := l.web.Engine.Skip(db.WithLimit(t.Context(), "rack=/r7"), id, []int64{task}); n != 0 || err == nil {
			t.Errorf("a task of operation %d was skipped: %d, %v", id, n, err)
		}
	}
}

// TestLimitedLivePages holds that an open page is told of nothing beyond the limit.
func TestLimitedLivePages(t *testing.T) {
	l := newLimited(t)
	b := l.limitedPerson("bob", account.RoleOperator)
	own := []string{live.TopicHosts, live.TopicEvents, live.TopicOperations, live.TopicOverview, live.TopicHost(l.mine), live.TopicOperation(l.ofMine), live.TopicJob(l.mineJob)}
	foreign := []string{live.TopicHost(l.foreign), live.TopicOperation(l.ofAll), live.TopicOperation(l.ofOther), live.TopicJob(l.foreignJob), live.TopicDraft(1)}
	page := b.open(own...)
	if err := page.ws.WriteJSON(live.Subscribe{Topics: slices.Concat(foreign, own[:3])}); err != nil {
		t.Fatal(err)
	}
	page.subscribe(l.server, own...) // it is read behind the one with what is foreign
	for _, topic := range foreign {
		if l.web.hub.hasAll([]string{topic}) {
			t.Errorf("%s was subscribed", topic)
		}
	}
	l.beat(l.other, "foreign1.lab.test", wire.ChildAgent{Name: "foreign-child", Status: wire.ChildRunning})
	l.command(`{"ids": [` + idText(l.foreign) + `]}`)
	l.web.Events.Record(t.Context(), db.Event{Kind: event.HostBack, HostID: &l.foreign, Params: map[string]string{"host": "foreign1.lab.test"}})
	marker := db.Event{Kind: event.HostBack, HostID: &l.mine, Params: map[string]string{"host": "mine1.lab.test", "address": "last"}}
	l.beat(l.mineAgent, "mine1.lab.test")
	l.web.Events.Record(t.Context(), marker)
	seen := 0
	page.next("event of the own host", func(d live.Delta) bool {
		if text := toJSON(t, d); foreignMarks.MatchString(text) {
			t.Errorf("the page was told %s", text)
		}
		if d.Topic == live.TopicEvents {
			seen += len(d.Rows)
		}
		return seen > 0 && d.Topic == live.TopicEvents
	})
}

// TestALimitHoldsAtOnce changes a limit while its account is in use, and makes tokens of somebody who is limited.
func TestALimitHoldsAtOnce(t *testing.T) {
	l := newLimited(t)
	b := l.person("bob", account.RoleOperator)
	admin := l.session()
	path := api + "/hosts/" + idText(l.foreign)
	if r := b.get(path); r.status != http.StatusOK {
		t.Fatalf("somebody who is not limited was answered %d", r.status)
	}
	if r := b.post("/account/tokens", url.Values{"name": {"bobs"}, "role": {account.RoleOperator}}); r.status != http.StatusOK {
		t.Fatalf("a token was answered with %d", r.status)
	}
	_, token, err := l.web.Accounts.CreateToken(t.Context(), account.TokenSpec{
		Name: "bobs2", Role: account.RoleAuditor, Labels: "service=ecs",
		Maker: account.Identity{Role: account.RoleOperator, OwnerID: must[*db.User](t)(l.db.UserByName(t.Context(), "bob")).ID},
	})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(id int64) int {
		return send(t, l.browser().client, get, l.public.URL+api+"/hosts/"+idText(id), nil, map[string]string{"Authorization": "Bearer " + token}).status
	}
	if mine, foreign := ask(l.mine), ask(l.foreign); mine != http.StatusOK || foreign != http.StatusNotFound {
		t.Errorf("a limited token was answered %d and %d", mine, foreign)
	}
	if r := admin.post(b.path("bob")+"/limit", url.Values{"labels": {"rack=/r7"}}); r.status != http.StatusSeeOther {
		t.Fatalf("the limit was answered with %d %s", r.status, r.body)
	}
	if r := b.get(path); r.status != http.StatusNotFound {
		t.Errorf("the session goes on to see: %d", r.status)
	}
	if r := admin.post(b.path("bob")+"/limit", url.Values{"labels": {"rack=/r9"}}); r.status != http.StatusSeeOther {
		t.Fatalf("the limit was answered with %d", r.status)
	}
	if mine := ask(l.mine); mine != http.StatusNotFound {
		t.Errorf("a token goes beyond its owner's limit: %d", mine)
	}
	for field, form := range map[string]url.Values{"limit": {"labels": {"rack=/r7 rack=/r8"}}, "role": {"role": {account.RoleAdministrator}}} {
		if r := admin.post(b.path("bob")+"/"+field, form); r.status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %v answered %d", field, form, r.status)
		}
	}
	if r := admin.post(b.path(testUser)+"/limit", url.Values{"labels": {"rack=/r7"}}); r.status != http.StatusUnprocessableEntity {
		t.Errorf("the limit of an administrator answered %d", r.status)
	}
	if r := admin.post(b.path("bob")+"/limit", url.Values{"labels": {""}}); r.status != http.StatusSeeOther {
		t.Fatalf("the end of the limit was answered with %d", r.status)
	}
	if r := b.get(path); r.status != http.StatusOK {
		t.Errorf("the limit is taken away, and the host is not there: %d", r.status)
	}
}
