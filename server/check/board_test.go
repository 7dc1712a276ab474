package check_test

import (
	"fmt"
	"slices"
	"testing"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/db/dbtest"
	"hostler/server/check"
)

// fill makes hosts that were checked, of which two share a machine-id.
func fill(t testing.TB, n int) (*db.DB, []db.Host) {
	t.Helper()
	d := dbtest.Open(t)
	rows := make([]*db.Host, n)
	for i := range rows {
		rows[i] = &db.Host{AgentSN: fmt.Sprintf("0199aaaa-0000-7000-8000-%012d", i), Name: fmt.Sprintf("node%d.lab.test", i), Cluster: "dc1", State: db.HostHealthy}
	}
	if err := d.UpsertHosts(t.Context(), rows); err != nil {
		t.Fatal(err)
	}
	hosts := make([]db.Host, n)
	for i := range hosts {
		hosts[i] = *rows[i]
		keep(t, d, hosts[i].ID, "job-1", fmt.Sprint("machine-", max(i, 1)))
	}
	return d, hosts
}

// keep stores that a job found a host with a machine-id.
func keep(t testing.TB, d *db.DB, host int64, job, machine string) {
	t.Helper()
	f := &wire.Findings{MachineID: machine, Memory: 16 << 30, Available: 8 << 30}
	for i := range 8 {
		f.Mounts = append(f.Mounts, wire.CheckMount{Mount: fmt.Sprintf("/srv/%d", i), Size: 100 << 30, Free: 50 << 30})
		f.Interfaces = append(f.Interfaces, wire.CheckInterface{
			Name: fmt.Sprint("eth", i), MTU: 1500, Addresses: []string{fmt.Sprintf("10.%d.%d.%d", i, host/250, host%250), fmt.Sprintf("fd00::%x:%x", i, host)},
		})
	}
	if err := d.KeepHostCheck(t.Context(), &db.HostCheck{HostID: host, JobID: fmt.Sprint(job, "-", host), CheckedAt: db.Now(), Findings: f}); err != nil {
		t.Fatal(err)
	}
}

// What is accepted is a warning no more, and what is found instead of it is one again.
func TestAcceptedWarningsAreNoWarnings(t *testing.T) {
	d, hosts := fill(t, 3)
	b := check.NewBoard(d)
	find := func(host int64, job string, offset int64) {
		t.Helper()
		own := []string{fmt.Sprint("10.1.0.", host)}
		f := &wire.Findings{
			MachineID: fmt.Sprint("machine-", host), Hostname: fmt.Sprintf("node%d.lab.test", host-1), OwnAddresses: own, Interfaces: []wire.CheckInterface{{Addresses: own}},
			Offset: &offset, Clock: wire.CheckClock{Synchronised: true},
		}
		if err := d.KeepHostCheck(t.Context(), &db.HostCheck{HostID: host, JobID: job, CheckedAt: db.Now(), Findings: f}); err != nil {
			t.Fatal(err)
		}
	}
	stand := func() *check.Standing {
		t.Helper()
		s, err := b.Standing(t.Context(), hosts)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	one, two, three := hosts[0].ID, hosts[1].ID, hosts[2].ID
	find(one, "1", 5000)
	find(two, "2", 5000)
	find(three, "3", 90_000)
	before := stand()
	accepted, err := b.Accept(t.Context(), before, []db.Host{hosts[0], hosts[2]}, db.AcceptedWarning{Check: "clock", Reason: "known", AcceptedBy: "alice", AcceptedAt: db.Now()})
	if err != nil || len(accepted) != 1 || accepted[0].ID != one {
		t.Fatalf("accepted on %+v, %v", accepted, err)
	}
	s := stand()
	for host, want := range map[int64][2]check.State{one: {check.Accepted, check.Pass}, two: {check.Warn, check.Warn}, three: {check.Fail, check.Fail}} {
		if s.Of(host, "clock") != want[0] || s.Worst(host) != want[1] {
			t.Errorf("host %d's clock is %s, the host %s; it should be %v", host, s.Of(host, "clock"), s.Worst(host), want)
		}
	}
	verdicts, err := b.Verdicts(t.Context(), s, hosts)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(verdicts[one], func(v check.Verdict) bool { return v.Check == "clock" })
	if v := verdicts[one][i]; v.State != check.Accepted || v.Acceptance == nil || v.Acceptance.Reason != "known" || v.Acceptance.AcceptedBy != "alice" {
		t.Errorf("the verdict is %+v", v)
	}
	find(one, "4", 90_000)
	if s := stand(); s.Of(one, "clock") != check.Fail || s.Worst(one) != check.Fail {
		t.Errorf("what fails later is %s", s.Of(one, "clock"))
	}
	find(one, "5", 5000)
	if err := d.UnacceptWarnings(t.Context(), "clock", []int64{one}); err != nil {
		t.Fatal(err)
	}
	if s := stand(); s.Of(one, "clock") != check.Warn {
		t.Errorf("taken back, it is %s", s.Of(one, "clock"))
	}
}

func TestTheBoardSeesWhatChanges(t *testing.T) {
	d, hosts := fill(t, 3)
	b := check.NewBoard(d)
	stand := func(hosts []db.Host) *check.Standing {
		t.Helper()
		s, err := b.Standing(t.Context(), hosts)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	one, two, three := hosts[0].ID, hosts[1].ID, hosts[2].ID
	first := stand(hosts)
	if first.Of(one, "machine_id") != check.Fail || first.Of(two, "machine_id") != check.Fail || first.Of(three, "machine_id") != check.Pass || first.Worst(one) != check.Fail {
		t.Errorf("of two with one machine-id it says %s and %s, of the third %s", first.Of(one, "machine_id"), first.Of(two, "machine_id"), first.Of(three, "machine_id"))
	}
	if stand(hosts) != first {
		t.Error("it judges anew though nothing has changed")
	}
	if alone := stand(hosts[:1]); alone.Of(one, "machine_id") != check.Pass || alone.States(two) != nil {
		t.Errorf("who knows of one host is told of others: %s, %v", alone.Of(one, "machine_id"), alone.States(two))
	}
	keep(t, d, two, "job-2", "machine-of-its-own")
	second := stand(hosts)
	if second.Of(one, "machine_id") != check.Pass || second.Of(two, "machine_id") != check.Pass {
		t.Errorf("after one of them was checked again it says %s and %s", second.Of(one, "machine_id"), second.Of(two, "machine_id"))
	}
	verdicts, err := b.Verdicts(t.Context(), second, hosts[1:2])
	if err != nil || len(verdicts) != 1 || len(verdicts[two]) < 5 {
		t.Errorf("the verdicts on it are %v, %v", verdicts, err)
	}
	hosts[0].Name = "other.lab.test"
	if stand(hosts) == second {
		t.Error("a host got another name, and the verdicts are those on the old one")
	}
}

// BenchmarkStanding looks at ten thousand hosts: for the first time, and when nothing has changed since.
func BenchmarkStanding(b *testing.B) {
	d, hosts := fill(b, 10_000)
	look := func(b *testing.B, board *check.Board) {
		if _, err := board.Standing(b.Context(), hosts); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("judged", func(b *testing.B) {
		for b.Loop() {
			look(b, check.NewBoard(d))
		}
	})
	b.Run("remembered", func(b *testing.B) {
		board := check.NewBoard(d)
		look(b, board)
		for b.Loop() {
			look(b, board)
		}
	})
}
