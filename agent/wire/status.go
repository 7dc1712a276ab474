package wire

// StatusRequest is a heartbeat.
type StatusRequest struct {
	Hostname  string       `json:"hostname"`
	Version   string       `json:"version"`
	Uptime    int64        `json:"uptime"`    // seconds since the agent process started
	Timestamp int64        `json:"timestamp"` // Unix seconds by the host's clock
	Step      int          `json:"step"`      // seconds between heartbeats now in force
	Agents    []ChildAgent `json:"agents"`
	// Jobs are those that the agent has taken over and whose results the server has not acknowledged: they need
	// not be sent again. An agent that does not say gets every open job each time.
	Jobs []JobProgress `json:"jobs,omitempty"`
	// CAs are the authorities that the agent trusts, by the first 16 digits of their pins, when that is not just the one of agent.ini.
	CAs []string `json:"cas,omitempty"`
	// RepoKeys are the files by which the host's package managers trust the server's repository, by the first KeyDigest digits of
	// their SHA-256; NoKeyFile alone where there are none.
	RepoKeys []string `json:"repo_keys,omitempty"`
	// Definitions are what the server has asked for in the answer before.
	Definitions []Definition `json:"definitions,omitempty"`
	// Instance is a random word for the life of the agent's process. Two of them in turn are two agents with one certificate.
	Instance string `json:"instance,omitempty"`
}

// How agents tell of their key files.
const (
	KeyDigest = 16
	NoKeyFile = "none"
)

// RepositoryKeys are the keys by which package managers are to trust the server's repository from now on, in place of the present ones.
type RepositoryKeys struct {
	Armored      string   `json:"armored"`      // for rpm: an armored block for each key
	Binary       []byte   `json:"binary"`       // for apt
	Fingerprints []string `json:"fingerprints"` // in lower-case hex
}

// StatusReply answers a heartbeat and may bring work.
type StatusReply struct {
	ErrCode int    `json:"errcode"`
	Jobs    Jobs   `json:"jobs,omitempty"`
	Step    int    `json:"step,omitempty"` // seconds; 0 leaves the agent's step as it is
	Message string `json:"message,omitempty"`
	// Cancel are ids of jobs to end, or not to begin. Each gets a result all the same: ErrCodeCanceled, or what it
	// came to before the word arrived.
	Cancel []string `json:"cancel,omitempty"`
	CA     string   `json:"ca,omitempty"`    // PEM: the authorities to trust from now on, in place of the present ones
	Renew  bool     `json:"renew,omitempty"` // renew the certificate now, and not when two thirds of its life are over
	// RepoKeys are there when the host has other ones.
	RepoKeys *RepositoryKeys `json:"repo_keys,omitempty"`
	// Definitions are the names of child agents whose definitions the server wants to read, with a heartbeat at once.
	Definitions []string `json:"definitions,omitempty"`
}

// MaxDefinitions bounds the definitions in one heartbeat; more are left out, and may be asked for again.
const MaxDefinitions = 4

// Definition is what a host's file says of a child agent.
type Definition struct {
	Name   string `json:"name"`
	File   string `json:"file"`             // its path; "" when there is none
	Text   string `json:"text"`             // "" when it is too large or no text
	Edited bool   `json:"edited,omitempty"` // it is not what a job has written last
}

// ChildAgent is one line of a heartbeat's child list.
type ChildAgent struct {
	Name    string     `json:"name"` // unique on its host
	Version string     `json:"version"`
	Status  ChildState `json:"status"`
	Uptime  int64      `json:"uptime"` // seconds

	Reason    string  `json:"reason,omitempty"` // why it is in this state, one English sentence; empty while all is well
	PID       int     `json:"pid,omitempty"`
	Ready     bool    `json:"ready,omitempty"`      // its readiness check has passed
	Restarts  int     `json:"restarts,omitempty"`   // by the agent, since the child was last started by a job or the boot
	CPU       float64 `json:"cpu,omitempty"`        // per cent of one core since the heartbeat before
	Memory    int64   `json:"memory,omitempty"`     // bytes now, of the whole group
	Limits    *Limits `json:"limits,omitempty"`     // in force
	LimitedBy Limiter `json:"limited_by,omitempty"` // what enforces them
	LastExit  *Exit   `json:"last_exit,omitempty"`
}

// ChildState is the state of a child agent.
type ChildState string

// The four states of the document. "stoped" is its spelling; it stays on the wire.
const (
	ChildStopped ChildState = "stoped"
	ChildRunning ChildState = "running"
	ChildFatal   ChildState = "fatal"  // failed after several tries
	ChildKilled  ChildState = "killed" // ended by force, for example over its memory limit
)

// Limiter is what holds a child agent to its limits.
type Limiter string

// The limiters.
const (
	LimiterCgroup2 Limiter = "cgroup2"
	LimiterCgroup1 Limiter = "cgroup1"
	LimiterPolling Limiter = "polling" // the agent looks from time to time; there is no cgroup tree it may write
)

// Exit is how a process ended.
type Exit struct {
	Time   int64  `json:"time"`             // Unix seconds by the host's clock
	Code   *int   `json:"code,omitempty"`   // exit status; nil when a signal ended it or nobody saw how it ended
	Signal string `json:"signal,omitempty"` // "SIGKILL"
	Reason string `json:"reason,omitempty"` // "over its memory limit of 20M"
}

// Limits bounds a child agent or a command. Empty fields, and zeros, do not limit.
type Limits struct {
	CPU    string `json:"CPU,omitempty"`    // of one core: "10%", "250%"
	Memory string `json:"memory,omitempty"` // "20M"; K, M, G and T are powers of 1024
	PIDs   int    `json:"pids,omitempty"`   // processes and threads
	Files  int    `json:"files,omitempty"`  // open files of each process
}
