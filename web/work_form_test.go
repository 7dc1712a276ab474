package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"hostler/agent/wire"
	"hostler/db"
)

func TestCommandForm(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	agent, hostID := s.register("node1.lab.test")

	form := url.Values{"hosts": {"nobody.lab.test"}, "script": {"echo <typed>"}, "envs": {"STAGE=test\nrubbish"}, "batch": {"x"}}
	r := b.post("/commands/new", form)
	for _, want := range []string{"echo &lt;typed&gt;", "nobody.lab.test", "Each line must be NAME=VALUE.", "This must be a whole number."} {
		if r.status != http.StatusUnprocessableEntity || !strings.Contains(r.body, want) {
			t.Errorf("a wrong form answered %d without %q", r.status, want)
		}
	}
	form.Set("envs", "STAGE=test")
	form.Set("batch", "")
	if r = b.post("/commands/new", form); r.status != http.StatusUnprocessableEntity || !strings.Contains(r.body, `href="#field-hosts"`) {
		t.Errorf("an unknown host answered %d", r.status)
	}
	form.Set("hosts", "node1.lab.test")
	if r = b.post("/commands/new", form); r.status != http.StatusSeeOther || !strings.HasPrefix(r.header.Get("Location"), "/operations/") {
		t.Fatalf("a right form answered %d %s", r.status, r.body)
	}
	operation := r.header.Get("Location")

	job := s.job(agent, "node1.lab.test")
	if job.Exec.Script != "echo <typed>" || job.Envs["STAGE"] != "test" {
		t.Errorf("the agent got %+v", job)
	}
	page := b.get("/jobs/" + job.ID)
	if page.status != http.StatusOK || !strings.Contains(page.body, "echo &lt;typed&gt;") || strings.Contains(page.body, "STAGE=test") {
		t.Errorf("the job's page answered %d %s", page.status, page.body)
	}
	s.agentPost(agent, wire.PathOutput, []wire.OutputChunk{{Job: job.ID, Stream: wire.Stdout, Data: []byte("\x1b[31m<typed>\x1b[0m\n")}})
	code := 3
	s.agentPost(agent, wire.PathJobResult, []wire.JobResult{{ID: job.ID, ErrCode: wire.ErrCodeExitStatus, Message: "ended", ExitCode: &code, Stdout: 17}})
	var id int64
	fmt.Sscanf(operation, "/operations/%d", &id)
	s.awaitOperation(id, db.Failed)
	for path, wants := range map[string][]string{
		operation:                      {"1 host", "exit status 3", ">&lt;typed&gt;\n<", "/jobs/" + job.ID},
		"/jobs/" + job.ID:              {"exit status 3", ">1</a><span>&lt;typed&gt;</span><"},
		"/jobs?state=failed":           {"/jobs/" + job.ID, "node1.lab.test"},
		"/commands/new?job=" + job.ID:  {"echo &lt;typed&gt;", "node1.lab.test"},
		"/hosts/" + fmt.Sprint(hostID): {"/commands/new?host=1"},
	} {
		r := b.get(path)
		for _, want := range wants {
			if r.status != http.StatusOK || !strings.Contains(r.body, want) {
				t.Errorf("%s answered %d without %q", path, r.status, want)
			}
		}
	}
	if r := b.get("/jobs/none"); r.status != http.StatusNotFound {
		t.Errorf("a job that there is not answered %d", r.status)
	}
}

func TestManyHostsAreConfirmed(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	for i := range 21 {
		s.register(fmt.Sprintf("node%d.lab.test", i+1))
	}
	form := url.Values{"all": {"1"}, "script": {"true"}}
	r := b.post("/commands/new", form)
	if r.status != http.StatusUnprocessableEntity || !strings.Contains(r.body, "This will be done on 21 hosts.") {
		t.Fatalf("it was not asked about: %d", r.status)
	}
	if ops := must[[]db.Operation](t)(s.db.Operations(t.Context(), 0, 10)); len(ops) != 0 {
		t.Error("it was started all the same")
	}
	form.Set("confirmed", "21")
	if r = b.post("/commands/new", form); r.status != http.StatusSeeOther {
		t.Errorf("confirmed, it answered %d", r.status)
	}
}

func TestChildAgentsPages(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	agent, hostID := s.register("node1.lab.test")
	code := 1
	s.beat(agent, "node1.lab.test", wire.ChildAgent{
		Name: "BasicAgent", Version: "1.5.6", Status: wire.ChildKilled, Reason: "over its memory limit of 20M", Restarts: 4,
		Limits: &wire.Limits{CPU: "10%", Memory: "20M"}, LimitedBy: wire.LimiterPolling, LastExit: &wire.Exit{Time: 1e9, Code: &code},
	})
	host := fmt.Sprintf("/hosts/%d", hostID)
	for _, path := range []string{"/child-agents", "/child-agents?status=killed", host} {
		r := b.get(path)
		for _, want := range []string{"BasicAgent", "over its memory limit of 20M", "4 restarts", "/ 20M"} {
			if r.status != http.StatusOK || !strings.Contains(r.body, want) {
				t.Errorf("%s answered %d without %q", path, r.status, want)
			}
		}
	}
	if r := b.get("/child-agents?status=running"); strings.Contains(r.body, "BasicAgent") {
		t.Error("the filter does not filter")
	}
	for action, want := range map[string]string{"restart": "/operations/", "start": "/operations/", "stop": "/operations/", "log": "/jobs/"} {
		r := b.post(host+"/child-agents", url.Values{"name": {"BasicAgent"}, "action": {action}})
		if r.status != http.StatusSeeOther || !strings.HasPrefix(r.header.Get("Location"), want) {
			t.Errorf("%s answered %d %s", action, r.status, r.body)
		}
	}
	if r := b.post(host+"/child-agents", url.Values{"name": {"BasicAgent"}, "action": {"uninstall"}}); r.status != http.StatusNotFound {
		t.Errorf("an action without a button answered %d", r.status)
	}
	if r := b.post("/child-agents/new", url.Values{"hosts": {"node1.lab.test"}, "name": {"../x"}, "url": {"file:///x"}}); r.status != http.StatusUnprocessableEntity ||
		!strings.Contains(r.body, `href="#field-name"`) || !strings.Contains(r.body, `href="#field-url"`) || !strings.Contains(r.body, `href="#field-checksum"`) {
		t.Errorf("a wrong installation answered %d %s", r.status, r.body)
	}
	install := url.Values{
		"hosts": {"node1.lab.test"}, "name": {"BasicAgent"}, "url": {"http://x.test/a.tar.gz"}, "checksum": {"SHA256:" + strings.Repeat("0", 64)},
		"version": {"1.5.7"}, "action": {"upgrade"}, "memory": {"30M"},
	}
	if r := b.post("/child-agents/new", install); r.status != http.StatusSeeOther {
		t.Errorf("a right installation answered %d %s", r.status, r.body)
	}
}
