package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"

	"hostler/agent/process"
	"hostler/agent/wire"
)

// killMost bounds how long the agent waits for what it has killed to be gone.
const killMost = 5 * time.Second

// stop ends the process for a stop, a restart or a removal; the request is answered when it is gone.
func (c *child) stop(ctx context.Context, r request) {
	if r.kind == stop {
		c.mem.Want = wantDown
	}
	if r.kind == restart {
		c.mem.Want = wantUp
	}
	if r.kind == halt {
		c.halting = true
		c.mem.Halted = c.proc != nil || c.waiting || c.mem.Again > 0
	}
	c.cancelAgain()
	c.waiting = false
	if c.proc == nil {
		c.stopped(ctx, []request{r})
		return
	}
	c.proc.stopping = append(c.proc.stopping, r)
	c.keep(true) // an agent that comes after this one goes on with it
	if len(c.proc.stopping) > 1 {
		return // it has been told
	}
	signal, grace := syscall.SIGTERM, 10*time.Second
	if c.def != nil {
		signal, grace = c.def.Stop, c.def.Grace
	}
	c.proc.patience = time.NewTimer(grace)
	c.signal(c.proc, signal)
}

// signal goes to the whole group of a process that is still the one it was.
func (c *child) signal(r *run, s syscall.Signal) {
	if r.id.Lives() {
		_ = syscall.Kill(-r.id.PID, s) // it may end just now
	}
}

// kill ends a process by force, with all that belongs to it.
func (c *child) kill(r *run) {
	c.signal(r, syscall.SIGKILL)
	ctx, cancel := context.WithTimeout(context.Background(), killMost)
	defer cancel()
	c.group.Kill(ctx)
}

// sweep ends what a process that has ended has left behind. While a member of its group lives, its number is not given
// to another process; where there are no control groups, strays are known by the mark in their environment.
func (c *child) sweep(r *run) {
	if other, ok := process.Of(r.id.PID); !ok || other == r.id {
		_ = syscall.Kill(-r.id.PID, syscall.SIGKILL) // mostly there is none
	}
	ctx, cancel := context.WithTimeout(context.Background(), killMost)
	defer cancel()
	left := c.group.Kill(ctx)
	if c.s.Groups.Limiter == wire.LimiterPolling {
		left = c.killMarked(ctx)
	}
	if left > 0 {
		c.s.Log.Error("processes of a child agent cannot be ended", "name", c.name, "count", left)
	}
	if err := c.group.Remove(); err != nil && left == 0 && !errors.Is(err, os.ErrNotExist) {
		c.s.Log.Warn("a control group is left", "name", c.name, "error", err)
	}
}

func (c *child) killMarked(ctx context.Context) int {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		strays := process.Marked(c.mark())
		if len(strays) == 0 || ctx.Err() != nil {
			return len(strays)
		}
		c.s.Log.Warn("processes that a child agent left behind are ended", "name", c.name, "pids", strays)
		for _, pid := range strays {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may end just now
		}
		<-tick.C
	}
}

// stopped answers those who wanted a child agent stopped. What comes next is what was asked for last, but nothing comes
// after a removal.
func (c *child) stopped(ctx context.Context, asked []request) {
	var err error
	switch {
	case slices.ContainsFunc(asked, func(r request) bool { return r.kind == remove }):
		err = c.forget()
	case c.halting:
		c.mem.Status, c.mem.Reason = wire.ChildStopped, "the host is shutting down"
		c.keep(true)
	case c.mem.Want == wantDown:
		c.mem.Status, c.mem.Reason, c.mem.Strikes = wire.ChildStopped, "", 0
		c.keep(true)
	default:
		err = c.startNow(ctx)
		c.keep(true)
	}
	for _, r := range asked {
		c.answer(r, err)
	}
}

// forget removes what is remembered.
func (c *child) forget() error {
	c.leave = true
	if err := os.Remove(c.s.memoryPath(c.name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("cannot forget %s: %w", c.name, err)
	}
	return nil
}
