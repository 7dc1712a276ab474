package fleet_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/event"
)

func TestTheCertificateIsTheIdentity(t *testing.T) {
	r := newRig(t)
	h := r.register("node1")
	r.register("node2")
	for name, claim := range map[string]func() error{
		"registering under another name": func() error {
			_, err := r.fleet.Register(t.Context(), certificate("node1"), wire.RegisterRequest{Hostname: "node2"}, "")
			return err
		},
		"registering with another's number": func() error {
			_, err := r.fleet.Register(t.Context(), certificate("node1"), wire.RegisterRequest{Hostname: "node1", AgentSN: "sn-node2"}, "")
			return err
		},
		"reporting under another name": func() error {
			_, _, err := r.fleet.Heartbeat(t.Context(), certificate("node1"), wire.StatusRequest{Hostname: "node2"}, "")
			return err
		},
		"reporting under no name": func() error {
			_, _, err := r.fleet.Heartbeat(t.Context(), certificate("node1"), wire.StatusRequest{}, "")
			return err
		},
		"a certificate with another's number": func() error {
			clone := certificate("node1")
			clone.AgentSN, clone.Serial = "sn-node2", "serial-of-a-clone"
			_, _, err := r.fleet.Heartbeat(t.Context(), clone, wire.StatusRequest{Hostname: "node1"}, "")
			return err
		},
	} {
		if err := claim(); code(err) != "wrong_host" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := r.host("node2"); got.State != db.HostInit || got.LastSeenAt != nil {
		t.Errorf("the other host was touched: %+v", got.Host)
	}
	if got := r.events(h.ID); !slices.Contains(got, event.HostIdentityRefused) {
		t.Errorf("events %v", got)
	}
}

func TestRefusalsAreRecordedOnceAMinute(t *testing.T) {
	r := newRig(t)
	h, other := r.register("node1"), r.register("node2")
	count := func(id int64) int {
		n := 0
		for _, kind := range r.events(id) {
			if kind == event.HostIdentityRefused {
				n++
			}
		}
		return n
	}
	for range 3 {
		r.refuse(certificate("node1"))
	}
	r.clock.Advance(time.Minute - time.Millisecond)
	r.refuse(certificate("node1"))
	if n := count(h.ID); n != 1 {
		t.Errorf("within a minute %d refusals were recorded", n)
	}
	r.refuse(certificate("node2"))
	if n := count(other.ID); n != 1 {
		t.Errorf("another host's refusal was recorded %d times", n)
	}
	r.clock.Advance(time.Millisecond)
	r.refuse(certificate("node1"))
	if n := count(h.ID); n != 2 {
		t.Errorf("after a minute there are %d records", n)
	}
	es, err := r.db.Events(t.Context(), db.EventQuery{HostID: h.ID, Severity: db.SeverityError})
	r.must(err)
	if p := es[0].Params; p["host"] != "node1" || p["claimed"] != "another" {
		t.Errorf("recorded %v", p)
	}
}

func TestChildrenAreStoredWhenTheyChange(t *testing.T) {
	r := newRig(t)
	h := r.register("node1")
	stored := func() string {
		rows, err := r.db.Children(t.Context(), h.ID)
		r.must(err)
		var all []string
		for _, c := range rows {
			all = append(all, fmt.Sprint(c.Name, " ", c.Version, " ", c.Status, " ", c.Uptime))
		}
		return strings.Join(all, ", ")
	}
	for _, c := range []struct {
		report []wire.ChildAgent
		want   string
	}{
		{[]wire.ChildAgent{{Name: "b", Version: "1", Status: wire.ChildRunning, Uptime: 1}, {Name: "a", Version: "1", Status: wire.ChildStopped}}, "a 1 stoped 0, b 1 running 1"},
		{[]wire.ChildAgent{{Name: "a", Version: "1", Status: wire.ChildStopped}, {Name: "b", Version: "1", Status: wire.ChildRunning, Uptime: 11}}, "a 1 stoped 0, b 1 running 1"},
		{[]wire.ChildAgent{{Name: "a", Version: "2", Status: wire.ChildStopped}, {Name: "b", Version: "1", Status: wire.ChildRunning, Uptime: 21}}, "a 2 stoped 0, b 1 running 21"},
		{[]wire.ChildAgent{{Name: "a", Version: "2", Status: wire.ChildStopped}, {Name: "b", Version: "1", Status: wire.ChildFatal, Uptime: 22}}, "a 2 stoped 0, b 1 fatal 22"},
		{[]wire.ChildAgent{{Name: "b", Version: "1", Status: wire.ChildFatal, Uptime: 31}}, "b 1 fatal 31"},
		{nil, ""},
	} {
		r.beat("node1", c.report...)
		if got := stored(); got != c.want {
			t.Errorf("stored %q, want %q", got, c.want)
		}
	}
	r.beat("node1", wire.ChildAgent{Name: "a", Status: wire.ChildRunning, Uptime: 5})
	r.start()
	if got := r.host("node1").Children; len(got) != 1 || got[0].Name != "a" || got[0].Uptime != 5 {
		t.Errorf("after a restart: %+v", got)
	}
}

func TestWhatAgentsSendIsBounded(t *testing.T) {
	r := newRig(t)
	h := r.register("node1")
	long := strings.Repeat("ä", 300)
	r.beat("node1",
		wire.ChildAgent{Name: long + "1", Version: long, Status: wire.ChildState(long)},
		wire.ChildAgent{Name: long + "2", Version: long, Status: wire.ChildRunning})
	rows, err := r.db.Children(t.Context(), h.ID)
	r.must(err)
	if len(rows) != 1 || len(rows[0].Name) > 255 || len(rows[0].Status) > 255 {
		t.Errorf("stored %d child agents: %.300v", len(rows), rows)
	}
	_, _, err = r.fleet.Heartbeat(t.Context(), certificate("node1"), wire.StatusRequest{
		Hostname: "node1", Version: long, Uptime: 1 << 62,
	}, "10.0.0.1")
	r.must(err)
	r.fleet.Flush(t.Context())
	if row := r.row(h.ID); row.LastSeenAt == nil || len(row.AgentVersion) > 255 {
		t.Errorf("the heartbeat was not written: %+v", row)
	}
	_, _, err = r.fleet.Heartbeat(t.Context(), certificate("node1"), wire.StatusRequest{Hostname: "node1", Agents: make([]wire.ChildAgent, 1001)}, "")
	if code(err) != "too_many_children" {
		t.Errorf("1001 child agents: %v", err)
	}
	_, err = r.fleet.Register(t.Context(), certificate("node2"), wire.RegisterRequest{
		Hostname: "node2", Version: long, Facts: &wire.Facts{FQDN: long, Arch: long, OS: wire.OS{Name: long}},
	}, "")
	r.must(err)
}

func TestAHostThatIsSetUpAgainGetsItsNewLabels(t *testing.T) {
	r := newRig(t)
	cert := certificate("node1")
	register := func(tags string, task int64) string {
		t.Helper()
		cert.Tags, cert.TaskID = tags, &task
		if _, err := r.fleet.Register(t.Context(), cert, wire.RegisterRequest{Hostname: "node1"}, ""); err != nil {
			t.Fatal(err)
		}
		return r.host("node1").Tags
	}
	for i, c := range []struct {
		tags string
		task int64
		want string
	}{
		{"rack=/r1,gold", 1, "rack=/r1,gold"},
		{"rack=/r9", 1, "rack=/r1,gold"}, // the same agent once more
		{"rack=/r2", 2, "gold,rack=/r2"},
		{"", 3, "gold,rack=/r2"},
		{"note=" + strings.Repeat("x", 60) + ",a=" + strings.Repeat("y", 60) + ",b=" + strings.Repeat("y", 60), 4, ""},
		{"c=" + strings.Repeat("z", 60) + ",d=" + strings.Repeat("z", 60), 5, "c=" + strings.Repeat("z", 60) + ",d=" + strings.Repeat("z", 60)},
	} {
		got := register(c.tags, c.task)
		if c.want != "" && got != c.want || len(got) > db.MaxLabels {
			t.Errorf("%d: the tags are %q", i, got)
		}
	}
}
