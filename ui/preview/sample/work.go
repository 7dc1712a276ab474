package sample

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"hostler/ui/layout"
	"hostler/ui/page"
)

func operationPages() []Page {
	return []Page{
		{"/operations", false, func(f layout.Frame) templ.Component {
			return page.OperationsPage(page.OperationsView{Frame: f, Operations: operations(), Next: "9"})
		}},
		{"/operations/none", false, func(f layout.Frame) templ.Component {
			return page.OperationsPage(page.OperationsView{Frame: f})
		}},
		{"/operations/12", false, func(f layout.Frame) templ.Component {
			return page.OperationPage(page.OperationView{Frame: f, Operation: operations()[0], Tasks: Tasks()})
		}},
		{"/operations/10", false, func(f layout.Frame) templ.Component {
			o := operations()[1]
			o.State = page.Waiting
			return page.OperationPage(page.OperationView{Frame: f, Operation: o, Tasks: Tasks(), Locked: true, Unlock: page.CredentialsView{User: "root"}})
		}},
		{"/operations/12/tasks/{id}", false, func(f layout.Frame) templ.Component {
			return page.TaskPage(page.TaskView{Frame: f, Operation: operations()[0], Task: Tasks()[1], Steps: steps(), Log: Log, Truncated: true})
		}},
		{"/operations/10/tasks/{id}", false, func(f layout.Frame) templ.Component {
			changed := Tasks()[0]
			changed.Problem = page.Problem{Code: "host_key_changed", Args: map[string]string{
				"host": changed.Name, "known": "SHA256:uNiVztksCsDhcc0u9e8BrYJXvmHmCLDTXTl2bMTaSoY", "now": "SHA256:p2QAMXNIC1TJYWeIOttrVc98/R1BUFWu3/LiyKgUfQM",
			}}
			return page.TaskPage(page.TaskView{Frame: f, Operation: operations()[1], Task: changed, Steps: steps(), Log: Log})
		}},
	}
}

func operations() []page.Operation {
	return []page.Operation{
		{
			ID: 12, Kind: "bootstrap", Title: "Bootstrap 14 hosts", Cluster: "dc1-prod", State: page.Running, CreatedBy: "admin", Progress: 62,
			Created: Now.Add(-73 * time.Second), Started: Now.Add(-72 * time.Second),
			Counts: page.Counts{page.Done: 7, page.Running: 3, page.Failed: 2, page.Pending: 1, page.Skipped: 1},
		},
		{
			ID: 10, Kind: "bootstrap", Title: "Bootstrap 12 hosts", State: page.Failed, CreatedBy: "admin", Progress: 100,
			Created: Now.Add(-2 * time.Hour), Started: Now.Add(-2 * time.Hour), Finished: Now.Add(-2*time.Hour + 48*time.Second),
			Counts: page.Counts{page.Done: 10, page.Failed: 2},
		},
		{
			ID: 9, Kind: "bootstrap", Title: "Bootstrap node01.dc1.example", State: page.Done, CreatedBy: "token:ci", Progress: 100,
			Created: Now.Add(-30 * time.Hour), Started: Now.Add(-30 * time.Hour), Finished: Now.Add(-30*time.Hour + 8700*time.Millisecond),
			Counts: page.Counts{page.Done: 1},
		},
	}
}

// Tasks are the tasks of an operation in every state.
func Tasks() []page.Task {
	task := func(id int64, name, state, step string, n int) page.Task {
		return page.Task{
			ID: id, OperationID: 12, Name: name, State: state, Step: step, StepNumber: n, Steps: 10, Attempt: 1, LogSize: 900,
			Started: Now.Add(-72 * time.Second), Finished: Now.Add(-72*time.Second + time.Duration(id)*1300*time.Millisecond),
		}
	}
	refused := task(1, "db-b.dc1.example", page.Failed, "connect", 1)
	refused.Problem = page.Problem{
		Code: "key_refused", Cause: "db-b.dc1.example refuses the SSH key SHA256:9fQ2 for the user root.",
		Hint: "Add the public half of the key to the user's authorized_keys on the host, or give another key or user.",
		Args: map[string]string{"host": "db-b.dc1.example", "fingerprint": "SHA256:9fQ2", "user": "root"},
	}
	busy := task(2, "node17.dc1.example", page.Failed, "install", 6)
	busy.Problem = page.Problem{
		Code: "package_busy", Cause: "The package manager is busy: dpkg is locked by apt-daily (pid 812).",
		Hint: "Wait until the other installation has finished, then retry.", Args: map[string]string{"cause": "dpkg is locked by apt-daily (pid 812)"},
	}
	tasks := []page.Task{refused, busy}
	for i, step := range []string{"start", "install", "register"} {
		t := task(int64(3+i), fmt.Sprintf("node%02d.dc1.example", 3+i), page.Running, step, 8-i)
		t.Finished = time.Time{}
		tasks = append(tasks, t)
	}
	waiting := task(6, "node06.dc1.example", page.Waiting, "connect", 1)
	waiting.Reason, waiting.Started, waiting.Finished = "secrets", time.Time{}, time.Time{}
	tasks = append(tasks, waiting, task(7, "node07.dc1.example", page.Skipped, "connect", 1))
	for i := range 7 {
		t := task(int64(8+i), fmt.Sprintf("node%02d.dc1.example", 8+i), page.Done, "heartbeat", 10)
		t.Note, t.HostID = "Debian GNU/Linux 12 (bookworm), amd64", int64(20+i)
		tasks = append(tasks, t)
	}
	return tasks
}

func steps() []page.Step {
	var ss []page.Step
	at := Now.Add(-72 * time.Second)
	for i, name := range page.Steps[:6] {
		s := page.Step{Name: name, State: page.Done, Started: at, Finished: at.Add(time.Duration(i+1) * 400 * time.Millisecond)}
		at = s.Finished
		ss = append(ss, s)
	}
	ss[5].State = page.Failed
	return ss
}

func drafts() []page.Draft {
	return []page.Draft{{
		ID: 4, Version: 3, Step: page.WizardHosts, Cluster: "dc1-prod", Method: page.MethodSSH, CreatedBy: "admin", HostCount: 43,
		Hosts: "node[01-40].dc1.example\ndb[a,b].dc1.example\n10.0.3.7\nweb[9-3].dc1.example\n", Updated: Now.Add(-3 * time.Second),
	}}
}

func wizardPages() []Page {
	draft := drafts()[0]
	started := draft
	started.OperationID, started.Step = 12, page.WizardConfirm
	manual := draft
	manual.Method, manual.Step = page.MethodManual, page.WizardManual
	return []Page{
		{"/wizards", false, func(f layout.Frame) templ.Component {
			return page.WizardsPage(page.WizardsView{Frame: f, Drafts: drafts()})
		}},
		{"/wizards/4/start", false, func(f layout.Frame) templ.Component {
			return page.WizardStartPage(page.WizardStartView{Frame: f, Draft: draft})
		}},
		{"/wizards/4/versions", false, func(f layout.Frame) templ.Component {
			return page.WizardVersionsPage(page.WizardVersionsView{Frame: f, Draft: draft, Families: families(), Fields: map[string]string{
				"channel_suse": "The server's repository has no such channel.",
			}})
		}},
		{"/wizards/4/hosts", false, func(f layout.Frame) templ.Component {
			return page.WizardHostsPage(page.WizardHostsView{Frame: f, Draft: draft, Preview: preview()})
		}},
		{"/wizards/5/hosts", false, func(f layout.Frame) templ.Component {
			draft := draft
			draft.Become, draft.Jump = "doas", page.JumpView{Host: "bastion.dc1.example", User: "hop"}
			return page.WizardHostsPage(page.WizardHostsView{Frame: f, Draft: draft, Preview: preview(), KeyDropped: true, Fields: map[string]string{
				"hosts": "Some lines are not understood; see the preview.", "key": "This is a public key; the private key is needed.",
			}})
		}},
		{"/wizards/4/connections", false, func(f layout.Frame) templ.Component {
			checked := operations()[1]
			checked.Kind, checked.Title = "check", "Check 12 hosts"
			d := started
			d.CheckID, d.OperationID = checked.ID, 0
			return page.WizardConnectionsPage(page.WizardConnectionsView{Frame: f, Draft: d, Operation: checked, Tasks: Tasks(), Compared: true, Keys: []page.ShownKey{
				{Host: "bastion.dc1.example", Jump: true, Algorithm: "ssh-ed25519", Fingerprint: "SHA256:5cVnmVBnxV7hQ4hQ8Kk1lJ0q4u1yJ2mK0q0rO3r3b3M", Comparison: "absent"},
				{Host: "node03.dc1.example", Algorithm: "ssh-ed25519", Fingerprint: "SHA256:7aVnmVBnxV7hQ4hQ8Kk1lJ0q4u1yJ2mK0q0rO3r3b3M", Comparison: "differs", Harmful: true},
				{Host: "node01.dc1.example", Algorithm: "ssh-ed25519", Fingerprint: "SHA256:9fVnmVBnxV7hQ4hQ8Kk1lJ0q4u1yJ2mK0q0rO3r3b3M", Comparison: "absent"},
				{Host: "node02.dc1.example", Algorithm: "ecdsa-sha2-nistp256", Fingerprint: "SHA256:3xVnmVBnxV7hQ4hQ8Kk1lJ0q4u1yJ2mK0q0rO3r3b3M", Known: true, Comparison: "same"},
			}})
		}},
		{"/wizards/4/confirm", false, func(f layout.Frame) templ.Component {
			return page.WizardConfirmPage(page.WizardConfirmView{Frame: f, Draft: started, Operation: operations()[0], Tasks: Tasks()})
		}},
		{"/wizards/4/checks", false, func(f layout.Frame) templ.Component {
			o := operations()[0]
			v := page.WizardChecksView{Frame: f, Draft: started, Operation: &o, Report: hostChecks(f), Open: 2}
			v.Draft.Step, v.Report.Draft, v.Report.Operation = page.WizardChecks, v.Draft.ID, 0
			return page.WizardChecksPage(v)
		}},
		{"/wizards/5/checks", false, func(f layout.Frame) templ.Component {
			return page.WizardChecksPage(page.WizardChecksView{Frame: f, Draft: started, Report: page.HostChecksView{Frame: f, Draft: 4}})
		}},
		{"/wizards/4/manual", false, func(f layout.Frame) templ.Component {
			return page.WizardManualPage(page.WizardManualView{
				Frame: f, Draft: manual, Groups: commands(), TokenExpires: Now.Add(15 * time.Minute), TokenUses: 10, Arrivals: arrivals(),
			})
		}},
		{"/wizards/5/manual", false, func(f layout.Frame) templ.Component { // its token is over
			return page.WizardManualPage(page.WizardManualView{Frame: f, Draft: manual, Arrivals: arrivals()})
		}},
		{"/wizards/4/summary", false, func(f layout.Frame) templ.Component {
			o := operations()[0]
			return page.WizardSummaryPage(page.WizardSummaryView{Frame: f, Draft: started, Operation: &o, Done: Tasks()[7:], Failed: Tasks()[:2], Checks: map[string]int{"fail": 1, "pass": 3}})
		}},
	}
}

func families() []page.FamilyView {
	const own = "https://hostler.dc1.example:8440/repo/"
	return []page.FamilyView{
		{Name: "rhel", Chosen: true, Mirrored: true, Own: own + "yum", Channels: []string{"stable", "test"}, Found: "1.4.0-1: amd64, arm64"},
		{Name: "suse", Chosen: true, Mirrored: true, Own: own + "yum", Channel: "nightly", Channels: []string{"stable", "test"}},
		{
			Name: "debian", Chosen: true, Mirrored: true, Own: own + "apt", Channels: []string{"stable"}, Channel: "bookworm",
			URL: "http://mirror.dc1.example/hostler/apt", Key: "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDMEZy…\n-----END PGP PUBLIC KEY BLOCK-----\n", Found: "1.3.2: amd64",
		},
		{Name: "other", Own: own + "static", Channels: []string{"stable"}},
	}
}

func preview() page.Preview {
	p := page.Preview{Errors: []page.PreviewError{{Line: 4, Message: "web[9-3]: the range [9-3] runs backwards; write [3-9]."}}}
	for i := range 40 {
		p.Lines = append(p.Lines, fmt.Sprintf("node%02d.dc1.example", i+1))
	}
	p.Lines = append(p.Lines, "dba.dc1.example rack=/r7", "dbb.dc1.example rack=/r7", "admin@10.0.3.7:2222")
	p.Count, p.Again, p.Known, p.Managed = len(p.Lines), 1, 2, []string{"node01.dc1.example", "node02.dc1.example"}
	return p
}

func commands() []page.CommandGroup {
	return []page.CommandGroup{
		{Family: "any", Commands: []page.Command{{Code: "curl", Text: "curl -fsS --cacert ca.pem https://hostler.dc1.example:8440/setup-agent.sh | sh -s -- --server hostler.dc1.example --token ht_9f2c…"}}},
		{Family: "debian", Commands: []page.Command{
			{Code: "deb_repository", Text: "echo 'deb [signed-by=/etc/apt/keyrings/hostler.gpg] https://hostler.dc1.example:8440/repo/apt stable main' > /etc/apt/sources.list.d/hostler.list"},
			{Code: "deb_install", Text: "apt-get update && apt-get install -y hostler-agent"},
			{Code: "start", Text: "systemctl enable --now hostler-agent"},
		}},
		{Family: "carried", Commands: []page.Command{
			{Code: "carried", Text: "tar -xf hostler-agent-31.tar && sh hostler-agent-31/install.sh", Get: "/trust/tokens/31/archive"},
		}},
	}
}

func arrivals() []page.Arrival {
	return []page.Arrival{
		{HostID: 51, Name: "node51.dc1.example", Address: "10.0.3.51", OS: "Debian GNU/Linux 12 (bookworm)", State: page.HostHealthy, Registered: Now.Add(-20 * time.Second), LastSeen: Now.Add(-4 * time.Second)},
		{HostID: 52, Name: "node52.dc1.example", Address: "10.0.3.52", OS: "Rocky Linux 9.3", State: page.HostInit, Registered: Now.Add(-2 * time.Second)},
	}
}

// Log is a task's log.
var Log = `[connect] 10.0.3.17:22 answers SSH-2.0-OpenSSH_9.2p1
[connect] host key ssh-ed25519 SHA256:9fQ2c0nT trusted on first use
[connect] logged in as root with key SHA256:Jk1x
[detect] Debian GNU/Linux 12 (bookworm), amd64, systemd, apt
[check] 38 GB free in /, the server answers on 8440, clock differs by 0.2 s
[copy] setup-agent.sh to /tmp/hostler.k2Jx
[repository] wrote /etc/apt/sources.list.d/hostler.sources
[install] apt-get update
` + strings.Repeat("[install] Get: packages lists from the repository of hostler.dc1.example, suite stable, component main\n", 12) +
	"[install] E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 812 (apt-daily)\n"

// LogSize is the length of Log in bytes, as the API's header says it.
var LogSize = strconv.Itoa(len(Log))

// Expansion is what the API makes of the sample's host list.
const Expansion = `{"hosts":["node01.dc1.example","node02.dc1.example","10.0.3.7"],"lines":["node01.dc1.example","node02.dc1.example","admin@10.0.3.7:2222"],
"count":3,"again":1,"known":1,"managed":["node01.dc1.example"],"duplicates":[],"format":"list",
"errors":[{"line":4,"message":"web[9-3]: the range [9-3] runs backwards; write [3-9]."}]}`

// TaskJSON is what the API says of a task.
const TaskJSON = `{"id":2,"name":"node17.dc1.example","state":"failed","step_index":5,"log_size":1600,
"steps":[{"name":"connect","title":"Log in","state":"done","started_at":"2026-01-02T10:00:00Z","finished_at":"2026-01-02T10:00:00.4Z","log_offset":0},
{"name":"detect","title":"Look at the system","state":"done","started_at":"2026-01-02T10:00:00.4Z","finished_at":"2026-01-02T10:00:00.9Z","log_offset":180},
{"name":"install","title":"Install the agent","state":"failed","started_at":"2026-01-02T10:00:01Z","finished_at":"2026-01-02T10:01:03Z","log_offset":430}]}`
