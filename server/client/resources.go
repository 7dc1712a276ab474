package client

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"time"

	"hostler/agent/wire"
)

// Operation is what a command needs of one.
type Operation struct {
	ID     int64          `json:"id"`
	Title  string         `json:"title"`
	State  string         `json:"state"`
	Counts map[string]int `json:"counts"`
	Tasks  []Task         `json:"tasks"`
	// StopAfter is how many failures end it; 0: any number.
	StopAfter int `json:"stop_after"`
}

// Ended says whether nothing more will happen by itself.
func (o *Operation) Ended() bool {
	return o.State != "pending" && o.State != "running" && o.State != "waiting"
}

// Task is an operation's work on one host.
type Task struct {
	ID    int64  `json:"id"`
	Name  string `json:"name"`
	State string `json:"state"`
	JobID string `json:"job_id"`
	Batch int    `json:"batch"` // 1 for the first; 0: the operation has none
	Note  string `json:"note"`
	Error struct {
		Code  string `json:"code"`
		Cause string `json:"cause"`
		Hint  string `json:"hint"`
	} `json:"error"`
	StartedAt  *time.Time `json:"started_at"`
	FinishedAt *time.Time `json:"finished_at"`
	Steps      []Step     `json:"steps"`
}

// Step is one of a task's, in their order.
type Step struct {
	Title string `json:"title"`
	State string `json:"state"`
}

// Install is what the server answers to an answer file.
type Install struct {
	OperationID int64    `json:"operation_id,omitempty"` // 0: there is nothing to do
	Hosts       int      `json:"hosts"`
	Known       int      `json:"known"`   // those that are managed already
	Managed     []string `json:"managed"` // the names of the first of them
}

// Ended is that of Operation.
func (t *Task) Ended() bool {
	return t.State != "pending" && t.State != "running" && t.State != "waiting"
}

// Job is one piece of work for one host.
type Job struct {
	ID        string        `json:"id"`
	Host      string        `json:"host"`
	Action    string        `json:"action"`
	Detail    string        `json:"detail"`
	State     string        `json:"state"`
	ErrCode   int           `json:"errcode"`
	Message   string        `json:"message"`
	ExitCode  *int          `json:"exit_code"`
	CreatedBy string        `json:"created_by"`
	CreatedAt time.Time     `json:"created_at"`
	Elapsed   int64         `json:"elapsed"` // milliseconds
	Stdout    JobOutput     `json:"stdout"`
	Stderr    JobOutput     `json:"stderr"`
	File      *wire.JobFile `json:"file"`
}

// Ended is that of Operation.
func (j *Job) Ended() bool {
	return j.State != "queued" && j.State != "delivered" && j.State != "running"
}

// JobOutput is the size of a stream, in bytes.
type JobOutput struct {
	Size int64 `json:"size"`
	Kept int64 `json:"kept"`
}

// Outcomes groups an operation's jobs by how they ended and what they wrote.
type Outcomes struct {
	Groups []Outcome `json:"groups"`
	Rest   int       `json:"rest"` // jobs in groups that are not told
}

// Outcome is a group of jobs that ended alike.
type Outcome struct {
	State    string `json:"state"`
	ErrCode  int    `json:"errcode"`
	ExitCode *int   `json:"exit_code"`
	Count    int    `json:"count"`
	Message  string `json:"message"`
	Stdout   string `json:"stdout"`
	Stderr   string `json:"stderr"`
	Hosts    []struct {
		Name  string `json:"name"`
		JobID string `json:"job_id"`
	} `json:"hosts"`
}

// Child is a child agent on a host.
type Child struct {
	Host string `json:"host"`
	wire.ChildAgent
}

// ChildDefinition is a version of a child agent that was installed before.
type ChildDefinition struct {
	Name    string    `json:"name"`
	Version string    `json:"version"`
	URL     string    `json:"url"`
	UsedBy  string    `json:"used_by"`
	UsedAt  time.Time `json:"used_at"`
}

// ChildFile is what a host's file says of a child agent.
type ChildFile struct {
	File   string `json:"file"`
	Text   string `json:"text"`
	Edited bool   `json:"edited"`
}

// ChildArchive is an archive of the repository that can be installed as a child agent.
type ChildArchive struct {
	Name       string   `json:"name"`
	Version    string   `json:"version"`
	Arch       string   `json:"arch"`
	Repository string   `json:"repository"`
	Channels   []string `json:"channels"`
}

// Certificate is one of a host.
type Certificate struct {
	Serial      string    `json:"serial"`
	Fingerprint string    `json:"fingerprint"`
	Host        string    `json:"host"`
	State       string    `json:"state"`
	NotAfter    time.Time `json:"not_after"`
}

// EnrolRequest is a host that waits for approval.
type EnrolRequest struct {
	ID          int64     `json:"id"`
	Host        string    `json:"host"`
	Fingerprint string    `json:"fingerprint"`
	Address     string    `json:"address"`
	OS          string    `json:"os"`
	State       string    `json:"state"`
	Conflict    string    `json:"conflict"`
	Refusal     string    `json:"refusal"` // why the token that it came with does not admit it
	CreatedAt   time.Time `json:"created_at"`
}

// Authority signs certificates.
type Authority struct {
	Name     string    `json:"name"`
	Pin      string    `json:"pin"`
	Signs    bool      `json:"signs"`
	NotAfter time.Time `json:"not_after"`
}

// Rotation is how far the change from one authority to another is.
type Rotation struct {
	Stage string     `json:"stage"`
	Old   Authority  `json:"old"`
	New   *Authority `json:"new"`
	Hosts struct {
		Total      int `json:"total"`
		Untrusting int `json:"untrusting"`
		Old        int `json:"old"`
		Lost       int `json:"lost"`
	} `json:"hosts"`
}

// HostBehind is a host that would be lost if the change went on.
type HostBehind struct {
	Host      string `json:"host"`
	State     string `json:"state"`
	Trusts    bool   `json:"trusts"`
	Certified bool   `json:"certified"`
}

// SigningKey signs repositories.
type SigningKey struct {
	Name        string `json:"name"`
	Fingerprint string `json:"fingerprint"`
	Signs       bool   `json:"signs"`
}

// KeyRotation is how far the change from one signing key to another is.
type KeyRotation struct {
	Stage string      `json:"stage"`
	Old   SigningKey  `json:"old"`
	New   *SigningKey `json:"new"`
	Hosts struct {
		Total   int `json:"total"`
		Lacking int `json:"lacking"`
		Lost    int `json:"lost"`
	} `json:"hosts"`
	Channels struct {
		Total int `json:"total"`
		Stale int `json:"stale"`
	} `json:"channels"`
}

// HostLacking is a host that does not have the new signing key.
type HostLacking struct {
	Host  string `json:"host"`
	State string `json:"state"`
	Keys  string `json:"keys"`
}

// SignRule signs hosts without asking.
type SignRule struct {
	ID        int64     `json:"id"`
	Host      string    `json:"host"`
	Networks  string    `json:"networks"`
	Note      string    `json:"note"`
	CreatedBy string    `json:"created_by"`
	CreatedAt time.Time `json:"created_at"`
}

// EnrolToken is a token that admits hosts.
type EnrolToken struct {
	ID        int64     `json:"id"`
	State     string    `json:"state"`
	Note      string    `json:"note"`
	Host      string    `json:"host"`
	Networks  string    `json:"networks"`
	Uses      int       `json:"uses"`
	UsesLeft  int       `json:"uses_left"`
	CreatedBy string    `json:"created_by"`
	ExpiresAt time.Time `json:"expires_at"`
	Token     string    `json:"token"` // told when it is made, and then only
}

// Start posts a request that starts an operation, and returns its number.
func (c *Client) Start(ctx context.Context, path string, in any) (int64, error) {
	var started struct {
		OperationID int64 `json:"operation_id"`
	}
	return started.OperationID, c.Post(ctx, path, in, &started)
}

// ShownKey is the SSH key that a host showed to a check.
type ShownKey struct {
	Host        string `json:"host"`
	Jump        bool   `json:"jump"` // it is the jump host's
	Fingerprint string `json:"fingerprint"`
	Known       bool   `json:"known"`      // it was trusted before
	Comparison  string `json:"comparison"` // with the known hosts that were given; "" without any
}

// CheckedKeys reads the keys that hosts showed to a check; in says what to hold them against.
func (c *Client) CheckedKeys(ctx context.Context, id int64, in any) ([]ShownKey, error) {
	var out struct {
		Keys []ShownKey `json:"keys"`
	}
	return out.Keys, c.Post(ctx, "checks/"+strconv.FormatInt(id, 10)+"/keys", in, &out)
}

// Operation reads an operation with its tasks.
func (c *Client) Operation(ctx context.Context, id int64) (*Operation, error) {
	var o Operation
	return &o, c.Get(ctx, "operations/"+strconv.FormatInt(id, 10), &o)
}

// Outcomes reads how an operation's jobs ended.
func (c *Client) Outcomes(ctx context.Context, id int64) (*Outcomes, error) {
	var o Outcomes
	return &o, c.Get(ctx, fmt.Sprintf("operations/%d/outcomes", id), &o)
}

// Cancel ends an operation.
func (c *Client) Cancel(ctx context.Context, id int64) error {
	return c.Post(ctx, fmt.Sprintf("operations/%d/cancel", id), nil, nil)
}

// Job reads a job.
func (c *Client) Job(ctx context.Context, id string) (*Job, error) {
	var j Job
	return &j, c.Get(ctx, "jobs/"+url.PathEscape(id), &j)
}

// Output writes what a job has written to a stream from an offset on, and returns where it goes on.
func (c *Client) Output(ctx context.Context, id string, stream wire.Stream, offset int64, to io.Writer) (int64, error) {
	for {
		path := fmt.Sprintf("jobs/%s/output?stream=%s&offset=%d", url.PathEscape(id), stream, offset)
		header, err := c.Download(ctx, path, to)
		if err != nil {
			return offset, err
		}
		next, err := strconv.ParseInt(header.Get("X-Output-Next"), 10, 64)
		if err != nil {
			return offset, fmt.Errorf("cannot read the server's answer: %w", err)
		}
		if next <= offset {
			return next, nil
		}
		offset = next
	}
}

// HostChecks is what the last checks of hosts found, the worst first.
type HostChecks struct {
	Counts map[string]int `json:"counts"` // hosts by state: fail, warn, pass, unchecked
	Items  []HostCheck    `json:"items"`
}

// HostCheck is a host's last check.
type HostCheck struct {
	Host     string `json:"host"`
	State    string `json:"state"`
	Verdicts []struct {
		Check string `json:"check"`
		State string `json:"state"`
		Found string `json:"found"`
		Mend  string `json:"mend"`
		// Accepted is who said that a warning may stay; nil unless it may.
		Accepted *struct {
			By     string `json:"by"`
			Reason string `json:"reason"`
		} `json:"accepted"`
	} `json:"verdicts"`
}
