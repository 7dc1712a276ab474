package web

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"hostler/db"
	"hostler/server/event"
)

// enrolQueue says whether hosts without a token may wait for somebody to approve them.
type enrolQueue struct {
	Open bool `json:"open"`
}

// getEnrolQueue is GET enrol-queue.
func (w *Web) getEnrolQueue(c *gin.Context) error {
	open, err := w.CA.QueueOpen(c.Request.Context())
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, enrolQueue{open})
	return nil
}

// putEnrolQueue is POST enrol-queue.
func (w *Web) putEnrolQueue(c *gin.Context) error {
	var in enrolQueue
	if err := decode(c, &in); err != nil {
		return err
	}
	if err := w.setEnrolQueue(c, in.Open); err != nil {
		return err
	}
	c.JSON(http.StatusOK, in)
	return nil
}

// enrolQueueForm is POST /trust/queue.
func (w *Web) enrolQueueForm(c *gin.Context) error {
	f, err := readForm(c)
	if err != nil {
		return err
	}
	if err := w.setEnrolQueue(c, f.text("open") == "true"); err != nil {
		return err
	}
	notice(c, "enrol_queue_set")
	return goTo(c, "/trust/policies")
}

func (w *Web) setEnrolQueue(c *gin.Context, open bool) error {
	ctx := c.Request.Context()
	if err := w.CA.SetQueueOpen(ctx, open); err != nil {
		return err
	}
	kind := event.EnrolQueueClosed
	if open {
		kind = event.EnrolQueueOpened
	}
	w.Events.Record(ctx, db.Event{Kind: kind, Severity: db.SeverityWarning, Actor: identity(c).Name, Params: map[string]string{"address": c.RemoteIP()}})
	return nil
}
