package page

import (
	"time"

	"hostler/ui/layout"
)

// Wizard steps; WizardSteps has their order.
const (
	WizardStart       = "start"
	WizardVersions    = "versions"
	WizardHosts       = "hosts"
	WizardConnections = "connections"
	WizardConfirm     = "confirm"
	WizardManual      = "manual"
	WizardChecks      = "checks"
	WizardSummary     = "summary"
)

// WizardSteps are the steps of a wizard, in order, for a method of getting the agent onto hosts.
func WizardSteps(method string) []string {
	if method == MethodManual {
		return []string{WizardStart, WizardVersions, WizardHosts, WizardManual, WizardChecks, WizardSummary}
	}
	return []string{WizardStart, WizardVersions, WizardHosts, WizardConnections, WizardConfirm, WizardChecks, WizardSummary}
}

// WizardRun is the step in which agents get onto the hosts. What comes before it is asked, and cannot be changed once that has
// begun.
func WizardRun(method string) string {
	if method == MethodManual {
		return WizardManual
	}
	return WizardConfirm
}

// Methods of getting the agent onto hosts.
const (
	MethodSSH    = "ssh"
	MethodManual = "manual"
)

// Draft is a wizard run that can be left and taken up again. It never holds a secret.
type Draft struct {
	ID          int64
	Version     int // goes back with every save, as the hidden field "version"
	Step        string
	Cluster     string
	Method      string
	Hosts       string // as typed
	HostCount   int    // names that Hosts expands to
	User        string
	Port        int
	Jump        JumpView
	Review      []string // steps that an earlier one changed after they were done
	Here        Presence // who else has one of its pages open; of a wizard's own pages
	Become      string   // how the user becomes root; "" for the first way
	CheckID     int64    // 0: the connections were not checked
	OperationID int64    // 0: not started
	HostCheckID int64    // the operation that checked its hosts last; 0: none did
	CreatedBy   string
	Updated     time.Time
}

// Presence is who else has a page open.
type Presence struct {
	Names  []string
	Myself bool // in another window
}

// WizardsView is GET /wizards. POST /wizards starts a new one.
type WizardsView struct {
	Frame  layout.Frame
	Drafts []Draft
}

// WizardStartView is GET /wizards/{id}/start. Its form posts cluster and version.
type WizardStartView struct {
	Frame  layout.Frame
	Draft  Draft
	Fields map[string]string // "cluster"; "" holds what concerns no single field
	// Answers is what is wrong with an answer file that was to fill the draft: POST /wizards/{id}/answers takes one.
	Answers []string
}

// WizardVersionsView is GET /wizards/{id}/versions. Its form posts version, family (once for each that is meant) and for each
// family channel_FAMILY, url_FAMILY and key_FAMILY; with next=versions it comes back and shows what every place has.
type WizardVersionsView struct {
	Frame    layout.Frame
	Draft    Draft
	Families []FamilyView
	Fields   map[string]string // by the form's names; "" holds what concerns no single field
}

// FamilyView is a family of systems, and where its hosts get the agent from.
type FamilyView struct {
	Name     string // "debian", "rhel", "suse", "other"
	Chosen   bool
	Mirrored bool // the operator may have a mirror
	Channel  string
	URL      string   // of the mirror; "" for the server
	Key      string   // that signs the mirror; "" for the server's
	Own      string   // the server's address
	Channels []string // that the server has
	Found    string   // versions and architectures of the agent there; "" when nobody was asked
}

// WizardHostsView is GET /wizards/{id}/hosts. Its form posts hosts, hosts_file, many, method, key_file, key, passphrase, user, port,
// password, become, sudo_password, jump_host, jump_user, jump_port, jump_key, jump_key_file, jump_passphrase,
// jump_password and version.
type WizardHostsView struct {
	Frame      layout.Frame
	Draft      Draft
	Preview    Preview
	Fields     map[string]string // by the form's names; "" holds what concerns no single field
	KeyDropped bool              // the form came back without scripts, so the key must be chosen again
}

// Preview is what the hosts field expands to. POST /api/v1/hosts/expand answers the same, for every keystroke.
type Preview struct {
	Lines   []string // the first hosts, with what was said of them
	Count   int      // all hosts
	Again   int      // how often a host was given that was there already
	Managed []string // hosts that are managed already, the first of them
	Known   int      // how many are
	Errors  []PreviewError
}

// PreviewError is what is wrong with one line.
type PreviewError struct {
	Line    int
	Message string // in the viewer's language
}

// WizardConnectionsView is GET /wizards/{id}/connections: the check of the hosts at work, and what it found. Its form
// posts version and despite and starts the bootstrap; POST /wizards/{id}/connections/mend takes task, user, port and credentials, of which those that are empty stay as they are,
// POST /wizards/{id}/connections/compare known_hosts or known_hosts_file.
type WizardConnectionsView struct {
	Frame     layout.Frame
	Draft     Draft
	Operation Operation
	Tasks     []Task
	Locked    bool
	Unlock    CredentialsView
	Keys      []ShownKey        // those that are new first
	Compared  bool              // the keys were compared with a file
	Fields    map[string]string // by the forms' names; "" holds what concerns no single field
}

// ShownKey is the SSH host key that a host showed.
type ShownKey struct {
	Host        string
	Jump        bool // it is the jump host's
	Algorithm   string
	Fingerprint string
	Known       bool // it was trusted already
	// Comparison with a file of known_hosts: a code that the catalogues have a text for; "" when there was none.
	Comparison string
	Harmful    bool // what the file says speaks against the key
}

// KeyComparisons are the codes of ShownKey.Comparison.
var KeyComparisons = []string{"same", "differs", "other_kind", "absent", "revoked"}

// WizardConfirmView is GET /wizards/{id}/confirm: the operation's live table inside the wizard.
type WizardConfirmView struct {
	Frame     layout.Frame
	Draft     Draft
	Operation Operation
	Tasks     []Task
	Locked    bool
	Unlock    CredentialsView
}

// Command is one thing to run on a host, with a code that finds its title and explanation.
type Command struct {
	Code string // a ManualCommands code
	Text string // the command, to be copied as it is
	Get  string // path of a file that goes with it; "" for none
}

// ManualCommands are the codes that the catalogues have a title and an explanation for.
var ManualCommands = []string{
	"curl", "wget", "cloud_init", "kickstart", "preseed", "deb_repository", "deb_install", "rpm_repository", "rpm_install", "archive", "configure", "start", "carried",
}

// CommandGroup is one way to register by hand, for one family of systems.
type CommandGroup struct {
	Family   string // "any", "debian", "rhel", "suse", "other", "carried"
	Commands []Command
}

// Arrival is a host that has registered with the draft's token.
type Arrival struct {
	HostID       int64
	Name         string
	Address      string
	OS           string
	State        string // as of a host
	AgentVersion string
	Registered   time.Time
	LastSeen     time.Time
}

// WizardManualView is GET /wizards/{id}/manual.
type WizardManualView struct {
	Frame        layout.Frame
	Draft        Draft
	Groups       []CommandGroup // none when the token is of no more use
	TokenExpires time.Time
	TokenUses    int // how many hosts the token still admits; 0 when it has expired, too
	Arrivals     []Arrival
	Door         EnrolRequestsView // who came with its tokens and is not admitted by them
}

// WizardChecksView is GET /wizards/{id}/checks: what the agents find on the draft's hosts. POST checks the hosts that its form names
// with host, those that its query finds with again=yes, and otherwise those that were not checked yet;
// POST /wizards/{id}/checks/next goes on, with despite=yes even if something is not well; without it, then, it is asked with ?asked.
type WizardChecksView struct {
	Frame     layout.Frame
	Draft     Draft
	Operation *Operation // that checked last; nil: none did
	Report    HostChecksView
	Open      int // hosts that have failed or were not checked, of which it is asked whether to go on; 0: it is not asked
}

// WizardSummaryView is GET /wizards/{id}/summary. POST /wizards/{id}/finish ends the draft.
type WizardSummaryView struct {
	Frame     layout.Frame
	Draft     Draft
	Operation *Operation // nil when hosts were registered by hand
	Done      []Task     // hosts of the operation that are ready
	Failed    []Task     // and those that are not, canceled ones too; without those a person took out
	Arrivals  []Arrival  // of a manual registration
	// Checks are how the checks of its hosts ended: hosts by state.
	Checks map[string]int
}
