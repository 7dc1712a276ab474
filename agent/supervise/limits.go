package supervise

import (
	"fmt"
	"time"

	"hostler/agent/cgroup"
	"hostler/agent/process"
	"hostler/agent/wire"
)

// limit puts the wanted limits into force, for the process that is there or for the next one.
func (c *child) limit() (cgroup.Limit, error) {
	wanted := c.wanted()
	limit, err := cgroup.Parse(&wanted)
	if err != nil {
		return limit, fmt.Errorf("%w: %w", errUser, err)
	}
	c.chooseLimiter()
	c.limits = wanted
	if c.limiter == wire.LimiterPolling {
		return limit, nil
	}
	if err := c.group.Make(); err != nil {
		c.fallBack(err.Error())
		return limit, nil
	}
	if err := c.group.Limit(limit); err != nil {
		return limit, err
	}
	return limit, nil
}

// chooseLimiter says what holds the child agent to its limits; polling is told once for each child agent that has some.
func (c *child) chooseLimiter() {
	if c.limiter != "" {
		return
	}
	c.limiter = c.s.Groups.Limiter
	if c.limiter == wire.LimiterPolling && c.wanted() != (wire.Limits{}) {
		c.fallBack(c.s.Groups.Reason)
	}
}

func (c *child) fallBack(reason string) {
	c.limiter = wire.LimiterPolling
	c.s.Log.Warn("the limits of a child agent are only polled", "name", c.name, "reason", reason)
	c.emit(wire.EventChildLimitsPolled, wire.SeverityWarning, map[string]string{"reason": reason})
}

// join puts a process at its gate into the child agent's group where it is neither started in it nor enters by itself.
func (c *child) join(pid int) error {
	if c.limiter == wire.LimiterPolling {
		return nil
	}
	return c.group.AddUnified(pid)
}

// usage is what the processes of a child agent use.
type usage struct {
	memory int64
	cpu    time.Duration // since the beginning
	pids   int           // processes and threads; counted only where they are polled
	at     time.Time
}

// look notes what the processes use, holds them to limits that nothing else does, and keeps the logs short.
func (c *child) look() {
	if c.def != nil {
		c.rotate()
	}
	r := c.proc
	if r == nil {
		return
	}
	if r.looks++; r.looks%idleLooks != 1 && c.limits.Memory == "" && c.limits.CPU == "" && c.limits.PIDs == 0 {
		return
	}
	before := r.usage
	if c.limiter == wire.LimiterPolling {
		r.usage = c.polled(r.id)
	} else {
		memory, cpu := c.group.Usage()
		r.usage = usage{memory: memory, cpu: cpu, at: time.Now()}
	}
	if r.killing != "" || len(r.stopping) > 0 {
		return
	}
	if c.limiter == wire.LimiterPolling {
		c.poll(r, before)
	} else if c.limits.Memory != "" && c.group.OOMKills() > r.oom {
		// The kernel has killed one of its processes and not the first: what is left is no whole child agent.
		c.killFor(r, "over its memory limit of "+c.limits.Memory)
	}
}

// idleLooks is how many looks pass between two at a child agent that has no limit it could be over: its usage is only shown.
const idleLooks = 5

// processes are those of the host. One look does for all child agents that look at about the same time.
func (s *Supervisor) processes() process.Tree {
	s.looking.Lock()
	defer s.looking.Unlock()
	if s.tree == nil || time.Since(s.treeAt) > s.Sample/2 {
		s.tree, s.treeAt = process.Look(), time.Now()
	}
	return s.tree
}

// polled adds up what a process and its descendants use.
func (c *child) polled(id process.ID) usage {
	below, can := process.Below(id.PID)
	if !can {
		below = c.s.processes().Below(id.PID)
	}
	u := usage{at: time.Now()}
	for _, pid := range append(below, id.PID) {
		u.memory += process.Memory(pid)
		u.pids += process.Threads(pid)
		u.cpu += time.Duration(process.CPU(pid)) * (time.Second / 100)
	}
	return u
}

// poll ends a child agent that is over a limit. A quota of the processor is exceeded only where nothing throttles, so that
// ending for it makes sense only here; a burst is no reason.
func (c *child) poll(r *run, before usage) {
	limit, err := cgroup.Parse(&c.limits)
	if err != nil {
		return
	}
	if limit.Memory > 0 && r.usage.memory > limit.Memory {
		c.killFor(r, fmt.Sprintf("over its memory limit of %s: %d bytes", c.limits.Memory, r.usage.memory))
		return
	}
	if limit.PIDs > 0 && r.usage.pids > limit.PIDs {
		c.killFor(r, fmt.Sprintf("over its limit of %d processes and threads: %d", limit.PIDs, r.usage.pids))
		return
	}
	span := r.usage.at.Sub(before.at)
	if limit.CPU == 0 || before.at.IsZero() || span <= 0 {
		return
	}
	percent := int(float64(r.usage.cpu-before.cpu) / float64(span) * 100)
	if percent <= limit.CPU+1 {
		r.over = 0
		return
	}
	if r.over++; r.over >= overMost {
		c.killFor(r, fmt.Sprintf("over its CPU limit of %s: %d%%", c.limits.CPU, percent))
	}
}

// overMost is how many looks in a row a child agent may be over its CPU limit.
const overMost = 5

// killFor ends a child agent by force; its end is handled like any other.
func (c *child) killFor(r *run, reason string) {
	r.killing = reason
	c.s.Log.Warn("a child agent is killed", "name", c.name, "pid", r.id.PID, "reason", reason)
	c.kill(r)
}
