package app

import (
	"context"
	"errors"
	"time"

	"hostler/db"
	"hostler/server/schedule"
)

const (
	// tidyBatch bounds how many rows one statement removes: whoever else writes must not wait long.
	tidyBatch = 1000
	// tidyJobs is the same for jobs: the output of one may be megabytes.
	tidyJobs = 20
	// certificatesKeep is how long certificates stay on record after their end.
	certificatesKeep = 30 * 24 * time.Hour
	// apiTokensKeep is how long API tokens are listed after their end, so that it is seen why a program is refused.
	apiTokensKeep = 30 * 24 * time.Hour
	// enrolWaitingKeep is how long a host stays in the queue that asks no more; agents ask about once a minute.
	enrolWaitingKeep = 24 * time.Hour
	// enrolTokensKeep is the same for enrolment tokens and decided requests: somebody may want to know what became of one.
	enrolTokensKeep = 7 * 24 * time.Hour
)

func (a *App) openSchedule(context.Context) error {
	s := schedule.New(a.db, a.log, db.Now)
	a.atStop("the schedule", s.Stop)
	if err := s.Add("@every 10m", "tidy", a.tidy); err != nil {
		return err
	}
	if err := s.Add("@every 5s", "jobs", func(ctx context.Context) error { return a.jobs.Sweep(ctx, a.fleet.Name) }); err != nil {
		return err
	}
	if err := s.Add("@every 1m", "mirrors", a.mirrors.RunDue); err != nil {
		return err
	}
	s.Start()
	return nil
}

// tidy removes what is too old to be of use. What it cannot finish before ctx ends it does the next time.
func (a *App) tidy(ctx context.Context) error {
	now := db.Now()
	_, sessions := a.db.DeleteExpiredSessions(ctx, now)
	_, tokens := a.db.DeleteExpiredEnrolTokens(ctx, now.Add(-enrolTokensKeep))
	_, apiTokens := a.db.DeleteExpiredAPITokens(ctx, now.Add(-apiTokensKeep))
	_, logs := a.db.DeleteLogsBefore(ctx, now.Add(-a.opts.LogKeep))
	waiting, decided := a.tidyEnrolments(ctx, now)
	events := inBatches(ctx, tidyBatch, a.db.DeleteEventsBefore, now.Add(-a.opts.EventKeep))
	certificates := inBatches(ctx, tidyBatch, a.db.DeleteCertificatesBefore, now.Add(-certificatesKeep))
	jobs := inBatches(ctx, tidyJobs, a.db.DeleteJobsBefore, now.Add(-a.opts.LogKeep))
	_, shared := a.db.DeleteOperationJobsBefore(ctx, now.Add(-a.opts.LogKeep))
	return errors.Join(sessions, tokens, waiting, decided, apiTokens, logs, events, certificates, jobs, shared, a.files.Sweep(ctx), a.repo.Sweep(ctx))
}

// tidyEnrolments forgets hosts that no longer ask for their certificate, and those that have it or were refused.
func (a *App) tidyEnrolments(ctx context.Context, now time.Time) (waiting, decided error) {
	of := func(state db.EnrolState, keep time.Duration) error {
		return inBatches(ctx, tidyBatch, func(ctx context.Context, before time.Time, limit int) (int64, error) {
			return a.db.DeleteEnrolRequestsBefore(ctx, state, before, limit)
		}, now.Add(-keep))
	}
	// A host that was off when it was signed fetches its certificate when it is on again.
	signed := max(enrolTokensKeep, a.opts.CertLife)
	return of(db.EnrolWaiting, enrolWaitingKeep), errors.Join(of(db.EnrolSigned, signed), of(db.EnrolRefused, enrolTokensKeep))
}

// inBatches removes what is from before a time, until nothing is left.
func inBatches(ctx context.Context, limit int, remove func(ctx context.Context, before time.Time, limit int) (int64, error), before time.Time) error {
	for {
		n, err := remove(ctx, before, limit)
		if err != nil || n < int64(limit) {
			return err
		}
	}
}
