package task

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hostler/agent/install"
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
	failure := s.forward(ctx, change)
	if failure == nil {
		return errors.Join(s.parts.Place.Keep(s.name, s.merged(before)), change.End())
	}
	if ctx.Err() != nil && context.Cause(ctx) == context.Canceled { //nolint:errorlint // the agent's own end has no other cause
		return failure // the record is there for the next start
	}
	back, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	if err := s.back(back, change, before, known, was.Status == wire.ChildRunning); err != nil {
		return errors.Join(failure, fmt.Errorf("and the way back failed: %w", err))
	}
	return failure
}

// merged is what is kept from now on.
func (s *switching) merged(before install.Kept) install.Kept {
	if s.envs != nil {
		before.Envs = s.envs
	}
	if s.limits != nil {
		before.Limits = s.limits
	}
	return before
}

func (s *switching) forward(ctx context.Context, change *install.Change) error {
	if err := change.Apply(); err != nil {
		return err
	}
	s.parts.Children.Reload()
	if _, known := find(s.parts.Children, s.name); !known {
		return failed(wire.ErrCodeDefinition, "the definition of %s is not accepted; the events say why", s.name)
	}
	if err := s.parts.Children.Configure(s.name, s.envs, s.limits); err != nil {
		return failed(wire.ErrCodeDefinition, "envs or limits cannot be used: %w", err)
	}
	if !s.restart {
		return nil
	}
	err := s.parts.Children.Restart(ctx, s.name)
	if err == nil {
		err = settle(ctx, s.parts.Children, s.name)
	}
	if err != nil {
		return failed(wire.ErrCodeRolledBack, "it did not work, and what was before is in force again: %w", err)
	}
	return nil
}

// back undoes the switch.
func (s *switching) back(ctx context.Context, change *install.Change, before install.Kept, known, ran bool) error {
	if !known {
		_ = s.parts.Children.Remove(ctx, s.name) // it may not have come so far as to be known
	}
	err := change.Undo()
	if err == nil && s.undoFiles != nil {
		err = s.undoFiles(ctx)
	}
	if err != nil {
		return err
	}
	s.parts.Children.Reload()
	if known {
		envs, limits := before.Envs, before.Limits
		if envs == nil {
			envs = map[string]string{}
		}
		if limits == nil {
			limits = &wire.Limits{}
		}
		err = s.parts.Children.Configure(s.name, envs, limits)
		if err == nil && ran {
			err = s.parts.Children.Restart(ctx, s.name)
		}
	}
	return errors.Join(err, change.End())
}
