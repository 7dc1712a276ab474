package report

import (
	"time"

	"hostler/agent/link"
	"hostler/agent/state"
)

// trouble is what was complained of last.
type trouble struct {
	kind  string
	since time.Time
	told  time.Time
}

// complain logs an error, but not each time it comes again: a host that is cut off for a night would fill its
// log with one line.
func (r *Reporter) complain(err error) {
	now, step := r.Clock.Now(), r.step()
	r.Store.Note(func(s *state.Status) {
		s.Server, s.ServerSource, s.Step = r.servers.current(), r.servers.source(), step
		s.LastError, s.LastErrorTime = err.Error(), now
	})
	// The text of a network error holds port numbers that differ each time.
	kind := "unreachable"
	if refusal, refused := link.AsRefusal(err); refused {
		kind = refusal.Cause.Code + refusal.Cause.Message
	}
	if kind == r.trouble.kind && now.Sub(r.trouble.told) < repeatAfter {
		return
	}
	if r.trouble.kind == "" {
		r.trouble.since = now
	}
	r.trouble.kind, r.trouble.told = kind, now
	r.Log.Error("trouble with the server", "server", r.servers.current(), "since", r.trouble.since, "error", err)
}

// recovered notes a heartbeat that the server answered.
func (r *Reporter) recovered() {
	r.servers.works()
	step := r.step()
	r.Store.Note(func(s *state.Status) {
		s.Server, s.ServerSource, s.Step = r.servers.current(), r.servers.source(), step
		s.LastHeartbeat, s.LastError, s.LastErrorTime = r.lastBeat, "", time.Time{}
	})
	if r.trouble.kind != "" {
		r.Log.Info("heartbeats arrive again", "server", r.servers.current(), "after", r.lastBeat.Sub(r.trouble.since).Round(time.Second))
		r.trouble = trouble{}
	}
}

func (r *Reporter) url(path string) string { return "https://" + r.servers.current() + path }
