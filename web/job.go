package web

import (
	"context"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/audit"
)

const jobsPerPage = 50

// jobReply is a job in the API.
type jobReply struct {
	ID          string      `json:"id"`
	HostID      int64       `json:"host_id"`
	Host        string      `json:"host"`
	OperationID *int64      `json:"operation_id"`
	TaskID      *int64      `json:"task_id"`
	Action      string      `json:"action"`
	Detail      string      `json:"detail"` // what it is about
	State       db.JobState `json:"state"`
	Canceling   bool        `json:"canceling"` // it was told to end and has not yet
	ErrCode     int         `json:"errcode"`
	Message     string      `json:"message"`
	ExitCode    *int        `json:"exit_code"`
	CreatedBy   string      `json:"created_by"`
	CreatedAt   time.Time   `json:"created_at"`
	DeliveredAt *time.Time  `json:"delivered_at"`
	StartedAt   *time.Time  `json:"started_at"`
	FinishedAt  *time.Time  `json:"finished_at"`
	ExpiresAt   *time.Time  `json:"expires_at"`
	Timeout     int         `json:"timeout"` // seconds
	Elapsed     int64       `json:"elapsed"` // milliseconds
	Stdout      outputReply `json:"stdout"`
	Stderr      outputReply `json:"stderr"`
	File        *jobFile    `json:"file"` // what a fetch brought
}

type outputReply struct {
	Size int64 `json:"size"` // bytes written
	Kept int64 `json:"kept"` // of them, bytes that can be read here
}

type jobFile struct {
	Name     string `json:"name"`
	Size     int64  `json:"size"`
	Checksum string `json:"checksum"` // "SHA256:<hex>"
}

// jobDetailReply is what GET jobs/{id} adds.
type jobDetailReply struct {
	jobReply
	Work workReply `json:"work"`
}

// workReply is what a job does. Values of environment variables may be secrets and are left out.
type workReply struct {
	Name       string       `json:"name,omitempty"`
	URL        string       `json:"url,omitempty"`
	Checksum   string       `json:"checksum,omitempty"`
	Version    string       `json:"version,omitempty"`
	Definition string       `json:"definition,omitempty"`
	SvrList    string       `json:"svrlist,omitempty"`
	Step       int          `json:"step,omitempty"`
	Exec       *wire.Exec   `json:"exec,omitempty"`
	Push       *wire.Push   `json:"push,omitempty"`
	Fetch      *wire.Fetch  `json:"fetch,omitempty"`
	Log        *wire.Log    `json:"log,omitempty"`
	Limits     *wire.Limits `json:"limits,omitempty"`
	Envs       []string     `json:"envs,omitempty"` // names
}

type jobsReply struct {
	Items []jobReply `json:"items"`
	Next  string     `json:"next"` // for ?before=; "" on the last page
}

// jobReplies adds the hosts' names to jobs.
func (w *Web) jobReplies(ctx context.Context, js []db.Job) []jobReply {
	ids := make([]int64, len(js))
	for i := range js {
		ids[i] = js[i].HostID
	}
	names := w.Fleet.Names(ctx, ids)
	out := make([]jobReply, len(js))
	for i := range js {
		out[i] = jobReplyOf(&js[i], names[js[i].HostID])
	}
	return out
}

func jobReplyOf(j *db.Job, host string) jobReply {
	r := jobReply{
		ID: j.ID, HostID: j.HostID, Host: host, OperationID: j.OperationID, TaskID: j.TaskID, Action: j.Action, Detail: j.Detail,
		State: j.State, Canceling: j.CancelRequestedAt != nil && !j.State.Ended(), ErrCode: j.ErrCode, Message: j.Message,
		ExitCode: j.ExitCode, CreatedBy: j.CreatedBy, CreatedAt: j.CreatedAt, DeliveredAt: j.DeliveredAt, StartedAt: j.StartedAt,
		FinishedAt: j.FinishedAt, ExpiresAt: j.ExpiresAt, Timeout: j.Timeout, Elapsed: j.Elapsed,
		Stdout: outputReply{j.StdoutSize, j.StdoutKept}, Stderr: outputReply{j.StderrSize, j.StderrKept},
	}
	if j.FileName != "" {
		r.File = &jobFile{j.FileName, j.FileSize, "SHA256:" + j.FileChecksum}
	}
	return r
}

// listJobs is GET jobs.
func (w *Web) listJobs(c *gin.Context) error {
	limit, err := queryInt(c, "limit", jobsPerPage, 1, 500)
	if err != nil {
		return err
	}
	jobs, next, err := w.findJobs(c, int(limit))
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, jobsReply{w.jobReplies(c.Request.Context(), jobs), next})
	return nil
}

// findJobs reads the page that the query asks for: host, host_name, operation, state, action, before; next is "" on the last one.
func (w *Web) findJobs(c *gin.Context, limit int) (jobs []db.Job, next string, err error) {
	q := db.JobQuery{State: db.JobState(c.Query("state")), Action: c.Query("action"), Before: c.Query("before"), Limit: limit + 1}
	if q.State != "" && !slices.Contains(db.JobStates, q.State) {
		return nil, "", badQuery("state", "there is no such state")
	}
	if q.HostID, err = w.hostOfQuery(c); err != nil {
		return nil, "", err
	}
	if q.OperationID, err = queryInt(c, "operation", 0, 1, 1<<62); err != nil {
		return nil, "", err
	}
	jobs, err = w.DB.Jobs(c.Request.Context(), q)
	if len(jobs) > limit {
		jobs = jobs[:limit]
		next = jobs[limit-1].ID
	}
	return jobs, next, err
}

// getJob is GET jobs/{id}.
func (w *Web) getJob(c *gin.Context) error {
	j, err := w.Jobs.Find(c.Request.Context(), c.Param("id"))
	if err != nil {
		return err
	}
	p := &j.Payload
	c.JSON(http.StatusOK, jobDetailReply{jobReplyOf(j, w.Fleet.Name(c.Request.Context(), j.HostID)), workReply{
		Name: p.Name, URL: p.URL, Checksum: p.Checksum, Version: p.Version, Definition: p.Definition, SvrList: p.SvrList, Step: p.Step,
		Exec: p.Exec, Push: p.Push, Fetch: p.Fetch, Log: p.Log, Limits: p.Limits, Envs: slices.Sorted(maps.Keys(p.Envs)),
	}})
	return nil
}

// cancelJob is POST jobs/{id}/cancel.
func (w *Web) cancelJob(c *gin.Context) error {
	j, err := w.DB.Job(c.Request.Context(), c.Param("id"))
	if err != nil {
		return err
	}
	host := w.Fleet.Name(c.Request.Context(), j.HostID)
	audit.About(c.Request.Context(), "job "+j.ID, map[string]string{"host": host, "action": j.Action, "state": string(j.State)}, nil)
	if j, err = w.Jobs.Cancel(c.Request.Context(), j.ID, host); err != nil {
		return err
	}
	c.JSON(http.StatusOK, jobReplyOf(j, host))
	return nil
}

// sample reads the beginning of a job's output.
func (w *Web) sample(ctx context.Context, jobID string) (stdout, stderr string, err error) {
	j, err := w.DB.Job(ctx, jobID)
	if err != nil {
		return "", "", err
	}
	read := func(stream wire.Stream) string {
		text, _, readErr := w.output(ctx, j, stream, 0, outcomeSample)
		if readErr != nil {
			err = readErr
		}
		return strings.ToValidUTF8(text[:min(len(text), outcomeSample)], "\uFFFD")
	}
	return read(wire.Stdout), read(wire.Stderr), err
}

// getJobFile is GET jobs/{id}/file: what a fetch brought. A browser must save it and never show it: it may be a page.
func (w *Web) getJobFile(c *gin.Context) error {
	j, err := w.DB.Job(c.Request.Context(), c.Param("id"))
	if err != nil {
		return err
	}
	if j.FileName == "" {
		return db.ErrNotFound
	}
	f, err := w.Files.OpenFetched(j.ID)
	if err != nil {
		return err
	}
	c.Header("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": j.FileName}))
	return sendFile(c, f, j.FileChecksum)
}
