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
	"hostler/internal/clip"
	"hostler/server/event"
)

const (
	refusalEvery  = time.Minute     // one event at most per certificate and this time
	registerEvery = time.Minute     // likewise of registrations per host, and one write to the database
	startJitter   = 5 * time.Second // uptimes are whole seconds and travel a while
	maxChildren   = 1000
	maxRefused    = 10_000 // certificates whose refusals are remembered
	column        = 255    // bytes that a column holds of what an agent says of itself
)

// Register records the host behind an enrolled agent. cert is who the agent proved to be; a body that names
// another host is refused with a *wire.Error.
func (f *Fleet) Register(ctx context.Context, cert *db.Certificate, r wire.RegisterRequest, address string) (wire.RegisterReply, error) {
	if err := f.checkIdentity(ctx, cert, r.Hostname, r.AgentSN); err != nil {
		return wire.RegisterReply{}, err
	}
	f.storing.RLock()
	defer f.storing.RUnlock()
	if f.forgotten(cert) {
		return wire.RegisterReply{}, errRemoved(cert.Hostname)
	}
	h, store := f.announced(cert, r, address)
	if store {
		if err := f.hosts.Do(ctx, &h); err != nil {
			return wire.RegisterReply{}, err
		}
	}
	var news []db.Event
	if f.admit(&h, store) {
		news = append(news, moveEvent(event.HostBack, db.SeverityInfo, &h))
	}
	if store {
		news = append(news, db.Event{Kind: event.HostRegistered, HostID: &h.ID, Params: map[string]string{"host": h.Name, "address": address}})
	}
	f.events.RecordAll(ctx, news)
	return wire.RegisterReply{AgentSN: h.AgentSN, Tags: h.Tags, Step: seconds(f.stepOf(&h))}, nil
}

// announced is the host that a registration makes or changes, and whether that is to be stored now. An agent that
// registers again and again is stored and recorded once in registerEvery, unless it was admitted anew.
func (f *Fleet) announced(cert *db.Certificate, r wire.RegisterRequest, address string) (h db.Host, store bool) {
	now := f.opts.Now()
	h = db.Host{
		AgentSN: cert.AgentSN, Name: cert.Hostname, Cluster: cert.Cluster, Address: address, State: db.HostInit,
		AgentVersion: clip.Text(r.Version, column), Tags: cert.Tags, TaskID: cert.TaskID, DraftID: cert.DraftID, RegisteredAt: &now, CreatedAt: now, UpdatedAt: now,
	}
	f.mu.RLock()
	known, again := f.bySN[cert.AgentSN]
	store = true
	if again {
		h.Trusts, h.CertifiedBy, h.RepositoryKeys = known.Trusts, known.CertifiedBy, known.RepositoryKeys
		h.Step, h.Facts, h.FQDN, h.OSName, h.Arch = known.Step, known.Facts, known.FQDN, known.OSName, known.Arch
		setUpAgain := !equal(known.TaskID, h.TaskID) || !equal(known.DraftID, h.DraftID)
		h.Tags = retagged(&known.Host.Host, cert.Tags, setUpAgain)
		h.CreatedAt = known.CreatedAt
		store = f.opts.Elapsed()-known.stored >= registerEvery || known.Cluster != h.Cluster || setUpAgain
		if !store {
			h.ID = known.ID
		}
	}
	f.mu.RUnlock()
	if r.Facts != nil {
		h.Facts, h.FQDN, h.OSName, h.Arch = r.Facts, clip.Text(r.Facts.FQDN, column), clip.Text(r.Facts.OS.Name, column), clip.Text(r.Facts.Arch, column)
	}
	return h, store
}

// retagged is what a host that is known is tagged with: what it has stays, and a host that was set up again gets what
// was asked for then on top of it.
func retagged(known *db.Host, asked string, setUpAgain bool) string {
	switch {
	case known.Tags == "":
		return asked
	case !setUpAgain || asked == "":
		return known.Tags
	}
	tags := known.Labels().With(db.ParseLabels(asked)).String()
	if len(tags) > db.MaxLabels {
		return asked
	}
	return tags
}

// admit puts a host that registered into the table and reports whether it was lost before.
func (f *Fleet) admit(h *db.Host, stored bool) (back bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	e, ok := f.bySN[h.AgentSN]
	if ok {
		back = e.State == db.HostLost
		h.LastSeenAt, h.StartedAt = e.LastSeenAt, e.StartedAt
		e.Host.Host = *h
	} else {
		e = &entry{Host: Host{Host: *h}, children: map[string]db.ChildAgent{}}
		f.put(e)
	}
	e.seen = f.opts.Elapsed()
	if stored {
		e.stored = e.seen
	} else {
		f.late[e.ID], f.dirty[e.ID] = true, true
	}
	f.changed(e, false)
	return back
}

func equal(a, b *int64) bool { return a == b || a != nil && b != nil && *a == *b }

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
		return 0, wire.StatusReply{}, errNotRegistered()
	}
	before := e.Host.Host
	children := f.beat(e, r, address)
	e.Trusts, e.CertifiedBy = clip.Text(strings.Join(r.CAs, " "), column), cert.Authority
	e.RepositoryKeys = clip.Text(strings.Join(r.RepoKeys, " "), column)
	id, name, wanted := e.ID, e.Name, seconds(f.stepOf(&e.Host.Host))
	ask := e.answered(r.Definitions, e.seen)
	f.changed(e, children != nil)
	f.mu.Unlock()

	if children != nil {
		if err := f.db.ReplaceChildren(ctx, id, children); err != nil {
			f.log.Error("cannot store child agents", "host", name, "err", err)
		}
	}
	if before.State == db.HostLost {
		f.events.Record(ctx, moveEvent(event.HostBack, db.SeverityInfo, &before))
	}
	reply := wire.StatusReply{Definitions: ask}
	if r.Step != wanted {
		reply.Step = wanted
	}
	return id, reply, nil
}

// beat applies a heartbeat to an entry; f.mu is held. It returns the child agents if they must be stored.
func (f *Fleet) beat(e *entry, r wire.StatusRequest, address string) []db.ChildAgent {
	now := f.opts.Now()
	f.beats++
	e.seen = f.opts.Elapsed()
	e.LastSeenAt, e.Address, e.AgentVersion = &now, address, clip.Text(r.Version, column)
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
		name := clip.Text(c.Name, column)
		e.children[name] = childOf(e.ID, name, &c, now)
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
	now := f.opts.Elapsed()
	last, refused := f.refused[cert.Serial]
	record := wrong && (!refused || now-last >= refusalEvery)
	if record {
		if len(f.refused) >= maxRefused {
			clear(f.refused)
		}
		f.refused[cert.Serial] = now
	}
	f.mu.Unlock()
	if !wrong {
		return nil
	}
	if record {
		f.events.Record(ctx, db.Event{
			Kind: event.HostIdentityRefused, Severity: db.SeverityError, HostID: hostID,
			Params: map[string]string{"host": cert.Hostname, "claimed": clip.Text(claimed, column)},
		})
	}
	return &wire.Error{
		Code: "wrong_host", Message: fmt.Sprintf("the certificate is %s's, and the message names %s", cert.Hostname, clip.Text(claimed, column)),
		Hint: "set hostname in agent.ini back, or bootstrap the host under its new name",
	}
}

// Identify finds the host of a certificate, for messages that do not name it themselves. Refusals are *wire.Error, as
// those of Heartbeat.
func (f *Fleet) Identify(ctx context.Context, cert *db.Certificate) (id int64, name string, err error) {
	if err := f.checkIdentity(ctx, cert, cert.Hostname, ""); err != nil {
		return 0, "", err
	}
	f.mu.RLock()
	defer f.mu.RUnlock()
	e, ok := f.bySN[cert.AgentSN]
	if !ok {
		return 0, "", errNotRegistered()
	}
	return e.ID, e.Name, nil
}

func errNotRegistered() *wire.Error {
	return &wire.Error{Code: "not_registered", Message: "the server does not know this host yet", Hint: "register first"}
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
		f.changed(e, false)
	}
	return nil
}

func seconds(d time.Duration) int { return int(d / time.Second) }

func topic(id int64) string { return "host." + strconv.FormatInt(id, 10) }

func compareText(a, b string) int { return cmp.Compare(a, b) }

func compareKey(a, b db.HostKey) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
}
