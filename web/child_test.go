package web

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"hostler/agent/wire"
)

func TestEventsOfAgents(t *testing.T) {
	s := newServer(t)
	c, id := s.register("node1.lab.test")
	events := []wire.Event{
		{ID: "e1", Time: time.Now().UnixMilli(), Kind: wire.EventChildFatal, Severity: wire.SeverityError, Child: "web", Params: map[string]string{"reason": "4 strikes"}},
		{ID: "e2", Time: time.Now().UnixMilli(), Kind: "network.down", Severity: "odd"},
	}
	for range 2 {
		s.agentPost(c, wire.PathEvents, events)
	}
	for query, want := range map[string]int{
		"?kind=child": 1, "?kind=child.fatal": 1, "?kind=child.exited": 0, "?child=web": 1, "?kind=network.down": 1, "?kind=child&host=99": 0,
	} {
		var got eventsReply
		s.api(get, api+"/events"+query, "").json(t, &got)
		if len(got.Items) != want {
			t.Errorf("%s lists %+v, want %d", query, got.Items, want)
		}
		for _, e := range got.Items {
			if *e.HostID != id || e.Params["host"] != "node1.lab.test" {
				t.Errorf("recorded %+v", e)
			}
		}
	}
	many := make([]wire.Event, 501)
	if r := send(t, c, post, s.secured.URL+wire.PathEvents, strings.NewReader(toJSON(t, many)), nil); r.status != http.StatusBadRequest || r.failure(t).Code != "too_many_events" {
		t.Errorf("too many answered %d %s", r.status, r.body)
	}
	stranger, _ := s.agent("node2.lab.test")
	if r := send(t, stranger, post, s.secured.URL+wire.PathEvents, strings.NewReader("[]"), nil); r.status != http.StatusConflict {
		t.Errorf("a host that did not register got %d", r.status)
	}
	if metrics := s.api(get, "/metrics", "").body; !strings.Contains(metrics, "hostler_agent_events_total 2") {
		t.Error("the events are not counted")
	}
}

func TestChildAgentsAreListed(t *testing.T) {
	s := newServer(t)
	one := 1
	for _, host := range []string{"node1.lab.test", "node2.lab.test"} {
		c, _ := s.register(host)
		s.beat(c, host, wire.ChildAgent{
			Name: "web", Version: "1", Status: wire.ChildRunning, PID: 7, CPU: 12.5, Memory: 1 << 20, Restarts: 2, Limits: &wire.Limits{CPU: "10%"},
			LimitedBy: wire.LimiterCgroup2, LastExit: &wire.Exit{Time: 5, Code: &one},
		}, wire.ChildAgent{Name: "db", Version: "1", Status: wire.ChildFatal, Reason: "4 strikes"})
	}
	var page childrenReply
	s.api(get, api+"/child-agents?limit=3", "").json(t, &page)
	if len(page.Items) != 3 || page.Items[0].Name != "db" || page.Items[0].Reason != "4 strikes" || page.Next == "" {
		t.Fatalf("the first page is %+v", page)
	}
	s.api(get, api+"/child-agents?limit=3&after="+page.Next, "").json(t, &page)
	if len(page.Items) != 1 || page.Next != "" {
		t.Fatalf("the second page is %+v", page)
	}
	if c := page.Items[0]; c.Host != "node2.lab.test" || c.CPU != 12.5 || c.Memory != 1<<20 || c.PID != 7 || c.Limits.CPU != "10%" || *c.LastExit.Code != 1 {
		t.Errorf("a child agent is %+v", c)
	}
	for query, want := range map[string]int{"?name=web": 2, "?status=fatal": 2, "?host=1": 2, "?name=web&host=1": 1, "?name=x": 0} {
		if s.api(get, api+"/child-agents"+query, "").json(t, &page); len(page.Items) != want {
			t.Errorf("%s lists %d, want %d", query, len(page.Items), want)
		}
	}
	for _, query := range []string{"?status=stopped", "?after=x", "?host=a"} {
		if r := s.api(get, api+"/child-agents"+query, ""); r.status != http.StatusBadRequest {
			t.Errorf("%s answered %d", query, r.status)
		}
	}
}
