package web

import (
	"context"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/bootstrap/hostlist"
	"hostler/server/fleet"
	"hostler/server/operation"
	"hostler/ui/live"
	"hostler/ui/page"
)

// at is a time that may be missing; view models say so with the zero time.
func at(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

func id(n *int64) int64 {
	if n == nil {
		return 0
	}
	return *n
}

func hostCounts(counts map[db.HostState]int) page.HostCounts {
	out := page.HostCounts{}
	for state, n := range counts {
		out[string(state)] = n
	}
	return out
}

func (w *Web) hostView(h fleet.Host) page.Host { return hostView(w.Fleet, h) }

func hostView(f *fleet.Fleet, h fleet.Host) page.Host {
	v := page.Host{
		ID: h.ID, Name: h.Name, CallsItself: h.FQDN, Address: h.Address, State: string(h.State), OS: h.OSName, Arch: h.Arch, AgentVersion: h.AgentVersion,
		LastSeen: at(h.LastSeenAt), Children: len(h.Children), Cluster: h.Cluster, AgentStarted: at(h.StartedAt),
		AgentSN: h.AgentSN, Tags: h.Tags, Step: int(f.StepOf(h) / time.Second), Registered: at(h.RegisteredAt),
	}
	for _, c := range h.Children {
		if c.Status == wire.ChildRunning {
			v.ChildrenRun++
		}
	}
	return v
}

func (w *Web) hostViews(hosts []fleet.Host) []page.Host {
	out := make([]page.Host, len(hosts))
	for i, h := range hosts {
		out[i] = w.hostView(h)
	}
	return out
}

func arrivalView(h fleet.Host) page.Arrival {
	return page.Arrival{
		HostID: h.ID, Name: h.Name, Address: h.Address, OS: h.OSName, State: string(h.State), AgentVersion: h.AgentVersion,
		Registered: at(h.RegisteredAt), LastSeen: at(h.LastSeenAt),
	}
}

func factsView(f *wire.Facts) *page.Facts {
	if f == nil {
		return nil
	}
	v := &page.Facts{
		Family: f.OS.Family,
		Kernel: f.Kernel, CPU: f.CPU.Model, Cores: f.CPU.Cores, Memory: f.Memory, Swap: f.Swap,
		Virtualisation: f.Virtualisation, FQDN: f.FQDN, MachineID: f.MachineID,
	}
	if f.BootTime > 0 {
		v.Boot = time.Unix(f.BootTime, 0).UTC()
	}
	for _, d := range f.Disks {
		v.Disks = append(v.Disks, page.Disk(d))
	}
	for _, i := range f.Interfaces {
		v.Interfaces = append(v.Interfaces, page.Interface(i))
	}
	return v
}

func childViews(cs []db.ChildAgent) []page.Child {
	out := make([]page.Child, len(cs))
	for i := range cs {
		out[i] = childView(&cs[i])
	}
	return out
}

func childView(c *db.ChildAgent) page.Child {
	v := page.Child{
		HostID: c.HostID, Name: c.Name, Version: c.Version, Status: string(c.Status), Reason: c.Reason, Uptime: time.Duration(c.Uptime) * time.Second,
		CPU: c.CPU, Memory: uint64(max(0, c.Memory)), LimitedBy: string(c.LimitedBy), Restarts: c.Restarts,
	}
	if c.Limits != nil {
		v.CPULimit, v.MemoryLimit = c.Limits.CPU, c.Limits.Memory
	}
	if e := c.LastExit; e != nil {
		v.ExitTime, v.ExitSignal, v.ExitReason = time.Unix(e.Time, 0).UTC(), e.Signal, e.Reason
		if e.Code != nil {
			v.ExitCode = strconv.Itoa(*e.Code)
		}
	}
	return v
}

func (w *Web) jobViews(ctx context.Context, js []db.Job) []page.Job {
	ids := make([]int64, len(js))
	for i := range js {
		ids[i] = js[i].HostID
	}
	names := w.Fleet.Names(ctx, ids)
	out := make([]page.Job, len(js))
	for i, j := range js {
		out[i] = page.Job{
			ID: j.ID, HostID: j.HostID, Host: names[j.HostID], Action: j.Action, Detail: j.Detail, State: string(j.State), ErrCode: j.ErrCode, Message: j.Message,
			CreatedBy: j.CreatedBy, Created: j.CreatedAt, Finished: at(j.FinishedAt),
		}
	}
	return out
}

// beatSlots is how many slots the strip of heartbeats has.
const beatSlots = 30

// beatViews sorts heartbeats into slots of two steps: agents vary their step a little, so that a slot of one step
// would now and then be empty although none was missed.
func beatViews(beats []time.Time, step time.Duration, now time.Time) ([]page.Beat, time.Duration) {
	slot := 2 * step
	if len(beats) == 0 || slot <= 0 {
		return nil, 0
	}
	out := make([]page.Beat, beatSlots)
	begin := now.Add(-beatSlots * slot)
	for i := range out {
		start := begin.Add(time.Duration(i) * slot)
		out[i] = page.Beat{Start: start, Known: !start.Before(beats[0])}
	}
	for _, b := range beats {
		if i := int(b.Sub(begin) / slot); !b.Before(begin) && i < beatSlots {
			out[i].Seen, out[i].Known = true, true
		}
	}
	return out, slot
}

func (w *Web) eventView(ctx context.Context, e db.Event) page.Event {
	return eventView(ctx, w.Fleet, e)
}

func eventView(ctx context.Context, f *fleet.Fleet, e db.Event) page.Event {
	v := page.Event{
		ID: e.ID, Time: e.Time, Kind: e.Kind, Severity: string(e.Severity), Actor: e.Actor, Params: e.Params,
		HostID: id(e.HostID), OperationID: id(e.OperationID), HostName: e.Params["host"],
	}
	if v.HostID == 0 {
		return v
	}
	name := f.Name(ctx, v.HostID)
	if name == "" {
		v.HostID = 0 // it was removed: there is nothing to lead to
	} else if v.HostName == "" {
		v.HostName = name
	}
	return v
}

func (w *Web) eventViews(ctx context.Context, es []db.Event) []page.Event {
	out := make([]page.Event, len(es))
	for i, e := range es {
		out[i] = w.eventView(ctx, e)
	}
	return out
}

// operationView makes the view of an operation whose progress is told by its counts alone.
func operationView(s operation.Summary) page.Operation {
	counts := page.Counts{}
	for state, n := range s.Counts {
		counts[string(state)] = n
	}
	return page.Operation{
		ID: s.ID, Kind: s.Kind, Title: s.Title, Cluster: s.Cluster, State: string(s.State), CreatedBy: s.CreatedBy,
		Created: s.CreatedAt, Started: at(s.StartedAt), Finished: at(s.FinishedAt), Counts: counts, Progress: counts.Progress(),
		StopAfter: s.MaxFailures, Forgiven: s.Forgiven,
	}
}

func operationViews(sums []operation.Summary) []page.Operation {
	out := make([]page.Operation, len(sums))
	for i, s := range sums {
		out[i] = operationView(s)
	}
	return out
}

func taskView(t operation.TaskView) page.Task {
	return page.Task{
		ID: t.ID, OperationID: t.OperationID, Name: t.Name, State: string(t.State), Reason: t.Reason, Step: t.Step,
		StepNumber: t.StepNumber, Steps: t.StepCount, Problem: page.Problem(t.Problem), Note: t.Note, Attempt: t.Attempt, Batch: t.Batch,
		HostID: id(t.HostID), Started: at(t.StartedAt), Finished: at(t.FinishedAt),
	}
}

func (w *Web) taskViews(kind string, ts []db.Task) []page.Task {
	out := make([]page.Task, len(ts))
	ids := make([]int64, len(ts))
	for i := range ts {
		out[i] = taskView(w.Engine.View(kind, &ts[i]))
		out[i].LogSize, ids[i] = ts[i].LogSize, out[i].HostID
	}
	there := w.Fleet.Names(context.Background(), ids)
	for i := range out {
		if there[out[i].HostID] == "" {
			out[i].HostID = 0 // it was removed: there is nothing to lead to
		}
	}
	return out
}

func (w *Web) draftView(d *db.Draft) page.Draft {
	return page.Draft{
		ID: d.ID, Version: d.Version, Step: d.Step, Cluster: d.Cluster, Method: d.Method, Hosts: d.Hosts, HostCount: len(hostlist.Read(d.Hosts).Hosts),
		User: d.SSHUser, Port: d.SSHPort, Become: d.SSHBecome,
		Jump:    page.JumpView{Host: d.JumpHost, User: d.JumpUser, Port: d.JumpPort},
		Review:  reviewOf(d),
		CheckID: id(d.CheckID), OperationID: id(d.OperationID), HostCheckID: id(d.HostCheckID), CreatedBy: d.CreatedBy, Updated: d.UpdatedAt,
	}
}

// draftFor is a draft for a page of its wizard, with who else has one open. Whether the same person has another window open is
// told live alone: the page that this one comes after may still count.
func (w *Web) draftFor(c *gin.Context, d *db.Draft) page.Draft {
	v := w.draftView(d)
	v.Here = w.hub.others(live.TopicWizard(d.ID), identity(c))
	v.Here.Myself = false
	return v
}

func (w *Web) draftViews(ds []db.Draft) []page.Draft {
	out := make([]page.Draft, len(ds))
	for i := range ds {
		out[i] = w.draftView(&ds[i])
	}
	return out
}
