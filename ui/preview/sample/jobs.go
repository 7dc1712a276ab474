package sample

import (
	"fmt"
	"strings"
	"time"

	"github.com/a-h/templ"

	"hostler/ui/layout"
	"hostler/ui/page"
)

func jobPages() []Page {
	return []Page{
		{"/commands/new", false, func(f layout.Frame) templ.Component {
			return page.CommandPage(page.WorkView{Frame: f, Form: page.WorkForm{Hosts: "web[01-20].dc1.example", Script: "uptime"}})
		}},
		{"/commands/wrong", false, func(f layout.Frame) templ.Component {
			return page.CommandPage(page.WorkView{
				Frame: f, Confirm: 412, LeftOut: "STAGE, TOKEN", Matching: 5, Defaults: page.WorkDefaults{Timeout: 600, Expires: 3600, Parallel: 50},
				Form:   page.WorkForm{Match: true, MatchState: page.HostLost, MatchSearch: "gpu", Script: "uptime", Batch: "x"},
				Fields: map[string]string{"batch": "This must be a whole number."},
			})
		}},
		{"/operations/20", false, func(f layout.Frame) templ.Component {
			return page.OperationPage(page.OperationView{Frame: f, Operation: command(), Tasks: Tasks(), Outcomes: outcomes(), Rest: 2, Again: "/commands/new"})
		}},
		{"/jobs", false, func(f layout.Frame) templ.Component {
			return page.JobsPage(page.JobsView{Frame: f, Jobs: jobs(), Next: "1"})
		}},
		{"/jobs/none", false, func(f layout.Frame) templ.Component { return page.JobsPage(page.JobsView{Frame: f}) }},
		{"/jobs/4", false, func(f layout.Frame) templ.Component { return page.JobPage(job(f, jobs()[3], "lost")) }},
		{"/jobs/5", false, func(f layout.Frame) templ.Component { return page.JobPage(job(f, jobs()[4], "running")) }},
		{"/jobs/6", false, func(f layout.Frame) templ.Component { return page.JobPage(found(f)) }},
		{"/child-agents", false, func(f layout.Frame) templ.Component {
			return page.ChildrenPage(page.ChildrenView{Frame: f, Children: children(), Next: "1"})
		}},
		{"/child-agents/none", false, func(f layout.Frame) templ.Component { return page.ChildrenPage(page.ChildrenView{Frame: f}) }},
		{"/pushes/new", false, func(f layout.Frame) templ.Component {
			return page.PushPage(page.WorkView{Frame: f, Form: page.WorkForm{Path: "/etc/motd", Backup: true}})
		}},
		{"/pushes/wrong", false, func(f layout.Frame) templ.Component {
			return page.PushPage(page.WorkView{Frame: f, Form: page.WorkForm{Uploads: []page.Upload{{ID: strings.Repeat("9f", 32), Name: "motd"}, {ID: strings.Repeat("3c", 32)}}, Mode: "rw"}, Fields: map[string]string{"mode": "…", "path": "…"}})
		}},
		{"/fetches/new", false, func(f layout.Frame) templ.Component { return page.FetchPage(page.WorkView{Frame: f}) }},
		{"/agent-upgrades/new", false, func(f layout.Frame) templ.Component {
			return page.UpgradePage(page.WorkView{Frame: f, Version: "0.2.0", Agents: []page.AgentVersion{{Version: "0.1.0", Hosts: 398}, {Version: "0.2.0", Hosts: 11}, {Hosts: 3}}})
		}},
		{"/host-removals/new", false, func(f layout.Frame) templ.Component {
			return page.RemovePage(page.WorkView{Frame: f, Form: page.WorkForm{Hosts: "node02.dc1.example"}, Fields: map[string]string{"typed": "…"}})
		}},
		{"/child-agents/manage", false, func(f layout.Frame) templ.Component { return page.ManagePage(page.WorkView{Frame: f}) }},
		{"/child-agents/new", false, func(f layout.Frame) templ.Component {
			return page.InstallPage(page.WorkView{Frame: f, Known: definitions(), Form: page.WorkForm{Name: "BasicAgent", Version: "1.5.6"}})
		}},
		{"/child-agents/configure", false, func(f layout.Frame) templ.Component {
			return page.ConfigurePage(page.WorkView{Frame: f, Form: page.WorkForm{
				Hosts: "node02.dc1.example", Name: "BasicAgent", Definition: definitions()[0].Definition, CPU: "10%", Memory: "20M", Files: "1024",
				OnHost: page.OnHost{Host: "node02.dc1.example", File: "/etc/hostler-agent/agents.d/BasicAgent.ini", Edited: true},
			}})
		}},
		{"/child-agents/catalogue", false, func(f layout.Frame) templ.Component {
			return page.CataloguePage(page.CatalogueView{Frame: f, Known: definitions(), Offers: []page.Offer{
				{Name: "gauge", Version: "1.10", Arch: "amd64", Repository: "tools", Channels: []string{"dev"}, Digest: strings.Repeat("5e", 32), Size: 4_812_331},
				{Name: "gauge", Version: "1.9", Arch: "amd64", Repository: "tools", Channels: []string{"dev", "production"}, Digest: strings.Repeat("7b", 32), Size: 4_790_112},
				{Name: "meter", Repository: "static", Channels: []string{"stable"}, Digest: strings.Repeat("a0", 32), Size: 812},
			}})
		}},
		{"/child-agents/catalogue/none", false, func(f layout.Frame) templ.Component { return page.CataloguePage(page.CatalogueView{Frame: f}) }},
		{"/host-checks", false, func(f layout.Frame) templ.Component { return page.HostChecksPage(hostChecks(f)) }},
		{"/host-checks/none", false, func(f layout.Frame) templ.Component { return page.HostChecksPage(page.HostChecksView{Frame: f}) }},
		{"/host-checks/new", false, func(f layout.Frame) templ.Component { return page.CheckHostsPage(page.WorkView{Frame: f}) }},
		{"/child-agents/actions", false, func(f layout.Frame) templ.Component {
			return page.BulkPage(page.BulkView{Frame: f, Action: "uninstall", Groups: []page.BulkGroup{
				{Name: "BasicAgent", HostIDs: []int64{7, 8}, Hosts: []string{"node02.dc1.example", "node03.dc1.example"}},
				{Name: "LogShipper", HostIDs: []int64{7}, Hosts: []string{"node02.dc1.example"}},
			}})
		}},
		{"/child-agents/actions/none", false, func(f layout.Frame) templ.Component { return page.BulkPage(page.BulkView{Frame: f, Action: "stop"}) }},
	}
}

func definitions() []page.ChildDefinition {
	return []page.ChildDefinition{
		{
			Name: "BasicAgent", Version: "1.5.6", URL: "https://packages.example/basic-agent-1.5.6.tar.gz", Checksum: "SHA256:" + strings.Repeat("9f", 32),
			Definition: "[agent]\nname = BasicAgent\ncommand = bin/basic-agent --quiet\n\n[limits]\ncpu = 10%\nmemory = 20M\n", UsedBy: "admin", Used: Now.Add(-3 * time.Hour),
		},
		{Name: "LogShipper", Version: "2.0.1", URL: "ftp://packages.example/log-shipper_2.0.1_amd64.deb", Checksum: "SHA256:" + strings.Repeat("0a", 32), UsedBy: "token:ci", Used: Now.Add(-50 * time.Hour)},
	}
}

func command() page.Operation {
	return page.Operation{
		ID: 20, Kind: "command", Title: "Run a command on 40 hosts", State: page.Failed, CreatedBy: "admin", Progress: 100,
		Created: Now.Add(-9 * time.Minute), Started: Now.Add(-9 * time.Minute), Finished: Now.Add(-9*time.Minute + 2300*time.Millisecond),
		Counts: page.Counts{page.Done: 37, page.Failed: 3},
	}
}

func outcomes() []page.Outcome {
	hosts := func(n int) (list []page.OutcomeHost) {
		for i := range n {
			list = append(list, page.OutcomeHost{Name: Hosts()[3+i].Name, JobID: "4"})
		}
		return list
	}
	return []page.Outcome{
		{State: "succeeded", ExitCode: "0", Count: 37, Stdout: " 14:02:11 up 80 days,  3:12,  0 users,  load average: 0.00, 0.01, 0.05\n", Hosts: hosts(9)},
		{State: "failed", ErrCode: 14, ExitCode: "127", Count: 2, Message: "it ended with status 127", Stderr: "/bin/sh: 1: uptime: not found\n", Hosts: hosts(2)},
		{State: "lost", ErrCode: 13, Count: 1, Message: "no result came in time", Hosts: hosts(1)},
	}
}

func job(f layout.Frame, j page.Job, state string) page.JobView {
	j.State = state
	return page.JobView{
		Frame: f, Job: j, OperationID: 20, Started: Now.Add(-8 * time.Second), Timeout: 3600, Text: "#!/bin/sh\nuptime\ndf -h /\n",
		Work:   []page.Parameter{{Key: "job.param.user", Value: "deploy"}, {Key: "job.param.envs", Value: "LANG, STAGE"}},
		Stdout: page.Output{Stream: "stdout", Lines: lines(), Size: 4 << 20, First: true, Next: page.Place{Offset: 4000, Line: 42}, More: state == "lost"},
		Stderr: page.Output{Stream: "stderr", First: true},
	}
}

// lines are the head and the tail of a long output.
func lines() []page.Line {
	var all []page.Line
	for i := range 41 {
		if i == 20 {
			all = append(all, page.Line{Lost: 3 << 20})
		}
		all = append(all, page.Line{Number: i + 1, Text: fmt.Sprintf("ok /var/lib/hostler-agent/%02d 61 GiB free", i)})
	}
	return all
}

// found are lines that were searched for.
func found(f layout.Frame) page.JobView {
	v := job(f, jobs()[3], "failed")
	v.Find, v.Found = "free", true
	v.Stdout.Lines, v.Stdout.More = lines()[4:9], false
	for i := range v.Stdout.Lines {
		v.Stdout.Lines[i].Part = page.Place{Line: 1}
	}
	return v
}
