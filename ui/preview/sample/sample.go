// Package sample holds made-up view models of every page: the preview shows them and the tests render them.
package sample

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/a-h/templ"

	"hostler/ui/layout"
	"hostler/ui/page"
)

// Now is the time at which the samples were taken: the present, so that ages look natural in a browser.
var Now = time.Now().UTC().Truncate(time.Second)

// Page is one page with its path in the preview.
type Page struct {
	Path      string
	Anonymous bool // nobody is logged in
	Show      func(f layout.Frame) templ.Component
}

// Pages lists every page in every state that is worth a look.
func Pages() []Page {
	return slices.Concat(accountPages(), fleetPages(), operationPages(), jobPages(), repositoryPages(), trustPages(), userPages(), auditPages(), wizardPages())
}

func accountPages() []Page {
	return []Page{
		{"/setup", true, func(f layout.Frame) templ.Component {
			return page.SetupPage(page.SetupView{Frame: f, Token: "3f9c"})
		}},
		{"/setup/wrong", true, func(f layout.Frame) templ.Component {
			return page.SetupPage(page.SetupView{Frame: f, Name: "admin", Fields: map[string]string{"token": "…", "password": "…"}})
		}},
		{"/login", true, func(f layout.Frame) templ.Component {
			return page.LoginPage(page.LoginView{Frame: f, Next: "/hosts"})
		}},
		{"/error/404", false, failure(404)},
		{"/error/403", false, failure(403)},
		{"/error/500", true, failure(500)},
	}
}

func failure(status int) func(layout.Frame) templ.Component {
	return func(f layout.Frame) templ.Component {
		return page.ErrorPage(page.ErrorView{Frame: f, Status: status, RequestID: "9f3a01c2"})
	}
}

func fleetPages() []Page {
	return []Page{
		{"/{$}", false, func(f layout.Frame) templ.Component {
			f.Path = "/"
			return page.OverviewPage(page.OverviewView{
				Frame: f, Counts: Counts(), Troubled: Hosts()[:3], Stuck: operations()[1:2], Running: operations()[:1],
				Events: events(), Drafts: drafts(), Operations: true,
			})
		}},
		{"/empty", false, func(f layout.Frame) templ.Component {
			f.Path = "/"
			return page.OverviewPage(page.OverviewView{Frame: f})
		}},
		{"/hosts", false, func(f layout.Frame) templ.Component {
			return page.HostsPage(page.HostsView{Frame: f, Hosts: Hosts(), Counts: Counts(), Matching: 412, Next: "node14"})
		}},
		{"/hosts/empty", false, func(f layout.Frame) templ.Component {
			return page.HostsPage(page.HostsView{Frame: f})
		}},
		{"/hosts/nothing", false, func(f layout.Frame) templ.Component {
			return page.HostsPage(page.HostsView{Frame: f, Counts: Counts(), State: page.HostLost, Search: "gpu"})
		}},
		{"/hosts/7", false, func(f layout.Frame) templ.Component {
			return page.HostPage(page.HostView{
				Frame: f, Host: Hosts()[4], Facts: facts(), Beats: beats(), BeatSlot: 10 * time.Second, Children: children(),
				Jobs: jobs(), Events: events()[:4], DefaultStep: 10, Filter: page.HostFilter{
					Severity: "error", Jobs: map[string]int{"queued": 1, "succeeded": 122, "failed": 1, "lost": 1, "running": 1},
					Severities: map[string]int{"error": 2, "warning": 7, "info": 31}, Kinds: map[string]int{"host": 2, "child": 31, "config": 1},
				},
			})
		}},
		{"/hosts/8", false, func(f layout.Frame) templ.Component {
			return page.HostPage(page.HostView{Frame: f, Host: page.Host{ID: 8, Name: "node08.dc1.example", State: page.HostInit}, DefaultStep: 10})
		}},
		{"/events", false, func(f layout.Frame) templ.Component {
			return page.EventsPage(page.EventsView{Frame: f, Events: events(), Next: "3"})
		}},
		{"/events/none", false, func(f layout.Frame) templ.Component {
			return page.EventsPage(page.EventsView{Frame: f, Severity: "error", Kind: "child", Host: page.ListHost{ID: 7, Name: "node02.dc1.example"}, Hours: "24"})
		}},
	}
}

// Counts are the hosts by state.
func Counts() page.HostCounts {
	return page.HostCounts{page.HostHealthy: 398, page.HostUnhealthy: 6, page.HostLost: 5, page.HostInit: 3}
}

// Hosts are some hosts, the troubled ones first.
func Hosts() []page.Host {
	hosts := []page.Host{
		host(3, "db-b.dc1.example", page.HostLost, 14*time.Minute),
		host(17, "node17.dc1.example", page.HostLost, 31*time.Minute),
		host(5, "web02.dc1.example", page.HostUnhealthy, 4*time.Second),
	}
	for i := range 11 {
		hosts = append(hosts, host(int64(20+i), fmt.Sprintf("node%02d.dc1.example", i+1), page.HostHealthy, time.Duration(i+1)*time.Second))
	}
	hosts[4].CallsItself = "r2-u14.internal"
	hosts[13].State, hosts[13].LastSeen, hosts[13].AgentVersion = page.HostInit, time.Time{}, ""
	return hosts
}

func host(id int64, name, state string, ago time.Duration) page.Host {
	return page.Host{
		ID: id, Name: name, Address: "10.0.3." + strconv.FormatInt(id, 10), State: state, OS: "Debian GNU/Linux 12 (bookworm)",
		Arch: "amd64", AgentVersion: "0.1.0", LastSeen: Now.Add(-ago), Children: int(id % 3), ChildrenRun: int(id % 3), Cluster: "dc1-prod",
		AgentStarted: Now.Add(-76 * time.Hour), CertIssued: Now.Add(-2 * 24 * time.Hour), CertExpires: Now.Add(5 * 24 * time.Hour), Registered: Now.Add(-260 * time.Hour),
		AgentSN: "5c2e6a0e-8f5b-4d0c-9d0a-0c8a6f9b1e77", Step: 10, Tags: "rack=r2",
	}
}

func facts() *page.Facts {
	const gib = 1 << 30
	return &page.Facts{
		Family: "debian",
		Kernel: "6.1.0-18-amd64", CPU: "AMD EPYC 7543 32-Core Processor", Cores: 16, Memory: 62 * gib, Swap: 4 * gib,
		Disks: []page.Disk{
			{Mount: "/", Device: "/dev/nvme0n1p2", Type: "ext4", Size: 100 * gib, Free: 61 * gib},
			{Mount: "/var/lib", Device: "/dev/mapper/data-lib", Type: "xfs", Size: 2000 * gib, Free: 120 * gib},
		},
		Interfaces: []page.Interface{
			{Name: "eno1", MAC: "3c:ec:ef:1a:2b:3c", Addresses: []string{"10.0.3.20/24", "fe80::3eec:efff:fe1a:2b3c/64"}},
			{Name: "eno2", MAC: "3c:ec:ef:1a:2b:3d", Addresses: []string{"172.16.0.20/16"}},
		},
		Virtualisation: "none", FQDN: "node02.dc1.example", Boot: Now.Add(-80 * time.Hour),
	}
}

func beats() []page.Beat {
	var bs []page.Beat
	for i := range 90 {
		bs = append(bs, page.Beat{Start: Now.Add(time.Duration(i-90) * 10 * time.Second), Seen: i < 52 || i > 54, Known: i > 5})
	}
	return bs
}

func children() []page.Child {
	return []page.Child{
		{
			HostID: 7, Host: "node02.dc1.example", Name: "BasicAgent", Version: "1.5.6", Status: "running", Uptime: 76 * time.Hour, CPU: 2.1,
			CPULimit: "10%", Memory: 11 << 20, MemoryLimit: "20M", LimitedBy: "cgroup2", Restarts: 1, ExitTime: Now.Add(-76 * time.Hour), ExitCode: "1",
		},
		{
			HostID: 7, Host: "node02.dc1.example", Name: "LogShipper", Version: "2.0.1", Status: "killed", Reason: "over its memory limit of 20M; started again in 3m0s",
			MemoryLimit: "20M", LimitedBy: "polling", Restarts: 4, ExitTime: Now.Add(-2 * time.Minute), ExitReason: "over its memory limit of 20M",
		},
		{HostID: 8, Host: "node03.dc1.example", Name: "Collector", Version: "0.9.2", Status: "stoped"},
	}
}

func jobs() []page.Job {
	return []page.Job{
		{ID: "1", Action: "config", Detail: "step 5 s", State: "queued", CreatedBy: "admin", Created: Now.Add(-3 * time.Second)},
		{ID: "2", Action: "config", Detail: "step 10 s", State: "succeeded", Message: "ok", CreatedBy: "admin", Created: Now.Add(-5 * time.Hour)},
		{ID: "3", Action: "install", State: "failed", ErrCode: 2, Message: "unknown action", CreatedBy: "token:ci", Created: Now.Add(-50 * time.Hour)},
		{ID: "4", HostID: 7, Host: "node02.dc1.example", Action: "exec", State: "lost", ErrCode: 13, Message: "no result came in time", CreatedBy: "admin", Created: Now.Add(-51 * time.Hour)},
		{ID: "5", HostID: 7, Host: "node02.dc1.example", Action: "exec", State: "running", CreatedBy: "admin", Created: Now.Add(-8 * time.Second)},
	}
}

func events() []page.Event {
	at := func(d time.Duration) time.Time { return Now.Add(-d) }
	return []page.Event{
		{ID: 9, Time: at(40 * time.Second), Kind: "host.registered", Severity: "info", HostID: 7, HostName: "node03.dc1.example", Params: map[string]string{"host": "node03.dc1.example", "address": "10.0.3.23"}},
		{ID: 8, Time: at(14 * time.Minute), Kind: "host.lost", Severity: "error", HostID: 3, Params: map[string]string{"host": "db-b.dc1.example"}},
		{ID: 7, Time: at(31 * time.Minute), Kind: "host.identity_refused", Severity: "error", HostID: 7, Params: map[string]string{"host": "node17.dc1.example", "claimed": "db-a.dc1.example"}},
		{ID: 6, Time: at(33 * time.Minute), Kind: "user.login_failed", Severity: "warning", Params: map[string]string{"user": "root", "address": "10.0.9.4"}},
		{ID: 5, Time: at(2 * time.Hour), Kind: "operation.finished", Severity: "warning", OperationID: 11, Actor: "admin", Params: map[string]string{"kind": "bootstrap", "title": "Bootstrap 12 hosts", "done": "10", "failed": "2"}},
		{ID: 4, Time: at(26 * time.Hour), Kind: "server.started", Severity: "info", Params: map[string]string{"version": "0.1.0"}},
	}
}
