package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/event"
	"hostler/server/fleet"
)

func TestRegister(t *testing.T) {
	r := newRig(t)
	task, draft := int64(3), int64(4)
	cert := certificate("node1")
	cert.Cluster, cert.TaskID, cert.DraftID = "lab", &task, &draft
	changes := r.changes()
	reply, err := r.fleet.Register(t.Context(), cert, wire.RegisterRequest{
		Hostname: "Node1.", AgentSN: "sn-of-a-clone", Version: "1.2",
		Facts: &wire.Facts{FQDN: "node1.lab.test", Arch: "amd64", OS: wire.OS{Name: "Debian 12"}, Memory: 1 << 30},
	}, "10.0.0.7")
	r.must(err)
	if reply.Status != 0 || reply.AgentSN != "sn-node1" || reply.Step != 10 {
		t.Errorf("the answer is %+v", reply)
	}
	h := r.host("node1")
	if c := r.next(changes); c.ID != h.ID || c.Name != "node1" || c.State != db.HostInit || *c.DraftID != draft || c.LastSeenAt != nil {
		t.Errorf("published %+v", c)
	}
	for where, got := range map[string]db.Host{"the table": h.Host, "the database": *r.row(h.ID)} {
		if got.AgentSN != "sn-node1" || got.State != db.HostInit || got.FQDN != "node1.lab.test" || got.Arch != "amd64" || got.OSName != "Debian 12" ||
			got.AgentVersion != "1.2" || got.Address != "10.0.0.7" || got.Cluster != "lab" || *got.TaskID != task || *got.DraftID != draft ||
			got.Facts.Memory != 1<<30 || !got.RegisteredAt.Equal(r.clock.Now()) {
			t.Errorf("%s has %+v", where, got)
		}
	}
	if got := r.events(h.ID); !slices.Equal(got, []string{event.HostRegistered}) {
		t.Errorf("events %v", got)
	}
}

func TestRegisteringAgainKeepsTheHost(t *testing.T) {
	r := newRig(t)
	cert := certificate("node1")
	_, err := r.fleet.Register(t.Context(), cert, wire.RegisterRequest{Hostname: "node1", Facts: &wire.Facts{Arch: "arm64"}}, "")
	r.must(err)
	first := r.host("node1")
	r.beat("node1")
	r.must(r.fleet.SetStep(t.Context(), first.ID, 30))
	r.clock.Advance(time.Minute)
	reply, err := r.fleet.Register(t.Context(), cert, wire.RegisterRequest{Hostname: "node1"}, "10.0.0.8")
	r.must(err)
	again := r.host("node1")
	if again.ID != first.ID || again.Arch != "arm64" || again.Facts == nil || again.LastSeenAt == nil || !again.CreatedAt.Equal(first.CreatedAt) {
		t.Errorf("registering again lost something: %+v", again.Host)
	}
	if reply.Step != 30 || again.Address != "10.0.0.8" {
		t.Errorf("the answer is %+v, the address %s", reply, again.Address)
	}
	r.start()
	if got := r.host("node1"); got.Step != 30 || got.Arch != "arm64" {
		t.Errorf("after a restart: %+v", got.Host)
	}
}

func TestRegisteringInALoop(t *testing.T) {
	r := newRig(t)
	announce := func(cert *db.Certificate, memory uint64) {
		t.Helper()
		_, err := r.fleet.Register(t.Context(), cert, wire.RegisterRequest{Hostname: "node1", Facts: &wire.Facts{Memory: memory}}, "")
		r.must(err)
	}
	cert := certificate("node1")
	announce(cert, 1)
	h := r.host("node1")
	want := func(registrations int, memory uint64) {
		t.Helper()
		if got := r.events(h.ID); len(got) != registrations {
			t.Errorf("events %v, want %d", got, registrations)
		}
		if got := r.row(h.ID).Facts.Memory; got != memory {
			t.Errorf("stored the facts of registration %d, want those of %d", got, memory)
		}
	}
	r.clock.Advance(time.Minute - time.Millisecond)
	for n := range uint64(5) {
		announce(cert, n+2)
	}
	want(1, 1)
	if got := r.host("node1").Facts.Memory; got != 6 {
		t.Errorf("the table has the facts of registration %d", got)
	}
	r.fleet.StoreLate(t.Context())
	want(1, 6)
	r.clock.Advance(time.Minute)
	announce(cert, 7)
	want(2, 7)
	task := int64(3)
	cert.TaskID = &task
	announce(cert, 8)
	want(3, 8)
	if got := r.row(h.ID).TaskID; got == nil || *got != task {
		t.Errorf("bootstrapped again, it is stored as of task %v", got)
	}
}

func TestHeartbeat(t *testing.T) {
	r := newRig(t)
	if _, _, err := r.fleet.Heartbeat(t.Context(), certificate("node1"), wire.StatusRequest{Hostname: "node1"}, ""); code(err) != "not_registered" {
		t.Fatalf("a host that did not register: %v", err)
	}
	r.register("node1")
	r.clock.Advance(3 * time.Second)
	changes := r.changes()
	id, reply, err := r.fleet.Heartbeat(t.Context(), certificate("node1"), wire.StatusRequest{Hostname: "NODE1", Version: "1.1", Uptime: 60, Step: 60}, "10.0.0.9")
	r.must(err)
	h := r.host("node1")
	now := r.clock.Now()
	if id != h.ID || reply.ErrCode != 0 || reply.Step != 10 {
		t.Errorf("the answer to host %d is %+v", id, reply)
	}
	if !h.LastSeenAt.Equal(now) || !h.StartedAt.Equal(now.Add(-time.Minute)) || h.AgentVersion != "1.1" || h.Address != "10.0.0.9" || len(h.Beats) != 1 {
		t.Errorf("the host is %+v", h)
	}
	if c := r.next(changes); c.ID != h.ID || c.State != db.HostHealthy || !c.LastSeenAt.Equal(now) {
		t.Errorf("published %+v", c)
	}
	if got := r.beat("node1"); got.Step != 0 {
		t.Errorf("a step that is right was answered with %d", got.Step)
	}
	if n := r.fleet.Heartbeats(); n != 2 {
		t.Errorf("counted %d heartbeats of 2", n)
	}
	r.wantState("node1", db.HostHealthy)
}

func TestStartTimeIsSteady(t *testing.T) {
	r := newRig(t)
	r.register("node1")
	for _, c := range []struct {
		uptime int64
		wait   time.Duration
		same   bool
	}{{100, 0, false}, {108, 10 * time.Second, true}, {3, 10 * time.Second, false}} {
		r.clock.Advance(c.wait)
		before := r.host("node1").StartedAt
		_, _, err := r.fleet.Heartbeat(t.Context(), certificate("node1"), wire.StatusRequest{Hostname: "node1", Uptime: c.uptime}, "")
		r.must(err)
		after := r.host("node1").StartedAt
		if same := before != nil && before.Equal(*after); same != c.same {
			t.Errorf("uptime %d: started %v, before %v", c.uptime, after, before)
		}
	}
}

func TestBeatsAreBounded(t *testing.T) {
	r := newRig(t)
	r.register("node1")
	for range 70 {
		r.clock.Advance(time.Second)
		r.beat("node1")
	}
	beats := r.host("node1").Beats
	if len(beats) != 60 || !beats[59].Equal(r.clock.Now()) || !beats[0].Equal(r.clock.Now().Add(-59*time.Second)) {
		t.Errorf("%d heartbeats, from %s to %s", len(beats), beats[0], beats[len(beats)-1])
	}
}

func TestOverlayAndCounts(t *testing.T) {
	r := newRig(t)
	for _, name := range []string{"b", "c", "a"} {
		r.register(name)
	}
	r.beat("a")
	rows, _, err := r.db.Hosts(t.Context(), db.HostQuery{})
	r.must(err)
	rows = append(rows, db.Host{ID: 999, Name: "of another server"})
	slices.Reverse(rows)
	var got []string
	for _, h := range r.fleet.Overlay(rows) {
		got = append(got, h.Name+" "+string(h.State))
	}
	if want := []string{"of another server ", "c init", "b init", "a healthy"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if n := r.fleet.Counts(t.Context()); n[db.HostInit] != 2 || n[db.HostHealthy] != 1 || n[db.HostLost] != 0 {
		t.Errorf("counted %v", n)
	}
	all := r.fleet.Select(t.Context(), func(*db.Host) bool { return true })
	if !slices.IsSortedFunc(all, func(a, b fleet.Host) int { return strings.Compare(a.Name, b.Name) }) {
		t.Errorf("not by name: %v", all)
	}
	if _, ok := r.fleet.Get(t.Context(), 999); ok {
		t.Error("found a host that is not there")
	}
}

func TestAwait(t *testing.T) {
	r := newRig(t)
	healthy := func(name string) func(fleet.Host) bool {
		return func(h fleet.Host) bool { return h.Name == name && h.State == db.HostHealthy }
	}
	r.register("node1")
	r.beat("node1")
	if h, err := r.fleet.Await(t.Context(), healthy("node1")); err != nil || h.Name != "node1" {
		t.Fatalf("already there: %v, %v", h.Name, err)
	}

	looked := make(chan struct{}, 100)
	got := make(chan error, 1)
	r.register("node2")
	go func() {
		_, err := r.fleet.Await(t.Context(), func(h fleet.Host) bool {
			looked <- struct{}{}
			return healthy("node2")(h)
		})
		got <- err
	}()
	for range 2 { // both hosts were looked at, so that the next change counts
		<-looked
	}
	r.beat("node1")
	select {
	case err := <-got:
		t.Fatalf("another host's heartbeat ended the wait: %v", err)
	case <-looked:
	}
	r.beat("node2")
	if err := <-got; err != nil {
		t.Error(err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.fleet.Await(ctx, healthy("node3")); !errors.Is(err, context.Canceled) {
		t.Errorf("a wait that nothing ends: %v", err)
	}
	r.register("node3")
	r.beat("node3") // nobody waits any more; this must not block
}

func TestChangesTellOfChildAgents(t *testing.T) {
	r := newRig(t)
	r.register("node1")
	changes := r.changes()
	running, stopped := wire.ChildAgent{Name: "a", Status: wire.ChildRunning, Uptime: 1}, wire.ChildAgent{Name: "a", Status: wire.ChildStopped}
	older := running
	older.Uptime = 11
	for i, beat := range []struct {
		children []wire.ChildAgent
		want     bool
	}{
		{nil, false}, {[]wire.ChildAgent{running}, true}, {[]wire.ChildAgent{older}, false}, {[]wire.ChildAgent{stopped}, true}, {nil, true}, {nil, false},
	} {
		r.beat("node1", beat.children...)
		if c := r.next(changes); c.Children != beat.want {
			t.Errorf("heartbeat %d: child agents changed: %t, want %t", i, c.Children, beat.want)
		}
	}
}

func TestOwnStep(t *testing.T) {
	r := newRig(t)
	h := r.register("node1")
	changes := r.changes()
	r.must(r.fleet.SetStep(t.Context(), h.ID, 60))
	r.next(changes)
	if got := r.beat("node1").Step; got != 60 {
		t.Errorf("the host was told step %d", got)
	}
	if got := r.fleet.StepOf(r.host("node1")); got != time.Minute {
		t.Errorf("its step is %s", got)
	}
	r.clock.Advance(179 * time.Second)
	r.fleet.Sweep(t.Context())
	r.wantState("node1", db.HostHealthy)
	r.clock.Advance(time.Second)
	r.fleet.Sweep(t.Context())
	r.wantState("node1", db.HostLost)
	r.must(r.fleet.SetStep(t.Context(), h.ID, 0))
	if got := r.fleet.StepOf(r.host("node1")); got != step {
		t.Errorf("without one of its own its step is %s", got)
	}
}

func TestSnapshotsShareNothing(t *testing.T) {
	r := newRig(t)
	const hosts = 8
	for i := range hosts {
		r.register(fmt.Sprint("node", i))
	}
	var wg sync.WaitGroup
	for i := range hosts {
		wg.Go(func() {
			name := fmt.Sprint("node", i)
			for n := range 20 {
				r.beat(name, wire.ChildAgent{Name: "a", Status: wire.ChildRunning, Version: fmt.Sprint(n)})
				if n%5 == 0 {
					r.register(name)
				}
			}
		})
		wg.Go(func() {
			for n := range 5 {
				cert := certificate(fmt.Sprint("node", i))
				cert.Serial += fmt.Sprint(n) // each certificate's refusal is recorded
				r.refuse(cert)
			}
		})
		wg.Go(func() {
			for range 50 {
				for _, h := range r.fleet.Select(t.Context(), func(*db.Host) bool { return true }) {
					scribble(&h)
				}
				r.fleet.Sweep(t.Context())
			}
		})
	}
	wg.Wait()
	for i := range hosts {
		name := fmt.Sprint("node", i)
		h := r.host(name)
		if len(h.Children) != 1 || h.Children[0].Name != "a" || h.Children[0].Version != "19" || len(h.Beats) != 20 || h.Beats[0].IsZero() {
			t.Errorf("%s is %+v", name, h)
		}
	}
}

// refuse sends a heartbeat that names another host.
func (r *rig) refuse(cert *db.Certificate) {
	r.Helper()
	_, _, err := r.fleet.Heartbeat(r.Context(), cert, wire.StatusRequest{Hostname: "another"}, "")
	if code(err) != "wrong_host" {
		r.Errorf("%s under another name: %v", cert.Hostname, err)
	}
}

// scribble reads a snapshot and writes over it, as its owner may.
func scribble(h *fleet.Host) {
	h.Name, h.State = "scribbled", db.HostWaiting
	for i := range h.Beats {
		h.Beats[i] = time.Time{}
	}
	for i := range h.Children {
		h.Children[i].Name = "scribbled"
	}
}
