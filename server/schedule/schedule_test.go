package schedule_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"hostler/db"
	"hostler/db/dbtest"
	"hostler/internal/testclock"
	"hostler/server/schedule"
)

func TestOnlyTheHolderRuns(t *testing.T) {
	d, c := dbtest.Open(t), testclock.New(db.Now())
	log := slog.New(slog.DiscardHandler)
	a, b := schedule.New(d, log, c.Now), schedule.New(d, log, c.Now)
	var ran string
	do := func(s *schedule.Scheduler, name string) bool {
		return s.Do(t.Context(), name, func(context.Context) error { ran += name; return nil })
	}
	for i, step := range []struct {
		wait   time.Duration
		s      *schedule.Scheduler
		name   string
		reason string
		want   bool
	}{
		{0, a, "a", "a free lease", true},
		{0, b, "b", "a lease of another", false},
		{59 * time.Second, b, "b", "a lease that has not ended", false},
		{0, a, "a", "its own lease, which begins again", true},
		{59 * time.Second, b, "b", "a lease that was kept", false},
		{time.Second, b, "b", "a lease that ended", true},
		{0, a, "a", "a lease that was lost", false},
		{time.Minute, a, "a", "a lease that ended in turn", true},
	} {
		c.Advance(step.wait)
		if got := do(step.s, step.name); got != step.want {
			t.Errorf("step %d, %s: ran %t", i, step.reason, got)
		}
	}
	if ran != "aaba" {
		t.Errorf("ran %q", ran)
	}
}

func TestOneOfManyRuns(t *testing.T) {
	d, c := dbtest.Open(t), testclock.New(db.Now())
	var wg sync.WaitGroup
	ran := make(chan bool, 5)
	for range cap(ran) {
		s := schedule.New(d, slog.New(slog.DiscardHandler), c.Now)
		wg.Go(func() { ran <- s.Do(t.Context(), "tidy", func(context.Context) error { return nil }) })
	}
	wg.Wait()
	n := 0
	for range cap(ran) {
		if <-ran {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d of five servers ran the same task", n)
	}
}

func TestFailuresAreLogged(t *testing.T) {
	var log strings.Builder
	c := testclock.New(db.Now())
	logger := slog.New(slog.NewTextHandler(&log, nil))
	if !schedule.New(dbtest.Open(t), logger, c.Now).Do(t.Context(), "tidy", func(context.Context) error { return errors.New("no broom") }) {
		t.Error("a task that fails counts as not run")
	}
	if got := log.String(); !strings.Contains(got, "task=tidy") || !strings.Contains(got, "no broom") {
		t.Errorf("logged %q", got)
	}
	log.Reset()
	empty := dbtest.OpenURL(t, dbtest.URL(t))
	if schedule.New(empty, logger, c.Now).Do(t.Context(), "tidy", func(context.Context) error { t.Error("ran without a lease"); return nil }) {
		t.Error("a task counts as run without a lease")
	}
	if !strings.Contains(log.String(), "lease") {
		t.Errorf("logged %q", log.String())
	}
}

func TestAddAndStop(t *testing.T) {
	s := schedule.New(dbtest.Open(t), slog.New(slog.DiscardHandler), db.Now)
	if err := s.Add("now and then", "tidy", nil); err == nil || !strings.Contains(err.Error(), `cannot schedule tidy at "now and then"`) {
		t.Errorf("got %v", err)
	}
	running, ended := make(chan struct{}, 10), make(chan struct{}, 10)
	if err := s.Add("@every 1s", "tidy", func(ctx context.Context) error {
		if _, limited := ctx.Deadline(); !limited {
			t.Error("a task may run without end")
		}
		running <- struct{}{}
		<-ctx.Done()
		ended <- struct{}{}
		return ctx.Err()
	}); err != nil {
		t.Fatal(err)
	}
	s.Start()
	select {
	case <-running:
	case <-time.After(time.Minute):
		t.Fatal("the task did not run")
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if len(ended) == 0 {
		t.Error("Stop did not wait for what ran")
	}
}

func TestStopGivesUp(t *testing.T) {
	s := schedule.New(dbtest.Open(t), slog.New(slog.DiscardHandler), db.Now)
	running, end := make(chan struct{}, 10), make(chan struct{})
	defer close(end)
	if err := s.Add("@every 1s", "deaf", func(context.Context) error { running <- struct{}{}; <-end; return nil }); err != nil {
		t.Fatal(err)
	}
	s.Start()
	<-running
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Stop(impatient); !errors.Is(err, context.Canceled) {
		t.Errorf("Stop waited for a task that hears nothing: %v", err)
	}
}
