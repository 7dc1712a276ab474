package main

import (
	"testing"

	"hostler/server/client"
)

func TestBatchLine(t *testing.T) {
	o := &client.Operation{StopAfter: 2, Counts: map[string]int{"done": 2, "failed": 1}}
	for i, state := range []string{"done", "done", "failed", "running", "pending"} {
		o.Tasks = append(o.Tasks, client.Task{State: state, Batch: i/2 + 1})
	}
	n, line := batchLine(o)
	if n != 2 || line != "batch 2 of 3, 2 hosts; so far 2 done, 1 failed; stops after 2 failures" {
		t.Errorf("%d %q", n, line)
	}
	for i := range o.Tasks {
		o.Tasks[i].State = "done"
	}
	if n, _ := batchLine(o); n != 0 {
		t.Errorf("all have ended, and batch %d goes on", n)
	}
	if n, _ := batchLine(&client.Operation{Tasks: []client.Task{{State: "running"}}}); n != 0 {
		t.Errorf("without batches there is batch %d", n)
	}
}
