// Package report keeps the server informed: it registers the host, sends heartbeats and the results of jobs,
// takes new jobs over, and has the certificate renewed in time.
//
// Everything goes out on one connection from one goroutine. The package does no job itself.
package report

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"hostler/agent/clock"
	"hostler/agent/enroll"
	"hostler/agent/link"
	"hostler/agent/settings"
	"hostler/agent/state"
	"hostler/agent/task"
	"hostler/agent/wire"
)

const (
	firstWait = 500 * time.Millisecond // before the second attempt at anything
	// Waits between attempts at renewal: a third of the certificate's life is left for them.
	firstRenewWait = time.Minute
	maxRenewWait   = time.Hour
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
	Identity *enroll.Identity
	Runner   *task.Runner
	Children func() []wire.ChildAgent
	Facts    func(context.Context) *wire.Facts
}

// Reporter reports. Its fields belong to the goroutine of Run.
type Reporter struct {
	Options
	client  *http.Client
	servers servers

	registered bool
	lastBeat   time.Time // last heartbeat that the server answered; zero: none since registration
	jitter     int       // thousandths of the interval after it
	renewAt    time.Time
	resultsAt  time.Time // not before this
	quietUntil time.Time // nothing is sent before this

	retry       link.Backoff
	retryResult link.Backoff
	retryRenew  link.Backoff
	trouble     trouble
}

// New makes a Reporter.
func New(options Options) *Reporter {
	r := &Reporter{
		Options:     options,
		retry:       link.Backoff{First: firstWait},
		retryResult: link.Backoff{First: firstWait},
		retryRenew:  link.Backoff{First: firstRenewWait, Max: maxRenewWait},
	}
	r.use(options.Identity)
	r.renewAt = options.Identity.RenewAt
	return r
}

// Run reports until ctx ends.
func (r *Reporter) Run(ctx context.Context) {
	defer func() { r.client.CloseIdleConnections() }()
	for ctx.Err() == nil {
		wait := r.turn(ctx)
		select {
		case <-ctx.Done():
		case <-r.Runner.Ready():
		case <-r.Clock.After(wait):
		}
	}
}

// turn does everything that is due and returns how long nothing will be.
func (r *Reporter) turn(ctx context.Context) time.Duration {
	for ctx.Err() == nil {
		now := r.Clock.Now()
		r.retry.Max, r.retryResult.Max = r.interval(), r.interval()
		r.servers.set(r.Store.Values().Servers, r.Settings.SecuredAddress())
		if now.Before(r.quietUntil) {
			return r.quietUntil.Sub(now)
		}
		due := r.beatDue()
		results := r.Runner.Journal().Pending(maxResults)
		switch {
		case !r.registered:
			r.settle(ctx, r.register(ctx))
		case !now.Before(r.renewAt):
			r.renew(ctx)
		case !now.Before(due):
			r.settle(ctx, r.heartbeat(ctx))
		case len(results) > 0 && !now.Before(r.resultsAt):
			r.settle(ctx, r.deliver(ctx, results))
		default:
			next := earlier(due, r.renewAt)
			if len(results) > 0 {
				next = earlier(next, r.resultsAt)
			}
			return next.Sub(now)
		}
	}
	return 0
}

// settle decides what an exchange means for the next one.
func (r *Reporter) settle(ctx context.Context, err error) {
	if err == nil || ctx.Err() != nil {
		return
	}
	if link.Code(err) == "not_registered" {
		r.registered = false
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
	request := wire.StatusRequest{
		Hostname:  r.Settings.Hostname,
		Version:   r.Version,
		Uptime:    int64(now.Sub(r.Started).Seconds()),
		Timestamp: now.Unix(),
		Step:      r.step(),
		Agents:    r.Children(),
	}
	var reply wire.StatusReply
	if err := link.Post(ctx, r.client, r.url(wire.PathStatus), &request, &reply); err != nil {
		return fmt.Errorf("cannot send a heartbeat: %w", err)
	}
	// By the document the reply's errcode means nothing; only its jobs and its step count.
	r.lastBeat = now
	r.jitter = 900 + int(link.Jitter(200))
	r.setStep(reply.Step)
	r.Runner.Submit(reply.Jobs)
	r.retry.Reset()
	r.recovered()
	return nil
}

// deliver sends results. A refusal of them delays the results only, because heartbeats say what matters more.
func (r *Reporter) deliver(ctx context.Context, results []wire.JobResult) error {
	var reply wire.ResultReply
	err := link.Post(ctx, r.client, r.url(wire.PathJobResult), results, &reply)
	if err == nil && reply.ErrCode == 0 {
		r.retryResult.Reset()
		if err := r.Runner.Journal().Acknowledge(results); err != nil {
			r.Log.Error("delivered results will be sent again after a restart", "error", err)
		}
		return nil
	}
	if err == nil {
		err = &link.Refusal{Status: http.StatusOK, Cause: wire.Error{Message: fmt.Sprintf("errcode %d", reply.ErrCode)}}
	}
	err = fmt.Errorf("cannot deliver the results of jobs: %w", err)
	refusal, refused := link.AsRefusal(err)
	if !refused || refusal.RetryAfter > 0 || refusal.Status >= 500 || refusal.Cause.Code == "not_registered" {
		return err
	}
	r.resultsAt = r.Clock.Now().Add(r.retryResult.Next())
	r.complain(err)
	return nil
}

// renew replaces the certificate. Heartbeats go on with the present one when that fails.
func (r *Reporter) renew(ctx context.Context) {
	identity, err := r.Enroller.Renew(ctx, r.client, r.url(wire.PathRenew), r.Identity)
	now := r.Clock.Now()
	if err != nil {
		r.renewAt = now.Add(r.retryRenew.After(err))
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
	r.Identity = identity
	r.client = link.NewClient(identity.TLS())
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
