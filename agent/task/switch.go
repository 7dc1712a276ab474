package task

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hostler/agent/install"
	"hostler/agent/supervise"
	"hostler/agent/wire"
)

// undoTimeout bounds the way back, which is gone even when the job's own time is up.
const undoTimeout = 2 * time.Minute

// switching is the change of a child agent from one version or configuration to another, and the way back.
type switching struct {
	parts      *Parts
	name       string
	tree       string  // as install.Change has it; "" leaves it
	definition *string // nil leaves it
	envs       map[string]string
	limits     *wire.Limits
	restart    bool // it is to run afterwards
	configured bool // envs and limits have been given to the child agent

	undoFiles func(context.Context) error // undoes more than the Change does; may be nil
}

// do makes the switch. After an error everything is as it was before, and if the new version was tried the error
// has wire.ErrCodeRolledBack.
func (s *switching) do(ctx context.Context) error {
	before, err := s.parts.Place.Kept(s.name)
	if err != nil {
		return err
	}
	was, known := find(s.parts.Children, s.name)
	change, err := s.parts.Place.Begin(s.name, s.tree, s.definition)
	if err != nil {
		return err
	}
	failure := s.forward(ctx, change, known)
	if failure == nil {
		return errors.Join(s.parts.Place.Keep(s.name, s.merged(before)), change.End())
	}
	if isEnding(ctx) {
		return failure // the record is there for the next start
	}
	back, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	if err := s.back(back, change, before, known, was.Status == wire.ChildRunning); err != nil {
		return errors.Join(failure, fmt.Errorf("and the way back failed: %w", err))
	}
	return failure
}

// isEnding tells the agent's own end from a job that was canceled or whose time is up.
func isEnding(ctx context.Context) bool {
	return ctx.Err() != nil && context.Cause(ctx) == context.Canceled //nolint:errorlint // that end has no other cause
}

// merged is what is kept from now on.
func (s *switching) merged(before install.Kept) install.Kept {
	if s.envs != nil {
		before.Envs = s.envs
	}
	if s.limits != nil {
		before.Limits = s.limits
	}
	if s.definition != nil {
		before.Definition = install.Digest(*s.definition)
	}
	return before
}

func (s *switching) forward(ctx context.Context, change *install.Change, known bool) error {
	if err := change.Apply(); err != nil {
		return err
	}
	children := s.parts.Children
	children.Reload()
	if err := children.Configure(ctx, s.name, s.envs, s.limits); err != nil {
		if errors.Is(err, supervise.ErrNoChild) {
			err = failed(wire.ErrCodeDefinition, "the definition of %s is not accepted; the events say why", s.name)
		}
		return err
	}
	s.configured = true
	if !s.restart {
		return nil
	}
	begin := children.Restart
	if !known { // it has been started as it became known
		begin = children.Start
	}
	err := begin(ctx, s.name)
	if err == nil {
		err = settle(ctx, children, s.name)
	}
	if err != nil {
		return failed(wire.ErrCodeRolledBack, "%w; what was before is in force again", err)
	}
	return nil
}

// back undoes the switch. A child agent that was there is touched only if the switch has touched it.
func (s *switching) back(ctx context.Context, change *install.Change, before install.Kept, known, ran bool) error {
	err := change.Undo()
	if err == nil && s.undoFiles != nil {
		err = s.undoFiles(ctx)
	}
	if err != nil {
		return err
	}
	children := s.parts.Children
	children.Reload()
	switch {
	case !known || s.configured && (s.envs != nil || s.limits != nil):
		// What was given with the job is forgotten with the child agent.
		err = children.Remove(ctx, s.name)
		if errors.Is(err, supervise.ErrNoChild) {
			err = nil
		}
		if known && err == nil {
			err = s.bringBack(ctx, before, ran)
		}
	case s.configured && s.restart && ran:
		err = children.Restart(ctx, s.name)
	}
	return errors.Join(err, change.End())
}

// bringBack makes the child agent what it was.
func (s *switching) bringBack(ctx context.Context, before install.Kept, ran bool) error {
	children := s.parts.Children
	children.Reload()
	if err := children.Configure(ctx, s.name, before.Envs, before.Limits); err != nil {
		return err
	}
	if ran {
		return children.Start(ctx, s.name)
	}
	return children.Stop(ctx, s.name)
}
