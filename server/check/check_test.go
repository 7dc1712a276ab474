package check_test

import (
	"maps"
	"slices"
	"testing"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/check"
)

// well is what a host tells with which nothing is wrong.
func well() *wire.Findings {
	return &wire.Findings{
		Took: 1, Offset: new(int64(400)),
		Mounts: []wire.CheckMount{{Mount: "/", Type: "ext4", Size: 100 << 30, Free: 50 << 30, Inodes: 10}},
		Memory: 16 << 30, Available: 8 << 30, Swap: 2 << 30, SwapFree: 2 << 30, Swappiness: new(1), HugePages: "madvise",
		Cores: 4, Load: 0.5, OpenFiles: 1 << 20, Processes: -1, Umask: "022",
		Clock: wire.CheckClock{Synchronised: true, Service: "chronyd"}, Hostname: "node1.lab.test",
		OwnAddresses: []string{"10.0.0.1"}, Resolved: wire.CheckResolved{Names: 2}, Reverse: []string{"node1.lab.test"}, Address: "10.0.0.1",
		MachineID: "0123", Interfaces: []wire.CheckInterface{{Name: "eth0", MTU: 1500, Addresses: []string{"10.0.0.1"}}},
		Packages: wire.CheckPackages{Manager: "dpkg"}, Kernel: "6.1.0-18-amd64", Glibc: "2.36", Entropy: new(256),
	}
}

var node1 = db.Host{ID: 1, Name: "node1.lab.test", FQDN: "node1.lab.test", Cluster: "lab"}

// judge judges node1 beside itself alone.
func judge(f *wire.Findings) map[string]check.Verdict {
	by := map[string]check.Verdict{}
	for _, v := range check.Judge(&node1, f, check.Compare([]db.Host{node1}, map[int64]*wire.Findings{1: f})) {
		by[v.Check] = v
	}
	return by
}

func TestAHostThatIsWellPassesEverything(t *testing.T) {
	got := judge(well())
	for _, name := range check.Names() {
		if got[name].State != check.Pass {
			t.Errorf("%s is %+v", name, got[name])
		}
	}
}

func TestWhatIsWrongIsFound(t *testing.T) {
	for _, c := range []struct {
		check, code string
		state       check.State
		edit        func(*wire.Findings)
	}{
		{"disk", "full", check.Fail, func(f *wire.Findings) { f.Mounts[0].Free = 1 << 30 }},
		{"disk", "nearly_full", check.Warn, func(f *wire.Findings) { f.Mounts[0].Free = 5 << 30 }},
		{"disk", "full", check.Fail, func(f *wire.Findings) {
			f.Mounts = append(f.Mounts, wire.CheckMount{Mount: "/data", Size: 1 << 40, Free: 1 << 30})
		}},
		{"disk", "nearly_full", check.Warn, func(f *wire.Findings) { f.Mounts[0].Size, f.Mounts[0].Free = 8<<30, 1<<30 }},
		{"disk", "read_only", check.Fail, func(f *wire.Findings) { f.Mounts[0].ReadOnly = true }},
		{"inodes", "full", check.Warn, func(f *wire.Findings) { f.Mounts[0].Inodes = 95 }},
		{"memory", "low", check.Warn, func(f *wire.Findings) { f.Available = 1 << 30 }},
		{"memory", "small", check.Warn, func(f *wire.Findings) { f.Memory, f.Available = 512<<20, 400<<20 }},
		{"cpu", "busy", check.Warn, func(f *wire.Findings) { f.Load = 17 }},
		{"swap", "none", check.Warn, func(f *wire.Findings) { f.Swap, f.Memory = 0, 2<<30 }},
		{"swap", "absent", check.Pass, func(f *wire.Findings) { f.Swap = 0 }},
		{"swap", "full", check.Warn, func(f *wire.Findings) { f.SwapFree = 1 << 20 }},
		{"swappiness", "high", check.Warn, func(f *wire.Findings) { f.Swappiness = new(60) }},
		{"huge_pages", "always", check.Warn, func(f *wire.Findings) { f.HugePages = "always" }},
		{"open_files", "few", check.Fail, func(f *wire.Findings) { f.OpenFiles = 1024 }},
		{"open_files", "few", check.Warn, func(f *wire.Findings) { f.OpenFiles = 8192 }},
		{"processes", "few", check.Warn, func(f *wire.Findings) { f.Processes = 1024 }},
		{"umask", "strict", check.Warn, func(f *wire.Findings) { f.Umask = "077" }},
		{"clock", "off", check.Warn, func(f *wire.Findings) { f.Offset = new(int64(-5000)) }},
		{"clock", "off", check.Fail, func(f *wire.Findings) { f.Offset = new(int64(3_600_000)) }},
		{"time_service", "none", check.Warn, func(f *wire.Findings) { f.Clock = wire.CheckClock{} }},
		{"time_service", "unsynchronised", check.Warn, func(f *wire.Findings) { f.Clock.Synchronised = false }},
		{"firewall", "blocks", check.Warn, func(f *wire.Findings) { f.Firewalls = []wire.CheckFirewall{{Tool: "nftables", Blocks: true}} }},
		{"firewall", "open", check.Pass, func(f *wire.Findings) { f.Firewalls = []wire.CheckFirewall{{Tool: "nftables"}} }},
		{"access_control", "permissive", check.Warn, func(f *wire.Findings) { f.SELinux = "permissive" }},
		{"hostname", "missing", check.Fail, func(f *wire.Findings) { f.Hostname = "localhost" }},
		{"hostname", "differs", check.Pass, func(f *wire.Findings) { f.Hostname = "other.lab.test" }}, // its FQDN is the same
		{"own_name", "unresolved", check.Fail, func(f *wire.Findings) { f.OwnAddresses = nil }},
		{"own_name", "loopback", check.Warn, func(f *wire.Findings) { f.OwnAddresses = []string{"127.0.1.1"} }},
		{"own_name", "elsewhere", check.Warn, func(f *wire.Findings) { f.OwnAddresses = []string{"10.9.9.9"} }},
		{"forward", "failed", check.Fail, func(f *wire.Findings) { f.Resolved.Failed = 1 }},
		{"forward", "differ", check.Warn, func(f *wire.Findings) { f.Resolved.Differ = 1 }},
		{"forward", "untried", check.Warn, func(f *wire.Findings) { f.Resolved.Untried = 1 }},
		{"reverse", "missing", check.Warn, func(f *wire.Findings) { f.Reverse = nil }},
		{"reverse", "differs", check.Warn, func(f *wire.Findings) { f.Reverse = []string{"router.lab.test"} }},
		{"dns_speed", "slow", check.Warn, func(f *wire.Findings) { f.Resolved.Slowest = 5000 }},
		{"machine_id", "missing", check.Fail, func(f *wire.Findings) { f.MachineID = "" }},
		{"packages", "broken", check.Fail, func(f *wire.Findings) { f.Packages.Broken = "half installed" }},
		{"packages", "none", check.Pass, func(f *wire.Findings) { f.Packages = wire.CheckPackages{} }},
		{"kernel", "old", check.Warn, func(f *wire.Findings) { f.Kernel = "2.6.32-754.el6" }},
		{"kernel", "old", check.Fail, func(f *wire.Findings) { f.Kernel = "2.6.18-8" }},
		{"glibc", "old", check.Warn, func(f *wire.Findings) { f.Glibc = "2.12" }},
		{"glibc", "other", check.Pass, func(f *wire.Findings) { f.Glibc = "" }},
		{"reboot", "needed", check.Warn, func(f *wire.Findings) { f.Reboot = true }},
		{"entropy", "low", check.Warn, func(f *wire.Findings) { f.Entropy = new(20) }},
		{"java", "several", check.Warn, func(f *wire.Findings) { f.Java = []string{"/opt/a", "/opt/b"} }},
		{"leftovers", "found", check.Warn, func(f *wire.Findings) { f.Leftovers = []string{"user hdfs"} }},
	} {
		f := well()
		c.edit(f)
		v := judge(f)[c.check]
		if v.State != c.state || v.Code != c.code && c.state != check.Pass {
			t.Errorf("%s %s: got %+v", c.check, c.code, v)
		}
		if !slices.Contains(check.Codes()[c.check], v.Code) {
			t.Errorf("%s finds %q, which its codes do not name", c.check, v.Code)
		}
	}
}

func TestHostsAreCompared(t *testing.T) {
	hosts := []db.Host{node1, {ID: 2, Name: "node2", Cluster: "lab"}, {ID: 3, Name: "node3", Cluster: "lab"}, {ID: 4, Name: "unchecked", Facts: &wire.Facts{MachineID: "4444"}}}
	found := map[int64]*wire.Findings{}
	for i := range int64(3) {
		f := well()
		f.MachineID, f.Address = "id"+string(rune('1'+i)), "10.0.0."+string(rune('1'+i))
		f.Interfaces[0].Addresses = []string{f.Address}
		found[i+1] = f
	}
	got := func(id int64, name string) check.Verdict {
		for _, v := range check.Judge(&hosts[id-1], found[id], check.Compare(hosts, found)) {
			if v.Check == name {
				return v
			}
		}
		return check.Verdict{}
	}
	for _, name := range []string{"machine_id", "addresses", "mtu"} {
		if v := got(1, name); v.State != check.Pass {
			t.Errorf("%s of hosts that differ is %+v", name, v)
		}
	}
	found[1].MachineID, found[2].MachineID = "same", "same"
	if v := got(1, "machine_id"); v.State != check.Fail || v.Args["Hosts"] != "node2" {
		t.Errorf("a shared machine-id is %+v", v)
	}
	found[1].MachineID = "4444"
	if v := got(1, "machine_id"); v.State != check.Fail || v.Args["Hosts"] != "unchecked" {
		t.Errorf("a machine-id of a host that was not checked is %+v", v)
	}
	found[3].Interfaces[0].Addresses = append(found[3].Interfaces[0].Addresses, "10.0.0.1")
	if v := got(1, "addresses"); v.State != check.Fail || v.Args["Address"] != "10.0.0.1" || v.Args["Hosts"] != "node3" {
		t.Errorf("a shared address is %+v", v)
	}
	found[2].Interfaces[0].MTU = 9000
	if v := got(2, "mtu"); v.State != check.Warn || v.Args["Usual"] != "1500" {
		t.Errorf("another MTU is %+v", v)
	}
	if v := got(1, "mtu"); v.State != check.Pass {
		t.Errorf("the usual MTU is %+v", v)
	}
}

// What a host leaves out is no verdict, and no panic.
func TestAHostThatTellsNothing(t *testing.T) {
	for name, v := range judge(&wire.Findings{}) {
		if !slices.Contains([]string{"time_service", "firewall", "access_control", "hostname", "machine_id", "packages", "glibc", "reboot", "java", "leftovers"}, name) {
			t.Errorf("%s is judged: %+v", name, v)
		}
	}
}

func TestCodesAndNamesBelongTogether(t *testing.T) {
	if got, want := slices.Sorted(maps.Keys(check.Codes())), slices.Sorted(slices.Values(check.Names())); !slices.Equal(got, want) {
		t.Errorf("codes are of %v, checks are %v", got, want)
	}
}
