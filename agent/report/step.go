package report

import (
	"time"

	"hostler/agent/settings"
	"hostler/agent/state"
)

// step is the number of seconds between heartbeats now: the server's word, or else agent.ini's.
func (r *Reporter) step() int {
	if step := r.Store.Values().Step; step != 0 {
		return step
	}
	return r.Settings.Step
}

func (r *Reporter) interval() time.Duration { return time.Duration(r.step()) * time.Second }

// beatDue is when the next heartbeat is due. It follows a change of the step at once, in the interval that
// has begun already.
func (r *Reporter) beatDue() time.Time {
	if r.lastBeat.IsZero() {
		return r.lastBeat
	}
	due := r.lastBeat.Add(r.interval() / 1000 * time.Duration(r.jitter))
	if r.woken {
		due = r.lastBeat.Add(min(wakePace, r.interval()))
	}
	if !r.newsAt.IsZero() {
		due = earlier(due, r.newsAt)
	}
	return due
}

// setStep takes over the step of a reply; 0 leaves it as it is.
func (r *Reporter) setStep(step int) {
	if step == 0 || step == r.step() {
		return
	}
	if step < settings.MinStep || step > settings.MaxStep {
		r.Log.Warn("the server's step is out of range and not used", "step", step)
		return
	}
	r.Log.Info("step changed", "from", r.step(), "to", step)
	r.keep(func(v *state.Values) { v.Step = step })
}

func (r *Reporter) keep(change func(*state.Values)) {
	if err := r.Store.Update(change); err != nil {
		r.Log.Error("settings of the server are lost when the agent restarts", "error", err)
	}
}
