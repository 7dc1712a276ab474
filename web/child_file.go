package web

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/ui/page"
)

const (
	// pageAsks is how long a page waits for a host that can be woken to tell what a file of its says. It waits for no other.
	pageAsks = 2 * time.Second
	// programAsks is how long a program does, also for the next heartbeat.
	programAsks = 15 * time.Second
)

// childFileReply is what a host's file says of a child agent.
type childFileReply struct {
	Name   string `json:"name"`
	File   string `json:"file"`   // "" when there is none
	Text   string `json:"text"`   // "" when it is too large or no text
	Edited bool   `json:"edited"` // it is not what was sent last
}

// showChildFile is GET child-agents/definition.
func (w *Web) showChildFile(c *gin.Context) error {
	id, err := w.hostNamed(c.Request.Context(), c.Query("host"))
	if err != nil {
		return err
	}
	told, err := w.childFile(c.Request.Context(), id, c.Query("name"), programAsks)
	if errors.Is(err, context.DeadlineExceeded) {
		return refuse(http.StatusGatewayTimeout, "host_silent", "the host has not answered yet", "ask again after its next heartbeat")
	}
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, childFileReply{Name: told.Name, File: told.File, Text: told.Text, Edited: told.Edited})
	return nil
}

// hostNamed finds a host by its name or its number.
func (w *Web) hostNamed(ctx context.Context, text string) (int64, error) {
	number, _ := strconv.ParseInt(text, 10, 64)
	found := w.Fleet.Select(ctx, func(h *db.Host) bool { return h.Name == text || h.ID == number })
	switch len(found) {
	case 0:
		return 0, db.ErrNotFound
	case 1:
		return found[0].ID, nil
	}
	return 0, badQuery("host", "several hosts have this name; give the number of one")
}

func (w *Web) childFile(ctx context.Context, host int64, name string, most time.Duration) (*wire.Definition, error) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	return w.Fleet.Definition(ctx, host, name, w.Jobs.Wake)
}

// fillFromHost fills in what the only host's file says of a child agent now. Where the host does not tell in time, what was
// sent last stays, and the page says so.
func (w *Web) fillFromHost(ctx context.Context, form *page.WorkForm, host int64) {
	most := time.Duration(0)
	if w.wakes.has(host) {
		most = pageAsks
	}
	told, err := w.childFile(ctx, host, form.Name, most)
	if errors.Is(err, db.ErrNotFound) {
		return // the host has no such child agent
	}
	form.OnHost = page.OnHost{Host: w.Fleet.Name(ctx, host), Silent: err != nil}
	if err != nil || told.Text == "" {
		return
	}
	form.OnHost.File, form.OnHost.Edited = told.File, told.Edited
	form.Definition, form.Shown = told.Text, told.Text
}
