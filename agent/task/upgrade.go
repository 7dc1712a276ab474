package task

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"hostler/agent/download"
	"hostler/agent/state"
	"hostler/agent/upgrade"
	"hostler/agent/wire"
)

// maxBinary bounds the agent's binary, in bytes.
const maxBinary = 64 << 20

// upgradeAgent replaces the agent. The action begins in the old program, goes on in the new one and ends there, or
// in the old one again.
func upgradeAgent(parts *Parts) func(context.Context, *Work) (wire.JobResult, error) {
	return func(ctx context.Context, work *Work) (wire.JobResult, error) {
		u := &upgrading{Upgrade: parts.Upgrade, downloader: parts.Downloader, job: work.Job, life: work.life}
		record, err := u.current()
		switch {
		case err != nil:
			return wire.JobResult{}, err
		case record == nil || record.Job != work.Job.ID:
			return wire.JobResult{}, u.begin(ctx)
		case record.Phase == upgrade.OnTrial:
			return u.prove(ctx, record)
		case record.Phase == upgrade.Proved:
			return u.tellSuccess(record)
		default:
			return wire.JobResult{}, u.tellRollBack(record)
		}
	}
}

// Upgrade is what an upgrade of the agent works with. All of it must be set.
type Upgrade struct {
	StateDir string
	Config   string // path of agent.ini
	Version  string // that runs
	Window   time.Duration
	Answered <-chan struct{}     // receives or is closed once a heartbeat has been answered
	Become   func(binary string) // has this process end its work and become the binary
	Verify   func(sum []byte, signature string) error
	Children func() []wire.ChildAgent
	Emit     func(wire.Event)
}

type upgrading struct {
	*Upgrade
	downloader *download.Downloader
	job        *wire.Job
	life       context.Context //nolint:containedctx // the agent's, which ends when the process becomes another
}

// current returns the record. One that says "on trial" to another binary than the one on trial is of an upgrade whose
// process could not begin anew.
func (u *upgrading) current() (*upgrade.Record, error) {
	record, err := upgrade.Read(u.StateDir)
	if err != nil || record == nil || record.Phase != upgrade.OnTrial {
		return record, err
	}
	running, err := upgrade.Checksum("/proc/self/exe")
	if err != nil || strings.EqualFold(running, record.Checksum) {
		return record, err
	}
	return record, record.RollBack(u.StateDir, "the agent could not become the new binary")
}

// begin fetches and checks, and then has the process begin anew, which becomes the new binary.
func (u *upgrading) begin(ctx context.Context) (err error) {
	sum, err := download.ParseChecksum(u.job.Checksum)
	if err != nil {
		return badJob("%w", err)
	}
	if u.job.URL == "" {
		return badJob("the URL is missing")
	}
	if err := u.Verify(sum, u.job.Signature); err != nil {
		return failed(wire.ErrCodeChecksum, "the new agent is not trusted: %w", err)
	}
	bad, err := upgrade.BadVersions(u.StateDir)
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(bad, func(b upgrade.Bad) bool { return b.Checksum == u.job.Checksum }); i >= 0 {
		return failed(wire.ErrCodeRolledBack, "version %s was tried before and did not work: %s", bad[i].Version, bad[i].Reason)
	}
	binary, err := upgrade.Binary()
	if err != nil {
		return err
	}
	fresh := upgrade.Fresh(binary)
	if err := u.fetch(ctx, fresh); err != nil {
		return errors.Join(err, os.Remove(fresh))
	}
	if err := upgrade.Selftest(ctx, fresh, u.Config, u.job.Version); err != nil {
		return errors.Join(failed(wire.ErrCodeBadPackage, "the new agent is not used: %w", err), os.Remove(fresh))
	}
	return u.try(fresh, binary)
}

func (u *upgrading) fetch(ctx context.Context, path string) (err error) {
	_ = os.Remove(path)                                                   // of an attempt that a crash cut short
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755) //nolint:gosec // a program
	if err != nil {
		return fmt.Errorf("cannot write the new agent: %w", err)
	}
	_, err = u.downloader.Get(ctx, download.Source{URL: u.job.URL, Checksum: u.job.Checksum, Most: maxBinary}, f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = state.SyncDir(filepath.Dir(path))
	}
	return err
}

// try puts the new binary, which is on the disk, on trial: first the record, then the process.
func (u *upgrading) try(fresh, binary string) error {
	record := &upgrade.Record{
		Job: u.job.ID, From: u.Version, To: u.job.Version, Checksum: u.job.Checksum, Binary: binary, Trial: fresh,
		Window: u.Window, Phase: upgrade.OnTrial,
	}
	for _, child := range u.Children() {
		if child.PID > 0 {
			record.Children = append(record.Children, upgrade.Child{Name: child.Name, PID: child.PID, Started: upgrade.StartTime(child.PID)})
		}
	}
	if err := record.Write(u.StateDir); err != nil {
		return err
	}
	return u.become(binary)
}

// become returns when the agent's work has ended; the job goes on in what the process becomes.
func (u *upgrading) become(binary string) error {
	u.Become(binary)
	<-u.life.Done()
	return context.Cause(u.life)
}

// prove ends the trial: with success once the server has answered a heartbeat and every child agent is there.
func (u *upgrading) prove(ctx context.Context, record *upgrade.Record) (wire.JobResult, error) {
	window := time.NewTimer(record.Window)
	defer window.Stop()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	answered, reason := u.Answered, "no heartbeat was answered"
	for {
		select {
		case <-ctx.Done():
			if !errors.Is(context.Cause(ctx), errCanceled) {
				return wire.JobResult{}, context.Cause(ctx)
			}
			return wire.JobResult{}, u.giveUp(record, "the server canceled it")
		case <-window.C:
			return wire.JobResult{}, u.giveUp(record, reason+" within "+record.Window.String())
		case <-answered:
			answered = nil
		case <-tick.C:
		}
		if answered != nil {
			continue
		}
		lost := u.lost(record)
		if lost == "" {
			if err := record.Prove(u.StateDir); err != nil {
				return wire.JobResult{}, err
			}
			return u.tellSuccess(record)
		}
		reason = "the child agent " + lost + " was not found again"
	}
}

// tellSuccess is done by the new binary, in the old one's place.
func (u *upgrading) tellSuccess(record *upgrade.Record) (wire.JobResult, error) {
	u.Emit(wire.Event{Kind: wire.EventAgentUpgraded, Severity: wire.SeverityInfo, Params: map[string]string{"from": record.From, "to": u.Version}})
	return wire.JobResult{Message: "success; " + record.From + " became " + u.Version}, record.Close(u.StateDir)
}

// lost names a child agent whose process lives and which the new agent does not know as its own.
func (u *upgrading) lost(record *upgrade.Record) string {
	now := u.Children()
	for _, child := range record.Children {
		lives := child.Started != "" && upgrade.StartTime(child.PID) == child.Started
		if lives && !slices.ContainsFunc(now, func(c wire.ChildAgent) bool { return c.Name == child.Name && c.PID == child.PID }) {
			return child.Name
		}
	}
	return ""
}

// giveUp has the process become the old binary again.
func (u *upgrading) giveUp(record *upgrade.Record, reason string) error {
	if err := record.RollBack(u.StateDir, reason); err != nil {
		return err
	}
	return u.become(record.Binary)
}

// tellRollBack is done by the old binary.
func (u *upgrading) tellRollBack(record *upgrade.Record) error {
	u.Emit(wire.Event{Kind: wire.EventAgentRolledBack, Severity: wire.SeverityError, Params: map[string]string{
		"from": record.From, "to": record.To, "reason": record.Reason,
	}})
	return errors.Join(failed(wire.ErrCodeRolledBack, "version %s did not work, and %s is in force again: %s", record.To, u.Version, record.Reason),
		record.Close(u.StateDir))
}
