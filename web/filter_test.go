package web

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"hostler/agent/wire"
	"hostler/db"
)

func TestListsAreFiltered(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	var agents []*http.Client
	var ids []int64
	for i := range 2 {
		name := fmt.Sprintf("node%d.lab.test", i+1)
		c, id := s.register(name)
		agents, ids = append(agents, c), append(ids, id)
		_ = must[*db.Job](t)(s.web.Jobs.Add(t.Context(), id, wire.Job{Action: wire.ActionConfig, Step: 20 + i}, "admin"))
		for severity, ago := range map[db.Severity]time.Duration{db.SeverityError: time.Minute, db.SeverityInfo: 30 * time.Hour} {
			e := db.Event{Time: db.Now().Add(-ago), Kind: "child.fatal", Severity: severity, HostID: &id, Params: map[string]string{"child": string(severity) + name, "host": name}}
			if err := s.db.CreateEvents(t.Context(), []db.Event{e}); err != nil {
				t.Fatal(err)
			}
		}
	}
	node1, node2 := ids[0], ids[1]
	id := s.work("/commands", map[string]any{"targets": map[string]any{"hosts": "node1.lab.test"}, "exec": map[string]any{"script": "true"}})
	setting := s.job(agents[0], "node1.lab.test") // it comes before the command
	s.job(agents[0], "node1.lab.test", wire.JobProgress{ID: setting.ID, State: wire.JobRunning})
	for path, c := range map[string]struct{ has, lacks string }{
		"/events?kind=child&host_name=NODE1.lab.test":             {"errornode1", "node2"},
		"/events?kind=child&hours=24":                             {"errornode2", "infonode"},
		"/events?kind=child&severity=info":                        {"infonode1", "errornode"},
		"/events?host_name=nobody":                                {"No event matches", "node1"},
		"/events?kind=child&hours=24&severity=error":              {"/events?hours=24&amp;kind=child&amp;severity=warning", "infonode"},
		"/jobs?host_name=node2.lab.test":                          {">node2.lab.test</a>", ">node1.lab.test</a>"},
		"/jobs?action=exec":                                       {"node1.lab.test", ">node2.lab.test</a>"},
		fmt.Sprintf("/jobs?operation=%d&action=exec", id):         {"node1.lab.test", ">node2.lab.test</a>"},
		fmt.Sprintf("/events?host=%d&kind=child", node1):          {"errornode1", "errornode2"},
		"/events?host_name=node2.lab.test&severity=info":          {fmt.Sprintf("/events?host=%d&amp;severity=error", node2), "host_name="},
		fmt.Sprintf("/jobs?host=%d", node2):                       {fmt.Sprintf("/jobs?host=%d&amp;state=lost", node2), ">node1.lab.test</a>"},
		fmt.Sprintf("/hosts/%d?severity=error", node1):            {"errornode1", "infonode1"},
		fmt.Sprintf("/hosts/%d?severity=error&kind=host", node1):  {"No event matches", "errornode1"},
		fmt.Sprintf("/hosts/%d?job_state=running", node1):         {fmt.Sprintf("/jobs?host=%d&amp;state=running", node1), ">Command</a>"},
		fmt.Sprintf("/hosts/%d?job_state=lost&kind=child", node1): {fmt.Sprintf("/hosts/%d?job_state=lost&amp;kind=child&amp;severity=error#host-events", node1), ">Command</a>"},
		fmt.Sprintf("/hosts/%d", node1):                           {fmt.Sprintf("/commands/new?host=%d", node1), "host_name"},
		"/jobs?operation=99999":                                   {"No job matches", ">node2.lab.test</a>"},
		"/jobs?action=config&state=queued":                        {"/jobs?action=config&amp;state=lost", ">Command</a>"},
	} {
		r := b.get(path)
		if _, content, _ := strings.Cut(r.body, "<main"); r.status != http.StatusOK || !strings.Contains(content, c.has) || strings.Contains(content, c.lacks) {
			t.Errorf("%s answered %d: has %q %t, lacks %q %t", path, r.status, c.has, strings.Contains(content, c.has), c.lacks, !strings.Contains(content, c.lacks))
		}
	}
	for _, bad := range []string{"/events?hours=x", "/events?hours=0", "/jobs?operation=x"} {
		if r := b.get(bad); r.status != http.StatusBadRequest {
			t.Errorf("%s answered %d", bad, r.status)
		}
	}
}
