package main

import (
	"strings"
	"testing"

	"hostler/server/client"
)

// TestBarsAreDrawnAnew follows an operation on a terminal: what has ended stays, what is drawn is drawn over.
func TestBarsAreDrawnAnew(t *testing.T) {
	var out strings.Builder
	b := bars{to: &out, told: map[int64]bool{}, width: func() int { return 60 }}
	steps := func(done int) []client.Step {
		s := []client.Step{{Title: "Connect"}, {Title: "Install"}, {Title: "Start\x1b[2J"}, {Title: "Wait"}}
		for i := range s {
			s[i].State = "pending"
			if i < done {
				s[i].State = "done"
			}
		}
		s[done].State = "running"
		return s
	}
	o := client.Operation{State: "running", Tasks: []client.Task{
		{ID: 1, Name: "node1", State: "running", Steps: steps(1)},
		{ID: 2, Name: "node2", State: "pending", Steps: steps(0)},
		{ID: 3, Name: "node3" + strings.Repeat("x", 80), State: "running", Steps: steps(2)},
	}}
	tell := func(want string) {
		t.Helper()
		out.Reset()
		if err := b.tell(&o); err != nil {
			t.Fatal(err)
		}
		if got := out.String(); got != want {
			t.Errorf("got\n%q\nwant\n%q", got, want)
		}
	}
	long := "  [#####-----] node3" + strings.Repeat("x", 39)
	tell("\r\x1b[J[------------------------------] 0/3\n  [##--------] node1: Install\n" + long + "\n")
	o.Tasks[0].State, o.Tasks[0].Error.Cause = "failed", "no\x1b[31m route"
	tell("\x1b[3A\r\x1b[Jnode1  failed  no[31m route\n[##########--------------------] 1/3, 1 failed\n" + long + "\n")
	o.State, o.Tasks[1].State, o.Tasks[2].State, o.Tasks[2].Name = "failed", "done", "canceled", "node3"
	tell("\x1b[2A\r\x1b[Jnode2  done\nnode3  canceled\n")
}
