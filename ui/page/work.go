package page

import (
	"context"
	"strconv"
	"strings"
	"time"

	"hostler/ui/i18n"
	"hostler/ui/layout"
)

// WorkForm is what was typed into a form that starts work on hosts. It is sent back as it was when something is wrong.
type WorkForm struct {
	Hosts       string // with patterns, as in a wizard
	Chosen      []ChosenHost
	All         bool
	Match       bool   // those that match the filter of a list; the next two are it
	MatchState  string // "" for any
	MatchSearch string
	Script      string
	Interpreter string
	User        string
	Group       string
	Directory   string
	Envs        string // a line "NAME=VALUE" for each
	Timeout     string // seconds
	Expires     string // seconds
	Parallel    string // hosts at a time
	Batch       string
	StopAfter   string
	CPU         string
	Memory      string
	PIDs        string
	Files       string

	Name       string // of a child agent
	Action     string // install or upgrade
	URL        string
	Checksum   string
	Version    string
	Definition string
	Shown      string // the definition as the form was filled in with it
	OnHost     OnHost // where that is from

	Uploads []Upload // that the server has already
	Path    string
	Mode    string
	Owner   string
	Backup  bool

	Typed string // what says once more which hosts are to be removed: a name, or their number
}

// OnHost says what a form knows of a child agent's definition on its only host.
type OnHost struct {
	Host   string // "" when there is no only host
	Silent bool   // the host has not told what it has
	File   string // whose text the form was filled in with; "" when it was not
	Edited bool   // the host's is not what was sent last
}

// ChosenHost is a host that its name alone does not tell from another one.
type ChosenHost struct {
	ID      int64
	Name    string
	Address string
	State   string
}

// folded are the fields that are folded away until one of them holds something.
var folded = []string{
	"interpreter", "user", "group", "directory", "envs", "timeout", "expires", "parallel", "batch", "stop_after", "cpu", "memory", "pids", "files",
}

// more says whether a field that is folded away holds something, or is wrong.
func (v WorkView) more() bool {
	for _, name := range folded {
		if v.Fields[name] != "" {
			return true
		}
	}
	f := v.Form
	return f.Interpreter+f.User+f.Group+f.Directory+f.Envs+f.Timeout+f.Expires+f.Parallel+f.Batch+f.StopAfter+f.CPU+f.Memory+f.PIDs+f.Files != ""
}

// WorkView is a form that starts work on hosts: a command, or the installation of a child agent.
type WorkView struct {
	Frame    layout.Frame
	Form     WorkForm
	Preview  Preview           // of the form's hosts
	Matching int               // hosts that match the form's filter
	Fields   map[string]string // what is wrong, by the form's field
	Version  string            // that agents are upgraded to
	Agents   []AgentVersion    // that hosts have now
	Confirm  int               // so many hosts, which is to be confirmed; 0: nothing is
	LeftOut  string            // names of variables that an earlier run had and this form does not
	Known    []ChildDefinition // what was installed before
	Defaults WorkDefaults
}

// AgentVersion is how many hosts have an agent of a version; "" is that of hosts that never reported.
type AgentVersion struct {
	Version string
	Hosts   int
}

// WorkDefaults is what holds where a form leaves a field empty.
type WorkDefaults struct{ Timeout, Expires, Parallel int }

func (v WorkView) placeholder(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// WorkCodes are the complaints about a request for work that the catalogues have a text for.
var WorkCodes = []string{
	"contradiction", "format", "missing", "no_agents", "no_file", "no_host", "not_registered", "range", "too_long",
	"too_many_hosts", "unknown",
}

// WorkFieldText is what is wrong with a field of a request for work. What the server says in English holds more detail
// than the catalogue can.
func WorkFieldText(ctx context.Context, code string, args map[string]string, english string) string {
	if i18n.Lang(ctx) == i18n.English {
		return english
	}
	if s, ok := i18n.Fill(ctx, "wrong."+code, args); ok {
		return s
	}
	return english
}

// bounded reports whether what a form starts has an environment and limits.
func bounded(action string) bool {
	return action == "/commands/new" || action == "/child-agents/new" || action == "/child-agents/configure"
}

// ConfirmAbove is how many hosts work may be started on without a second look.
const ConfirmAbove = 20

// Outcome is a group of an operation's jobs that ended alike and wrote the same.
type Outcome struct {
	Key      string // names it in addresses
	State    string
	ErrCode  int
	ExitCode string // "" when the command did not end by itself
	Count    int
	Message  string
	Stdout   string // the beginning
	Stderr   string
	Hosts    []OutcomeHost // the first of them
}

// OutcomeHost is one of a group.
type OutcomeHost struct{ Name, JobID string }

// Upload is a file that the server has.
type Upload struct {
	ID   string // hex SHA-256
	Name string // as it was called where it came from; "" when nobody knows
}

// FileField asks for files, of which the server may have some already.
type FileField struct {
	Label     string
	Help      string // where scripts send them one by one
	PlainHelp string // where the form brings them
	Many      bool   // the form may bring several
	Uploads   []Upload
	Error     string
}

// Value is how a form says which file is meant.
func (u Upload) Value() string { return strings.TrimSpace(u.ID + " " + u.Name) }

// ReadUpload is the file that such a value means. A name is one element of a path, whatever was sent.
func ReadUpload(value string) Upload {
	id, name, _ := strings.Cut(value, " ")
	name = strings.TrimSpace(name[strings.LastIndexAny(name, `/\\`)+1:])
	if name == "." || name == ".." {
		name = ""
	}
	return Upload{ID: id, Name: name}
}

// JobsView is GET /jobs.
type JobsView struct {
	Frame     layout.Frame
	Jobs      []Job  // newest first
	State     string // the filter, as the next three; "" for all
	Action    string
	Host      ListHost
	Operation string // number
	Next      string // value of ?before= for the next page; "" on the last one
	Paged     bool
}

// JobView is GET /jobs/{id}.
type JobView struct {
	Frame       layout.Frame
	Job         Job
	OperationID int64 // 0: none
	Started     time.Time
	Expires     time.Time
	Timeout     int // seconds
	ExitCode    string
	Canceling   bool
	Work        []Parameter
	Text        string // the script, or the definition
	Stdout      Output
	Stderr      Output
	Find        string // what was searched for; the lines are then those that hold it
	Found       bool   // there are more such lines than are shown
	File        string // name of what a fetch brought
	FileSize    uint64
}

// Parameter is a setting of a job, by the name of its text.
type Parameter struct{ Key, Value string }

// ManageActions are what can be done to child agents on many hosts at once.
var ManageActions = []string{"restart", "start", "stop", "uninstall"}

// Ways of removing hosts, see RemovePage.
const (
	RemoveStop = "stop" // child agents are stopped
	RemoveKeep = "keep" // child agents go on
	RemoveGone = "gone" // nothing is done on the host
)

// RemoveWays are these ways.
var RemoveWays = []string{RemoveStop, RemoveKeep, RemoveGone}

// JobStates lists the states of jobs for the filter, those that need a look first.
var JobStates = []string{"lost", "failed", "timed_out", "expired", "running", "delivered", "queued", "canceled", "succeeded"}

// JobActions are the actions that the catalogues have a text for.
var JobActions = []string{
	"check", "config", "configure", "exec", "fetch", "install", "log", "push", "remove-agent", "restart", "start", "stop", "uninstall", "upgrade", "upgrade-agent",
}

func (j Job) ended() bool {
	return j.State != "queued" && j.State != "delivered" && j.State != "running"
}

func jobPath(id string) string { return "/jobs/" + id }

// ChildrenView is GET /child-agents.
type ChildrenView struct {
	Frame    layout.Frame
	Children []Child
	Status   string // the filter; "" for all
	Search   string // likewise, part of the name
	Next     string // value of ?after= for the next page; "" on the last one
	Paged    bool
}

// ChildStatuses lists the states of child agents for the filter, worst first.
var ChildStatuses = []string{"killed", "fatal", "stoped", "running"}

// workTitles are the beginnings of titles in English, as package remote makes them, and the texts that stand for them.
// {{.Subject}} is what is between the beginning and the word before the hosts.
var workTitles = []struct{ begin, before, key string }{
	{"Run a command", "on", "operation.command"},
	{"Run a script", "on", "operation.script"},
	{"Push ", "to", "operation.push"},
	{"Fetch ", "from", "operation.fetch"},
	{"Install ", "on", "operation.install"},
	{"Upgrade agents", "on", "operation.upgrade_agents"},
	{"Upgrade ", "on", "operation.upgrade"},
	{"Uninstall ", "on", "operation.uninstall"},
	{"Start ", "on", "operation.start"},
	{"Stop ", "on", "operation.stop"},
	{"Restart ", "on", "operation.restart"},
	{"Configure ", "on", "operation.configure"},
	{"Check the state ", "of", "operation.host_checks"},
	{"Mend ", "on", "operation.host_mend"},
	{"Remove agents", "from", "operation.host_removal"},
}

// workTitle is a title in the context's language, "" when it is none of those that are known.
func workTitle(ctx context.Context, title string) string {
	for _, t := range workTitles {
		rest, ok := strings.CutPrefix(title, t.begin)
		if !ok {
			continue
		}
		at := strings.LastIndex(" "+rest, " "+t.before+" ")
		if at < 0 {
			continue
		}
		subject := strings.TrimSpace((" " + rest)[:at])
		where := (" " + rest)[at+len(t.before)+2:]
		if n, err := strconv.Atoi(strings.TrimSuffix(where, " hosts")); err == nil {
			where = i18n.N(ctx, "work.hosts", n)
		}
		text, _ := i18n.Fill(ctx, t.key, map[string]string{"Subject": subject, "Where": where})
		return text
	}
	return ""
}
