package wire

import "encoding/json"

// Job is one piece of work for one host. Which fields are set depends on Action.
type Job struct {
	ID       string            `json:"id"` // UUID; the same job may arrive twice and is done once
	Action   string            `json:"action"`
	Name     string            `json:"name,omitempty"` // of the child agent
	URL      string            `json:"url,omitempty"`
	Checksum string            `json:"checksum,omitempty"` // "SHA256:<hex>"
	Envs     map[string]string `json:"envs,omitempty"`
	Limits   *Limits           `json:"limits,omitempty"`
	SvrList  string            `json:"svrlist,omitempty"` // "host:port,host:port"
	Step     int               `json:"step,omitempty"`    // seconds

	Version     string  `json:"version,omitempty"`      // of what URL brings
	Signature   string  `json:"signature,omitempty"`    // upgrade-agent: see ActionUpgradeAgent
	Definition  string  `json:"definition,omitempty"`   // text of the child agent's file in agents.d
	Timeout     int     `json:"timeout,omitempty"`      // seconds the work may take; 0: the action's own default
	BeginWithin int     `json:"begin_within,omitempty"` // seconds from now; later it must not begin. 0: no such bound
	Check       *Check  `json:"check,omitempty"`
	Exec        *Exec   `json:"exec,omitempty"`
	Push        *Push   `json:"push,omitempty"`
	Fetch       *Fetch  `json:"fetch,omitempty"`
	Log         *Log    `json:"log,omitempty"`
	Remove      *Remove `json:"remove,omitempty"`

	// Malformed is why the job could not be read, "" for one that could: only its ID and Action are known then.
	Malformed string `json:"-"`
}

// Jobs are those of one reply. One that cannot be read must not keep the agent from the others, nor from its answer.
type Jobs []Job

// UnmarshalJSON reads each job by itself.
func (j *Jobs) UnmarshalJSON(text []byte) error {
	var all []json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		return err
	}
	*j = make(Jobs, len(all))
	for i, one := range all {
		err := json.Unmarshal(one, &(*j)[i])
		if err == nil {
			continue
		}
		var known map[string]json.RawMessage
		job := Job{Malformed: err.Error()}
		if json.Unmarshal(one, &known) == nil {
			_ = json.Unmarshal(known["id"], &job.ID) // without a readable id nobody can be answered
			_ = json.Unmarshal(known["action"], &job.Action)
		}
		(*j)[i] = job
	}
	return nil
}

// Actions. The first seven are the document's.
const (
	ActionInstall   = "install"   // a child agent: URL, Checksum; Envs and Limits are kept with it
	ActionUpgrade   = "upgrade"   // likewise, over one that is installed
	ActionUninstall = "uninstall" // stops it first
	ActionStart     = "start"
	ActionStop      = "stop"
	ActionRestart   = "restart"
	// ActionConfig without a Name changes the agent's own settings: server list and step. The server list comes
	// before the default one of agent.ini, which stays as it is.
	ActionConfig = "config"
	// ActionConfigure changes a child agent: Envs and Limits replace those kept with it (nil leaves them), and
	// Definition its file. What changed is in force when the result is sent.
	ActionConfigure = "configure"
	ActionExec      = "exec"  // runs a command or a script: Exec, Envs, Limits
	ActionPush      = "push"  // puts a file on the host: Push, Checksum; the content is at URL or at PathJobFile
	ActionFetch     = "fetch" // sends a file or a directory to PathJobFile: Fetch
	ActionLog       = "log"   // sends the end of a child agent's log as output: Log
	ActionCheck     = "check" // looks the host over; the output is Findings: Check
	// ActionUpgradeAgent replaces the agent's own binary by the one at URL. Signature is base64 of the ASN.1 ECDSA
	// signature of Checksum's 32 bytes by the CA's key. The result is sent by the new agent, or by the old one
	// after it was rolled back.
	ActionUpgradeAgent = "upgrade-agent"
	// ActionRemoveAgent takes the agent off the host: Remove. The result is sent when it is gone, by the process that removed it, or
	// by the agent when it has to stay.
	ActionRemoveAgent = "remove-agent"
)

// Exec is a command, or a script with its interpreter.
type Exec struct {
	Command     []string `json:"command,omitempty"`     // program and arguments; or else:
	Script      string   `json:"script,omitempty"`      // text, given to Interpreter as a file
	Interpreter string   `json:"interpreter,omitempty"` // absolute path; "" takes the script's #! line, or else /bin/sh
	User        string   `json:"user,omitempty"`        // "" is the agent's own, root
	Group       string   `json:"group,omitempty"`       // "" is the user's
	Directory   string   `json:"directory,omitempty"`   // "" is the user's home
	Keep        int64    `json:"keep,omitempty"`        // bytes of each stream to keep, half from its head, half from its tail; 0: 1 MiB
}

// Push is where a file goes.
type Push struct {
	Path   string `json:"path"`             // absolute; its directory must exist
	Mode   string `json:"mode,omitempty"`   // octal; "" keeps that of the file that is replaced, or 0644
	Owner  string `json:"owner,omitempty"`  // "" keeps likewise, or root
	Group  string `json:"group,omitempty"`  // likewise
	Size   int64  `json:"size"`             // bytes
	Backup bool   `json:"backup,omitempty"` // keeps what is replaced beside it, its name followed by the time
}

// Fetch is what is to be sent.
type Fetch struct {
	Path string `json:"path"`           // absolute; a file, or a directory that is sent as tar.gz
	Most int64  `json:"most,omitempty"` // bytes that may be sent; more fails with ErrCodeTooLarge
}

// Log is which end of a child agent's log is wanted.
type Log struct {
	Stream Stream `json:"stream"`
	Bytes  int64  `json:"bytes,omitempty"` // 0: 64 KiB
}

// Remove is how an agent is taken off its host.
type Remove struct {
	Script string `json:"script"` // setup-agent.sh, which is run with the verb "uninstall"
	// KeepChildren leaves child agents running, with their files, for an agent that comes after. Otherwise they are stopped first.
	KeepChildren bool `json:"keep_children,omitempty"`
}

// Stream is one of a process's two outputs.
type Stream string

// The streams.
const (
	Stdout Stream = "stdout"
	Stderr Stream = "stderr"
)

// OutputChunk is a piece of a job's output. The pieces of one stream arrive in the order of their offsets; an
// offset beyond the end of the piece before says that what is between was not kept. A piece may arrive twice.
type OutputChunk struct {
	Job    string `json:"job"`
	Stream Stream `json:"stream"`
	Offset int64  `json:"offset"` // in the whole stream, bytes
	Data   []byte `json:"data"`   // base64
}

// MaxChunk bounds the data of one OutputChunk, in bytes; MaxOutput that of all in one message.
const (
	MaxChunk  = 64 << 10
	MaxOutput = 256 << 10
)

// JobProgress is how far an agent is with a job that it has taken over.
type JobProgress struct {
	ID    string   `json:"id"`
	State JobState `json:"state"`
}

// JobState is where a job is on its agent.
type JobState string

// The states on the agent.
const (
	JobQueued  JobState = "queued"
	JobRunning JobState = "running"
	JobDone    JobState = "done" // its result is on its way
)

// JobResult reports how one job ended. ErrCode 0 is success.
type JobResult struct {
	ID      string `json:"id"`
	ErrCode int    `json:"errcode"`
	Message string `json:"message"`

	ExitCode *int     `json:"exit_code,omitempty"` // of a command that ended by itself
	Stdout   int64    `json:"stdout,omitempty"`    // bytes that were written to the stream, kept or not
	Stderr   int64    `json:"stderr,omitempty"`
	Elapsed  int64    `json:"elapsed,omitempty"` // milliseconds
	File     *JobFile `json:"file,omitempty"`    // what a fetch sent
}

// JobFile is a file that a fetch sent.
type JobFile struct {
	Name     string `json:"name"` // base name; of a directory with ".tar.gz" added
	Size     int64  `json:"size"`
	Checksum string `json:"checksum"` // "SHA256:<hex>"
}

// Error codes of job results. They are stable: new ones are added at the end.
const (
	ErrCodeOK            = 0
	ErrCodeFailed        = 1  // the work was done and failed; the message says why
	ErrCodeUnknownAction = 2  // this agent does not know the action
	ErrCodeBadJob        = 3  // a field is missing or out of range; nothing was done
	ErrCodeChecksum      = 4  // what was downloaded is not what was meant; nothing was changed
	ErrCodeDownload      = 5  // the URL could not be read
	ErrCodeBadPackage    = 6  // not a package or archive, or one that would write outside its place; nothing was changed
	ErrCodeTimeout       = 7  // the work took too long and was ended
	ErrCodeCanceled      = 8  // ended, or not begun, because the server said so
	ErrCodeExpired       = 9  // came too late to begin
	ErrCodeNoChild       = 10 // there is no such child agent
	ErrCodeDefinition    = 11 // the child agent's definition, envs or limits cannot be used
	ErrCodeDiskFull      = 12 // no space left; nothing was changed
	ErrCodeUnknown       = 13 // the work was begun, and a crash hid how it ended. It is not done again
	ErrCodeExitStatus    = 14 // the command ended by itself with another status than 0, or by a signal
	ErrCodeTooLarge      = 15 // more than the limit
	ErrCodeUser          = 16 // there is no such user or group; nothing was run
	ErrCodeRolledBack    = 17 // the new version did not work, and the old one is in force again
)

// ResultReply acknowledges. Anything but 0 makes the agent send the same again.
type ResultReply struct {
	ErrCode int `json:"errcode"`
}
