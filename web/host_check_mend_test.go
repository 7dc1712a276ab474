package web

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/check"
)

// TestWhatIsFoundIsMended runs just the commands that the page shows, where they are needed, and looks at the host again.
func TestWhatIsFoundIsMended(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	agents, ids := map[string]*http.Client{}, map[string]int64{}
	names := []string{"node1.lab.test", "node2.lab.test"}
	for _, name := range names {
		agents[name], ids[name] = s.register(name)
	}
	swappy := func(f *wire.Findings) { f.Swap, f.SwapFree, f.Swappiness = 1<<30, 1<<30, new(60) }
	fine := func(f *wire.Findings) { f.Swap, f.SwapFree, f.Swappiness = 1<<30, 1<<30, new(1) }
	id := s.work("/host-checks", map[string]any{"targets": map[string]any{"all": true}})
	s.tell(agents[names[0]], names[0], s.well(names[0], 0, swappy))
	s.tell(agents[names[1]], names[1], s.well(names[1], 1, fine))
	s.awaitOperation(id, db.Done)

	script := check.Mend("swappiness", "high")
	shown := b.get("/host-checks?operation=" + strconv.FormatInt(id, 10))
	if !strings.Contains(shown.body, "echo 1 &gt;/proc/sys/vm/swappiness") || strings.Count(shown.body, `action="/host-checks/mend"`) != 1 {
		t.Errorf("the page does not show what it would run: %s", shown.body)
	}
	for body, field := range map[string]string{
		`{"targets": {"hosts": "node2.lab.test"}, "check": "swappiness"}`: "check", // it is well
		`{"targets": {"all": true}, "check": "disk"}`:                     "check", // only a person can mend it
		`{"targets": {"all": true}, "check": "weather"}`:                  "check",
	} {
		if r := s.api(post, api+"/host-checks/mend", body); r.status != http.StatusUnprocessableEntity || r.failure(t).Fields[field] == "" {
			t.Errorf("%s answered %d %s", body, r.status, r.body)
		}
	}

	before := s.newest()
	r := b.post("/host-checks/mend", url.Values{"warning": {"swappiness"}, "operation": {strconv.FormatInt(id, 10)}})
	if !strings.HasPrefix(r.location(), "/operations/") {
		t.Fatalf("the button answered %d %s", r.status, r.body)
	}
	if e := s.only(before); e.Action != "host.mend" || !strings.Contains(e.Target, "operation") {
		t.Errorf("it is recorded as %+v", e)
	}
	mending := must[int64](t)(strconv.ParseInt(strings.TrimPrefix(r.location(), "/operations/"), 10, 64))
	if tasks := must[[]db.Task](t)(s.db.Tasks(t.Context(), mending)); len(tasks) != 1 || tasks[0].Name != names[0] {
		t.Fatalf("mended are %+v", tasks)
	}
	j := s.job(agents[names[0]], names[0])
	if j.Action != wire.ActionExec || j.Exec == nil || j.Exec.Script != script {
		t.Errorf("the host is given %+v", j)
	}
	s.agentPost(agents[names[0]], wire.PathJobResult, []wire.JobResult{{ID: j.ID, Message: "success", Elapsed: 1}})
	again := s.tell(agents[names[0]], names[0], s.well(names[0], 0, fine))
	if again.Action != wire.ActionCheck || again.Check == nil || len(again.Check.Names) != 2 {
		t.Errorf("then the host is given %+v", again)
	}
	s.awaitOperation(mending, db.Done)
	if got := s.checks("").verdict(names[0], "swappiness"); got != "pass ok" {
		t.Errorf("mended, it is %q", got)
	}
	if p := b.get(r.location()); !strings.Contains(p.body, "Mend swappiness on node1.lab.test") || !strings.Contains(p.body, "/host-checks?operation=") {
		t.Errorf("the operation's page is %s", p.body)
	}
}
