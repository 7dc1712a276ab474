package remote

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/internal/clip"
	"hostler/server/audit"
	"hostler/server/job"
)

// CommandRequest runs a command or a script.
type CommandRequest struct {
	Common
	Exec   wire.Exec         `json:"exec"`
	Envs   map[string]string `json:"envs,omitempty"`
	Limits *wire.Limits      `json:"limits,omitempty"`
}

// Command starts a command. Neither it nor its environment is ever part of a title or an event: they may hold secrets.
func (r *Remote) Command(ctx context.Context, in CommandRequest, actor string) (*db.Operation, error) {
	var wrong Invalid
	in.check(&wrong, DefaultPar, job.DefaultTimeout(wire.ActionExec))
	checkExec(&wrong, &in.Exec)
	checkEnvs(&wrong, in.Envs)
	checkLimits(&wrong, in.Limits)
	work := &wire.Job{Action: wire.ActionExec, Exec: &in.Exec, Envs: in.Envs, Limits: in.Limits}
	checkSize(&wrong, "exec", work)
	title := "Run a command on"
	if in.Exec.Script != "" {
		title = "Run a script on"
	}
	return r.begin(ctx, &wrong, plan{kind: KindCommand, title: title, actor: actor, common: in.Common, job: work, params: Params{Action: work.Action}})
}

// PushRequest puts an uploaded file on hosts.
type PushRequest struct {
	Common
	File   string `json:"file"` // id of an uploaded file
	Path   string `json:"path"`
	Mode   string `json:"mode,omitempty"`
	Owner  string `json:"owner,omitempty"`
	Group  string `json:"group,omitempty"`
	Backup bool   `json:"backup,omitempty"`
}

var modePattern = regexp.MustCompile(`^0?[0-7]{3,4}$`)

// Push starts to push a file.
func (r *Remote) Push(ctx context.Context, in PushRequest, actor string) (*db.Operation, error) {
	var wrong Invalid
	in.check(&wrong, DefaultPar, job.DefaultTimeout(wire.ActionPush))
	wrong.absolute("path", in.Path)
	if in.Mode != "" && !modePattern.MatchString(in.Mode) {
		wrong.add("mode", CodeFormat, "this must be an octal mode such as 0644")
	}
	checkAccount(&wrong, "owner", in.Owner)
	checkAccount(&wrong, "group", in.Group)
	work := &wire.Job{Action: wire.ActionPush, Push: &wire.Push{Path: in.Path, Mode: in.Mode, Owner: in.Owner, Group: in.Group, Backup: in.Backup}}
	if in.File == "" {
		wrong.add("file", CodeMissing, "this is needed")
		return nil, &wrong
	}
	f, err := r.Files.Use(ctx, in.File)
	switch {
	case errors.Is(err, db.ErrNotFound):
		wrong.add("file", CodeNoFile, "there is no such file on the server; upload it again")
		return nil, &wrong
	case err != nil:
		return nil, err
	}
	work.Push.Size, work.Checksum = f.Size, "SHA256:"+f.Checksum
	return r.begin(ctx, &wrong, plan{
		kind: KindPush, title: "Push " + in.Path + " to", actor: actor, common: in.Common, job: work,
		params: Params{Action: work.Action, Subject: in.Path, Content: f.Checksum},
	})
}

// Limits of what a fetch may bring from one host, in bytes.
const (
	DefaultFetch = 256 << 20
	MaxFetch     = 4 << 30
)

// FetchRequest brings a file or a directory from hosts.
type FetchRequest struct {
	Common
	Path string `json:"path"`
	Most int64  `json:"most,omitempty"` // bytes of each host; 0: 256 MiB
}

// Fetch starts to fetch files.
func (r *Remote) Fetch(ctx context.Context, in FetchRequest, actor string) (*db.Operation, error) {
	var wrong Invalid
	in.check(&wrong, DefaultPar, job.DefaultTimeout(wire.ActionFetch))
	wrong.absolute("path", in.Path)
	if in.Most < 0 || in.Most > MaxFetch {
		wrong.add("most", CodeRange, "this must be a number from 0 to "+strconv.Itoa(MaxFetch))
	}
	if in.Most == 0 {
		in.Most = DefaultFetch
	}
	work := &wire.Job{Action: wire.ActionFetch, Fetch: &wire.Fetch{Path: in.Path, Most: in.Most}}
	return r.begin(ctx, &wrong, plan{
		kind: KindFetch, title: "Fetch " + in.Path + " from", actor: actor, common: in.Common, job: work,
		params: Params{Action: work.Action, Subject: in.Path},
	})
}

// ChildRequest does something to a child agent.
type ChildRequest struct {
	Common
	Name       string            `json:"name"`
	URL        string            `json:"url,omitempty"`        // without it and Checksum: what was installed before, or the repository has
	Checksum   string            `json:"checksum,omitempty"`   // "SHA256:<hex>"
	Version    string            `json:"version,omitempty"`    // when it is configured: the one whose remembered definition this becomes
	Definition string            `json:"definition,omitempty"` // text of its file in agents.d
	Envs       map[string]string `json:"envs,omitempty"`
	Limits     *wire.Limits      `json:"limits,omitempty"`
}

// childTitles are the actions on child agents and the beginnings of their titles.
var childTitles = map[string]string{
	wire.ActionInstall: "Install", wire.ActionUpgrade: "Upgrade", wire.ActionUninstall: "Uninstall", wire.ActionStart: "Start",
	wire.ActionStop: "Stop", wire.ActionRestart: "Restart", wire.ActionConfigure: "Configure",
}

// ChildActions lists the actions that Child takes.
func ChildActions() []string { return slices.Sorted(maps.Keys(childTitles)) }

// Child starts an action on a child agent; db.ErrNotFound when there is no such action.
func (r *Remote) Child(ctx context.Context, action string, in ChildRequest, actor string) (*db.Operation, error) {
	title, ok := childTitles[action]
	if !ok {
		return nil, db.ErrNotFound
	}
	var wrong Invalid
	in.check(&wrong, DefaultPar, job.DefaultTimeout(action))
	checkChildName(&wrong, in.Name)
	if err := r.recall(ctx, &in, action); err != nil {
		return nil, err
	}
	in.checkAction(&wrong, action)
	work := &wire.Job{
		Action: action, Name: in.Name, URL: in.URL, Checksum: in.Checksum, Version: in.Version, Definition: in.Definition,
		Envs: in.Envs, Limits: in.Limits,
	}
	checkSize(&wrong, "definition", work)
	return r.begin(ctx, &wrong, plan{
		kind: KindChild, title: title + " " + in.Name + " on", actor: actor, common: in.Common, job: work,
		params: Params{Action: action, Subject: in.Name},
	})
}

const maxDefinition = 64 << 10

// checkAction checks the fields that only some actions have.
func (in *ChildRequest) checkAction(wrong *Invalid, action string) {
	brings := action == wire.ActionInstall || action == wire.ActionUpgrade
	switch {
	case brings:
		checkURL(wrong, in.URL)
		checkChecksum(wrong, in.Checksum)
	case in.URL != "":
		wrong.add("url", CodeContradiction, "this is for install and upgrade")
	case in.Checksum != "":
		wrong.add("checksum", CodeContradiction, "this is for install and upgrade")
	case in.Version != "" && action != wire.ActionConfigure:
		wrong.add("version", CodeContradiction, "this is for install, upgrade and configure")
	}
	wrong.length("version", in.Version, 255)
	configures := brings || action == wire.ActionConfigure
	if !configures && (in.Definition != "" || in.Envs != nil || in.Limits != nil) {
		wrong.add("definition", CodeContradiction, "definition, envs and limits are for install, upgrade and configure")
		return
	}
	if action == wire.ActionConfigure && in.Definition == "" && in.Envs == nil && in.Limits == nil {
		wrong.add("definition", CodeMissing, "give a definition, envs or limits")
	}
	wrong.length("definition", in.Definition, maxDefinition)
	checkEnvs(wrong, in.Envs)
	checkLimits(wrong, in.Limits)
}

// LogRequest asks for the end of a child agent's log.
type LogRequest struct {
	Host   string      `json:"host"` // name
	Name   string      `json:"name"` // of the child agent
	Stream wire.Stream `json:"stream,omitempty"`
	Bytes  int64       `json:"bytes,omitempty"` // 0: 64 KiB
}

// maxLogBytes bounds the end of a log.
const maxLogBytes = 1 << 20

// ChildLog queues a job that brings the end of a child agent's log as its output.
func (r *Remote) ChildLog(ctx context.Context, in LogRequest, actor string) (*db.Job, error) {
	var wrong Invalid
	checkChildName(&wrong, in.Name)
	if in.Stream == "" {
		in.Stream = wire.Stdout
	}
	if in.Stream != wire.Stdout && in.Stream != wire.Stderr {
		wrong.add("stream", CodeUnknown, "this must be stdout or stderr")
	}
	wrong.between("bytes", int(in.Bytes), maxLogBytes)
	host := Targets{Hosts: in.Host}
	hosts, err := host.Resolve(ctx, r.Fleet)
	if in.Host == "" {
		hosts, err = nil, nil
		wrong.add("host", CodeMissing, "this is needed")
	}
	if err := wrong.merge(err); err != nil {
		return nil, err
	}
	if len(hosts) > 1 {
		wrong.add("host", CodeTooMany, "this must be one host")
	}
	if err := wrong.err(); err != nil {
		return nil, err
	}
	audit.About(ctx, hosts[0].Name, nil, map[string]string{"child": in.Name, "stream": string(in.Stream)})
	return r.Jobs.Queue(ctx, job.Spec{
		HostID: hosts[0].ID, Actor: actor, ExpiresIn: logExpiry,
		Job: wire.Job{Action: wire.ActionLog, Name: in.Name, Log: &wire.Log{Stream: in.Stream, Bytes: in.Bytes}},
	})
}

// begin starts a plan unless something is wrong.
func (r *Remote) begin(ctx context.Context, wrong *Invalid, p plan) (*db.Operation, error) {
	hosts, err := p.common.Targets.Resolve(ctx, r.Fleet)
	if err := wrong.merge(err); err != nil {
		return nil, err
	}
	if err := wrong.err(); err != nil {
		return nil, err
	}
	p.hosts = hosts
	o, err := r.start(ctx, p)
	if err == nil {
		r.tell(ctx, &p, o)
	}
	return o, err
}

// checkExec checks a command.
func checkExec(wrong *Invalid, e *wire.Exec) {
	switch {
	case len(e.Command) == 0 && e.Script == "":
		wrong.add("exec", CodeMissing, "give a command or a script")
	case len(e.Command) > 0 && e.Script != "":
		wrong.add("exec", CodeContradiction, "give a command or a script, but not both")
	case len(e.Command) > 0 && e.Command[0] == "":
		wrong.add("exec.command", CodeMissing, "the program's name is empty")
	case len(e.Command) > 0 && e.Interpreter != "":
		wrong.add("exec.interpreter", CodeContradiction, "this is for scripts")
	}
	for _, part := range e.Command {
		if strings.ContainsRune(part, 0) {
			wrong.add("exec.command", CodeFormat, "this has a NUL byte in it")
			break
		}
	}
	if strings.ContainsRune(e.Script, 0) {
		wrong.add("exec.script", CodeFormat, "this has a NUL byte in it")
	}
	if e.Interpreter != "" {
		wrong.absolute("exec.interpreter", e.Interpreter)
	}
	if e.Directory != "" && e.Directory != "/" {
		wrong.absolute("exec.directory", e.Directory)
	}
	checkAccount(wrong, "exec.user", e.User)
	checkAccount(wrong, "exec.group", e.Group)
	if e.Keep < 0 || e.Keep > maxKeep {
		wrong.add("exec.keep", CodeRange, "this must be a number from 0 to "+strconv.Itoa(maxKeep))
	}
}

// maxKeep bounds how much of each output stream may be kept.
const maxKeep = 16 << 20

var accountPattern = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.@$-]{0,255}$`)

// checkAccount checks the name or number of a user or a group.
func checkAccount(wrong *Invalid, field, name string) {
	if name != "" && !accountPattern.MatchString(name) {
		wrong.add(field, CodeFormat, "this is not the name of an account")
	}
}

func checkChildName(wrong *Invalid, name string) {
	switch {
	case name == "":
		wrong.add("name", CodeMissing, "this is needed")
	case !wire.IsChildName(name):
		wrong.add("name", CodeFormat, "a child agent's name has letters, digits, dots, hyphens and underscores, at most 64, and begins with a letter or a digit")
	}
}

const (
	maxEnvs     = 200
	maxEnvValue = 64 << 10
)

var envPattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)

// checkEnvs never repeats a value: it may be a secret.
func checkEnvs(wrong *Invalid, envs map[string]string) {
	if len(envs) > maxEnvs {
		wrong.add("envs", CodeRange, "these are more than "+strconv.Itoa(maxEnvs)+" variables")
		return
	}
	for _, name := range slices.Sorted(maps.Keys(envs)) {
		if !envPattern.MatchString(name) {
			wrong.add("envs", CodeFormat, strconv.Quote(clip.Text(name, 64))+" is not the name of a variable")
			continue
		}
		wrong.length("envs."+name, envs[name], maxEnvValue)
	}
}

var (
	cpuPattern    = regexp.MustCompile(`^[0-9]{1,6}(\.[0-9]{1,2})?%$`)
	memoryPattern = regexp.MustCompile(`^[0-9]{1,12}[KMGT]?$`)
)

func checkLimits(wrong *Invalid, l *wire.Limits) {
	if l == nil {
		return
	}
	if l.CPU != "" && !cpuPattern.MatchString(l.CPU) {
		wrong.add("limits.CPU", CodeFormat, "this must be per cent of one core such as 10% or 250%")
	}
	if l.Memory != "" && !memoryPattern.MatchString(l.Memory) {
		wrong.add("limits.memory", CodeFormat, "this must be a size such as 20M or 1G")
	}
	wrong.between("limits.pids", l.PIDs, 1<<22)
	wrong.between("limits.files", l.Files, 1<<30)
}

// checkURL checks where a package is to be downloaded from.
func checkURL(wrong *Invalid, text string) {
	u, err := url.Parse(text)
	switch {
	case text == "":
		wrong.add("url", CodeMissing, "this is needed")
	case err != nil || u.Host == "":
		wrong.add("url", CodeFormat, "this is not a URL")
	case !slices.Contains([]string{"http", "https", "ftp"}, u.Scheme):
		wrong.add("url", CodeFormat, "this must begin with http://, https:// or ftp://")
	default:
		wrong.length("url", text, 4096)
	}
}

var sumPattern = regexp.MustCompile(`^SHA256:[0-9a-fA-F]{64}$`)

func checkChecksum(wrong *Invalid, sum string) {
	switch {
	case sum == "":
		wrong.add("checksum", CodeMissing, "this is needed")
	case !sumPattern.MatchString(sum):
		wrong.add("checksum", CodeFormat, "this must be SHA256: and 64 hexadecimal digits")
	}
}

// checkSize bounds what one job weighs on the wire.
func checkSize(wrong *Invalid, field string, j *wire.Job) {
	text, err := json.Marshal(j)
	if err != nil || len(text) > job.MaxBytes {
		wrong.add(field, CodeTooLong, "this and its environment have more than "+strconv.Itoa(job.MaxBytes)+" bytes; push a file instead")
	}
}

func itoa(n int) string { return strconv.Itoa(n) }
