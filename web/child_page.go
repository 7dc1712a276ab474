package web

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/gin-gonic/gin"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/remote"
	"hostler/ui/page"
)

// logErrors is the button for the end of what a child agent wrote to its standard error.
const logErrors = "log_errors"

// childActionForm is POST /hosts/{id}/child-agents: a button beside a child agent.
func (w *Web) childActionForm(c *gin.Context) error {
	f, err := readForm(c)
	if err != nil {
		return err
	}
	h, err := w.host(c)
	if err != nil {
		return err
	}
	ctx, name, action := c.Request.Context(), f.text("name"), f.text("action")
	if action == wire.ActionLog || action == logErrors {
		stream := wire.Stdout
		if action == logErrors {
			stream = wire.Stderr
		}
		j, err := w.Remote.ChildLog(ctx, remote.LogRequest{Host: h.Name, Name: name, Stream: stream}, identity(c).Name)
		if err != nil {
			return invalidWork(ctx, err)
		}
		return goTo(c, "/jobs/"+url.PathEscape(j.ID))
	}
	if !slices.Contains([]string{wire.ActionStart, wire.ActionStop, wire.ActionRestart}, action) {
		return db.ErrNotFound
	}
	request := remote.ChildRequest{Common: remote.Common{Targets: remote.Targets{IDs: []int64{h.ID}}}, Name: name}
	o, err := w.Remote.Child(ctx, action, request, identity(c).Name)
	if err != nil {
		return invalidWork(ctx, err)
	}
	return goTo(c, "/operations/"+strconv.FormatInt(o.ID, 10))
}

// childrenPage is GET /child-agents.
func (w *Web) childrenPage(c *gin.Context) error {
	children, next, err := w.findChildren(c, hostsPerPage)
	if err != nil {
		return err
	}
	v := page.ChildrenView{Frame: w.frame(c), Status: c.Query("status"), Search: c.Query("search"), Next: next, Paged: c.Query("after") != ""}
	for i := range children {
		child := childView(&children[i].ChildAgent)
		child.Host = children[i].Host
		v.Children = append(v.Children, child)
	}
	return show(c, http.StatusOK, page.ChildrenPage(v))
}
