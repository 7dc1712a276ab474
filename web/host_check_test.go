package web

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"hostler/agent/wire"
	"hostler/db"
)

// findings is what a host tells; edit makes it what a test needs.
func (s *server) findings(machine string, edit func(*wire.Findings)) []byte {
	s.t.Helper()
	f := &wire.Findings{
		Took: 1, Mounts: []wire.CheckMount{{Mount: "/", Size: 100 << 30, Free: 50 << 30}}, Memory: 16 << 30, Available: 8 << 30,
		Hostname: "node.lab.test", MachineID: machine, Kernel: "6.1.0", Clock: wire.CheckClock{Synchronised: true},
	}
	edit(f)
	return []byte(toJSON(s.t, f))
}

// tell has a host's agent do its check.
func (s *server) tell(c *http.Client, host string, found []byte) wire.Job {
	s.t.Helper()
	j := s.job(c, host)
	s.agentPost(c, wire.PathOutput, []wire.OutputChunk{{Job: j.ID, Stream: wire.Stdout, Data: found}})
	s.agentPost(c, wire.PathJobResult, []wire.JobResult{{ID: j.ID, Message: "success", Stdout: int64(len(found)), Elapsed: 1}})
	return j
}

func (s *server) checks(query string) hostChecksReply {
	s.t.Helper()
	var reply hostChecksReply
	s.api(get, api+"/host-checks"+query, "").json(s.t, &reply)
	return reply
}

// verdict is how a check of a host ended.
func (r hostChecksReply) verdict(host, check string) string {
	for _, item := range r.Items {
		for _, v := range item.Verdicts {
			if item.Host == host && v.Check == check {
				return v.State + " " + v.Code
			}
		}
	}
	return ""
}

func TestHostChecksFromTheAPIToTheReport(t *testing.T) {
	s := newServer(t)
	one, oneID := s.register("node1.lab.test")
	two, _ := s.register("node2.lab.test")
	s.register("node3.lab.test")
	if got := s.checks(""); got.Counts["unchecked"] != 3 || len(got.Items) != 3 {
		t.Fatalf("before any check it is %+v", got)
	}

	id := s.work("/host-checks", map[string]any{"targets": map[string]any{"hosts": "node1.lab.test node2.lab.test"}})
	j := s.tell(one, "node1.lab.test", s.findings("same", func(f *wire.Findings) { f.Mounts[0].Free = 1 << 20 }))
	if j.Action != wire.ActionCheck || j.Check == nil || len(j.Check.Names) != 3 {
		t.Errorf("the job is %+v", j)
	}
	s.tell(two, "node2.lab.test", s.findings("same", func(f *wire.Findings) { f.Clock = wire.CheckClock{} }))
	s.awaitOperation(id, db.Done)

	got := s.checks("")
	for _, want := range [][3]string{
		{"node1.lab.test", "disk", "fail full"},
		{"node2.lab.test", "disk", "pass ok"},
		{"node2.lab.test", "time_service", "warn none"},
		{"node1.lab.test", "machine_id", "fail shared"},
		{"node2.lab.test", "machine_id", "fail shared"},
	} {
		if v := got.verdict(want[0], want[1]); v != want[2] {
			t.Errorf("%s of %s is %q, not %q", want[1], want[0], v, want[2])
		}
	}
	if got.Counts["fail"] != 2 || got.Counts["unchecked"] != 1 {
		t.Errorf("the counts are %v", got.Counts)
	}
	for query, hosts := range map[string]int{
		"?operation=" + strconv.FormatInt(id, 10): 2, "?state=unchecked": 1, "?check=disk": 1, "?search=node2": 1, "?limit=1": 1,
	} {
		if got := s.checks(query); len(got.Items) != hosts {
			t.Errorf("%s finds %d hosts, not %d", query, len(got.Items), hosts)
		}
	}
	if first := s.checks("?limit=1"); first.Next == "" || s.checks("?limit=5&after=" + first.Next).Items[0].Host == first.Items[0].Host {
		t.Errorf("the next page begins where the first one did: %+v", first.Next)
	}
	last := s.checks("?limit=2").Next
	if got := s.checks("?search=node1&after=" + last); last == "" || len(got.Items) != 0 {
		t.Errorf("a page behind %q, which the list does not have, begins anew with %+v", last, got.Items)
	}
	for _, query := range []string{"?state=sad", "?check=weather", "?operation=x", "?after=1", "?after=fail.", "?after=sad.1.node1.lab.test"} {
		if r := s.api(get, api+"/host-checks"+query, ""); r.status != http.StatusBadRequest {
			t.Errorf("%s answered %d", query, r.status)
		}
	}

	b := s.setUp()
	page := b.get("/host-checks?operation=" + strconv.FormatInt(id, 10))
	for _, want := range []string{"node1.lab.test", "/ is full", "Find what fills it", "2 failures", "/api/v1/host-checks/report?"} {
		if !strings.Contains(page.body, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if strings.Contains(page.body, "node3.lab.test") {
		t.Error("the page shows a host that the operation did not check")
	}
	report := s.api(get, api+"/host-checks/report?format=html", "")
	if !strings.Contains(report.body, "/ is full") || !strings.Contains(report.header.Get("Content-Disposition"), "host-checks.html") {
		t.Errorf("the report is %.300s", report.body)
	}

	// Checked again, a host that was mended passes, and the other one is not alone in having its machine-id no more.
	before := s.newest()
	r := b.post("/host-checks", url.Values{"host": {strconv.FormatInt(oneID, 10)}})
	if !strings.HasPrefix(r.location(), "/operations/") {
		t.Fatalf("the button answered %d %s", r.status, r.body)
	}
	if e := s.only(before); e.Action != "host.check" {
		t.Errorf("it is recorded as %s", e.Action)
	}
	s.tell(one, "node1.lab.test", s.findings("own", func(*wire.Findings) {}))
	again := must[int64](t)(strconv.ParseInt(strings.TrimPrefix(r.location(), "/operations/"), 10, 64))
	s.awaitOperation(again, db.Done)
	got = s.checks("")
	if got.verdict("node1.lab.test", "disk") != "pass ok" || got.verdict("node2.lab.test", "machine_id") != "pass ok" {
		t.Errorf("after the mend it is %+v", got.Items)
	}
	if p := b.get(r.location()); !strings.Contains(p.body, `href="/host-checks?operation=`) {
		t.Error("the operation's page does not lead to the report")
	}
}

// An agent that does not know checks, and one that tells what nobody can read, are said plainly.
func TestHostChecksThatCannotBeDone(t *testing.T) {
	s := newServer(t)
	one, _ := s.register("old.lab.test")
	two, _ := s.register("odd.lab.test")
	id := s.work("/host-checks", map[string]any{"targets": map[string]any{"all": true}, "no_names": true})
	j := s.job(one, "old.lab.test")
	if j.Check == nil || len(j.Check.Names) != 0 {
		t.Errorf("the job is %+v", j)
	}
	s.agentPost(one, wire.PathJobResult, []wire.JobResult{{ID: j.ID, ErrCode: wire.ErrCodeUnknownAction, Message: "unknown", Elapsed: 1}})
	s.tell(two, "odd.lab.test", []byte("{"))
	s.awaitOperation(id, db.Failed)
	ts, err := s.web.DB.Tasks(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range ts {
		want := map[string]string{"old.lab.test": "job_unknown_action", "odd.lab.test": "check_unreadable"}[task.Name]
		if task.Problem.Code != want {
			t.Errorf("%s failed with %q, not %q", task.Name, task.Problem.Code, want)
		}
	}
	if got := s.checks(""); got.Counts["unchecked"] != 2 {
		t.Errorf("the counts are %v", got.Counts)
	}
}
