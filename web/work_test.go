package web

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/operation"
)

// upload uploads a file by the API.
func (s *server) upload(content string) fileReply {
	s.t.Helper()
	r := send(s.t, http.DefaultClient, post, s.public.URL+pathFiles, strings.NewReader(content), map[string]string{
		"Authorization": "Bearer " + s.token, "Content-Type": "application/octet-stream",
	})
	if r.status != http.StatusCreated {
		s.t.Fatalf("the upload answered %d %s", r.status, r.body)
	}
	var f fileReply
	r.json(s.t, &f)
	return f
}

// work starts an operation by the API and returns its number.
func (s *server) work(path string, body map[string]any) int64 {
	s.t.Helper()
	r := s.api(post, api+path, toJSON(s.t, body))
	if r.status != http.StatusCreated {
		s.t.Fatalf("%s answered %d %s", path, r.status, r.body)
	}
	var started startedReply
	r.json(s.t, &started)
	return started.OperationID
}

// job waits until a heartbeat of a host brings a job, and returns it.
func (s *server) job(c *http.Client, hostname string, has ...wire.JobProgress) wire.Job {
	s.t.Helper()
	queued := make(chan struct{}, 1)
	cancel := must[func()](s.t)(s.bus.Subscribe("job.*", func(string, []byte) {
		select {
		case queued <- struct{}{}:
		default:
		}
	}))
	defer cancel()
	deadline := time.After(waitMost)
	for {
		if jobs := s.beatWith(c, hostname, has).Jobs; len(jobs) > 0 {
			return jobs[0]
		}
		select {
		case <-queued:
		case <-deadline:
			s.t.Fatalf("no job came for %s", hostname)
		}
	}
}

// beatWith sends a heartbeat that says which jobs the agent has.
func (s *server) beatWith(c *http.Client, hostname string, has []wire.JobProgress) wire.StatusReply {
	s.t.Helper()
	r := s.agentPost(c, wire.PathStatus, wire.StatusRequest{Hostname: hostname, Version: "1", Step: 10, Jobs: has})
	var answer wire.StatusReply
	r.json(s.t, &answer)
	return answer
}

// agentPost sends a message of an agent, which must be taken.
func (s *server) agentPost(c *http.Client, path string, v any) reply {
	s.t.Helper()
	r := send(s.t, c, post, s.secured.URL+path, strings.NewReader(toJSON(s.t, v)), nil)
	if r.status != http.StatusOK {
		s.t.Fatalf("%s answered %d %s", path, r.status, r.body)
	}
	return r
}

// fetch has a file of a host fetched and returns the job.
func (s *server) fetch(c *http.Client, hostID int64, path, content string) string {
	s.t.Helper()
	name := s.web.Fleet.Name(s.t.Context(), hostID)
	id := s.work("/fetches", map[string]any{"targets": map[string]any{"ids": []int64{hostID}}, "path": path})
	j := s.job(c, name)
	for j.Action != wire.ActionFetch {
		j = s.job(c, name, wire.JobProgress{ID: j.ID, State: wire.JobRunning})
	}
	r := send(s.t, c, post, s.secured.URL+wire.PathJobFile+j.ID, strings.NewReader(content), map[string]string{"Content-Type": "application/octet-stream"})
	if r.status != http.StatusOK {
		s.t.Fatalf("the file was answered with %d %s", r.status, r.body)
	}
	s.agentPost(c, wire.PathJobResult, []wire.JobResult{{ID: j.ID, Message: "sent", Elapsed: 5}})
	s.awaitOperation(id, db.Done)
	return j.ID
}

func TestCommandFromTheAPIToItsOutput(t *testing.T) {
	s := newServer(t)
	c, _ := s.register("node1.lab.test")
	published := s.published()
	id := s.work("/commands", map[string]any{
		"targets": map[string]any{"all": true}, "exec": map[string]any{"script": "echo $MARK", "user": "nobody"}, "envs": map[string]string{"MARK": "marker-env"},
		"limits": map[string]any{"memory": "20M"}, "timeout": 30,
	})
	j := s.job(c, "node1.lab.test")
	if j.Action != wire.ActionExec || j.Exec.Script != "echo $MARK" || j.Exec.User != "nobody" || j.Envs["MARK"] != "marker-env" ||
		j.Limits.Memory != "20M" || j.Timeout != 30 || j.BeginWithin < 3000 {
		t.Errorf("the agent was given %+v", j)
	}
	if again := s.beatWith(c, "node1.lab.test", []wire.JobProgress{{ID: j.ID, State: wire.JobRunning}}); len(again.Jobs) != 0 {
		t.Errorf("a job that the agent has came again: %+v", again.Jobs)
	}
	piece := []wire.OutputChunk{{Job: j.ID, Stream: wire.Stdout, Data: []byte("hello\n")}, {Job: j.ID, Stream: wire.Stderr, Offset: 10, Data: []byte("tail\n")}}
	for range 2 {
		s.agentPost(c, wire.PathOutput, piece)
	}
	status := 3
	s.agentPost(c, wire.PathJobResult, []wire.JobResult{{ID: j.ID, ErrCode: wire.ErrCodeExitStatus, Message: "exit status 3", ExitCode: &status, Stdout: 6, Stderr: 15, Elapsed: 1200}})
	s.awaitOperation(id, db.Failed)

	var got jobDetailReply
	s.api(get, api+"/jobs/"+j.ID, "").json(t, &got)
	if got.State != db.JobFailed || *got.ExitCode != 3 || got.Stdout.Kept != 6 || got.Stderr.Size != 15 || got.Elapsed != 1200 || got.Host != "node1.lab.test" ||
		got.Work.Exec.Script != "echo $MARK" || len(got.Work.Envs) != 1 || *got.OperationID != id {
		t.Errorf("the job is %+v", got)
	}
	out := s.api(get, api+"/jobs/"+j.ID+"/output", "")
	if out.body != "hello\n" || out.header.Get("X-Output-Next") != "6" {
		t.Errorf("the output is %q, next %s", out.body, out.header.Get("X-Output-Next"))
	}
	if out := s.api(get, api+"/jobs/"+j.ID+"/output?stream=stderr", ""); out.body != "\n[10 bytes were not kept]\ntail\n" || out.header.Get("X-Output-Next") != "15" {
		t.Errorf("the errors are %q, next %s", out.body, out.header.Get("X-Output-Next"))
	}
	var outcomes outcomesReply
	s.api(get, api+operationPath(id)+"/outcomes", "").json(t, &outcomes)
	if len(outcomes.Groups) != 1 || outcomes.Groups[0].Stdout != "hello\n" || outcomes.Groups[0].Hosts[0].Name != "node1.lab.test" || *outcomes.Groups[0].ExitCode != 3 {
		t.Errorf("the outcomes are %+v", outcomes)
	}
	task := must[[]db.Task](t)(s.db.Tasks(t.Context(), id))[0]
	if task.Problem.Code != "job_exit_status" || task.Problem.Args["status"] != "status 3" || *task.JobID != j.ID {
		t.Errorf("the task is %+v", task)
	}
	for what, text := range map[string]string{"log": s.log.String(), "messages of the bus": published(), "metrics": s.api(get, "/metrics", "").body, "job": s.api(get, api+"/jobs/"+j.ID, "").body} {
		if strings.Contains(text, "marker-env") {
			t.Errorf("a value of the environment is in the %s", what)
		}
	}
	if strings.Contains(published(), "echo") {
		t.Error("the script is in a message of the bus")
	}
	if strings.Contains(toJSON(t, must[[]db.Event](t)(s.db.Events(t.Context(), db.EventQuery{Limit: 500}))), "MARK") {
		t.Error("the script is in an event")
	}
}

func TestPushedFileReachesItsHostAlone(t *testing.T) {
	s := newServer(t)
	mine, hostID := s.register("node1.lab.test")
	other, _ := s.register("node2.lab.test")
	content := strings.Repeat("content ", 10_000)
	f := s.upload(content)
	if again := s.upload(content); again != f {
		t.Errorf("the same content was kept as %+v and %+v", f, again)
	}
	id := s.work("/pushes", map[string]any{"targets": map[string]any{"ids": []int64{hostID}}, "file": f.ID, "path": "/etc/motd", "mode": "0600"})
	j := s.job(mine, "node1.lab.test")
	if j.Push.Path != "/etc/motd" || j.Push.Size != int64(len(content)) || j.Checksum != f.Checksum || j.URL != "" {
		t.Errorf("the agent was given %+v, %+v", j, j.Push)
	}
	url := s.secured.URL + wire.PathJobFile + j.ID
	if r := send(t, mine, get, url, nil, nil); r.body != content {
		t.Errorf("the host got %d bytes of %d", len(r.body), len(content))
	}
	if r := send(t, mine, get, url, nil, map[string]string{"Range": "bytes=8-15"}); r.status != http.StatusPartialContent || r.body != "content " {
		t.Errorf("a part of it answered %d %q", r.status, r.body)
	}
	if r := send(t, other, get, url, nil, nil); r.status != http.StatusNotFound {
		t.Errorf("another host got %d", r.status)
	}
	if r := send(t, mine, post, url, strings.NewReader("x"), map[string]string{"Content-Type": "application/octet-stream"}); r.status != http.StatusNotFound {
		t.Errorf("sending to a push answered %d", r.status)
	}
	s.agentPost(mine, wire.PathJobResult, []wire.JobResult{{ID: j.ID}})
	s.awaitOperation(id, db.Done)
	if r := send(t, mine, get, url, nil, nil); r.status != http.StatusNotFound {
		t.Errorf("after the job's end the file answered %d", r.status)
	}
}

func TestFetchedFileIsForDownload(t *testing.T) {
	s := newServer(t)
	c, hostID := s.register("node1.lab.test")
	id := s.fetch(c, hostID, `/srv/<b>"page.html`, "<script>")
	r := s.api(get, api+"/jobs/"+id+"/file", "")
	if r.body != "<script>" || r.header.Get("Content-Type") != "application/octet-stream" || r.header.Get("X-Content-Type-Options") != "nosniff" ||
		!strings.HasPrefix(r.header.Get("Content-Disposition"), "attachment; filename=") {
		t.Errorf("the file answered %v %q", r.header, r.body)
	}
	large := s.work("/fetches", map[string]any{"targets": map[string]any{"ids": []int64{hostID}}, "path": "/var/log", "most": 10})
	j := s.job(c, "node1.lab.test")
	url := s.secured.URL + wire.PathJobFile + j.ID
	if r := send(t, c, post, url, strings.NewReader("more than ten"), map[string]string{"Content-Type": "application/gzip"}); r.status != http.StatusRequestEntityTooLarge {
		t.Errorf("more than allowed answered %d %s", r.status, r.body)
	}
	send(t, c, post, url, strings.NewReader("archive"), map[string]string{"Content-Type": "application/gzip"})
	s.agentPost(c, wire.PathJobResult, []wire.JobResult{{ID: j.ID, File: &wire.JobFile{Name: "log.tar.gz", Size: 7, Checksum: "SHA256:" + strings.Repeat("0", 64)}}})
	s.awaitOperation(large, db.Failed)
	if got := must[*db.Job](t)(s.db.Job(t.Context(), j.ID)); got.ErrCode != wire.ErrCodeChecksum || got.FileName != "log.tar.gz" {
		t.Errorf("a file that is another than the host sent: %+v", got)
	}
}

func TestWorkRefusesBadInput(t *testing.T) {
	s := newServer(t)
	s.register("node1.lab.test")
	f := s.upload("x")
	command := map[string]any{"command": []string{"true"}}
	one := map[string]any{"hosts": "node1.lab.test"}
	for _, c := range []struct {
		what, path string
		body       map[string]any
		field      string
	}{
		{"no target", "/commands", map[string]any{"exec": command}, "targets"},
		{"a host that is not there", "/commands", map[string]any{"targets": map[string]any{"hosts": "node[1-2].lab.test"}, "exec": command}, "targets.hosts"},
		{"a number that is not there", "/commands", map[string]any{"targets": map[string]any{"ids": []int{99}}, "exec": command}, "targets.ids"},
		{"a broken pattern", "/commands", map[string]any{"targets": map[string]any{"hosts": "node[2-1]"}, "exec": command}, "targets.hosts"},
		{"all and some", "/commands", map[string]any{"targets": map[string]any{"hosts": "node1.lab.test", "all": true}, "exec": command}, "targets.all"},
		{"no such state", "/commands", map[string]any{"targets": map[string]any{"state": "dead"}, "exec": command}, "targets.state"},
		{"nothing matches", "/commands", map[string]any{"targets": map[string]any{"search": "nowhere"}, "exec": command}, "targets"},
		{"no command", "/commands", map[string]any{"targets": one, "exec": map[string]any{}}, "exec"},
		{"both", "/commands", map[string]any{"targets": one, "exec": map[string]any{"command": []string{"a"}, "script": "b"}}, "exec"},
		{"a large script", "/commands", map[string]any{"targets": one, "exec": map[string]any{"script": strings.Repeat("#", 600_000)}}, "exec"},
		{"a relative directory", "/commands", map[string]any{"targets": one, "exec": map[string]any{"script": "a", "directory": "tmp"}}, "exec.directory"},
		{"a bad user", "/commands", map[string]any{"targets": one, "exec": map[string]any{"script": "a", "user": "a b"}}, "exec.user"},
		{"a bad limit", "/commands", map[string]any{"targets": one, "exec": command, "limits": map[string]any{"CPU": "lots"}}, "limits.CPU"},
		{"a bad variable", "/commands", map[string]any{"targets": one, "exec": command, "envs": map[string]string{"A=B": "c"}}, "envs"},
		{"too long", "/commands", map[string]any{"targets": one, "exec": command, "timeout": 1_000_000}, "timeout"},
		{"no such file", "/pushes", map[string]any{"targets": one, "file": strings.Repeat("0", 64), "path": "/a"}, "file"},
		{"a way out", "/pushes", map[string]any{"targets": one, "file": "../hostler.db", "path": "/a"}, "file"},
		{"a relative path", "/pushes", map[string]any{"targets": one, "file": f.ID, "path": "a"}, "path"},
		{"a directory", "/pushes", map[string]any{"targets": one, "file": f.ID, "path": "/etc/"}, "path"},
		{"a way up", "/fetches", map[string]any{"targets": one, "path": "/srv/../etc/shadow"}, "path"},
		{"a key as path", "/pushes", map[string]any{"targets": one, "file": f.ID, "path": "/-----BEGIN OPENSSH PRIVATE KEY-----"}, "path"},
		{"a bad mode", "/pushes", map[string]any{"targets": one, "file": f.ID, "path": "/a", "mode": "rwx"}, "mode"},
		{"too much", "/fetches", map[string]any{"targets": one, "path": "/a", "most": 1 << 40}, "most"},
		{"a name with a slash", "/child-agents/stop", map[string]any{"targets": one, "name": "../x"}, "name"},
		{"no package", "/child-agents/install", map[string]any{"targets": one, "name": "x"}, "url"},
		{"a file as package", "/child-agents/install", map[string]any{"targets": one, "name": "x", "url": "file:///etc/shadow", "checksum": "SHA256:" + f.ID}, "url"},
		{"a bad checksum", "/child-agents/upgrade", map[string]any{"targets": one, "name": "x", "url": "http://h/x.rpm", "checksum": "md5"}, "checksum"},
		{"limits to stop", "/child-agents/stop", map[string]any{"targets": one, "name": "x", "limits": map[string]any{}}, "definition"},
		{"nothing to configure", "/child-agents/configure", map[string]any{"targets": one, "name": "x"}, "definition"},
		{"no host", "/child-agents/log", map[string]any{"name": "x"}, "host"},
		{"another stream", "/child-agents/log", map[string]any{"host": "node1.lab.test", "name": "x", "stream": "stdin"}, "stream"},
	} {
		r := s.api(post, api+c.path, toJSON(t, c.body))
		if e := r.failure(t); r.status != http.StatusUnprocessableEntity || e.Fields[c.field] == "" {
			t.Errorf("%s answered %d %s", c.what, r.status, r.body)
		}
	}
	if r := s.api(post, api+"/child-agents/explode", toJSON(t, map[string]any{"targets": one, "name": "x"})); r.status != http.StatusNotFound {
		t.Errorf("an unknown action answered %d", r.status)
	}
	if r := s.api(post, pathFiles, "{}"); r.status != http.StatusUnsupportedMediaType {
		t.Errorf("JSON as a file answered %d", r.status)
	}
	if ops := must[[]db.Operation](t)(s.db.Operations(t.Context(), 0, 10)); len(ops) != 0 {
		t.Errorf("%d operations were started", len(ops))
	}
}

func TestJobsAreListedAndCanceled(t *testing.T) {
	s := newServer(t)
	c, hostID := s.register("node1.lab.test")
	first := must[*db.Job](t)(s.web.Jobs.Add(t.Context(), hostID, wire.Job{Action: wire.ActionConfig, Step: 20}, "admin"))
	second := must[*db.Job](t)(s.web.Jobs.Add(t.Context(), hostID, wire.Job{Action: wire.ActionStop, Name: "web"}, "admin"))
	var page jobsReply
	s.api(get, api+"/jobs?limit=1", "").json(t, &page)
	if len(page.Items) != 1 || page.Items[0].ID != second.ID || page.Items[0].Detail != "web" || page.Next == "" {
		t.Fatalf("the first page is %+v", page)
	}
	s.api(get, api+"/jobs?limit=1&before="+page.Next, "").json(t, &page)
	if len(page.Items) != 1 || page.Items[0].ID != first.ID || page.Next != "" {
		t.Errorf("the second page is %+v", page)
	}
	for query, want := range map[string]int{"?state=queued": 2, "?state=failed": 0, "?action=stop": 1, "?host=1": 2, "?host=9": 0, "?operation=9": 0} {
		if s.api(get, api+"/jobs"+query, "").json(t, &page); len(page.Items) != want {
			t.Errorf("%s lists %d jobs, want %d", query, len(page.Items), want)
		}
	}
	if r := s.api(get, api+"/jobs?state=dead", ""); r.status != http.StatusBadRequest {
		t.Errorf("an unknown state answered %d", r.status)
	}
	cancel := func(id string) reply { return s.api(post, api+"/jobs/"+id+"/cancel", "{}") }
	var got jobReply
	if cancel(first.ID).json(t, &got); got.State != db.JobCanceled {
		t.Errorf("a queued job became %s", got.State)
	}
	if r := cancel(first.ID); r.status != http.StatusConflict || r.failure(t).Code != "ended" {
		t.Errorf("again it answered %d %s", r.status, r.body)
	}
	s.job(c, "node1.lab.test")
	if cancel(second.ID).json(t, &got); got.State != db.JobDelivered || !got.Canceling {
		t.Errorf("a delivered job became %+v", got)
	}
	if told := s.beatWith(c, "node1.lab.test", []wire.JobProgress{{ID: second.ID, State: wire.JobRunning}}).Cancel; len(told) != 1 || told[0] != second.ID {
		t.Errorf("the agent was told to cancel %v", told)
	}
	if r := cancel("nonsense"); r.status != http.StatusNotFound {
		t.Errorf("no job answered %d", r.status)
	}
}

func TestAgentUpgrade(t *testing.T) {
	s := newServer(t)
	c, _ := s.register("node1.lab.test")
	newer, _ := s.register("node2.lab.test")
	s.agentPost(newer, wire.PathStatus, wire.StatusRequest{Hostname: "node2.lab.test", Version: testAgent, Step: 10})
	id := s.work("/agent-upgrades", map[string]any{"targets": map[string]any{"all": true}})
	j := s.job(c, "node1.lab.test")
	if j.Action != wire.ActionUpgradeAgent || j.Version != testAgent || j.Checksum != "SHA256:"+strings.Repeat("0a", 32) || j.URL != "https://127.0.0.1:8440/repo/agent/amd64" {
		t.Errorf("the agent was given %+v", j)
	}
	if _, err := base64.StdEncoding.DecodeString(j.Signature); err != nil || j.Signature == "" {
		t.Errorf("the signature is %q", j.Signature)
	}
	s.agentPost(c, wire.PathJobResult, []wire.JobResult{{ID: j.ID}})
	s.awaitStep(id, "node1.lab.test", "confirm")
	s.agentPost(c, wire.PathStatus, wire.StatusRequest{Hostname: "node1.lab.test", Version: testAgent, Step: 10})
	s.awaitOperation(id, db.Done)
	if jobs := must[[]db.Job](t)(s.db.Jobs(t.Context(), db.JobQuery{OperationID: id})); len(jobs) != 1 {
		t.Errorf("%d jobs were made, want one: the other host has the version", len(jobs))
	}
}

// published follows the bus and returns all of it so far when it is asked.
func (s *server) published() func() string {
	s.t.Helper()
	all := &lockedBuffer{}
	cancel := must[func()](s.t)(s.bus.Subscribe(">", func(topic string, payload []byte) {
		// Bytes are base64 in JSON: what is in them must be seen, too.
		var summary operation.Summary
		_ = json.Unmarshal(payload, &summary) // most messages are something else
		_, _ = fmt.Fprintf(all, "%s %s %s\n", topic, payload, summary.Params)
	}))
	s.t.Cleanup(cancel)
	return all.String
}

// awaitStep waits until a task has come to a step.
func (s *server) awaitStep(operationID int64, name, step string) {
	s.t.Helper()
	changed := make(chan struct{}, 1)
	cancel := must[func()](s.t)(s.bus.Subscribe("task.>", func(string, []byte) {
		select {
		case changed <- struct{}{}:
		default:
		}
	}))
	defer cancel()
	deadline := time.After(waitMost)
	for {
		for _, t := range must[[]db.Task](s.t)(s.db.Tasks(s.t.Context(), operationID)) {
			if t.Name == name && t.Step == step {
				return
			}
		}
		select {
		case <-changed:
		case <-deadline:
			s.t.Fatalf("%s did not come to %s", name, step)
		}
	}
}
