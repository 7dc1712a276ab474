package task

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"hostler/agent/cgroup"
	"hostler/agent/supervise"
	"hostler/agent/wire"
)

const (
	// childTimeout bounds the jobs that start and stop child agents.
	childTimeout = 5 * time.Minute
	// settleTime is how long a child agent has to run without interruption to count as started.
	settleTime = 2 * time.Second
	// settleLook is how often that is looked at.
	settleLook = 100 * time.Millisecond
	// Bounds of Log.Bytes, and what 0 means.
	defaultLog = 64 << 10
	maxLog     = 4 << 20
)

// find returns a child agent as it is now.
func find(s *supervise.Supervisor, name string) (wire.ChildAgent, bool) {
	children := s.Children()
	i := slices.IndexFunc(children, func(c wire.ChildAgent) bool { return c.Name == name })
	if i < 0 {
		return wire.ChildAgent{}, false
	}
	return children[i], true
}

// ofChild is an action on a child agent that there is.
func ofChild(parts *Parts, do func(ctx context.Context, work *Work, child wire.ChildAgent) error) func(context.Context, *Work) (wire.JobResult, error) {
	return func(ctx context.Context, work *Work) (wire.JobResult, error) {
		name := work.Job.Name
		if !wire.IsChildName(name) {
			return wire.JobResult{}, badJob("%.80q cannot be a child agent's name", name)
		}
		child, known := find(parts.Children, name)
		if !known {
			return wire.JobResult{}, failed(wire.ErrCodeNoChild, "there is no child agent %s", name)
		}
		return wire.JobResult{}, do(ctx, work, child)
	}
}

func startChild(parts *Parts) func(context.Context, *Work) (wire.JobResult, error) {
	return ofChild(parts, func(ctx context.Context, work *Work, _ wire.ChildAgent) error {
		if err := parts.Children.Start(ctx, work.Job.Name); err != nil {
			return err
		}
		return settle(ctx, parts.Children, work.Job.Name)
	})
}

func stopChild(parts *Parts) func(context.Context, *Work) (wire.JobResult, error) {
	return ofChild(parts, func(ctx context.Context, work *Work, _ wire.ChildAgent) error {
		return parts.Children.Stop(ctx, work.Job.Name)
	})
}

// restartChild, begun before a crash, makes sure that the child agent runs, and does not restart it once more.
func restartChild(parts *Parts) func(context.Context, *Work) (wire.JobResult, error) {
	return ofChild(parts, func(ctx context.Context, work *Work, _ wire.ChildAgent) error {
		do := parts.Children.Restart
		if work.Again {
			do = parts.Children.Start
		}
		if err := do(ctx, work.Job.Name); err != nil {
			return err
		}
		return settle(ctx, parts.Children, work.Job.Name)
	})
}

// settle waits until a child agent is ready and has run for a while. It returns why it does not.
func settle(ctx context.Context, s *supervise.Supervisor, name string) error {
	if err := s.AwaitReady(ctx, name); err != nil {
		return err
	}
	first, _ := find(s, name)
	tick := time.NewTicker(settleLook)
	defer tick.Stop()
	for began := time.Now(); time.Since(began) < settleTime; {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
		now, _ := find(s, name)
		if now.Status != wire.ChildRunning || now.PID != first.PID {
			return fmt.Errorf("%s does not stay up%s", name, why(now))
		}
	}
	return nil
}

func why(child wire.ChildAgent) string {
	if child.Reason == "" {
		return ""
	}
	return " (" + child.Reason + ")"
}

// configureChild changes a child agent. One that runs is started anew if its definition or its envs have changed,
// and everything is as it was before if it does not come up then.
func configureChild(parts *Parts) func(context.Context, *Work) (wire.JobResult, error) {
	return ofChild(parts, func(ctx context.Context, work *Work, child wire.ChildAgent) error {
		job := work.Job
		if job.Envs == nil && job.Limits == nil && job.Definition == "" {
			return badJob("it sets neither envs nor limits nor a definition")
		}
		if err := checkEnvs(job.Envs); err != nil {
			return err
		}
		if _, err := cgroup.Parse(job.Limits); err != nil {
			return failed(wire.ErrCodeDefinition, "the limits cannot be used: %w", err)
		}
		s := &switching{parts: parts, name: job.Name, envs: job.Envs, limits: job.Limits}
		if job.Definition != "" {
			if err := checkDefinition(job.Name, job.Definition); err != nil {
				return err
			}
			s.definition = &job.Definition
		}
		s.restart = child.Status == wire.ChildRunning && (s.definition != nil || job.Envs != nil)
		return s.do(ctx)
	})
}

// checkDefinition refuses what the supervisor would, before anything is changed.
func checkDefinition(name, text string) error {
	d, err := supervise.ParseDefinition(name+".ini", []byte(text))
	if err != nil {
		return failed(wire.ErrCodeDefinition, "%w", err)
	}
	if d.Name != name {
		return failed(wire.ErrCodeDefinition, "the definition names %.80q, not %q", d.Name, name)
	}
	return nil
}

// logChild sends the end of a child agent's log as if a command had written it.
func logChild(parts *Parts) func(context.Context, *Work) (wire.JobResult, error) {
	return func(ctx context.Context, work *Work) (wire.JobResult, error) {
		var result wire.JobResult
		_, err := ofChild(parts, func(_ context.Context, work *Work, _ wire.ChildAgent) error {
			ask := work.Job.Log
			if ask == nil || ask.Stream != wire.Stdout && ask.Stream != wire.Stderr {
				return badJob("log.stream must be stdout or stderr")
			}
			if ask.Bytes < 0 || ask.Bytes > maxLog {
				return badJob("log.bytes must be up to %d", maxLog)
			}
			text, err := endOf(parts.Children.LogPath(work.Job.Name, ask.Stream), ask.Bytes)
			if err != nil {
				return err
			}
			if ask.Stream == wire.Stdout {
				result.Stdout = int64(len(text))
			} else {
				result.Stderr = int64(len(text))
			}
			return work.Keep(ask.Stream, text)
		})(ctx, work)
		return result, err
	}
}

// endOf reads the end of a file; one that is not there has none.
func endOf(path string, most int64) ([]byte, error) {
	if most == 0 {
		most = defaultLog
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the log: %w", err)
	}
	defer func() { _ = f.Close() }() // only read
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("cannot read the log: %w", err)
	}
	from := max(0, info.Size()-most)
	text, err := io.ReadAll(io.NewSectionReader(f, from, info.Size()-from))
	if err != nil {
		return nil, fmt.Errorf("cannot read the log: %w", err)
	}
	return text, nil
}
