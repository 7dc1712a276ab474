package web

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"hostler/agent/wire"
)

func TestPushFormKeepsTheFileThatWasSent(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	agent, _ := s.register("node1.lab.test")
	form := url.Values{"hosts": {"node1.lab.test"}, "file": {"content\n"}, "path": {"etc/../motd"}, "mode": {"0640"}, "backup": {"1"}}
	r := b.upload("/pushes/new", form, "")
	kept := regexp.MustCompile(`name="uploaded" value="([0-9a-f]{64} motd)"`).FindStringSubmatch(r.body)
	if r.status != http.StatusUnprocessableEntity || kept == nil || !strings.Contains(r.body, `href="#field-path"`) {
		t.Fatalf("a wrong path answered %d: %.300s", r.status, r.body)
	}
	form.Del("file")
	form.Set("uploaded", kept[1])
	form.Set("path", "/etc/")
	if r = b.upload("/pushes/new", form, ""); r.status != http.StatusSeeOther || !strings.HasPrefix(r.location(), "/operations/") {
		t.Fatalf("a right form answered %d: %.300s", r.status, r.body)
	}
	j := s.job(agent, "node1.lab.test")
	if p := j.Push; p == nil || p.Path != "/etc/motd" || p.Mode != "0640" || !p.Backup || p.Size != 8 || j.Checksum != "SHA256:"+kept[1][:64] {
		t.Errorf("the agent got %+v with %+v", j, j.Push)
	}
	got := send(t, agent, get, s.secured.URL+wire.PathJobFile+j.ID, nil, nil)
	if got.status != http.StatusOK || got.body != "content\n" {
		t.Errorf("the file is %d %q", got.status, got.body)
	}
}

// TestSeveralFilesArePushedEachByItsOperation is what the page sends once its script has brought the files.
func TestSeveralFilesArePushedEachByItsOperation(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	agent, _ := s.register("node1.lab.test")
	motd, issue := s.upload("welcome").ID, s.upload("hello").ID
	form := url.Values{"hosts": {"node1.lab.test"}, "file": {""}, "path": {"/etc"}, "uploaded": {motd + " motd", issue + " ../issue"}}
	refused := func(field, text string) {
		t.Helper()
		r := b.upload("/pushes/new", form, "")
		if r.status != http.StatusUnprocessableEntity || !strings.Contains(r.body, `href="#field-`+field+`"`) || !strings.Contains(r.body, text) {
			t.Errorf("the form answered %d without saying %q at %s", r.status, text, field)
		}
	}
	refused("path", "End it with a slash")
	form.Set("path", "/etc/")
	form["uploaded"][1] = issue + " motd"
	refused("file", "same name")
	form["uploaded"][1] = strings.Repeat("0", 64) + " issue"
	refused("file", "no such file")
	form["uploaded"][1] = issue + " ../issue"
	if r := b.upload("/pushes/new", form, ""); r.status != http.StatusSeeOther {
		t.Fatalf("the form answered %d: %.300s", r.status, r.body)
	}
	paths := map[string]string{}
	var done []wire.JobProgress
	for range 2 {
		j := s.job(agent, "node1.lab.test", done...)
		paths[j.Push.Path] = j.Checksum
		done = append(done, wire.JobProgress{ID: j.ID, State: wire.JobRunning})
	}
	if paths["/etc/motd"] != "SHA256:"+motd || paths["/etc/issue"] != "SHA256:"+issue {
		t.Errorf("the agent got %v", paths)
	}
}

func TestFormsOfWorkStartIt(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	agent, _ := s.register("node1.lab.test")
	long := strings.Repeat("# a script has room\n", 1000)
	var done []wire.JobProgress
	for _, c := range []struct {
		path string
		form url.Values
		is   func(j wire.Job) bool
	}{
		{"/fetches/new", url.Values{"path": {"/var/log/syslog"}}, func(j wire.Job) bool { return j.Fetch != nil && j.Fetch.Path == "/var/log/syslog" }},
		{"/child-agents/manage", url.Values{"name": {"BasicAgent"}, "action": {"stop"}}, func(j wire.Job) bool { return j.Action == wire.ActionStop && j.Name == "BasicAgent" }},
		{"/commands/new", url.Values{"script": {long}}, func(j wire.Job) bool { return j.Exec != nil && j.Exec.Script == long }},
	} {
		c.form.Set("hosts", "node1.lab.test")
		if r := b.upload(c.path, c.form, ""); r.status != http.StatusSeeOther {
			t.Fatalf("%s answered %d: %.300s", c.path, r.status, r.body)
		}
		j := s.job(agent, "node1.lab.test", done...)
		if !c.is(j) {
			t.Errorf("%s: the agent got %+v", c.path, j)
		}
		done = append(done, wire.JobProgress{ID: j.ID, State: wire.JobRunning})
	}
}

func TestFormsOfWorkRefuseBadInput(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	s.register("node1.lab.test")
	for i, c := range []struct {
		path, field string
		form        url.Values
	}{
		{"/pushes/new", "file", url.Values{"path": {"/etc/motd"}}},
		{"/pushes/new", "file", url.Values{"path": {"/etc/motd"}, "uploaded": {strings.Repeat("0", 64)}}},
		{"/fetches/new", "path", url.Values{}},
		{"/child-agents/manage", "name", url.Values{"action": {"stop"}, "name": {"../etc"}}},
		{"/agent-upgrades/new", "hosts", url.Values{"hosts": {"nobody.lab.test"}}},
	} {
		if c.form.Get("hosts") == "" {
			c.form.Set("hosts", "node1.lab.test")
		}
		r := b.upload(c.path, c.form, "")
		if r.status != http.StatusUnprocessableEntity || !strings.Contains(r.body, fmt.Sprintf(`href="#field-%s"`, c.field)) {
			t.Errorf("%d: %s answered %d without pointing at %s", i, c.path, r.status, c.field)
		}
		if !strings.Contains(r.body, c.form.Get("hosts")+"</textarea>") {
			t.Errorf("%d: %s loses the hosts that were typed", i, c.path)
		}
	}
	b.post("/preferences", url.Values{"lang": {"zh-CN"}})
	if r := b.upload("/fetches/new", url.Values{"hosts": {"nobody.lab.test"}, "path": {"/etc/motd"}}, ""); !strings.Contains(r.body, "以下主机未注册：nobody.lab.test") {
		t.Errorf("a complaint is not in the reader's language: %d", r.status)
	}
	if r := b.upload("/child-agents/manage", url.Values{"hosts": {"node1.lab.test"}, "name": {"A"}, "action": {"explode"}}, ""); r.status != http.StatusUnprocessableEntity {
		t.Errorf("an unknown action answered %d", r.status)
	}
}
