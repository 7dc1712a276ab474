package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"hostler/agent/wire"
	"hostler/db"
)

// finish lets a host do the job that waits for it, with a result.
func (s *server) finish(c *http.Client, host string, operation int64, errCode int, want db.State) wire.Job {
	s.t.Helper()
	j := s.job(c, host)
	s.agentPost(c, wire.PathJobResult, []wire.JobResult{{ID: j.ID, ErrCode: errCode, Message: "done"}})
	s.awaitOperation(operation, want)
	return j
}

func TestWhatWasInstalledIsOfferedAgain(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	c, _ := s.register("node1.lab.test")
	const host, sum = "node1.lab.test", "SHA256:"
	install := map[string]any{
		"targets": map[string]any{"hosts": host}, "name": "BasicAgent", "version": "1.5.6", "url": "https://packages.example/a.tar.gz",
		"checksum": sum + strings.Repeat("0a", 32), "definition": "[agent]\nname = BasicAgent\n",
	}
	known := func() []db.ChildDefinition {
		t.Helper()
		var reply definitionsReply
		s.api(get, api+"/child-definitions", "").json(t, &reply)
		return reply.Items
	}
	s.finish(c, host, s.work("/child-agents/install", install), wire.ErrCodeExitStatus, db.Failed)
	if got := known(); len(got) != 0 {
		t.Errorf("what did not work is offered: %+v", got)
	}
	s.finish(c, host, s.work("/child-agents/install", install), wire.ErrCodeOK, db.Done)
	got := known()
	if len(got) != 1 || got[0].Name != "BasicAgent" || got[0].Version != "1.5.6" || got[0].URL != install["url"] || got[0].UsedBy != "token:ci" {
		t.Fatalf("known is %+v", got)
	}
	// A later definition of this version takes its place, and an installation that says only the name takes all of it.
	configure := map[string]any{"targets": map[string]any{"hosts": host}, "name": "BasicAgent", "version": "1.5.6", "definition": "[agent]\nname = BasicAgent\ncommand = x\n"}
	s.finish(c, host, s.work("/child-agents/configure", configure), wire.ErrCodeOK, db.Done)
	again := s.finish(c, host, s.work("/child-agents/install", map[string]any{"targets": map[string]any{"hosts": host}, "name": "BasicAgent"}), wire.ErrCodeOK, db.Done)
	if again.URL != install["url"] || again.Checksum != install["checksum"] || again.Version != "1.5.6" || again.Definition != configure["definition"] {
		t.Errorf("the agent got %+v", again)
	}
	for path, wants := range map[string][]string{
		"/child-agents/catalogue":                                             {"BasicAgent", "1.5.6", "packages.example", "/child-agents/new?name=BasicAgent&amp;version=1.5.6"},
		"/child-agents/new?name=BasicAgent&version=1.5.6":                     {`value="https://packages.example/a.tar.gz"`, `value="1.5.6"`, "command = x"},
		"/child-agents/configure?name=BasicAgent&version=1.5.6&hosts=" + host: {"command = x"},
	} {
		r := b.get(path)
		for _, want := range wants {
			if r.status != http.StatusOK || !strings.Contains(r.body, want) {
				t.Errorf("%s answered %d without %q", path, r.status, want)
			}
		}
	}
	if r := b.get("/child-agents/configure?name=BasicAgent&version=1.5.5&hosts=" + host); strings.Contains(r.body, "command = x") {
		t.Error("another version's definition is filled in")
	}
	// A definition that was only shown is not sent with the limits.
	text := configure["definition"].(string)
	form := url.Values{"hosts": {host}, "name": {"BasicAgent"}, "version": {"1.5.6"}, "definition": {text}, "shown": {text}, "cpu": {"10%"}}
	if r := b.post("/child-agents/configure", form); !strings.HasPrefix(r.location(), "/operations/") {
		t.Fatalf("new limits answered %d", r.status)
	}
	newest := must[[]db.Operation](t)(s.db.Operations(t.Context(), 0, 1))[0]
	if shared := must[*db.OperationJob](t)(s.db.OperationJob(t.Context(), newest.ID)); shared.Payload.Definition != "" || shared.Payload.Limits == nil {
		t.Errorf("the agents get %+v", shared.Payload)
	}
	forget := url.Values{"name": {"BasicAgent"}, "version": {"1.5.6"}}
	for range 2 { // as by two clicks
		if r := b.post("/child-agents/catalogue/forget", forget); r.status != http.StatusSeeOther {
			t.Errorf("forgetting answered %d", r.status)
		}
	}
	if r := s.api(post, api+"/child-definitions/forget", `{"name":"BasicAgent","version":"1.5.6"}`); r.status != http.StatusNotFound || len(known()) != 0 {
		t.Errorf("it was forgotten twice: %d", r.status)
	}
}

func TestArchivesOfTheRepositoryAreOffered(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	c, _ := s.register("node1.lab.test")
	const host = "node1.lab.test"
	if r := s.api(post, api+"/repositories", `{"name":"tools","kind":"archive","channels":["dev"]}`); r.status != http.StatusCreated {
		t.Fatalf("making a repository answered %d %s", r.status, r.body)
	}
	s.uploadPackages(api+"/repositories/tools/packages", nil, "gauge-1.0.tar.gz", string(archiveOf(t, "one")), "gauge-1.1.tar.gz", string(archiveOf(t, "two")))
	var offers offersReply
	s.api(get, api+"/child-archives", "").json(t, &offers)
	if len(offers.Items) != 2 || offers.Items[0].Version != "1.1" || offers.Items[1].Version != "1.0" || offers.Items[0].Channels[0] != "dev" {
		t.Fatalf("offered are %+v", offers.Items)
	}
	newest, older := offers.Items[0], offers.Items[1]
	path := "/child-agents/new?archive=" + strings.TrimPrefix(older.Checksum, "SHA256:") + "&name=gauge&version=1.0"
	for page, wants := range map[string][]string{
		"/child-agents/catalogue": {strings.ReplaceAll(path, "&", "&amp;"), "gauge", "tools"},
		path:                      {`value="` + older.URL + `"`, `value="` + older.Checksum + `"`, `value="1.0"`},
	} {
		r := b.get(page)
		for _, want := range wants {
			if r.status != http.StatusOK || !strings.Contains(r.body, want) {
				t.Errorf("%s answered %d without %q", page, r.status, want)
			}
		}
	}
	install := func(version string) map[string]any {
		return map[string]any{"targets": map[string]any{"hosts": host}, "name": "gauge", "version": version}
	}
	body := must[[]byte](t)(json.Marshal(install("")))
	if r := s.api(post, api+"/child-agents/install", string(body)); r.status != http.StatusUnprocessableEntity {
		t.Errorf("one of two versions was taken: %d %s", r.status, r.body)
	}
	job := s.finish(c, host, s.work("/child-agents/install", install("1.1")), wire.ErrCodeOK, db.Done)
	if job.URL != newest.URL || job.Checksum != newest.Checksum {
		t.Errorf("the agent got %+v, want %+v", job, newest)
	}
	if got := send(t, s.hostClient(nil), get, strings.Replace(job.URL, "https://127.0.0.1:8440", s.handshake.URL, 1), nil, nil); got.body != string(archiveOf(t, "two")) {
		t.Errorf("what it got answers %d", got.status)
	}
}

func TestChosenChildAgents(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	var rows []string
	for i := range 3 {
		name := fmt.Sprintf("node%d.lab.test", i+1)
		c, id := s.register(name)
		s.beat(c, name, wire.ChildAgent{Name: "BasicAgent", Status: wire.ChildRunning, Limits: &wire.Limits{CPU: "10%", Files: 64}}, wire.ChildAgent{Name: "LogShipper", Status: wire.ChildFatal})
		rows = append(rows, fmt.Sprintf("%d.BasicAgent", id))
		if i == 0 {
			rows = append(rows, fmt.Sprintf("%d.LogShipper", id))
			edit := fmt.Sprintf("/child-agents/configure?host=%d&amp;name=BasicAgent", id)
			if r := b.get("/child-agents"); !strings.Contains(r.body, edit) || !strings.Contains(r.body, `value="`+rows[0]+`"`) {
				t.Errorf("the list answered %d without its boxes or links", r.status)
			}
			if r := b.get(strings.ReplaceAll(edit, "&amp;", "&")); hostsIn(r) != name || !strings.Contains(r.body, `value="10%"`) || !strings.Contains(r.body, `value="64"`) {
				t.Errorf("the form for %s lacks the limits", hostsIn(r))
			}
		}
	}
	if r := b.get("/child-agents?search=ship"); strings.Contains(r.body, ">BasicAgent") || !strings.Contains(r.body, "LogShipper") {
		t.Error("the search does not search")
	}
	operations := func() []db.Operation { return must[[]db.Operation](t)(s.db.Operations(t.Context(), 0, 10)) }
	if r := b.post("/child-agents/actions", url.Values{"action": {"restart"}, "child": rows}); r.location() != "/operations" || len(operations()) != 2 {
		t.Errorf("a restart answered %d %s and started %d operations", r.status, r.location(), len(operations()))
	}
	uninstall := url.Values{"action": {"uninstall"}, "child": rows[:1]}
	if r := b.post("/child-agents/actions", uninstall); r.status != http.StatusUnprocessableEntity || !strings.Contains(r.body, `name="child" value="`+rows[0]+`"`) {
		t.Errorf("to uninstall was not asked about: %d", r.status)
	}
	uninstall.Set("confirmed", "1")
	if r := b.post("/child-agents/actions", uninstall); !strings.HasPrefix(r.location(), "/operations/") || len(operations()) != 3 {
		t.Errorf("what was confirmed answered %d", r.status)
	}
	for _, wrong := range []url.Values{{"action": {"stop"}}, {"action": {"explode"}, "child": rows}, {"action": {"stop"}, "child": {"x.BasicAgent"}}} {
		if r := b.post("/child-agents/actions", wrong); r.status < 400 || r.status >= 500 || len(operations()) != 3 {
			t.Errorf("%v answered %d", wrong, r.status)
		}
	}
	if r := b.post("/child-agents/configure", url.Values{"hosts": {"node1.lab.test"}, "name": {"BasicAgent"}}); r.status != http.StatusUnprocessableEntity ||
		!strings.Contains(r.body, `href="#field-definition"`) {
		t.Errorf("a change of nothing answered %d", r.status)
	}
	form := url.Values{"hosts": {"node1.lab.test"}, "name": {"BasicAgent"}, "pids": {"9"}, "files": {"99"}}
	if r := b.post("/child-agents/configure", form); !strings.HasPrefix(r.location(), "/operations/") {
		t.Errorf("new limits answered %d", r.status)
	}
}
