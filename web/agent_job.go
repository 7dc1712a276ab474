package web

import (
	"errors"
	"net/http"
	"path"
	"strings"

	"github.com/gin-gonic/gin"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/internal/clip"
	"hostler/server/file"
)

// jobResult is POST /agent/job/result.
func (w *Web) jobResult(c *gin.Context) error {
	var in []wire.JobResult
	if err := decodeAgent(c, &in); err != nil {
		return err
	}
	id, name, err := w.Fleet.Identify(c.Request.Context(), certificate(c))
	if err != nil {
		return err
	}
	if err := w.Jobs.Finish(c.Request.Context(), id, name, in); err != nil {
		return err
	}
	c.JSON(http.StatusOK, wire.ResultReply{})
	return nil
}

// jobOutput is POST /agent/job/output.
func (w *Web) jobOutput(c *gin.Context) error {
	var in []wire.OutputChunk
	if err := decodeAgent(c, &in); err != nil {
		return err
	}
	id, _, err := w.Fleet.Identify(c.Request.Context(), certificate(c))
	if err != nil {
		return err
	}
	if err := w.Jobs.Output(c.Request.Context(), id, in); err != nil {
		return err
	}
	c.JSON(http.StatusOK, wire.ResultReply{})
	return nil
}

// hostEvents is POST /agent/events.
func (w *Web) hostEvents(c *gin.Context) error {
	var in []wire.Event
	if err := decodeAgent(c, &in); err != nil {
		return err
	}
	id, name, err := w.Fleet.Identify(c.Request.Context(), certificate(c))
	if err != nil {
		return err
	}
	if err := w.Intake.Take(c.Request.Context(), id, name, in); err != nil {
		return err
	}
	c.JSON(http.StatusOK, wire.ResultReply{})
	return nil
}

// sendJobFile is GET /agent/job/file/{id}: what a push puts on the host.
func (w *Web) sendJobFile(c *gin.Context) error {
	j, err := w.hostJob(c, wire.ActionPush)
	if err != nil {
		return err
	}
	f, err := w.Files.Open(j.Content)
	if err != nil {
		return err
	}
	return sendFile(c, f, j.Content)
}

// takeJobFile is POST /agent/job/file/{id}: what a fetch brings.
func (w *Web) takeJobFile(c *gin.Context) error {
	row, err := w.hostJob(c, wire.ActionFetch)
	if err != nil {
		return err
	}
	j, err := w.Jobs.Find(c.Request.Context(), row.ID)
	if err != nil {
		return err
	}
	if j.Payload.Fetch == nil {
		return db.ErrNotFound
	}
	size, sum, err := w.Files.Fetch(j.ID, patientBody(c), j.Payload.Fetch.Most)
	if err != nil {
		return err
	}
	name := path.Base(j.Payload.Fetch.Path)
	if c.ContentType() == "application/gzip" {
		name += ".tar.gz"
	}
	if err := w.DB.SetJobFile(c.Request.Context(), j.ID, fileName(name), size, sum); err != nil {
		return err
	}
	c.JSON(http.StatusOK, wire.ResultReply{})
	return nil
}

// hostJob finds the job that the path names if it is one of the host that asks, of an action, and has not ended.
func (w *Web) hostJob(c *gin.Context, action string) (*db.Job, error) {
	hostID, _, err := w.Fleet.Identify(c.Request.Context(), certificate(c))
	if err != nil {
		return nil, err
	}
	j, err := w.DB.Job(c.Request.Context(), c.Param("id"))
	if err != nil {
		return nil, err
	}
	// A job that was given up as lost may still be worked on.
	if j.HostID != hostID || j.Action != action || j.State.Ended() && j.State != db.JobLost {
		return nil, db.ErrNotFound
	}
	return j, nil
}

// fileName makes a name that any browser can save a file under.
func fileName(name string) string {
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || strings.ContainsRune(`/\"`, r) {
			return '_'
		}
		return r
	}, strings.ToValidUTF8(name, "_"))
	if strings.Trim(name, "._") == "" {
		name = "file" + strings.ReplaceAll(name, "/", "")
	}
	return clip.Text(name, longestName)
}

var fullDisk = refuse(http.StatusInsufficientStorage, "disk_full", "there is no space left on the server", "free some space below its data directory, then try again")

// fileFailure is the answer to a file that could not be kept; nil when it is another error.
func fileFailure(err error) *failure {
	switch {
	case errors.Is(err, file.ErrTooLarge):
		return refuse(http.StatusRequestEntityTooLarge, "too_large", "the file is larger than the limit", "")
	case errors.Is(err, file.ErrFull):
		return fullDisk
	}
	return nil
}
