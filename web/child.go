package web

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/fleet"
)

// childReply is a child agent in the API.
type childReply struct {
	Name      string          `json:"name"`
	Version   string          `json:"version"`
	Status    wire.ChildState `json:"status"`
	Uptime    int64           `json:"uptime"` // seconds
	Reason    string          `json:"reason"` // why it is in this state; "" while all is well
	PID       int             `json:"pid"`
	Ready     bool            `json:"ready"`
	Restarts  int             `json:"restarts"`
	CPU       float64         `json:"cpu"`    // per cent of one core
	Memory    int64           `json:"memory"` // bytes
	Limits    *wire.Limits    `json:"limits"`
	LimitedBy wire.Limiter    `json:"limited_by"`
	LastExit  *wire.Exit      `json:"last_exit"`
}

// hostChildReply is a child agent with its host.
type hostChildReply struct {
	HostID int64  `json:"host_id"`
	Host   string `json:"host"`
	childReply
}

type childrenReply struct {
	Items []hostChildReply `json:"items"`
	Next  string           `json:"next"` // for ?after=; "" on the last page
}

func childReplyOf(c *db.ChildAgent) childReply {
	return childReply{
		Name: c.Name, Version: c.Version, Status: c.Status, Uptime: c.Uptime, Reason: c.Reason, PID: c.PID, Ready: c.Ready,
		Restarts: c.Restarts, CPU: c.CPU, Memory: c.Memory, Limits: c.Limits, LimitedBy: c.LimitedBy, LastExit: c.LastExit,
	}
}

// childStates are those that a filter may name.
var childStates = []wire.ChildState{wire.ChildStopped, wire.ChildRunning, wire.ChildFatal, wire.ChildKilled}

// listChildAgents is GET child-agents.
func (w *Web) listChildAgents(c *gin.Context) error {
	limit, err := queryInt(c, "limit", hostsPerPage, 1, 1000)
	if err != nil {
		return err
	}
	children, next, err := w.findChildren(c, int(limit))
	if err != nil {
		return err
	}
	reply := childrenReply{Items: make([]hostChildReply, len(children)), Next: next}
	for i := range children {
		reply.Items[i] = hostChildReply{children[i].HostID, children[i].Host, childReplyOf(&children[i].ChildAgent)}
	}
	c.JSON(http.StatusOK, reply)
	return nil
}

// findChildren reads the page of child agents that the query asks for: name, search, status, host, after.
func (w *Web) findChildren(c *gin.Context, limit int) (children []fleet.Child, next string, err error) {
	q := db.ChildQuery{Name: c.Query("name"), Search: strings.TrimSpace(c.Query("search")), Status: wire.ChildState(c.Query("status")), Limit: limit}
	if q.Status != "" && !slices.Contains(childStates, q.Status) {
		return nil, "", badQuery("status", "there is no such status")
	}
	if q.HostID, err = queryInt(c, "host", 0, 1, 1<<62); err != nil {
		return nil, "", err
	}
	after, err := afterOf(c)
	if err != nil {
		return nil, "", err
	}
	q.After = db.ChildKey{Name: after.name, HostID: after.id}
	rows, key, err := w.DB.ChildAgents(c.Request.Context(), q)
	if err != nil {
		return nil, "", err
	}
	if key != nil {
		next = position{key.Name, key.HostID}.String()
	}
	return w.Fleet.Children(rows), next, nil
}
