package supervise

import (
	"context"
	"fmt"
	"maps"

	"hostler/agent/cgroup"
	"hostler/agent/owner"
	"hostler/agent/wire"
)

// configure changes what is kept with the child agent, all of it or nothing.
func (c *child) configure(ctx context.Context, r request) {
	if err := owner.CheckVariables(r.envs); err != nil {
		c.answer(r, fmt.Errorf("%s: %w: %w", c.name, ErrDefinition, err))
		return
	}
	if _, err := cgroup.Parse(r.limits); err != nil {
		c.answer(r, fmt.Errorf("%s: %w: %w", c.name, ErrDefinition, err))
		return
	}
	before := c.mem
	again := r.envs != nil && !maps.Equal(r.envs, c.mem.Envs)
	if r.envs != nil {
		c.mem.Envs = r.envs
	}
	if r.limits != nil {
		again = again || c.wanted().Files != r.limits.Files
		c.mem.Limits = r.limits
	}
	if err := c.s.remember(c.name, c.rememberable(), true); err != nil {
		c.mem = before
		c.answer(r, err)
		return
	}
	if c.proc == nil {
		c.answer(r, nil)
		return
	}
	if again {
		c.stop(ctx, r) // and start with what is new
		return
	}
	_, err := c.limit()
	c.answer(r, err)
}

// wanted are the limits that are to be in force.
func (c *child) wanted() wire.Limits {
	switch {
	case c.mem.Limits != nil:
		return *c.mem.Limits
	case c.def != nil:
		return c.def.Limits
	}
	return wire.Limits{}
}

// redefine takes a new definition over. What runs goes on as it is: an editor's half-written file must not stop anything.
func (c *child) redefine(ctx context.Context, d *Definition) {
	former := c.def
	c.def = d
	switch {
	case d == nil && c.proc == nil:
		c.cancelAgain()
		c.leave = true
	case d == nil:
		c.mem.Reason = "its definition is gone; it is not started again"
	case c.proc != nil:
		c.mem.Reason = ""
		if c.proc.def != nil && !c.proc.def.same(d) {
			c.mem.Reason = "its definition has changed; that is in force after a restart"
		}
		if former == nil || former.Limits != d.Limits {
			if _, err := c.limit(); err != nil {
				c.s.Log.Error("the limits of a child agent are not in force", "name", c.name, "error", err)
			}
		}
	case former == nil || (c.mem.Status == wire.ChildFatal && !former.same(d)):
		// It is new, or what made it fail may be mended.
		c.mem.Strikes = 0
		c.begin(ctx)
	}
}
