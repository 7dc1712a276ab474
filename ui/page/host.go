package page

import (
	"time"

	"hostler/ui/layout"
)

// States of hosts, as the fleet names them, worst first.
const (
	HostLost      = "lost"
	HostUnhealthy = "unhealthy"
	HostWaiting   = "waiting"
	HostInit      = "init"
	HostHealthy   = "healthy"
)

// HostStates lists the states in the order of harm.
var HostStates = []string{HostLost, HostUnhealthy, HostWaiting, HostInit, HostHealthy}

// HostCounts counts all hosts by state.
type HostCounts map[string]int

// Total is the number of all hosts.
func (c HostCounts) Total() int {
	n := 0
	for _, k := range c {
		n += k
	}
	return n
}

// Host is one row of the hosts table and the head of a host's page.
type Host struct {
	ID           int64
	Name         string // what the operator called it
	CallsItself  string // "" until its agent has told
	Address      string
	State        string
	OS           string // "Debian GNU/Linux 12 (bookworm)"
	Arch         string
	AgentVersion string
	LastSeen     time.Time // zero: never
	Children     int       // child agents
	ChildrenRun  int       // of them running
	Cluster      string
	AgentStarted time.Time // zero: unknown
	CertIssued   time.Time // zero: unknown, as the next
	CertExpires  time.Time
	AgentSN      string
	Tags         string
	Step         int // seconds between heartbeats in force
	Registered   time.Time
}

// removal is where the host is removed.
func (h Host) removal() string {
	gone := ""
	if h.State == HostLost {
		gone = "1"
	}
	return filtered(removalForm, "host", h.number(), "gone", gone)
}

// removalForm is where hosts are removed.
const removalForm = "/host-removals/new"

// HostsView is GET /hosts.
type HostsView struct {
	Frame    layout.Frame
	Hosts    []Host
	Counts   HostCounts // of all hosts, whatever the filter
	State    string     // the filter; "" for all
	Search   string
	Matching int    // hosts that match the filter
	Next     string // value of ?after= for the next page; "" on the last one
	Paged    bool   // this is not the first page
}

// OSFamilies are the families of operating systems that the catalogues have a text for.
var OSFamilies = []string{"rhel", "suse", "debian", "other"}

// Facts describes a host. Sizes are bytes.
type Facts struct {
	Family         string // one of OSFamilies; "" of agents that do not tell
	Kernel         string
	CPU            string
	Cores          int
	Memory, Swap   uint64
	Disks          []Disk
	Interfaces     []Interface
	Virtualisation string // "none", "kvm", …
	FQDN           string
	MachineID      string
	Boot           time.Time
}

// Disk is one mounted file system.
type Disk struct {
	Mount, Device, Type string
	Size, Free          uint64
}

// Interface is one network interface.
type Interface struct {
	Name, MAC string
	Addresses []string
}

// Child is a child agent as the last heartbeat told it.
type Child struct {
	HostID        int64
	Host          string // its name
	Name, Version string
	Status        string // as on the wire: "stoped", "running", "fatal", "killed"
	Reason        string // why it is so; "" while all is well
	Uptime        time.Duration
	CPU           float64 // per cent of one core
	CPULimit      string  // "" for none
	Memory        uint64  // bytes
	MemoryLimit   string
	LimitedBy     string // "cgroup2", "cgroup1", "polling"
	Restarts      int
	ExitTime      time.Time // of the last exit; zero: none
	ExitCode      string
	ExitSignal    string
	ExitReason    string
}

// Job is one job of a host with its result.
type Job struct {
	ID        string
	HostID    int64
	Host      string // its name
	Action    string
	Detail    string // plain text: what it sets or installs
	State     string // one of JobStates
	ErrCode   int
	Message   string
	CreatedBy string
	Created   time.Time
	Finished  time.Time
}

// Beat is one slot of the strip of recent heartbeats.
type Beat struct {
	Start time.Time // the slot's begin
	Seen  bool      // a heartbeat arrived in it
	Known bool      // false: before the host registered or the server started
}

// HostView is GET /hosts/{id}.
type HostView struct {
	Frame       layout.Frame
	Host        Host
	Facts       *Facts // nil until the agent has told them
	Beats       []Beat // oldest first; empty hides the strip
	BeatSlot    time.Duration
	Children    []Child
	Jobs        []Job // newest first
	Events      []Event
	DefaultStep int               // seconds, the server's default
	Fields      map[string]string // "step"
	Filter      HostFilter
}

// HostFilter is what the lists on a host's page are narrowed down to, and how much there is of each choice.
type HostFilter struct {
	JobState   string // as the next two: "" for all
	Severity   string
	Kind       string         // the first word of kinds
	Jobs       map[string]int // by state
	Severities map[string]int // events of the kind
	Kinds      map[string]int // events of the severity
}
