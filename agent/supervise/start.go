package supervise

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hostler/agent/owner"
	"hostler/agent/process"
	"hostler/agent/space"
	"hostler/agent/wire"
)

// afterMost bounds how long a child agent waits for those that it comes after; then it is started all the same.
const afterMost = 2 * time.Minute

// startNow starts at somebody's word, with a clean slate.
func (c *child) startNow(ctx context.Context) error {
	if c.proc != nil {
		c.keep(true)
		return nil
	}
	if c.def == nil {
		return fmt.Errorf("%s: %w: its definition is gone", c.name, ErrDefinition)
	}
	c.cancelAgain()
	c.waiting = false
	c.mem.Strikes, c.mem.Restarts = 0, 0
	return c.launch(ctx)
}

// start starts by itself: after those that come before.
func (c *child) start(ctx context.Context) {
	if c.proc != nil || c.def == nil {
		return
	}
	if len(c.def.After) == 0 {
		_ = c.launch(ctx) // its failure is the child's state
		return
	}
	c.waiting = true
	c.mem.Reason = "waits for those that it is started after"
	after := c.def.After
	c.s.work.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, afterMost)
		defer cancel()
		select {
		case <-c.s.started: // all of them are known by then
		case <-ctx.Done():
		}
		for _, name := range after {
			if err := c.s.AwaitReady(ctx, name); err != nil && ctx.Err() == nil {
				c.s.Log.Warn("a child agent is started although one before it is not ready", "name", c.name, "error", err)
			}
		}
		c.send(request{kind: begin})
	})
}

// launch makes the process.
func (c *child) launch(ctx context.Context) error {
	err := c.tryLaunch(ctx)
	if err == nil {
		c.s.Log.Info("child agent started", "name", c.name, "pid", c.proc.id.PID)
		return nil
	}
	c.s.Log.Error("a child agent cannot be started", "name", c.name, "error", err)
	_ = c.group.Remove() // nothing is in it
	if errors.Is(err, errUser) {
		c.giveUp(err.Error())
		return fmt.Errorf("%s: %w: %w", c.name, ErrDefinition, err)
	}
	if space.IsFull(err) || errors.Is(err, owner.ErrAway) {
		c.postpone(err)
	} else {
		c.failed(err.Error(), map[string]string{"reason": err.Error()}, true)
	}
	return fmt.Errorf("%s: %w: %w", c.name, ErrNotRunning, err)
}

// postponedLooks is after how many looks a start is tried again that the host has prevented.
const postponedLooks = 30

// postpone tries again later, for as long as it takes: that the disk is full or that nobody knows the users now is not the child
// agent's failure, and one that was given up for it would stay so when the host is well again.
func (c *child) postpone(err error) {
	wait := postponedLooks * c.s.Sample
	c.mem.Status, c.mem.Reason = wire.ChildStopped, fmt.Sprintf("%v; tried again in %v", err, wait)
	c.mem.Again = sinceBoot() + wait
	c.again = time.NewTimer(wait)
	c.keep(false)
}

func (c *child) tryLaunch(ctx context.Context) error {
	limit, err := c.limit()
	if err != nil {
		return err
	}
	g, err := c.prepare()
	if err != nil {
		return err
	}
	r := &run{id: g.id, began: time.Now(), def: c.def, oom: c.group.OOMKills()}
	c.mem.Process, c.mem.AtGate, c.mem.Version, c.mem.Began, c.mem.Again = g.id, true, c.def.Version, sinceBoot(), 0
	c.mem.Status, c.mem.Reason = wire.ChildRunning, ""
	err = errors.Join(c.s.remember(c.name, c.rememberable(), false), c.join(g.id.PID), limitFiles(g.id.PID, limit.Files))
	if err != nil {
		// The gate is not opened: its pipe ends, and nothing of the program has run.
		_ = g.word.Close()
		_, _ = await(ctx, g.id)
		c.mem.Process, c.mem.Status = process.ID{}, wire.ChildStopped
		return err
	}
	c.proc = r
	c.watch(ctx, r)
	_ = g.open() // a process that has ended already is its watch's business
	c.mem.AtGate = false
	c.keep(false)
	return nil
}

func (c *child) rememberable() *memory {
	c.mem.Boot = process.Boot()
	return &c.mem
}

func (c *child) cancelAgain() {
	if c.again != nil {
		c.again.Stop()
		c.again = nil
	}
	c.mem.Again = 0
}
