// Package report keeps the server informed: it registers the host, sends heartbeats, events, and the output and
// the results of jobs, takes new jobs over, and has the certificate renewed in time.
//
// Everything goes out on one connection from one goroutine; a second connection, on which the server can ask for a
// heartbeat, is the Waker's. The package does no job itself.
package report

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"hostler/agent/clock"
	"hostler/agent/enroll"
	"hostler/agent/event"
	"hostler/agent/keyring"
	"hostler/agent/link"
	"hostler/agent/settings"
	"hostler/agent/space"
	"hostler/agent/state"
	"hostler/agent/task"
	"hostler/agent/wire"
)

const (
	firstWait = 500 * time.Millisecond // before the second attempt at anything
	// Waits between attempts at renewal: a third of the certificate's life is left for them.
	firstRenewWait = time.Minute
	maxRenewWait   = time.Hour
	// newsWait is how long a heartbeat waits that tells what a child agent did: an end and the start after it are told
	// together, and whatever is to be done about the end is done first.
	newsWait = 200 * time.Millisecond
	// repeatAfter is how long the same trouble is not logged again.
	repeatAfter = 10 * time.Minute
	// maxResults bounds the results in one message; with their messages they stay under 512 KiB.
	maxResults = 64
)

// Options is what a Reporter works with. All of it must be set.
type Options struct {
	Settings *settings.Settings
	Store    *state.Store
	Clock    clock.Clock
	Log      *slog.Logger
	Version  string
	Started  time.Time // of the process
	Enroller *enroll.Enroller
	Keys     *keyring.Keyring
	Identity *enroll.Identity
	Session  *link.Session // is told of the server and the identity in use
	Runner   *task.Runner
	Events   *event.Spool
	Room     *space.Room
	Woken    <-chan struct{} // receives when the server wants a heartbeat
	News     <-chan struct{} // receives when Children would return something else than before
	Answered func()          // is called when a server has answered a heartbeat
	Children func() []wire.ChildAgent
	Facts    func(context.Context) *wire.Facts
	// Definition tells what the host's file says of a child agent.
	Definition func(name string) wire.Definition
}

// Reporter reports. Its fields belong to the goroutine of Run.
type Reporter struct {
	Options
	client  *http.Client
	tls     *tls.Config // client's
	servers servers
	boxes   []*outbox

	instance   string // a word for this life of the agent
	registered bool
	lastBeat   time.Time // last heartbeat that the server answered; zero: none since registration
	jitter     int       // thousandths of the interval after it: a job must not wait for longer than a step
	woken      bool      // the server wants a heartbeat
	asked      []string  // child agents whose definitions the server wants to read
	newsAt     time.Time // when a heartbeat is to tell what child agents did; zero: they did nothing since the last one
	renewAt    time.Time
	renewAgain time.Time // what a server says of renewal counts from then on
	quietUntil time.Time // nothing is sent before this

	retry      link.Backoff
	retryRenew link.Backoff
	trouble    trouble
	keys       keyTaker
}

// New makes a Reporter.
func New(options Options) *Reporter {
	r := &Reporter{
		Options:    options,
		instance:   rand.Text(),
		retry:      link.Backoff{First: firstWait},
		retryRenew: link.Backoff{First: firstRenewWait, Max: maxRenewWait},
	}
	r.boxes = r.outboxes()
	for _, box := range r.boxes {
		box.retry.First = firstWait
	}
	r.use(options.Identity)
	r.renewAt = options.Identity.RenewAt
	return r
}

// Run reports until ctx ends.
func (r *Reporter) Run(ctx context.Context) {
	defer func() { r.client.CloseIdleConnections() }()
	defer r.keys.running.Wait()
	for ctx.Err() == nil {
		wait := r.turn(ctx)
		select {
		case <-ctx.Done():
		case <-r.Runner.Ready():
		case <-r.Events.Ready():
		case <-r.Woken:
			r.woken = true
		case <-r.News:
			if r.newsAt.IsZero() {
				r.newsAt = r.Clock.Now().Add(newsWait)
			}
		case <-r.Clock.After(wait):
		}
	}
}

// turn does everything that is due and returns how long nothing will be.
func (r *Reporter) turn(ctx context.Context) time.Duration {
	for ctx.Err() == nil {
		now := r.Clock.Now()
		r.retry.Max = r.interval()
		r.servers.set(r.Store.Values().Servers, r.Settings.SecuredAddress())
		if now.Before(r.quietUntil) {
			return r.quietUntil.Sub(now)
		}
		due := r.beatDue()
		switch {
		case !r.registered:
			r.settle(ctx, r.register(ctx))
		case !now.Before(r.renewAt):
			r.renew(ctx)
		case !now.Before(due):
			r.settle(ctx, r.heartbeat(ctx))
		default:
			sent, next := r.send(ctx, now)
			if sent {
				continue
			}
			wait := earlier(due, r.renewAt)
			if !next.IsZero() {
				wait = earlier(wait, next)
			}
			return wait.Sub(now)
		}
	}
	return 0
}

// settle decides what an exchange means for the next one.
func (r *Reporter) settle(ctx context.Context, err error) {
	if err == nil || ctx.Err() != nil {
		return
	}
	switch link.Code(err) {
	case "not_registered":
		r.registered = false
	case "machine_changed":
		r.complain(err)
		if identity, err := r.Enroller.Anew(ctx); err == nil {
			r.use(identity)
			r.renewAt, r.registered = identity.RenewAt, false
			return
		} else if ctx.Err() == nil {
			r.Log.Error("the host has no certificate of its own", "error", err)
		}
	}
	r.complain(err)
	if elsewhere(err) && r.servers.next() {
		return // not every server has been tried
	}
	r.quietUntil = r.Clock.Now().Add(r.retry.After(err))
}

// elsewhere says whether another server might do better.
func elsewhere(err error) bool {
	refusal, refused := link.AsRefusal(err)
	return !refused || refusal.Status >= 500
}

func (r *Reporter) register(ctx context.Context) error {
	known := r.Store.Values()
	request := wire.RegisterRequest{
		Hostname: r.Settings.Hostname, AgentSN: known.AgentSN, Version: r.Version, Facts: r.Facts(ctx),
	}
	var reply wire.RegisterReply
	if err := link.Post(ctx, r.client, r.url(wire.PathRegister), &request, &reply); err != nil {
		return fmt.Errorf("cannot register: %w", err)
	}
	if reply.Status != 0 {
		return fmt.Errorf("cannot register: %w", &link.Refusal{
			Status: http.StatusOK, Cause: wire.Error{Message: fmt.Sprintf("status %d", reply.Status)},
		})
	}
	if reply.AgentSN != "" && reply.AgentSN != known.AgentSN {
		r.Log.Info("the server changed the serial number", "from", known.AgentSN, "to", reply.AgentSN)
		known.AgentSN = reply.AgentSN
	}
	r.keep(func(v *state.Values) { v.AgentSN, v.Tags = known.AgentSN, reply.Tags })
	r.setStep(reply.Step)
	r.registered, r.lastBeat = true, time.Time{}
	r.Log.Info("registered", "server", r.servers.current(), "agentsn", known.AgentSN, "step", r.step())
	return nil
}

func (r *Reporter) heartbeat(ctx context.Context) error {
	now := r.Clock.Now()
	r.Room.Check()
	request := wire.StatusRequest{
		Hostname:  r.Settings.Hostname,
		Version:   r.Version,
		Uptime:    int64(now.Sub(r.Started).Seconds()),
		Timestamp: now.Unix(),
		Step:      r.step(),
		Agents:    r.Children(),
		Jobs:      r.Runner.Progress(),
		CAs:       r.Enroller.Pins(),
		RepoKeys:  r.Keys.Told(),
		Instance:  r.instance,
	}
	for _, name := range r.asked {
		request.Definitions = append(request.Definitions, r.Definition(name))
	}
	var reply wire.StatusReply
	if err := link.Post(ctx, r.client, r.url(wire.PathStatus), &request, &reply); err != nil {
		return fmt.Errorf("cannot send a heartbeat: %w", err)
	}
	// By the document the reply's errcode means nothing; only its jobs and its step count.
	r.lastBeat, r.woken, r.newsAt = now, false, time.Time{}
	r.jitter = 850 + int(link.Jitter(100))
	r.asked = reply.Definitions[:min(wire.MaxDefinitions, len(reply.Definitions))]
	r.woken = len(r.asked) > 0
	r.Session.Set(r.servers.current(), r.tls)
	r.heed(ctx, &reply)
	r.setStep(reply.Step)
	if err := r.Runner.Submit(reply.Jobs); err != nil {
		r.Log.Error("jobs are not taken over; the server will send them again", "error", err)
	}
	r.Runner.Cancel(reply.Cancel)
	r.retry.Reset()
	r.recovered()
	r.Answered()
	return nil
}

// heed does what a server says of trust: in which CAs, in which keys of its repository, and whether the agent's certificate is to be
// renewed now. The document's servers say none of it.
func (r *Reporter) heed(ctx context.Context, reply *wire.StatusReply) {
	if reply.RepoKeys != nil {
		r.keys.take(ctx, &r.Options, reply.RepoKeys)
	}
	if reply.CA != "" {
		if identity, changed := r.Enroller.Learn(reply.CA, r.Identity); changed {
			r.use(identity)
		}
	}
	if now := r.Clock.Now(); reply.Renew && now.Before(r.renewAt) && !now.Before(r.renewAgain) {
		r.renewAt = now
	}
}

// renew replaces the certificate. Heartbeats go on with the present one when that fails.
func (r *Reporter) renew(ctx context.Context) {
	identity, err := r.Enroller.Renew(ctx, r.client, r.url(wire.PathRenew), r.Identity)
	now := r.Clock.Now()
	if err != nil {
		r.renewAt = now.Add(r.retryRenew.After(err))
		r.renewAgain = r.renewAt
		if ctx.Err() == nil {
			r.Log.Error("the certificate is not renewed", "expires", r.Identity.Certificate.Leaf.NotAfter,
				"again", r.renewAt, "error", err)
		}
		return
	}
	r.use(identity)
	r.retryRenew.Reset()
	// A clock that is far ahead must not make the agent renew without end.
	leaf := identity.Certificate.Leaf
	r.renewAt = later(identity.RenewAt, now.Add(leaf.NotAfter.Sub(leaf.NotBefore)/20))
	r.Log.Info("certificate renewed", "expires", leaf.NotAfter, "next", r.renewAt)
}

// use makes the next exchange one of a new connection with this identity.
func (r *Reporter) use(identity *enroll.Identity) {
	if r.client != nil {
		r.client.CloseIdleConnections()
	}
	r.Identity, r.tls = identity, identity.TLS()
	r.client = link.NewClient(r.tls)
	if address, _, _ := r.Session.Get(); address != "" {
		r.Session.Set(address, r.tls)
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
