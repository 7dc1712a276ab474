package supervise

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"hostler/agent/process"
	"hostler/agent/wire"
)

// ended decides what the end of a process means.
func (c *child) ended(ctx context.Context, end ending) {
	r := c.proc
	r.cancel()
	killed := c.killedFor(r)
	c.sweep(r)
	c.proc, c.mem.Process = nil, process.ID{}
	c.mem.LastExit = &wire.Exit{Time: time.Now().Unix(), Code: end.code, Signal: end.signal, Reason: killed}
	lived := time.Since(r.began)
	c.s.Log.Info("child agent ended", "name", c.name, "how", end.String(), "after", lived.Round(time.Millisecond))
	if len(r.stopping) > 0 {
		if r.patience != nil {
			r.patience.Stop()
		}
		c.stopped(ctx, r.stopping)
		return
	}
	params := end.params()
	params["uptime"] = strconv.FormatInt(int64(lived.Seconds()), 10)
	if c.def == nil {
		c.emit(wire.EventChildExited, wire.SeverityWarning, params)
		c.mem.Status, c.mem.Reason = "", "" // should its definition come back, it begins as one that is new
		c.leave = true
		c.keep(false)
		return
	}
	if c.def.Restart.expects(end.code) && killed == "" {
		c.mem.Status, c.mem.Reason, c.mem.Strikes = wire.ChildStopped, end.String()+", as expected", 0
		c.keep(false)
		return
	}
	if lived >= c.def.Restart.Stable {
		c.mem.Strikes = 0
	}
	if killed != "" {
		params["reason"] = killed
		c.emit(wire.EventChildKilled, wire.SeverityError, map[string]string{"reason": killed})
		c.failed(killed, params, lived < c.def.Restart.Stable)
		if c.mem.Status == wire.ChildStopped {
			c.mem.Status = wire.ChildKilled
			c.keep(false)
		}
		return
	}
	c.failed(end.String(), params, lived < c.def.Restart.Stable)
}

// failed counts a failure and decides when the next try is.
func (c *child) failed(how string, params map[string]string, strike bool) {
	if strike {
		c.mem.Strikes++
	}
	params["strikes"] = strconv.Itoa(c.mem.Strikes)
	c.emit(wire.EventChildExited, wire.SeverityWarning, params)
	policy := &c.def.Restart
	switch {
	case policy.Kind == "never":
		c.mem.Status, c.mem.Reason = wire.ChildStopped, how+"; it is not started again by itself"
	case policy.fatal(c.mem.Strikes):
		c.giveUp(fmt.Sprintf("%s, for the %d. time in a row", how, c.mem.Strikes))
		return
	default:
		wait := policy.wait(c.mem.Strikes, time.Since(c.epoch))
		c.mem.Status, c.mem.Reason = wire.ChildStopped, how
		if wait > 0 {
			c.mem.Reason += fmt.Sprintf("; started again in %v", wait.Round(time.Second))
		}
		c.mem.Again = sinceBoot() + wait
		c.again = time.NewTimer(wait)
		if wait == 0 && len(c.def.After) == 0 {
			return // the start that follows at once writes all of it down; a restart waits for the disk no longer than it must
		}
	}
	c.keep(false)
}

// giveUp leaves a child agent alone until somebody says start.
func (c *child) giveUp(reason string) {
	c.cancelAgain()
	c.mem.Status, c.mem.Reason = wire.ChildFatal, reason
	c.emit(wire.EventChildFatal, wire.SeverityError, map[string]string{"reason": reason})
	c.keep(false)
}

// killedFor says for what reason a process was ended by force, "" when it was not.
func (c *child) killedFor(r *run) string {
	if r.killing != "" {
		return r.killing
	}
	if c.limits.Memory != "" && c.group.OOMKills() > r.oom {
		return "over its memory limit of " + c.limits.Memory
	}
	return ""
}

// String is how it ended, for people.
func (e ending) String() string {
	switch {
	case e.code != nil:
		return fmt.Sprintf("exited with %d", *e.code)
	case e.signal != "":
		return "ended by " + e.signal
	}
	return "ended while the agent was away"
}

func (e ending) params() map[string]string {
	switch {
	case e.code != nil:
		return map[string]string{"code": strconv.Itoa(*e.code)}
	case e.signal != "":
		return map[string]string{"signal": e.signal}
	}
	return map[string]string{}
}
