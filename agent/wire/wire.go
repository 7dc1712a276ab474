// Package wire holds the types that the agent and the server exchange, and nothing else.
//
// The messages on the secured port are those of the BootAgent document, letter for letter: a client that
// sends exactly that document's fields is served. Everything Hostler adds is an optional field or a new path,
// so either side may be older than the other. The package imports the standard library only, never contacts
// anything and never touches a disk.
package wire

// Paths on the handshake port (server certificate only).
const (
	PathPing   = "/ping"         // GET: answers PingReply; used to prove that a host reaches the server
	PathCA     = "/ca.pem"       // GET: the CA certificate, PEM; trusted only after its pin was checked
	PathEnroll = "/agent/enroll" // POST EnrollRequest -> EnrollReply
	PathScript = "/setup-agent.sh"
	PathRepo   = "/repo/" // apt, yum and static archives below it
)

// Paths on the secured port (both certificates).
const (
	PathRegister  = "/agent/register"   // POST RegisterRequest -> RegisterReply
	PathStatus    = "/agent/status"     // POST StatusRequest -> StatusReply
	PathJobResult = "/agent/job/result" // POST []JobResult -> ResultReply
	PathRenew     = "/agent/renew"      // POST RenewRequest -> EnrollReply
)

// PingReply is the body of GET /ping. Time lets a host compare its clock with the server's.
type PingReply struct {
	Product string `json:"product"` // always "hostler"
	Version string `json:"version"`
	Time    int64  `json:"time"` // Unix seconds, UTC
}

// EnrollRequest asks for a certificate. The key pair was made on the host and its private half never leaves it.
type EnrollRequest struct {
	Hostname string `json:"hostname"`          // what the host is to be called, lower case
	AgentSN  string `json:"agentsn,omitempty"` // the serial number the agent would like to keep (UUID)
	Token    string `json:"token"`             // one-time enrolment token
	CSR      string `json:"csr"`               // PKCS #10, PEM
}

// EnrollReply carries the signed certificate. The agent's serial number is the certificate's common name.
type EnrollReply struct {
	AgentSN     string `json:"agentsn"`
	Certificate string `json:"certificate"` // PEM, leaf first
	CA          string `json:"ca"`          // PEM
}

// RenewRequest asks for a new certificate over a connection that the old one still authenticates.
type RenewRequest struct {
	CSR string `json:"csr"` // PKCS #10, PEM
}

// RegisterRequest announces the host behind an enrolled agent.
type RegisterRequest struct {
	Hostname string `json:"hostname"`
	AgentSN  string `json:"agentsn"`
	Version  string `json:"version,omitempty"`
	Facts    *Facts `json:"facts,omitempty"`
}

// RegisterReply says which serial number the agent is to use from now on and what it is tagged with.
type RegisterReply struct {
	Status  int    `json:"status"` // 0: registered
	AgentSN string `json:"agentsn"`
	Tags    string `json:"tags"`           // "service=ecs,component"
	Step    int    `json:"step,omitempty"` // seconds between heartbeats
}

// StatusRequest is a heartbeat.
type StatusRequest struct {
	Hostname  string       `json:"hostname"`
	Version   string       `json:"version"`
	Uptime    int64        `json:"uptime"`    // seconds since the agent process started
	Timestamp int64        `json:"timestamp"` // Unix seconds by the host's clock
	Step      int          `json:"step"`      // seconds between heartbeats now in force
	Agents    []ChildAgent `json:"agents"`
}

// StatusReply answers a heartbeat and may bring work.
type StatusReply struct {
	ErrCode int    `json:"errcode"`
	Jobs    []Job  `json:"jobs,omitempty"`
	Step    int    `json:"step,omitempty"` // seconds; 0 leaves the agent's step as it is
	Message string `json:"message,omitempty"`
}

// ChildAgent is one line of a heartbeat's child list.
type ChildAgent struct {
	Name    string     `json:"name"` // unique on its host
	Version string     `json:"version"`
	Status  ChildState `json:"status"`
	Uptime  int64      `json:"uptime"` // seconds
}

// ChildState is the state of a child agent.
type ChildState string

// The four states of the document. "stoped" is its spelling; it stays on the wire.
const (
	ChildStopped ChildState = "stoped"
	ChildRunning ChildState = "running"
	ChildFatal   ChildState = "fatal"
	ChildKilled  ChildState = "killed"
)

// Job is one piece of work for one host. Which fields are set depends on Action.
type Job struct {
	ID       string            `json:"id"` // UUID; the same job may arrive twice and is done once
	Action   string            `json:"action"`
	Name     string            `json:"name,omitempty"`
	URL      string            `json:"url,omitempty"`
	Checksum string            `json:"checksum,omitempty"` // "SHA256:<hex>"
	Envs     map[string]string `json:"envs,omitempty"`
	Limits   *Limits           `json:"limits,omitempty"`
	SvrList  string            `json:"svrlist,omitempty"` // "host:port,host:port"
	Step     int               `json:"step,omitempty"`    // seconds
}

// ActionConfig changes the agent's own settings: server list and step.
const ActionConfig = "config"

// Limits bounds a child agent, for example CPU "10%" of one core and memory "20M".
type Limits struct {
	CPU    string `json:"CPU,omitempty"`
	Memory string `json:"memory,omitempty"`
}

// JobResult reports how one job ended. ErrCode 0 is success.
type JobResult struct {
	ID      string `json:"id"`
	ErrCode int    `json:"errcode"`
	Message string `json:"message"`
}

// Error codes of job results.
const (
	ErrCodeOK            = 0
	ErrCodeFailed        = 1 // the job ran and failed; the message says why
	ErrCodeUnknownAction = 2 // this agent does not know the action
	ErrCodeBadJob        = 3 // a field is missing or out of range
)

// ResultReply acknowledges job results. Anything but 0 makes the agent send the same results again.
type ResultReply struct {
	ErrCode int `json:"errcode"`
}

// Facts describes a host. Sizes are bytes.
type Facts struct {
	OS             OS          `json:"os"`
	Kernel         string      `json:"kernel"` // "6.1.0-18-amd64"
	Arch           string      `json:"arch"`   // Go's name: amd64, arm64
	CPU            CPU         `json:"cpu"`
	Memory         uint64      `json:"memory"`
	Swap           uint64      `json:"swap"`
	Disks          []Disk      `json:"disks"`
	Interfaces     []Interface `json:"interfaces"`
	Virtualisation string      `json:"virtualisation"` // "none", "kvm", "systemd-nspawn", "docker", …
	FQDN           string      `json:"fqdn"`           // what the host calls itself
	MachineID      string      `json:"machine_id"`
	BootTime       int64       `json:"boot_time"` // Unix seconds
}

// OS is what os-release says.
type OS struct {
	ID      string `json:"id"`      // "debian"
	Version string `json:"version"` // "12"
	Name    string `json:"name"`    // "Debian GNU/Linux 12 (bookworm)"
}

// CPU counts logical cores.
type CPU struct {
	Model string `json:"model"`
	Cores int    `json:"cores"`
}

// Disk is one mounted file system that holds data.
type Disk struct {
	Mount  string `json:"mount"`
	Device string `json:"device"`
	Type   string `json:"type"`
	Size   uint64 `json:"size"`
	Free   uint64 `json:"free"`
}

// Interface is one network interface that is up.
type Interface struct {
	Name      string   `json:"name"`
	MAC       string   `json:"mac"`
	Addresses []string `json:"addresses"` // CIDR notation
}

// ErrorReply is the body of every answer that is not a success, on every port.
type ErrorReply struct {
	Error Error `json:"error"`
}

// Error is a failure a person can act on. It is an error value, too.
type Error struct {
	Code    string            `json:"code"`             // stable, for programs: "token_expired"
	Message string            `json:"message"`          // plain cause
	Hint    string            `json:"hint,omitempty"`   // how to mend it
	Fields  map[string]string `json:"fields,omitempty"` // field name -> what is wrong with it
}

// Error returns the plain cause.
func (e *Error) Error() string { return e.Message }
