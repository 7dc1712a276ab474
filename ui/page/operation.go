package page

import (
	"context"
	"strconv"
	"strings"
	"time"

	"hostler/ui/component"
	"hostler/ui/i18n"
	"hostler/ui/layout"
)

// Counts counts an operation's tasks by state.
type Counts map[string]int

// Total is the number of all tasks.
func (c Counts) Total() int {
	n := 0
	for _, k := range c {
		n += k
	}
	return n
}

// Operation is something a person started and watches.
type Operation struct {
	ID        int64
	Kind      string // "bootstrap"
	Title     string // English; see TitleIn
	Cluster   string
	State     string
	CreatedBy string
	Created   time.Time
	Started   time.Time // zero: not yet
	Finished  time.Time // zero: not yet
	Counts    Counts
	Progress  int // per cent; see Progress and Counts
	StopAfter int // failures after which no more tasks are begun; 0: any number
	Forgiven  int // failures that do not count
	Batch     Batch
}

// TitleIn is the title in the context's language. Titles of kinds that the catalogue does not know stay as they
// are.
func (o Operation) TitleIn(ctx context.Context) string { return titleIn(ctx, o.Kind, o.Title) }

func titleIn(ctx context.Context, kind, title string) string {
	if name, ok := strings.CutPrefix(title, "Mirror "); ok && kind == "mirror" {
		return i18n.T(ctx, "operation.mirror", "Name", name)
	}
	if name, ok := strings.CutPrefix(title, "Check "); ok && kind == "check" {
		if n, err := strconv.Atoi(strings.TrimSuffix(name, " hosts")); err == nil {
			return i18n.N(ctx, "operation.check", n)
		}
		return i18n.T(ctx, "operation.check_one", "Name", name)
	}
	if kind != "bootstrap" {
		if text := workTitle(ctx, title); text != "" {
			return text
		}
		return title
	}
	name := strings.TrimPrefix(title, "Bootstrap ")
	if n, err := strconv.Atoi(strings.TrimSuffix(name, " hosts")); err == nil {
		return i18n.N(ctx, "operation.bootstrap", n)
	}
	return i18n.T(ctx, "operation.bootstrap_one", "Name", name)
}

// Task is an operation's work on one host.
type Task struct {
	ID, OperationID int64
	Name            string
	State           string
	Reason          string // of a waiting task: "secrets"
	Step            string // code of the step that runs, failed, or is next
	StepNumber      int    // 1 for the first
	Steps           int    // how many there are
	Problem         Problem
	Note            string // what a finished task has to show
	Attempt         int
	Batch           int   // 1 for the first; 0: the operation has none
	HostID          int64 // 0: none yet
	LogSize         int64
	Started         time.Time
	Finished        time.Time
}

// OperationsView is GET /operations.
type OperationsView struct {
	Frame      layout.Frame
	Operations []Operation // newest first
	Next       string      // value of ?before= for the next page; "" on the last one
	Paged      bool
}

// OperationView is GET /operations/{id}.
type OperationView struct {
	Frame     layout.Frame
	Operation Operation
	Tasks     []Task
	Locked    bool // tasks wait for the key because the server has forgotten it, or a retry would need it
	Unlock    CredentialsView
	Outcomes  []Outcome // of work on hosts
	Rest      int       // jobs in groups that are not told
	Again     string    // path of the form that started it; "" for none
}

// again is the form that starts an operation's work once more: on all of its hosts, or only on some.
func (v OperationView) again(only string) string {
	return filtered(v.Again, "operation", strconv.FormatInt(v.Operation.ID, 10), "only", only)
}

// asGone is the form that removes hosts, whose removal has failed, as ones that are gone.
func (v OperationView) asGone() string {
	return filtered(v.Again, "operation", strconv.FormatInt(v.Operation.ID, 10), "only", "failed", "gone", "1")
}

// CredentialsView is the form that gives an operation its key again; it posts key, passphrase, password, become,
// sudo_password and those of the jump host. It never holds what was typed.
type CredentialsView struct {
	User   string // SSH user of the operation, only shown
	Become string // how the user becomes root; "" for the first way
	Jump   JumpView
	Change bool // only what is given changes
	Fields map[string]string
}

// JumpView is the host through which hosts are reached; none without Host.
type JumpView struct {
	Host, User string
	Port       int // 0: 22
}

func (j JumpView) port() string {
	if j.Port == 0 {
		return ""
	}
	return strconv.Itoa(j.Port)
}

// jumps tells that there is a jump host, or something is wrong with what is said of one.
func (v CredentialsView) jumps() bool {
	for name := range v.Fields {
		if strings.HasPrefix(name, "jump_") {
			return true
		}
	}
	return v.Jump != JumpView{}
}

// Becomes are the ways to become root, the default first.
var Becomes = []string{"sudo", "su", "doas"}

// becomes are what the form offers.
func (v CredentialsView) becomes(ctx context.Context) (options []component.Option) {
	if v.Change {
		options = append(options, component.Option{Label: i18n.T(ctx, "hosts.become_same")})
	}
	for _, name := range Becomes {
		options = append(options, component.Option{Value: name, Label: name})
	}
	return options
}

// opened tells that something is wrong with a field that is folded away.
func (v CredentialsView) opened() bool {
	return v.Fields["password"] != "" || v.Fields["become"] != "" || v.Fields["sudo_password"] != ""
}

// codeHostKeyChanged is the failure that a person may answer by trusting the host's new key.
const codeHostKeyChanged = "host_key_changed"

// codeRemovalUnreached is the failure that a person may answer by forgetting a host without it.
const codeRemovalUnreached = "removal_unreached"

// codeJumpHostKeyChanged is the same of a jump host.
const codeJumpHostKeyChanged = "jump_host_key_changed"

// Step is one step of a task's latest run.
type Step struct {
	Name      string
	State     string
	Started   time.Time
	Finished  time.Time
	LogOffset int64 // where in the log the step begins
}

// TaskView is GET /operations/{id}/tasks/{tid}: steps and the whole log, also with scripts off.
type TaskView struct {
	Frame     layout.Frame
	Operation Operation
	Task      Task
	Steps     []Step
	Log       string // plain text
	Truncated bool   // the log is longer than what is shown
}

// Event is something that happened. Kind and Params give its text.
type Event struct {
	ID          int64
	Time        time.Time
	Kind        string // "host.lost"
	Severity    string // "info", "warning", "error"
	Actor       string
	Params      map[string]string
	HostID      int64  // 0: none
	HostName    string // of HostID, may be ""
	OperationID int64  // 0: none
}

// EventsView is GET /events.
type EventsView struct {
	Frame    layout.Frame
	Events   []Event // newest first
	Severity string  // the filter, as the next three; "" for all
	Kind     string  // the first word of kinds
	Host     ListHost
	Hours    string // how long ago at most
	Next     string // value of ?before= for the next page; "" on the last one
	Paged    bool
}
