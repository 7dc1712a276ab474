package web

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"github.com/gin-gonic/gin"

	"hostler/db"
	"hostler/server/audit"
	"hostler/server/remote"
	"hostler/ui/page"
)

// createCommand is POST commands.
func (w *Web) createCommand(c *gin.Context) error {
	return startWork(c, func(ctx context.Context, in remote.CommandRequest, actor string) (*db.Operation, error) {
		return w.Remote.Command(ctx, in, actor)
	})
}

// createPush is POST pushes.
func (w *Web) createPush(c *gin.Context) error {
	return startWork(c, func(ctx context.Context, in remote.PushRequest, actor string) (*db.Operation, error) {
		if err := refuseKeyInPath(ctx, &in.Path); err != nil {
			return nil, err
		}
		return w.Remote.Push(ctx, in, actor)
	})
}

// createFetch is POST fetches.
func (w *Web) createFetch(c *gin.Context) error {
	return startWork(c, func(ctx context.Context, in remote.FetchRequest, actor string) (*db.Operation, error) {
		if err := refuseKeyInPath(ctx, &in.Path); err != nil {
			return nil, err
		}
		return w.Remote.Fetch(ctx, in, actor)
	})
}

// createChildAction is POST child-agents/{action}.
func (w *Web) createChildAction(c *gin.Context) error {
	return startWork(c, func(ctx context.Context, in remote.ChildRequest, actor string) (*db.Operation, error) {
		return w.Remote.Child(ctx, c.Param("action"), in, actor)
	})
}

// createUpgrade is POST agent-upgrades.
func (w *Web) createUpgrade(c *gin.Context) error {
	return startWork(c, func(ctx context.Context, in remote.UpgradeRequest, actor string) (*db.Operation, error) {
		return w.Remote.UpgradeAgents(ctx, in, actor)
	})
}

// createRemoval is POST host-removals.
func (w *Web) createRemoval(c *gin.Context) error {
	return startWork(c, func(ctx context.Context, in remote.RemoveRequest, actor string) (*db.Operation, error) {
		return w.Remote.Remove(ctx, in, actor)
	})
}

// startWork reads a request and starts its operation.
func startWork[T any](c *gin.Context, start func(ctx context.Context, in T, actor string) (*db.Operation, error)) error {
	var in T
	if err := decode(c, &in); err != nil {
		return err
	}
	ctx := c.Request.Context()
	o, err := start(ctx, in, identity(c).Name)
	if err != nil {
		return invalidWork(ctx, err)
	}
	c.Header("Location", api+"/operations/"+strconv.FormatInt(o.ID, 10))
	c.JSON(http.StatusCreated, startedReply{o.ID})
	return nil
}

// refuseKeyInPath complains about a private key in a path, which becomes part of a title.
func refuseKeyInPath(ctx context.Context, typed *string) error {
	fields := map[string]string{}
	refuseKeys(ctx, fields, map[string]*string{"path": typed})
	if len(fields) > 0 {
		return invalid(fields)
	}
	return nil
}

// invalidWork is the answer to a request that package remote refused; other errors stay as they are.
func invalidWork(ctx context.Context, err error) error {
	var wrong *remote.Invalid
	if !errors.As(err, &wrong) {
		return err
	}
	fields := map[string]string{}
	for _, f := range wrong.Fields {
		text := page.WorkFieldText(ctx, f.Code, f.Args, f.Message)
		if f.Code == remote.CodeHostList {
			text = problemLines(ctx, f.Problems)
		}
		if before, again := fields[f.Field]; again {
			text = before + "; " + text
		}
		fields[f.Field] = text
	}
	return invalid(fields)
}

type jobStartedReply struct {
	JobID string `json:"job_id"`
}

// createChildLog is POST child-agents/log.
func (w *Web) createChildLog(c *gin.Context) error {
	var in remote.LogRequest
	if err := decode(c, &in); err != nil {
		return err
	}
	j, err := w.Remote.ChildLog(c.Request.Context(), in, identity(c).Name)
	if err != nil {
		return invalidWork(c.Request.Context(), err)
	}
	c.Header("Location", api+"/jobs/"+j.ID)
	c.JSON(http.StatusCreated, jobStartedReply{j.ID})
	return nil
}

type fileReply struct {
	ID       string `json:"id"`
	Size     int64  `json:"size"`
	Checksum string `json:"checksum"` // "SHA256:<hex>"
}

// uploadFile is POST files: the body is the file.
func (w *Web) uploadFile(c *gin.Context) error {
	if c.ContentType() != "application/octet-stream" {
		return refuse(http.StatusUnsupportedMediaType, "not_a_file", "the request's Content-Type is not application/octet-stream", "")
	}
	f, err := w.Files.Upload(c.Request.Context(), patientBody(c), identity(c).Name)
	if err != nil {
		return err
	}
	audit.About(c.Request.Context(), f.Checksum, nil, map[string]int64{"size": f.Size})
	c.JSON(http.StatusCreated, fileReply{ID: f.Checksum, Size: f.Size, Checksum: "SHA256:" + f.Checksum})
	return nil
}

// Bounds of what outcomes tell.
const (
	outcomeGroups = 50
	outcomeHosts  = 50
	outcomeSample = 4 << 10 // bytes of each stream
)

type outcomesReply struct {
	Groups []outcomeReply `json:"groups"` // the largest first
	Rest   int            `json:"rest"`   // jobs in groups that are not told
}

// outcomeReply is a group of jobs that ended alike, with the same output.
type outcomeReply struct {
	State      db.JobState   `json:"state"`
	ErrCode    int           `json:"errcode"`
	ExitCode   *int          `json:"exit_code"`
	Count      int           `json:"count"`
	Message    string        `json:"message"` // of one of them
	Stdout     string        `json:"stdout"`  // the beginning of it
	Stderr     string        `json:"stderr"`
	Hosts      []outcomeHost `json:"hosts"`       // the first of them
	OutputHash string        `json:"output_hash"` // hex SHA-256 of what was kept of it; "" for nothing
}

type outcomeHost struct {
	ID    int64  `json:"id"`
	Name  string `json:"name"`
	JobID string `json:"job_id"`
}

// getOutcomes is GET operations/{id}/outcomes.
func (w *Web) getOutcomes(c *gin.Context) error {
	n, err := pathID(c, "id")
	if err != nil {
		return err
	}
	reply, err := w.outcomes(c.Request.Context(), n)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, reply)
	return nil
}

// outcomes groups the jobs of an operation by how they ended.
func (w *Web) outcomes(ctx context.Context, operationID int64) (outcomesReply, error) {
	if _, err := w.DB.Operation(ctx, operationID); err != nil {
		return outcomesReply{}, err
	}
	groups, rest, err := w.DB.Outcomes(ctx, operationID, outcomeGroups, outcomeHosts)
	if err != nil {
		return outcomesReply{}, err
	}
	reply := outcomesReply{Groups: make([]outcomeReply, len(groups)), Rest: rest}
	for i, g := range groups {
		out := outcomeReply{
			State: g.State, ErrCode: g.ErrCode, ExitCode: g.ExitCode, Count: g.Count, Message: g.Jobs[0].Message,
			Hosts: make([]outcomeHost, len(g.Jobs)), OutputHash: g.OutputHash,
		}
		for k, j := range g.Jobs {
			out.Hosts[k] = outcomeHost{ID: j.HostID, Name: j.Host, JobID: j.ID}
		}
		slices.SortFunc(out.Hosts, func(a, b outcomeHost) int { return cmp.Compare(a.Name, b.Name) })
		if g.OutputHash != "" {
			if out.Stdout, out.Stderr, err = w.sample(ctx, g.Jobs[0].ID); err != nil {
				return outcomesReply{}, err
			}
		}
		reply.Groups[i] = out
	}
	return reply, nil
}
