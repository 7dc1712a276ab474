package web

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/event"
)

// TestAnEarlierAgentIsServed plays back what an agent of an earlier version sent, byte by byte; testdata/agent-0.1.0/README.md
// tells of it. The answers are read as that agent reads them.
func TestAnEarlierAgentIsServed(t *testing.T) {
	s := newServer(t)
	c, _ := s.agent("node1.lab.test")
	number := "JOB"
	play := func(path, file string, answer any) {
		t.Helper()
		body := must[[]byte](t)(os.ReadFile(filepath.Join("testdata", "agent-0.1.0", file)))
		body = bytes.ReplaceAll(body, []byte(`"JOB"`), []byte(`"`+number+`"`))
		r := send(t, c, post, s.secured.URL+path, bytes.NewReader(body), nil)
		if r.status != http.StatusOK {
			t.Fatalf("%s answered %d %s", file, r.status, r.body)
		}
		r.json(t, answer)
	}
	var registered struct {
		Status  *int   `json:"status"`
		AgentSN string `json:"agentsn"`
	}
	play(wire.PathRegister, "1-register.json", &registered)
	if registered.Status == nil || *registered.Status != 0 || len(registered.AgentSN) != 36 {
		t.Fatalf("registered as %+v", registered)
	}
	h := must[*db.Host](t)(s.db.HostByName(t.Context(), "node1.lab.test"))
	job := must[*db.Job](t)(s.web.Jobs.Add(t.Context(), h.ID, wire.Job{Action: wire.ActionExec, Exec: &wire.Exec{Script: "exit 3"}}, "admin"))
	number = job.ID

	type status struct {
		ErrCode *int `json:"errcode"`
		Step    int  `json:"step"`
		Jobs    []struct {
			ID     string `json:"id"`
			Action string `json:"action"`
			Exec   struct {
				Script string `json:"script"`
			} `json:"exec"`
		} `json:"jobs"`
	}
	var idle, busy, ended status
	play(wire.PathStatus, "2-status.json", &idle)
	if idle.ErrCode == nil || idle.Step != 10 || len(idle.Jobs) != 1 || idle.Jobs[0].ID != number || idle.Jobs[0].Action != "exec" || idle.Jobs[0].Exec.Script != "exit 3" {
		t.Fatalf("the status was answered with %+v", idle)
	}
	play(wire.PathStatus, "3-status.json", &busy)
	if len(busy.Jobs) != 0 {
		t.Errorf("a job that runs came again: %+v", busy)
	}
	for _, message := range []struct{ path, file string }{
		{wire.PathOutput, "4-output.json"}, {wire.PathEvents, "5-events.json"}, {wire.PathStatus, "6-status.json"}, {wire.PathJobResult, "7-result.json"},
	} {
		var answer struct {
			ErrCode *int `json:"errcode"`
		}
		if play(message.path, message.file, &answer); answer.ErrCode == nil || *answer.ErrCode != 0 {
			t.Errorf("%s was answered with %+v", message.file, answer)
		}
	}
	play(wire.PathStatus, "2-status.json", &ended)
	if len(ended.Jobs) != 0 {
		t.Errorf("a job that has ended came again: %+v", ended)
	}

	done := must[*db.Job](t)(s.db.JobByID(t.Context(), number))
	if done.State != db.JobFailed || done.ExitCode == nil || *done.ExitCode != 3 {
		t.Errorf("the job is %+v", done)
	}
	if told := s.events(event.ChildExited); len(told) != 1 {
		t.Errorf("of the child agent's end is told %+v", told)
	}
	known, _ := s.web.Fleet.Get(t.Context(), h.ID)
	if len(known.Children) != 2 || known.AgentVersion != "0.1.0" || known.Facts == nil || known.Facts.Kernel == "" {
		t.Errorf("the host is %+v", known)
	}
}
