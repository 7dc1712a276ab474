// Package schedule runs what is due from time to time. Of several servers on one database only the holder of
// a lease runs it; the lease's fence grows with every change of holder.
package schedule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/robfig/cron/v3"

	"hostler/db"
)

const (
	leaseName     = "schedule"
	leaseLifetime = time.Minute
)

// Scheduler runs tasks at times given in cron's notation, in UTC.
type Scheduler struct {
	db     *db.DB
	log    *slog.Logger
	now    func() time.Time
	holder string
	cron   *cron.Cron
	ctx    context.Context // of what cron runs; ends with Stop
	cancel context.CancelFunc
}

// New returns a scheduler with nothing to do.
func New(d *db.DB, log *slog.Logger, now func() time.Time) *Scheduler {
	ctx, cancel := context.WithCancel(context.Background())
	return &Scheduler{
		db: d, log: log, now: now, holder: uuid.NewString(), ctx: ctx, cancel: cancel,
		cron: cron.New(cron.WithLocation(time.UTC), cron.WithChain(cron.SkipIfStillRunning(cron.DiscardLogger))),
	}
}

// Add runs do whenever spec ("@every 10m", "15 3 * * *") says so, if this server holds the lease. do's context ends
// with Stop, or with the lease: another server may begin then.
func (s *Scheduler) Add(spec, name string, do func(ctx context.Context) error) error {
	_, err := s.cron.AddFunc(spec, func() { s.Do(s.ctx, name, do) })
	if err != nil {
		return fmt.Errorf("cannot schedule %s at %q: %w", name, spec, err)
	}
	return nil
}

// Do runs do now if this server holds the lease, and reports whether it did.
func (s *Scheduler) Do(ctx context.Context, name string, do func(ctx context.Context) error) bool {
	now := s.now()
	_, owned, err := s.db.TakeLease(ctx, leaseName, s.holder, now, now.Add(leaseLifetime))
	if err != nil {
		s.log.Error("cannot take the schedule's lease", "task", name, "err", err)
		return false
	}
	if !owned {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, leaseLifetime)
	defer cancel()
	// What Stop interrupted goes on when its time comes again.
	if err := do(ctx); err != nil && !errors.Is(ctx.Err(), context.Canceled) {
		s.log.Error("a scheduled task failed", "task", name, "err", err)
	}
	return true
}

// Start begins to run what was added.
func (s *Scheduler) Start() { s.cron.Start() }

// Stop interrupts what runs and waits for it, until ctx ends.
func (s *Scheduler) Stop(ctx context.Context) error {
	s.cancel()
	select {
	case <-s.cron.Stop().Done():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
