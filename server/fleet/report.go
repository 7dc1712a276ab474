package fleet

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/event"
)

const (
	refusalEvery = time.Minute     // one event at most per certificate and this time
	startJitter  = 5 * time.Second // uptimes are whole seconds and travel a while
	maxChildren  = 1000
)

// Register records the host behind an enrolled agent. cert is who the agent proved to be; a body that names
// another host is refused with a *wire.Error.
func (f *Fleet) Register(ctx context.Context, cert *db.Certificate, r wire.RegisterRequest, address string) (wire.RegisterReply, error) {
	if err := f.checkIdentity(ctx, cert, r.Hostname, r.AgentSN); err != nil {
		return wire.RegisterReply{}, err
	}
	now := f.opts.Now()
	h := db.Host{
		AgentSN: cert.AgentSN, Name: cert.Hostname, Cluster: cert.Cluster, Address: address, State: db.HostInit,
		AgentVersion: clip(r.Version), TaskID: cert.TaskID, DraftID: cert.DraftID, RegisteredAt: &now, CreatedAt: now, UpdatedAt: now,
	}
	f.mu.RLock()
	known, again := f.bySN[cert.AgentSN]
	if again {
		h.Step, h.Tags, h.Facts, h.FQDN, h.OSName, h.Arch = known.Step, known.Tags, known.Facts, known.FQDN, known.OSName, known.Arch
		h.CreatedAt = known.CreatedAt
	}
	f.mu.RUnlock()
	if r.Facts != nil {
		h.Facts, h.FQDN, h.OSName, h.Arch = r.Facts, clip(r.Facts.FQDN), clip(r.Facts.OS.Name), clip(r.Facts.Arch)
	}
	if err := f.db.UpsertHost(ctx, &h); err != nil {
		return wire.RegisterReply{}, err
	}
	back := false
	f.mu.Lock()
	e, ok := f.bySN[cert.AgentSN]
	if ok {
		back = e.State == db.HostLost
		h.LastSeenAt, h.StartedAt = e.LastSeenAt, e.StartedAt
		e.Host.Host = h
	} else {
		e = &entry{Host: Host{Host: h}, children: map[string]db.ChildAgent{}}
		f.put(e)
	}
	f.changed(e)
	f.mu.Unlock()
	if back {
		f.recordMove(ctx, h.ID, h.Name, db.HostLost, h.State, h.LastSeenAt)
	}
	f.events.Record(ctx, db.Event{Kind: event.HostRegistered, HostID: &h.ID, Params: map[string]string{"host": h.Name, "address": address}})
	return wire.RegisterReply{AgentSN: h.AgentSN, Tags: h.Tags, Step: seconds(f.stepOf(&h))}, nil
}

// Heartbeat records a status report and returns the host it came from and the answer, without jobs. Refusals
// are *wire.Error; code "not_registered" asks the agent to register first.
func (f *Fleet) Heartbeat(ctx context.Context, cert *db.Certificate, r wire.StatusRequest, address string) (int64, wire.StatusReply, error) {
	if err := f.checkIdentity(ctx, cert, r.Hostname, ""); err != nil {
		return 0, wire.StatusReply{}, err
	}
	if len(r.Agents) > maxChildren {
		return 0, wire.StatusReply{}, &wire.Error{Code: "too_many_children", Message: fmt.Sprintf("a host may report %d child agents", maxChildren)}
	}
	f.mu.Lock()
	e, ok := f.bySN[cert.AgentSN]
	if !ok {
		f.mu.Unlock()
		return 0, wire.StatusReply{}, &wire.Error{Code: "not_registered", Message: "the server does not know this host yet", Hint: "register first"}
	}
	was, lostSince := e.State, e.LastSeenAt
	children := f.beat(e, r, address)
	id, name, state, wanted := e.ID, e.Name, e.State, seconds(f.stepOf(&e.Host.Host))
	f.changed(e)
	f.mu.Unlock()

	if children != nil {
		if err := f.db.ReplaceChildren(ctx, id, children); err != nil {
			f.log.Error("cannot store child agents", "host", name, "err", err)
		}
	}
	if was != state {
		f.stateChanged(ctx, id, name, was, state, lostSince)
	}
	reply := wire.StatusReply{}
	if r.Step != wanted {
		reply.Step = wanted
	}
	return id, reply, nil
}

// beat applies a heartbeat to an entry; f.mu is held. It returns the child agents if they must be stored.
func (f *Fleet) beat(e *entry, r wire.StatusRequest, address string) []db.ChildAgent {
	now := f.opts.Now()
	f.beats++
	e.LastSeenAt, e.Address, e.AgentVersion = &now, address, clip(r.Version)
	started := now.Add(-time.Duration(r.Uptime) * time.Second)
	if e.StartedAt == nil || started.Sub(*e.StartedAt).Abs() > startJitter {
		e.StartedAt = &started
	}
	e.Beats = append(e.Beats, now)
	if n := len(e.Beats); n > beatsKept {
		e.Beats = append(e.Beats[:0], e.Beats[n-beatsKept:]...)
	}
	before := e.children
	e.children = make(map[string]db.ChildAgent, len(r.Agents))
	e.State = db.HostHealthy
	for _, c := range r.Agents {
		name := clip(c.Name)
		e.children[name] = db.ChildAgent{
			HostID: e.ID, Name: name, Version: clip(c.Version), Status: wire.ChildState(clip(string(c.Status))), Uptime: c.Uptime, SeenAt: now,
		}
		if c.Status == wire.ChildFatal || c.Status == wire.ChildKilled {
			e.State = db.HostUnhealthy
		}
	}
	f.dirty[e.ID] = true
	if maps.EqualFunc(before, e.children, sameChild) {
		return nil
	}
	return f.snapshot(e).Children
}

// sameChild ignores what changes with every heartbeat.
func sameChild(a, b db.ChildAgent) bool { return a.Version == b.Version && a.Status == b.Status }

// checkIdentity refuses a body that names another host than the certificate does, and records the attempt.
func (f *Fleet) checkIdentity(ctx context.Context, cert *db.Certificate, hostname, sn string) error {
	claimed := strings.ToLower(strings.TrimSuffix(hostname, "."))
	wrong := claimed != cert.Hostname
	f.mu.Lock()
	if other, ok := f.bySN[sn]; sn != "" && sn != cert.AgentSN && ok {
		wrong, claimed = true, other.Name
	}
	var hostID *int64
	if e, ok := f.bySN[cert.AgentSN]; ok {
		hostID = new(e.ID)
		// Two clones that enrol at once may get one serial number; the second must not become the first.
		if e.Name != cert.Hostname {
			wrong, claimed = true, e.Name
		}
	}
	now := f.opts.Now()
	record := wrong && now.Sub(f.refused[cert.Serial]) >= refusalEvery
	if record {
		f.refused[cert.Serial] = now
	}
	f.mu.Unlock()
	if !wrong {
		return nil
	}
	if record {
		f.events.Record(ctx, db.Event{
			Kind: event.HostIdentityRefused, Severity: db.SeverityError, HostID: hostID,
			Params: map[string]string{"host": cert.Hostname, "claimed": clip(claimed)},
		})
	}
	return &wire.Error{
		Code: "wrong_host", Message: fmt.Sprintf("the certificate is %s's, and the message names %s", cert.Hostname, clip(claimed)),
		Hint: "set hostname in agent.ini back, or bootstrap the host under its new name",
	}
}

// SetStep gives a host its own interval between heartbeats, in seconds; 0 gives it the default back.
func (f *Fleet) SetStep(ctx context.Context, id int64, step int) error {
	if err := f.db.SetHostStep(ctx, id, step); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if e, ok := f.byID[id]; ok {
		e.Step = step
		f.changed(e)
	}
	return nil
}

func seconds(d time.Duration) int { return int(d / time.Second) }

func topic(id int64) string { return "host." + strconv.FormatInt(id, 10) }

// clip bounds text that an agent sends to what a column holds.
func clip(s string) string {
	const most = 255
	if len(s) > most {
		s = s[:most]
	}
	return strings.ToValidUTF8(s, "")
}

func compareText(a, b string) int { return cmp.Compare(a, b) }

func compareKey(a, b db.HostKey) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
}
