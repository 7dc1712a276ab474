package web

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func TestHostsAreChosenFromTheirList(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	_, id := s.register("node1.lab.test")
	s.register("node2.lab.test")
	r := b.get("/hosts?search=node1")
	for _, want := range []string{
		fmt.Sprintf(`name="host" value="%d"`, id), "The one host that matches this filter", `name="match_search" value="node1"`,
		`formaction="/pushes/new"`, `formaction="/child-agents/manage"`, `formaction="/agent-upgrades/new"`,
	} {
		if r.status != http.StatusOK || !strings.Contains(r.body, want) {
			t.Errorf("the list answered %d without %q", r.status, want)
		}
	}
	if r := b.get("/hosts"); !strings.Contains(r.body, "All 2 registered hosts") {
		t.Error("the whole list cannot be chosen")
	}
}
