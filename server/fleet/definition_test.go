package fleet_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"hostler/agent/wire"
	"hostler/db"
)

// tell sends a heartbeat with definitions and returns what the host is asked.
func (r *rig) tell(name string, told ...wire.Definition) []string {
	r.Helper()
	_, reply, err := r.fleet.Heartbeat(r.Context(), certificate(name), wire.StatusRequest{
		Hostname: name, Version: "1.0", Uptime: 60, Step: 10, Agents: []wire.ChildAgent{{Name: "A"}, {Name: "B"}}, Definitions: told,
	}, "10.0.0.1")
	r.must(err)
	return reply.Definitions
}

func TestADefinitionIsAskedFor(t *testing.T) {
	r := newRig(t)
	h := r.register("node1")
	if asked := r.tell("node1"); len(asked) != 0 {
		t.Fatalf("asked for %v out of the blue", asked)
	}
	// The host is woken by whoever asks, and so its answer comes while that waits.
	answer := wire.Definition{Name: "A", File: "/a.ini", Text: "[agent]\n"}
	wake := func(id int64) {
		if asked := r.tell("node1"); id != h.ID || !slices.Equal(asked, []string{"A"}) {
			t.Errorf("host %d is asked for %v", id, asked)
		}
		if asked := r.tell("node1", wire.Definition{Name: "B"}, answer); len(asked) != 0 {
			t.Errorf("after its answer the host is asked for %v", asked)
		}
	}
	told, err := r.fleet.Definition(t.Context(), h.ID, "A", wake)
	if err != nil || *told != answer {
		t.Fatalf("told is %+v, %v", told, err)
	}
	if _, err := r.fleet.Definition(t.Context(), h.ID, "C", wake); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("what the host does not have: %v", err)
	}
	if _, err := r.fleet.Definition(t.Context(), h.ID+1, "A", wake); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("no such host: %v", err)
	}
}

func TestALateDefinitionIsKeptOnce(t *testing.T) {
	r := newRig(t)
	h := r.register("node1")
	r.tell("node1")
	over, cancel := context.WithCancel(t.Context())
	cancel()
	nobody := func(int64) {}
	if _, err := r.fleet.Definition(over, h.ID, "A", nobody); !errors.Is(err, context.Canceled) {
		t.Fatalf("without an answer: %v", err)
	}
	if asked := r.tell("node1"); !slices.Equal(asked, []string{"A"}) {
		t.Errorf("asked for %v", asked)
	}
	r.tell("node1", wire.Definition{Name: "A", Text: "late"})
	if told, err := r.fleet.Definition(over, h.ID, "A", nobody); err != nil || told.Text != "late" {
		t.Errorf("told is %+v, %v", told, err)
	}
	// It may have changed since: the host is asked anew, and not for ever.
	if _, err := r.fleet.Definition(over, h.ID, "A", nobody); !errors.Is(err, context.Canceled) {
		t.Errorf("once more: %v", err)
	}
	r.clock.Advance(6 * time.Minute)
	if asked := r.tell("node1"); len(asked) != 0 {
		t.Errorf("long afterwards asked for %v", asked)
	}
}
